"""A deadline reads what a schedule reads; what nothing measured is not on track."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.attack.target import Target
from tests.tiny_project import DAYS

CRONS = [
    "0 9 L * *",
    "0 9 15,L * *",
    "0 9 ? * MON-FRI",
    "0 9 1 JAN-MAR ?",
    "0 9 * * FRI#2",
    "0 9 * * L5",
    "0 9 * * fri-mon",
    "*/15 8-18 * * 1-5",
    "@daily",
    "@Monthly",
]
REFUSED = {
    "0 9 15W * *": "is no day of month",
    "0 9-9 * * *": "Dagster reads it as all of them",
    "0 9 1 * FRI#2": "Dagster would leave them out",
    "R 9 * * *": "is no minute",
    "0 9 * * * *": "five fields",
}


def pipelines(crons: Iterable[str]) -> dict[str, Any]:
    """A whole table for each deadline."""
    return {
        f"p{n}": {"source_table": "orders", "sla": {"freshness": {"deadline": cron}}} for n, cron in enumerate(crons)
    }


def jobs(crons: Iterable[str]) -> dict[str, Any]:
    return {f"j{n}": {"schedule": {"cron": cron, "timezone": "Asia/Seoul"}} for n, cron in enumerate(crons)}


def test_every_cron_that_dagster_accepts_is_a_schedule_and_a_deadline(target: Target) -> None:
    target.project.write_tenant({"assets": {"pipelines": pipelines(CRONS)}, "jobs": jobs(CRONS)})
    said = target.dagster("definitions", "validate", "-m", "tenants.acme.definitions")
    assert said.code == 0, said.text


def test_a_cron_that_means_something_else_is_refused_in_both_places(target: Target) -> None:
    target.project.write_tenant({"assets": {"pipelines": pipelines(REFUSED)}, "jobs": jobs(REFUSED)})
    said = target.checked("acme")
    assert said.code == 2, said.text
    for n, says in enumerate(REFUSED.values()):
        for where in (f"(assets.pipelines.p{n}.sla.freshness.deadline)", f"(jobs.j{n}.schedule.cron)"):
            (line,) = [each for each in said.text.splitlines() if where in each]
            assert says in line
            assert "tenants/acme/config.yaml:" in line


@pytest.mark.slow
def test_what_a_run_did_not_measure_stays_unmeasured(target: Target) -> None:
    target.project.write_pipeline(
        {"quality": None, "sla": {"max_failure_rate": 0.1, "min_row_count": 1, "max_consecutive_failures": 3}}
    )
    target.run_days(DAYS[-1])
    said = target.etl("sla", "status")
    assert said.code == 3, "no rule was judged, so the rate of failed checks is not known"
    lines = {
        promise: line
        for line in said.out.splitlines()
        for promise in ("failure_rate", "min_row_count")
        if promise in line
    }
    assert "unmeasured" in lines["failure_rate"]
    assert "on track" in lines["min_row_count"]
