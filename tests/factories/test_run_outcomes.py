"""A run that its queue dropped never started: its outcome says so, and a storm of such runs is read too."""

from collections.abc import Iterator

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, EventLogEntry, job
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from etl.factories.run_outcomes import failed_run, finished_run
from etl.factories.subjects import Subjects
from tests.sla_dagster.world import make_config

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


def test_in_a_storm_the_last_event_is_enough(instance: DagsterInstance) -> None:
    run = dropped(instance)
    (failure,) = failed_run(run, last_event(instance, run), Subjects(make_config("acme", {"orders": {}})), str).failures
    assert failure.subject == "job acme_all"
