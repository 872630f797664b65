"""A run that its queue dropped never started: its outcome says so, and a storm of such runs is read too."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, EventLogEntry, job
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from etl.running.run_outcomes import failed_run, finished_run
from etl.running.subjects import Subjects
from tests.running.promised_world import World, make_config

REASON = SerializableErrorInfo("UserCodeUnreachable: could not reach the code server", [], None)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@job(name="acme_all")
def nothing() -> None:
    pass


def dropped(instance: DagsterInstance, *, reason: bool = True) -> DagsterRun:
    """As Dagster's daemon drops a run from its queue."""
    run = instance.create_run_for_job(nothing, status=DagsterRunStatus.STARTING)
    if reason:
        instance.report_engine_event("Run dequeue failed, failing run", run, EngineEventData.engine_error(REASON))
    instance.report_run_failed(run)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def last_event(instance: DagsterInstance, run: DagsterRun) -> EventLogEntry:
    return instance.all_logs(run.run_id)[-1]


def test_the_outcome_says_why_it_never_started(instance: DagsterInstance) -> None:
    found = finished_run(instance, dropped(instance), 0.0, Subjects(make_config("acme", {"orders": {}})), str)
    (failure,) = found.failures
    assert failure.subject == "job acme_all"
    assert failure.event == "failure"
    assert failure.detail.startswith("the run never started: Run dequeue failed, failing run: UserCodeUnreachable")


def test_without_a_reason_the_failure_is_told_all_the_same(instance: DagsterInstance) -> None:
    run = dropped(instance, reason=False)
    (failure,) = finished_run(instance, run, 0.0, Subjects(make_config("acme", {"orders": {}})), str).failures
    assert "marked as failed from outside" in failure.detail


@pytest.mark.parametrize("examined", [0, 1])
def test_a_rule_that_examined_no_row_measures_nothing(instance: DagsterInstance, examined: int) -> None:
    begin = datetime(2026, 1, 2, 3, tzinfo=UTC)
    run_id = World(instance, "acme").run(
        "orders", begin, begin + timedelta(minutes=1), checks=[("not_null__id", True)], rows=0, examined=examined
    )
    run = instance.get_run_by_id(run_id)
    assert run is not None
    subjects = Subjects(make_config("acme", {"orders": {}}))
    ((_, measured),) = finished_run(instance, run, begin.timestamp(), subjects, str).runs
    assert measured.metrics is not None
    assert measured.metrics.passed_count == examined


def test_in_a_storm_the_last_event_is_enough(instance: DagsterInstance) -> None:
    run = dropped(instance)
    (failure,) = failed_run(run, last_event(instance, run), Subjects(make_config("acme", {"orders": {}})), str).failures
    assert failure.subject == "job acme_all"
