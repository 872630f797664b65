"""What the event log says of rules beyond the matrix: metadata, ranges, resumed runs, stages of their own, blocked days."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    ExecuteInProcessResult,
)

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.errors import ConfigError
from etl.quality.engines.polars import PolarsEngine
from etl.settings import load_settings
from tests.factories.test_quality_matrix import (
    DAY,
    LOAD,
    NO_RULES,
    QUARANTINE,
    RULES,
    TRANSFER,
    execute,
    fail,
    rows,
    spoil,
)
from tests.tiny_project import ROWS_PER_DAY, TinyProject, make_project

EXTRACT = AssetKey(["acme", "extract", "orders"])
REJECTED_BY_EXTRACT = AssetKey(["acme", "quarantine", "orders__extract"])
RANGE = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
RUN = """
import sys, warnings
warnings.simplefilter("ignore")
from dagster import DagsterInstance
from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings
tags = dict(each.split("=") for each in sys.argv[1:])
with DagsterInstance.get() as instance:
    job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
    assert job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def judge(project: TinyProject, rules: list[dict[str, Any]], **quality: Any) -> Path:
    return project.write_pipeline({"quality": {"engine": "polars", "rules": rules, **quality}, "volume": "off"})


def checks(result: ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata by check that is a rule: `volume` and `undated` of each extract are none."""
    found = {}
    for event in result.all_events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            data = event.asset_check_evaluation_data
            if data.check_name in NO_RULES:
                continue
            found[data.check_name] = {key: each.value for key, each in data.metadata.items()}
    return found


def step_metadata(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    event = next(e for e in result.get_asset_materialization_events() if e.asset_key == key)
    return {name: each.value for name, each in event.materialization.metadata.items()}


def run_range(instance: DagsterInstance) -> ExecuteInProcessResult:
    job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
    return job.execute_in_process(instance=instance, raise_on_error=False, tags=RANGE)


def test_a_check_carries_everything_that_is_promised(project: TinyProject) -> None:
    rules = [
        {"column": "amount", "type": "in_range", "min": 0, "mostly": 0.9},
        {"type": "row_count", "min": 1},
        {"column": "order_id", "type": "not_null"},
    ]
    path = judge(project, rules, on_failure="quarantine")
    spoil(
        project,
        f"UPDATE orders SET amount = -1 WHERE created_at LIKE '{DAY}%' AND order_id < 204",
        "UPDATE orders SET order_id = NULL WHERE order_id = 210",
    )
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
    found = checks(got.result)
    lines = path.read_text().splitlines()
    for name, line in (
        ("in_range__amount", "in_range"),
        ("row_count", "row_count"),
        ("not_null__order_id", "not_null"),
    ):
        number = int(found[name].pop("yaml").removeprefix("acme/config.yaml:"))
        assert line in lines[number - 1] + lines[number]
    assert len({found[name].pop("rule_digest") for name in found}) == len(found)
    share = {"failed": 4, "total": 20, "failure_rate": 0.2, "pass_rate": 0.8, "threshold": 0.9}
    counts = {"rows_quarantined": 5, "rows_published": 15, "partition": DAY, "engine": "polars"}
    assert "| 200 |" in found["in_range__amount"].pop("sample")
    asked = {
        "asked": "in_range of `amount` (min 0, mostly 0.9)",
        "columns": "amount",
        "see_rejected_rows": f"etl quarantine show acme orders --partition {DAY}",
    }
    assert found["in_range__amount"] == {"status": "failed", **share, **counts, **asked}
    whole = {"failed": 0, "total": 1, "failure_rate": 0.0, "pass_rate": 1.0, "threshold": {"min": 1}, "actual": 15.0}
    assert found["row_count"] == {
        "status": "passed",
        **whole,
        **counts,
        "asked": "row_count (min 1)",
    }  # judged over what is published
    assert (got.published, got.rejected) == (15, 5)


def test_what_nobody_could_judge_draws_no_rate(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    judge(project, RULES, on_failure="warn")
    monkeypatch.setattr(PolarsEngine, "judge", fail)
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
    for metadata in checks(got.result).values():
        assert metadata["status"] == "error"
        assert not {"failed", "total", "failure_rate", "pass_rate"} & set(metadata)


def test_rows_that_are_set_aside_do_not_let_an_empty_partition_pass_for_a_full_one(project: TinyProject) -> None:
    judge(project, [{"column": "amount", "type": "in_range", "max": -1}, {"type": "row_count", "min": 1}])
    with DagsterInstance.ephemeral() as instance:
        judge(project, RULES, on_failure="quarantine")
        before = execute(project, instance, partition=DAY)
        rules = [{"column": "amount", "type": "in_range", "max": -1}, {"type": "row_count", "min": 1}]
        judge(project, rules, on_failure="quarantine")
        got = execute(project, instance, partition=DAY)
    assert (before.published, before.loaded) == (ROWS_PER_DAY, ROWS_PER_DAY)
    assert got.evaluations["row_count"][:2] == (False, "ERROR")
    assert not got.result.success
    assert TRANSFER not in got.materialized
    assert (got.published, got.rejected, got.loaded) == (ROWS_PER_DAY, None, ROWS_PER_DAY)
    assert "rows_published" not in checks(got.result)["in_range__amount"]


def test_the_good_days_of_a_range_show_their_rejected_rows_although_another_is_blocked(project: TinyProject) -> None:
    judge(
        project, [{"column": "amount", "type": "in_range", "max": 16}], on_failure="quarantine", max_quarantine_rate=0.3
    )
    spoil(project, "UPDATE orders SET amount = 100 WHERE order_id BETWEEN 200 AND 210")
    with DagsterInstance.ephemeral() as instance:
        result = run_range(instance)
        assert not result.success
        for key in (TRANSFER, QUARANTINE):
            assert instance.get_materialized_partitions(key) == {"2026-01-01", "2026-01-03"}
        assert instance.get_materialized_partitions(LOAD) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "resumed"), [("transfer.audited@2", 1), ("transfer.published@2", 1), ("transfer.audited", 0)]
)
def test_a_range_that_was_killed_and_repeated_has_one_evaluation_that_counts_for_each_day(
    project: TinyProject, point: str, resumed: int
) -> None:
    tags = [f"{key}={value}" for key, value in RANGE.items()]
    killed = subprocess.run(
        [sys.executable, "-c", RUN, *tags], env={**project.process_environ, "ETL_FAULT": f"{point}=kill"}, check=False
    )
    assert killed.returncode == -9
    subprocess.run([sys.executable, "-c", RUN, *tags], env=project.process_environ, check=True)
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        (last, dead) = (each.run_id for each in instance.get_runs())
        for rule in ("not_null__order_id", "unique__order_id"):
            records = instance.event_log_storage.get_asset_check_execution_history(AssetCheckKey(TRANSFER, rule), 50)
            newest: dict[str, Any] = {}
            for each in records:  # the newest first
                newest.setdefault(str(each.partition), each)
            assert {day: (each.run_id, each.status.value) for day, each in newest.items()} == dict.fromkeys(
                ("2026-01-01", "2026-01-02", "2026-01-03"), (last, "SUCCEEDED")
            )
            told = [
                each.event.dagster_event.asset_check_evaluation_data.metadata["judged_by_run"].value
                for each in newest.values()
                if "judged_by_run" in each.event.dagster_event.asset_check_evaluation_data.metadata
            ]
            assert told == [dead] * resumed
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        assert rows(project.data / f"lake/acme/transfer/orders/dt={day}/data.parquet") == ROWS_PER_DAY
    assert project.leftovers() == []


def test_what_an_extract_rejects_is_an_asset_beside_what_its_transfer_rejects(project: TinyProject) -> None:
    rules = [
        {"column": "amount", "type": "in_range", "max": 15, "stage": "extract"},
        {"column": "cents", "type": "in_range", "min": 300},
    ]
    judge(project, rules, on_failure="quarantine")
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
    assert got.result.success
    assert {EXTRACT, REJECTED_BY_EXTRACT, TRANSFER, QUARANTINE, LOAD} == got.materialized
    (aside,) = (project.data / f"lake/acme/extract_quarantine/orders/dt={DAY}").glob("*.parquet")
    assert rows(aside) == 5
    assert step_metadata(got.result, REJECTED_BY_EXTRACT)["dagster/partition_row_count"] == 5
    assert step_metadata(got.result, QUARANTINE)["dagster/partition_row_count"] == 3
    assert got.loaded == ROWS_PER_DAY - 5 - 3


@pytest.mark.parametrize("on_failure", ["block", "quarantine", "warn"])
def test_a_rule_of_the_load_is_judged_before_the_warehouse_is_touched(project: TinyProject, on_failure: str) -> None:
    rule = {"column": "amount", "type": "in_range", "min": 0, "stage": "load"}
    judge(project, [rule], on_failure=on_failure)
    with DagsterInstance.ephemeral() as instance:
        assert execute(project, instance, partition=DAY).loaded == ROWS_PER_DAY
        spoil(project, "UPDATE orders SET amount = -7 WHERE order_id = 203")
        got = execute(project, instance, partition=DAY)
    stopped = on_failure != "warn"  # a load sets nothing aside: the rows are published already
    assert got.result.success is not stopped
    assert got.evaluations["in_range__amount"][:3] == (False, "ERROR" if stopped else "WARN", DAY)
    assert TRANSFER in got.materialized
    assert (LOAD in got.materialized) is not stopped
    assert got.rejected is None


def test_a_transfer_by_itself_says_whose_extract_it_read(project: TinyProject) -> None:
    judge(project, [{"column": "amount", "type": "in_range", "min": 0, "stage": "extract"}])
    with DagsterInstance.ephemeral() as instance:
        first = execute(project, instance, partition=DAY)
        spoil(project, "UPDATE orders SET amount = -7 WHERE order_id = 203")
        second = execute(project, instance, partition=DAY)
        assert EXTRACT not in second.materialized
        third = execute(project, instance, partition=DAY, only=TRANSFER)
    assert third.result.success
    assert step_metadata(third.result, TRANSFER)["from_run"] == first.result.run_id


@pytest.mark.parametrize("name", ["sla", "reconciled", *NO_RULES])
def test_a_rule_called_like_another_check_is_refused_with_its_line(project: TinyProject, name: str) -> None:
    path = judge(project, [{"column": "order_id", "type": "not_null", "name": name, "stage": "load"}])
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "column: order_id" in text)
    with pytest.raises(ConfigError, match=f"config.yaml:{line}: a rule of `orders` is called `{name}`"):
        definitions_of(load_tenant("acme", load_settings()))


@pytest.mark.parametrize(
    "body",
    [
        "return orders.with_columns(pl.col('name').str.to_integer())",
        "return orders.with_columns(number=pl.Series([int(each) for each in orders.collect()['name']]))",
    ],
)
def test_a_transform_that_fails_over_a_personal_value_does_not_quote_it(project: TinyProject, body: str) -> None:
    project.write_pipeline({"pii_columns": ["name"], "quality": {"rules": []}})
    project.write_transform(f"import polars as pl\n\n\ndef orders(orders):\n    {body}\n")
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
        text = "".join(str(each) for each in instance.all_logs(got.result.run_id))
    assert not got.result.success
    assert "the transform `orders`" in text
    assert "이름" not in text


def test_what_was_measured_of_a_personal_column_is_not_shown(project: TinyProject) -> None:
    rules = [{"column": "amount", "type": "sum_between", "min": 98765}, {"column": "amount", "type": "mean_between"}]
    rules[1]["min"] = 0
    project.write_pipeline(
        {"pii_columns": ["amount"], "quality": {"engine": "polars", "on_failure": "warn", "rules": rules}}
    )
    with DagsterInstance.ephemeral() as instance:
        got = execute(project, instance, partition=DAY)
    told = [
        (event.asset_check_evaluation_data.description, "actual" in event.asset_check_evaluation_data.metadata)
        for event in got.result.all_events
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        and event.asset_check_evaluation_data.check_name not in NO_RULES
    ]
    hidden = "what was measured is personal and not shown"
    assert told == [
        (f"sum_between__amount failed: {hidden}: sum_between of `amount` (min 98765)", False),
        (f"mean_between of `amount` (min 0): {hidden}", False),
    ]
