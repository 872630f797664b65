"""`SLAResource`: thresholds, and failures in a row over runs, instances and processes."""
# ruff: noqa: ARG002  Dagster is what is tested

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, asset, materialize
from pydantic import ValidationError

from etl.integrations.dagster import (
    AlertLevel,
    CompositeSLAHook,
    LoggingSLAHook,
    MetricsSLAHook,
    SLAConfig,
    SLAMetrics,
    SLAResource,
)
from etl.integrations.dagster.sla_resource import tag_of
from tests.integrations.dagster import sla_assets
from tests.integrations.dagster.runs import BAD, POLARS, RULES, instance_in
from tests.integrations.dagster.sla_assets import SEEN, run_once

ROOT = Path(__file__).parents[3]


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    with instance_in(tmp_path / "dagster") as instance:
        yield instance


def test_defaults_promise_nothing() -> None:
    config = SLAResource().config
    assert config == SLAConfig()
    assert config.alert_level is AlertLevel.ERROR
    assert SLAResource().check(SLAMetrics(failed_count=100)) == []


def test_thresholds_of_the_resource_are_judged() -> None:
    resource = SLAResource(
        max_failure_rate=0.05,
        min_pass_rate=0.95,
        max_execution_time_seconds=300.0,
        min_row_count=10,
        alert_level="critical",
    )
    metrics = SLAMetrics(passed_count=9, failed_count=1, execution_time_ms=301_000, row_count=9)
    violations = resource.check(metrics)
    assert {each.violation_type.value for each in violations} == {
        "failure_rate_exceeded",
        "pass_rate_below_minimum",
        "execution_time_exceeded",
        "row_count_below_minimum",
    }
    assert {each.alert_level for each in violations} == {AlertLevel.CRITICAL}
    assert resource.check(SLAMetrics(passed_count=95, failed_count=5, row_count=10)) == []
    assert resource.check(metrics, config=SLAConfig()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_failure_rate": 1.1},
        {"max_failure_rate": -0.1},
        {"min_pass_rate": 2},
        {"max_execution_time_seconds": 0},
        {"min_row_count": -1},
        {"max_consecutive_failures": 0},
        {"alert_level": "loud"},
        {"max_failure": 1},
    ],
)
def test_fields_beyond_their_bounds_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        SLAResource(**wrong)


def test_nothing_is_judged_when_it_is_switched_off() -> None:
    assert SLAResource(enabled=False, max_failure_rate=0).check(SLAMetrics(failed_count=1)) == []


def test_a_result_of_a_check_can_be_given_as_it_is_or_as_plain_data() -> None:
    result = POLARS.check(BAD, RULES, fail_on_error=False)
    resource = SLAResource(max_failure_rate=0.1, min_row_count=4)
    found = resource.check_result(result=result.to_dict(), name="q", asset_key="users", run_id="r")
    assert {each.violation_type.value for each in found} == {"failure_rate_exceeded", "row_count_below_minimum"}
    assert len(resource.check_result(result)) == 2


def test_failures_in_a_row_are_counted_over_runs_and_end_with_a_success(instance: DagsterInstance) -> None:
    SEEN.clear()
    for failed in (1, 1, 1, 1, 0, 1):
        run_once(instance, failed=failed)
    assert SEEN == [[], [], ["consecutive_failures"], ["consecutive_failures"], [], []]


def test_a_run_that_failed_before_it_measured_counts(instance: DagsterInstance) -> None:
    SEEN.clear()
    for failed, raises in ((0, False), (1, False), (0, True), (1, False)):
        run_once(instance, failed=failed, raises=raises)
    assert SEEN == [[], [], ["consecutive_failures"]]


def test_failures_of_another_asset_do_not_count(instance: DagsterInstance) -> None:
    @asset
    def other() -> None:
        raise ValueError("not ours")

    SEEN.clear()
    for _ in range(3):
        materialize([other], instance=instance, raise_on_error=False)
    run_once(instance, failed=1)
    assert SEEN == [[]]


def test_failures_in_a_row_are_counted_over_instances_and_processes(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    SEEN.clear()
    with instance_in(folder) as first:
        run_once(first, failed=1)
    with instance_in(folder) as second:
        run_once(second, failed=1)
    assert SEEN == [[], []]

    def elsewhere(failed: int) -> Any:
        command = [sys.executable, "-m", sla_assets.__name__, str(folder), str(failed)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout

    assert elsewhere(1) == "consecutive_failures"
    assert elsewhere(0) == ""
    with instance_in(folder) as third:
        run_once(third, failed=1)
    assert SEEN[-1] == []


def test_one_failure_makes_the_whole_run_a_failed_one(instance: DagsterInstance) -> None:
    counted = []

    @asset
    def users(context: AssetExecutionContext, sla: SLAResource) -> None:
        for failed in (1, 0):
            sla.check(SLAMetrics(failed_count=failed), name="users")
        counted.append(sla.consecutive_failures("users"))

    for _ in range(3):
        assert materialize([users], instance=instance, resources={"sla": SLAResource()}).success
    assert counted == [0, 1, 2]
    assert {run.tags[tag_of("users")] for run in instance.get_runs()} == {"failed"}


def test_threads_of_a_run_do_not_lose_a_failure(instance: DagsterInstance) -> None:
    @asset
    def users(sla: SLAResource) -> None:
        metrics = [SLAMetrics(failed_count=n % 2) for n in range(8)]
        threads = [threading.Thread(target=sla.check, args=(each, "users")) for each in metrics]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert materialize([users], instance=instance, resources={"sla": SLAResource()}).success
    assert instance.get_runs()[0].tags[tag_of("users")] == "failed"


def test_without_a_run_failures_are_counted_in_memory() -> None:
    resource = SLAResource(max_consecutive_failures=2)
    bad, good = SLAMetrics(failed_count=1, asset_key="a"), SLAMetrics(passed_count=1, asset_key="a")
    assert [len(resource.check(each)) for each in (bad, bad, good, bad)] == [0, 1, 0, 0]
    assert resource.consecutive_failures("a") == 1


def test_hooks_are_called_in_runs_and_a_broken_one_harms_nobody(instance: DagsterInstance) -> None:
    class Broken(LoggingSLAHook):
        def on_violation(self, violation: Any, context: Any = None) -> Any:
            raise ZeroDivisionError

    counting = MetricsSLAHook()
    resource = SLAResource.with_hook(CompositeSLAHook([Broken(), counting]), max_failure_rate=0.0)

    @asset
    def users(sla: SLAResource) -> None:
        assert len(sla.check(SLAMetrics(failed_count=1, passed_count=1))) == 1

    assert materialize([users], instance=instance, resources={"sla": resource}).success
    assert counting.get_stats()["violation_count"] == 1
    assert counting.get_stats()["success_rate"] == 0.0


def test_any_name_becomes_a_tag_of_its_own() -> None:
    names = ["users", "users/quality", "users quality", "x" * 100, "x" * 101, "사용자"]
    tags = [tag_of(name) for name in names]
    assert len(set(tags)) == len(names)
    assert all(len(tag.split("/", 1)[1]) <= 63 for tag in tags)
