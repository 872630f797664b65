"""Models by microbatch: a run of some days builds the batches of these days, no more and no less."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterInstance

from tests.dbt.projects import SHOP, Run, definitions, inside, rows, run, write_dbt
from tests.tiny_project import DAYS, TinyProject, make_project

CONFIG = (
    "materialized='incremental', incremental_strategy='microbatch', begin='2026-01-01', batch_size='day', lookback=1"
)
FILES = {
    "models/staging/sources.yml": SHOP["models/staging/sources.yml"],
    "models/staging/stg_orders.sql": SHOP["models/staging/stg_orders.sql"],
    "models/staging/staging.yml": "version: 2\nmodels: [{name: stg_orders, config: {event_time: order_date}}]",
    "models/marts/by_batch.sql": "{{ config(event_time='order_date', " + CONFIG + ") }}\n"
    "select order_date, case when amount < 0 then error('a negative amount') else amount end as amount"
    " from {{ ref('stg_orders') }}",
    # Neither of these is a microbatch model: dbt's limits of event times are nothing to them.
    "models/marts/by_day.sql": SHOP["models/marts/by_day.sql"],
    "models/marts/by_key.sql": "{{ config(materialized='incremental', unique_key='order_id', event_time='order_date') }}"
    "select order_id, order_date from {{ ref('stg_orders') }}",
}
WHOLE = 20 * 19 / 2 + 20 * 0.25
"""The amounts of a day of the tiny source."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    made = make_project(tmp_path_factory.mktemp("microbatch"), {"dbt": {"enabled": True}})
    write_dbt(made, FILES)
    with inside(made):
        yield made


@pytest.fixture(scope="module")
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as found:
        yield found


def change(project: TinyProject, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(project.source)) as connection, connection:
        connection.execute(sql)


def build(project: TinyProject, instance: DagsterInstance, first: str, last: str) -> Run:
    return run(definitions("acme"), "acme_all", instance, (first, last))


def amounts(project: TinyProject, model: str = "by_batch") -> list[tuple[Any, ...]]:
    counted = "sum(orders)" if model == "by_day" else "count(*)"
    sql = f"SELECT CAST(order_date AS VARCHAR), {counted}, sum(amount) FROM dbt.{model} GROUP BY 1 ORDER BY 1"
    return rows(project, sql)


@pytest.mark.slow
def test_a_day_that_is_run_again_is_replaced_and_no_other_and_a_failed_batch_comes_back(
    project: TinyProject, instance: DagsterInstance
) -> None:
    one, two, three = DAYS
    assert build(project, instance, one, three).result.success
    assert amounts(project) == [(day, 20, WHOLE) for day in DAYS]

    change(project, f"UPDATE orders SET amount = amount + 1000 WHERE created_at LIKE '{two}%'")
    change(project, f"UPDATE orders SET amount = amount + 5 WHERE created_at LIKE '{three}%'")
    done = build(project, instance, two, two)
    assert done.result.success
    again = [(one, 20, WHOLE), (two, 20, WHOLE + 20_000), (three, 20, WHOLE)]
    assert amounts(project) == again
    assert amounts(project, "by_day") == again
    assert rows(project, "SELECT count(*) FROM dbt.by_key") == [(60,)]

    change(project, f"UPDATE orders SET amount = -amount - 1 WHERE created_at LIKE '{two}%'")
    done = build(project, instance, one, three)
    assert not done.result.success
    failure = next(each for each in done.result.all_events if each.is_step_failure and "dbt" in str(each.step_key))
    assert "by_batch: partial success: PARTIAL SUCCESS (2/3)" in str(failure.step_failure_data.error)
    assert "acme/dbt/by_batch" not in done.materialized
    assert amounts(project) == [(one, 20, WHOLE), (two, 20, WHOLE + 20_000), (three, 20, WHOLE + 100)]

    change(project, f"UPDATE orders SET amount = 7 WHERE created_at LIKE '{two}%'")
    assert build(project, instance, two, two).result.success
    assert amounts(project) == [(one, 20, WHOLE), (two, 20, 140), (three, 20, WHOLE + 100)]


@pytest.mark.slow
def test_instants_of_a_pipeline_in_another_zone_are_no_days_of_dbt(
    project: TinyProject, instance: DagsterInstance
) -> None:
    """The days of the tiny pipeline are those of Seoul; dbt cuts instants at midnight in UTC."""
    sql = (
        "{{ config(event_time='at', "
        + CONFIG
        + ") }} select order_date::timestamptz as at from {{ ref('stg_orders') }}"
    )
    write_dbt(project, {"models/marts/by_batch.sql": None, "models/marts/by_instant.sql": sql})
    done = build(project, instance, DAYS[0], DAYS[0])
    assert not done.result.success
    failure = next(each for each in done.result.all_events if each.is_step_failure)
    said = str(failure.step_failure_data.error)
    assert "by_instant: `event_time` is the column at, which holds instants" in said
    assert "cast(at at time zone 'Asia/Seoul' as date)" in said
