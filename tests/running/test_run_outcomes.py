"""A run that its queue dropped never started: its outcome says so, and a storm of such runs is read too."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    EventLogEntry,
    asset,
    define_asset_job,
    job,
)
from dagster._core.events import EngineEventData
from dagster_shared.error import SerializableErrorInfo

from etl.promises.pipeline_facts import Failure
from etl.running.earlier_failures import successors
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
    (failure,) = failed_run(
        instance, run, last_event(instance, run), Subjects(make_config("acme", {"orders": {}})), str
    ).failures
    assert failure.subject == "job acme_all"


@pytest.mark.parametrize("storm", [False, True])
def test_a_run_of_some_assets_that_dies_is_mended_only_by_their_steps(
    instance: DagsterInstance, *, storm: bool
) -> None:
    """Runs of different pipelines are runs of one job: the success of another one ends nothing."""

    @asset(key=["acme", "extract", "orders"])
    def acme__extract__orders() -> None: ...

    @asset(key=["acme", "extract", "items"])
    def acme__extract__items() -> None: ...

    both = [acme__extract__orders, acme__extract__items]
    whole = Definitions(assets=both, jobs=[define_asset_job("acme_all", both)]).resolve_job_def("acme_all")
    subjects = Subjects(make_config("acme", {"orders": {}, "items": {}}))
    orders = [AssetKey(["acme", "extract", "orders"])]
    run = instance.create_run_for_job(
        whole.get_subset(asset_selection=set(orders)),
        status=DagsterRunStatus.STARTING,
        asset_selection=frozenset(orders),
    )
    instance.report_run_failed(run)
    dead = instance.get_run_by_id(run.run_id)
    assert dead is not None
    read = failed_run(instance, dead, last_event(instance, dead), subjects, str) if storm else None
    (failure,) = (read or finished_run(instance, dead, 0.0, subjects, str)).failures
    assert failure.subject == "acme__extract__orders"
    assert failure.pipeline == "orders"

    def healed(*keys: AssetKey) -> tuple[str, ...]:
        done = whole.execute_in_process(instance=instance, asset_selection=list(keys) or None)
        found = instance.get_run_by_id(done.run_id)
        assert found is not None
        return finished_run(instance, found, 0.0, subjects, str).healed

    assert failure.subject not in healed(AssetKey(["acme", "extract", "items"]))
    assert failure.subject in healed(*orders)
    assert {"job acme_all", failure.subject} <= set(healed())


@pytest.mark.parametrize(
    ("job_name", "expected"),
    [
        ("acme_orders", {"acme__extract__orders": "orders"}),
        ("acme_gold", {"acme__extract__orders": "orders", "acme__extract__items": "items"}),
        ("acme_daily_etl", {}),
    ],
)
def test_a_failure_of_a_job_that_release_0_2_made_lasts_until_the_pipeline_succeeds(
    instance: DagsterInstance, job_name: str, expected: dict[str, str]
) -> None:
    subjects = Subjects(make_config("acme", {"orders": {}, "items": {}}))
    failure = Failure(f"job {job_name}", f"job {job_name}", "failure", "run", datetime.now(UTC), "cause", "gone wrong")
    assert successors(instance, failure, None, subjects, is_lost=True) == expected
    assert successors(instance, failure, None, subjects, is_lost=False) == {}
