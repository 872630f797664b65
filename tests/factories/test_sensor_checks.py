"""The check `sla` and freshness policies in a tenant's definitions, and a tick after real runs of a real project."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    RunsFilter,
    build_sensor_context,
)
from dagster._core.remote_representation.external_data import RepositorySnap

from etl.config import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import definitions_of
from etl.factories.freshness_policy import deadline_policy, freshness_policy
from etl.promises.freshness import State
from etl.running.sla_result import promised
from etl.running.sla_watch import SlaWatch
from etl.settings import load_settings
from tests.running.promised_world import make_config
from tests.tiny_project import TinyProject, make_project

SLA = {
    "max_failure_rate": 0.05,
    "min_row_count": 20,
    "max_execution_time_seconds": 300,
    "max_consecutive_failures": 2,
    "freshness": {"max_age_hours": 26},
}
LOAD = AssetKey(["acme", "load", "orders"])
CHECK = AssetCheckKey(LOAD, "sla")

SNAPS = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    made.write_tenant(
        {
            "assets": {
                "pipelines": {"orders": {"sla": SLA, "partitions": {"end": None}, "volume": "off", "undated": "ignore"}}
            },
            "notifications": [{"type": "log"}],
        }
    )
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def config(project: TinyProject) -> TenantConfig:
    del project
    return load_tenant("acme", load_settings())


@pytest.fixture
def instance(project: TinyProject) -> Iterator[DagsterInstance]:
    made = DagsterInstance.from_config(str(project.data / "dagster"))
    yield made
    made.dispose()


def run(definitions: Definitions, instance: DagsterInstance, day: str, *, fails: bool = False) -> str:
    result = definitions.resolve_job_def("acme_all").execute_in_process(
        partition_key=day, instance=instance, raise_on_error=False
    )
    assert result.success == (not fails)
    return result.run_id


def test_no_job_runs_the_check_and_no_step_owes_it(config: TenantConfig, instance: DagsterInstance) -> None:
    definitions = definitions_of(config)
    for job in definitions.resolve_all_job_defs():
        if not job.name.startswith("__"):
            assert CHECK not in job.asset_layer.asset_graph.asset_check_keys, job.name
    run_id = run(definitions, instance, "2026-01-01")
    types = {DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, DagsterEventType.ASSET_CHECK_EVALUATION}
    names = {
        getattr(each.event_log_entry.get_dagster_event().event_specific_data, "check_name", "")
        for each in instance.get_records_for_run(run_id, of_type=types).records
    }
    assert names
    assert "sla" not in names


@SNAPS
def test_the_check_is_listed_and_can_be_run_by_hand(config: TenantConfig, instance: DagsterInstance) -> None:
    definitions = definitions_of(config)
    snap = RepositorySnap.from_def(definitions.get_repository_def())
    assert [(each.asset_key, each.name) for each in snap.asset_check_nodes or () if each.name == "sla"] == [
        (LOAD, "sla")
    ]
    run(definitions, instance, "2026-01-01")
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={CHECK})
    assert job.execute_in_process(instance=instance).success
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
    assert record.evaluation is not None
    assert "| min_row_count | on_track |" in str(record.evaluation.metadata["promises"].value)


@SNAPS
def test_a_check_by_hand_that_cannot_be_judged_does_not_pass(
    config: TenantConfig, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = definitions_of(config)
    monkeypatch.setattr("etl.running.sla_history.SlaHistory.read", lambda *_: set())  # more is left of a long log
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection={CHECK})
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert result.get_asset_check_evaluations() == []
    (failure,) = (each for each in result.all_events if each.is_step_failure)
    assert "acme/orders is not judged yet" in str(failure.step_failure_data.error)


def test_a_pipeline_that_promises_nothing_has_no_check() -> None:
    loud = {"alert_level": "critical"}
    for nothing in ({}, loud, {"enabled": False, "min_row_count": 1}):
        assert promised(make_config("acme", {"orders": {"sla": nothing}})) == {}
    for something in ({"min_row_count": 0}, {"alert_on_warning": True}, {"freshness": {"max_age_hours": 1}}):
        assert list(promised(make_config("acme", {"orders": {"sla": something}}))) == ["orders"]


def test_a_tick_after_real_runs_knows_rows_checks_seconds_and_failures(
    project: TinyProject, config: TenantConfig, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="etl.notify")
    definitions = definitions_of(config)
    watch = SlaWatch(config, load_settings())
    run(definitions, instance, "2026-01-01")
    now = datetime.now(UTC)
    watch.tick(instance, now)
    (history,) = watch.log.histories("acme", {"orders": watch.subjects.partitions["orders"]}).values()
    (first,) = history.runs
    assert first.succeeded
    assert first.metrics is not None
    assert (first.metrics.row_count, first.metrics.passed_count, first.metrics.failed_count) == (20, 2, 0)
    assert 0 < first.metrics.execution_time_ms < 60_000
    assert watch.log.counters()["orders"].values["rows"] == 20
    assert watch.log.counters()["orders"].values["bytes"] > 0

    project.write_transform("def orders(orders):\n    raise KeyError('lot')\n")
    broken = definitions_of(load_tenant("acme", load_settings()))
    for _ in range(2):
        run(broken, instance, "2026-01-02", fails=True)
    tick = watch.tick(instance, now + timedelta(minutes=1))
    states = {each.promise: each.state for each in tick.verdicts["orders"]}
    assert states["consecutive_failures"] is State.BROKEN
    assert caplog.text.count("[acme] orders:") == 1, "one message, whatever else is wrong with it"
    assert "KeyError" in caplog.text

    project.write_tenant()  # the transform as it was
    run(definitions, instance, "2026-01-02")
    watch.tick(instance, now + timedelta(minutes=2))
    assert "[acme] orders: recovered" in caplog.text


def test_a_range_in_one_run_counts_for_its_newest_day(config: TenantConfig, instance: DagsterInstance) -> None:
    definitions = definitions_of(config)
    tags = {"dagster/asset_partition_range_start": "2026-01-01", "dagster/asset_partition_range_end": "2026-01-03"}
    job = definitions.resolve_job_def("acme_all")
    assert job.execute_in_process(instance=instance, tags=tags).success
    watch = SlaWatch(config, load_settings())
    watch.tick(instance, datetime.now(UTC))
    (history,) = watch.log.histories("acme", {"orders": watch.subjects.partitions["orders"]}).values()
    (only,) = history.runs
    assert only.partition == "2026-01-03"
    assert only.metrics is not None
    assert (only.metrics.row_count, only.metrics.passed_count) == (20, 2), "of one day, not of three"


def test_the_sensor_of_the_definitions_ticks(config: TenantConfig, instance: DagsterInstance) -> None:
    definitions = definitions_of(config)
    (sensor,) = definitions.sensors or ()
    with build_sensor_context(instance=instance, repository_def=definitions.get_repository_def()) as context:
        result = sensor(context)  # type: ignore[operator]
    assert [each.check_name for each in result.asset_events] == ["sla"]
    assert instance.get_run_records(RunsFilter()) == [], "it starts no run"


def policies(sla: dict[str, object], **more: object) -> object:
    config = make_config("acme", {"orders": {"sla": {"freshness": sla}, **more}})
    return freshness_policy(config, config.pipelines["orders"])


def test_a_deadline_becomes_a_cron_policy_in_the_zone_of_the_days() -> None:
    days = {"date_column": "day", "partitions": {"timezone": "Asia/Seoul"}}
    policy = policies({"deadline": "30 9 * * *", "max_age_hours": 26}, **days)
    assert (policy.deadline_cron, policy.timezone) == ("30 9 * * *", "Asia/Seoul")
    assert policy.lower_bound_delta == timedelta(hours=9, minutes=30)
    policy = policies({"deadline": "0 9 * * *", "timezone": "UTC", "business_days": True}, **days)
    assert (policy.deadline_cron, policy.timezone) == ("0 9 * * 1,2,3,4,5", "UTC")


@pytest.mark.parametrize(
    ("cron", "hours"),
    [
        ("0 0 * * *", 24),
        ("@daily", 24),
        ("0 9,18 * * *", 9),
        ("0 */6 * * *", 6),
        ("0 8 * * mon", 8),
        ("5 0 1 * *", 1 / 12),
    ],
)
def test_the_window_of_a_cron_policy_is_one_that_dagster_takes(cron: str, hours: float) -> None:
    assert deadline_policy(cron, "UTC", business_days=False).lower_bound_delta == timedelta(hours=hours)


def test_an_age_becomes_a_time_window() -> None:
    policy = policies({"max_age_hours": 26})
    assert policy.fail_window.to_timedelta() == timedelta(hours=26)


def test_equal_policies_are_one_object_and_days_that_are_over_have_none() -> None:
    assert policies({"deadline": "0 9 * * *"}) is policies({"deadline": "0 9 * * *"})
    over = {"date_column": "day", "partitions": {"start": "2025-01-01", "end": "2025-01-10"}}
    assert policies({"deadline": "0 9 * * *"}, **over) is None
    assert policies({"deadline": "0 9 * * *"}) is not None


@SNAPS
def test_the_policy_is_on_the_last_stage_only(config: TenantConfig) -> None:
    snap = RepositorySnap.from_def(definitions_of(config).get_repository_def())
    with_policy = [each.asset_key for each in snap.asset_nodes if each.freshness_policy is not None]
    assert with_policy == [LOAD]
