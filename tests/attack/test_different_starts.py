"""Attacks the law that one tenant's file takes nothing down: pipelines of one job that have different days.

One pipeline began on Thursday in Seoul, another on Friday in UTC, a third is a whole table. A job, a schedule and
a back-fill of all of them work; each pipeline takes the days that it has.
"""

import copy
from datetime import date
from typing import Any

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS, ORDERS, laid_over

LATE: dict[str, Any] = laid_over(
    ORDERS,
    {
        "has_transfer": False,
        "partitions": {"start": DAYS[1], "end": DAYS[2], "timezone": "UTC"},
        "trino_output": {"target_table": "late"},
        "quality": None,
    },
)
WHOLE: dict[str, Any] = {
    "source_table": "orders",
    "save_to_trino": True,
    "trino_output": {"target_table": "whole", "target_schema": "shop", "mode": "replace"},
}


@pytest.fixture
def target(target: Target) -> Target:
    target.project.write_tenant({"assets": {"pipelines": {"late": LATE, "whole": WHOLE}}})
    return target


def days_of(target: Target, pipeline: str, stage: str = "extract") -> list[str]:
    folder = target.project.data / "lake" / "acme" / stage / pipeline
    return sorted(path.name.removeprefix("dt=") for path in folder.glob("dt=*"))


def test_the_location_loads(target: Target) -> None:
    said = target.etl("check", "acme")
    assert said.code == 0, said.text


@pytest.mark.slow
def test_each_pipeline_takes_the_days_that_it_has(target: Target) -> None:
    said = target.etl("run", "acme", "--job", "daily_etl", "--from", DAYS[0], "--to", DAYS[2])
    assert said.code == 0, said.text
    assert days_of(target, "orders", "transfer") == list(DAYS)
    assert days_of(target, "late") == list(DAYS[1:])
    assert target.warehouse("SELECT count(*) FROM shop.orders") == [(60,)]
    assert target.warehouse("SELECT count(*) FROM shop.whole") == [(60,)]
    assert target.etl("verify", "acme").code == 0
    # days that no pipeline has are refused, and nothing is started
    said = target.etl("run", "acme", "--from", DAYS[2], "--to", "2026-01-04")
    assert said.code == 2
    assert "no day 2026-01-04" in said.text
    assert "from 2026-01-01 to 2026-01-03" in said.text


@pytest.mark.slow
def test_a_run_that_fails_does_not_keep_the_runs_of_other_days_from_being_started(target: Target) -> None:
    target.project.write_transform("def orders(frame):\n    raise ValueError('broken')\n")
    said = target.etl("run", "acme", "--job", "daily_etl", "--from", DAYS[0], "--to", DAYS[2])
    assert said.code == 1, said.text
    assert "2 of 2 runs did not succeed" in said.text
    assert days_of(target, "late") == list(DAYS[1:])


@pytest.mark.slow
def test_no_day_named_means_the_newest_of_all(target: Target) -> None:
    said = target.etl("run", "acme", "--job", "daily_etl")
    assert said.code == 0, said.text
    assert days_of(target, "orders") == days_of(target, "late") == [DAYS[2]]


@pytest.mark.slow
def test_dagsters_own_ways_into_such_a_job(target: Target) -> None:
    """A day that all have is a partition of the job; a day that one lacks is refused by name, never dropped."""
    module = ("-m", "tenants.acme.definitions", "-a", "defs")
    said = target.dagster(
        "job", "execute", *module, "-j", "acme_daily_etl", "--tags", f'{{"dagster/partition": "{DAYS[1]}"}}'
    )
    assert said.code == 0, said.text
    assert days_of(target, "orders") == days_of(target, "late") == [DAYS[1]]
    said = target.dagster(
        "job", "execute", *module, "-j", "acme_daily_etl", "--tags", f'{{"dagster/partition": "{DAYS[0]}"}}'
    )
    assert said.code != 0
    assert days_of(target, "late") == [DAYS[1]]


def test_an_input_that_lacks_days_is_refused_with_its_line(target: Target) -> None:
    """A day of `joined` cannot be made where its input has none: known when the configuration is read."""
    joined = copy.deepcopy(ORDERS) | {"transfer_inputs": ["orders", "late"]}
    joined["trino_output"]["target_table"] = "joined"
    target.project.write_tenant({"assets": {"pipelines": {"late": LATE, "joined": joined}}})
    target.project.write_transform("def joined(orders, late):\n    return orders\n", "joined")
    said = target.etl("check", "acme")
    assert said.code != 0
    assert "`late`" in said.text
    assert DAYS[1] in said.text
    assert "config.yaml:" in said.text


def test_the_days_of_the_test_are_days() -> None:
    assert [date.fromisoformat(each).isoweekday() for each in DAYS] == [4, 5, 6]
