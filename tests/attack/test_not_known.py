"""What is not known is never green: another event log, a run that examined no row, a day that is gone from the lake.

Each test brings the state about in which a surface was green and wrong.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterEventType, DagsterInstance, MetadataValue
from dagster._core.events import StepMaterializationData

from etl.cli.metrics import _counter_samples, _run_samples
from etl.config.tenant_config import TenantConfig
from etl.promises.freshness import State
from etl.running.sla_location import LocationWatch
from etl.running.sla_watch import SlaWatch
from tests.running.promised_world import World, make_config, make_instance, make_settings, publish

HOUR = timedelta(hours=1)
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
SLA = {"freshness": {"max_age_hours": 30}, "min_row_count": 5, "min_pass_rate": 1.0}


@pytest.fixture
def config() -> TenantConfig:
    return make_config("acme", {"items": {"sla": SLA}}, notifications=[{"type": "log"}])


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[tuple[DagsterInstance, DagsterInstance]]:
    """Two event logs: the one that was read, and the one that stands in its place afterwards."""
    both = make_instance(tmp_path / "old", consolidated=True), make_instance(tmp_path / "new", consolidated=True)
    yield both
    for each in both:
        each.dispose()


def good_run(instance: DagsterInstance, at: datetime, *, rows: int = 10, **more: Any) -> str:
    return World(instance, "acme").run("items", at, at, rows=rows, checks=[("not_null__id", True)], **more)


def standing(watch: SlaWatch, instance: DagsterInstance, now: datetime) -> dict[str, State]:
    verdicts, unjudged = watch.judge_now(instance, now)
    assert not unjudged
    return {each.promise: each.state for each in verdicts["items"]}


def in_lake(folder: Path, *tenants: str) -> Path:
    """Put the table where readers find it, for a tick, which looks whether it is there."""
    for each in tenants:
        publish(make_settings(folder), each, "items", None)
    return folder


GREEN = {"max_age": State.ON_TRACK, "pass_rate": State.ON_TRACK, "min_row_count": State.ON_TRACK}
UNKNOWN = dict.fromkeys(GREEN, State.UNMEASURED)


def watched(config: TenantConfig, folder: Path, old: DagsterInstance, runs: int = 3) -> SlaWatch:
    """A watch whose excerpt was read from the old log, where all was good."""
    for number in range(runs):
        good_run(old, NOW - (runs - number) * HOUR)
    watch = SlaWatch(config, make_settings(folder))
    assert standing(watch, old, NOW) == GREEN
    return watch


@pytest.mark.parametrize("same_process", [True, False])
def test_an_event_log_without_any_run_keeps_no_promise(
    tmp_path: Path, config: TenantConfig, logs: tuple[DagsterInstance, DagsterInstance], same_process: bool
) -> None:
    old, new = logs
    watch = watched(config, tmp_path, old)
    watch = watch if same_process else SlaWatch(config, watch.settings)
    assert standing(watch, new, NOW) == UNKNOWN
    verdicts, unjudged = watch.judge_now(new, NOW)
    assert watch.explained("items", verdicts, unjudged, NOW).standing == "unknown"
    assert watch.published("items", NOW) == set()
    assert watch.log.counters()["items"].values == {}


def test_a_new_event_log_is_read_although_its_ids_are_small(
    tmp_path: Path, config: TenantConfig, logs: tuple[DagsterInstance, DagsterInstance]
) -> None:
    old, new = logs
    watch = watched(config, tmp_path, old)
    good_run(new, NOW, rows=1)
    found = standing(watch, new, NOW)
    assert found == {**GREEN, "min_row_count": State.BROKEN}
    assert watch.log.counters()["items"].values["rows"] == 1
    assert watch.log.counters()["items"].runs == 1


def test_a_new_event_log_whose_ids_have_passed_the_old_ones_is_read_from_its_beginning(
    tmp_path: Path, config: TenantConfig, logs: tuple[DagsterInstance, DagsterInstance]
) -> None:
    old, new = logs
    watch = watched(config, tmp_path, old, runs=1)
    good_run(new, NOW, rows=1)
    World(new, "beta").run("other", NOW, NOW)
    World(new, "beta").run("other", NOW, NOW)
    assert standing(watch, new, NOW)["min_row_count"] is State.BROKEN


def test_a_log_restored_from_a_backup_that_went_on_otherwise_is_read_again(
    tmp_path: Path, config: TenantConfig, logs: tuple[DagsterInstance, DagsterInstance]
) -> None:
    """Both logs have the same first run, then each its own: as after a restore of yesterday's backup."""
    old, new = logs
    same = copied_run(old, new)
    good_run(old, NOW - HOUR)
    watch = SlaWatch(config, make_settings(tmp_path))
    assert standing(watch, old, NOW) == GREEN
    good_run(new, NOW - HOUR, rows=1)
    for _ in range(2):
        World(new, "beta").run("other", NOW, NOW)
    assert standing(watch, new, NOW)["min_row_count"] is State.BROKEN
    runs = watch.log.histories("acme", watch.subjects.partitions)["items"].runs
    assert len(runs) == 2
    assert runs[0].run_id == same


def copied_run(old: DagsterInstance, new: DagsterInstance) -> str:
    run_id = good_run(old, NOW - 2 * HOUR)
    run = old.get_run_by_id(run_id)
    assert run is not None
    new.add_run(run)
    for each in old.all_logs(run_id):
        new.event_log_storage.store_event(each)
    return run_id


def test_old_events_may_be_deleted(tmp_path: Path, config: TenantConfig, logs: Any) -> None:
    """What was read stays known: the log still goes on behind the position."""
    old, _ = logs
    watch = watched(config, tmp_path, old)
    latest = [each.run_id for each in old.get_runs(limit=5)]
    World(old, "beta").run("other", NOW, NOW)
    for each in latest:
        old.delete_run(each)
    assert standing(SlaWatch(config, watch.settings), old, NOW) == GREEN


def test_an_excerpt_of_an_earlier_release_goes_on(tmp_path: Path, config: TenantConfig, logs: Any) -> None:
    """Its position alone shows that the new log is another one."""
    old, new = logs
    watch = watched(config, tmp_path, old)
    with watch.log._store.transaction() as db:
        db.execute("DROP TABLE last_event")
    assert standing(SlaWatch(config, watch.settings), old, NOW) == GREEN
    with watch.log._store.transaction() as db:
        db.execute("DROP TABLE IF EXISTS last_event")
    assert standing(SlaWatch(config, watch.settings), new, NOW) == UNKNOWN


def test_each_tenant_of_a_location_begins_again(tmp_path: Path, config: TenantConfig, logs: Any) -> None:
    old, new = logs
    other = make_config("beta", {"items": {"sla": SLA}})
    watch = LocationWatch.of([config, other], make_settings(in_lake(tmp_path, "acme", "beta")))
    for tenant in ("acme", "beta"):
        World(old, tenant).run("items", NOW, NOW, checks=[("not_null__id", True)])
    assert all(each.state is State.ON_TRACK for found in watch.tick(old, NOW).verdicts.values() for each in found)
    World(new, "acme").run("items", NOW, NOW, checks=[("not_null__id", True)])
    verdicts = watch.tick(new, NOW).verdicts
    assert {each.state for each in verdicts["acme/items"]} == {State.ON_TRACK}
    assert {each.state for each in verdicts["beta/items"]} == {State.UNMEASURED}


def test_an_incident_is_not_over_because_its_event_log_is_gone(
    tmp_path: Path, config: TenantConfig, logs: Any, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = logs
    good_run(old, NOW, rows=1)
    watch = SlaWatch(config, make_settings(in_lake(tmp_path, "acme")))
    watch.tick(old, NOW)
    (broken,) = watch.outbox.open_incidents("acme")
    caplog.clear()
    watch.tick(new, NOW)
    assert [each.key for each in watch.outbox.open_incidents("acme")] == [broken.key]
    assert "recovered" not in caplog.text
    good_run(new, NOW, rows=10)
    watch.tick(new, NOW + HOUR)
    assert watch.outbox.open_incidents("acme") == ()


def test_a_run_whose_rules_examined_no_row_does_not_inherit_the_verdict_of_an_older_run(
    tmp_path: Path, logs: Any
) -> None:
    instance, _ = logs
    sla = {"min_pass_rate": 1.0, "max_failure_rate": 0.1, "alert_on_warning": True}
    watch = SlaWatch(make_config("acme", {"items": {"sla": sla}}), make_settings(tmp_path))
    good_run(instance, NOW - 2 * HOUR)
    assert set(standing(watch, instance, NOW).values()) == {State.ON_TRACK}
    good_run(instance, NOW - HOUR, rows=0, examined=0)
    verdicts, unjudged = watch.judge_now(instance, NOW)
    assert {each.state for each in verdicts["items"]} == {State.UNMEASURED}
    assert {each.message for each in verdicts["items"]} == {"no rule examined a row in the newest run"}
    found = watch.explained("items", verdicts, unjudged, NOW)
    assert found.standing == "unknown"
    assert "every check passed" not in found.evidence[0]
    samples = {each.metric: each.value for each in _run_samples(watch.reader.current(NOW).histories["items"])}
    assert (samples["etl_checks_passed"], samples["etl_checks_failed"]) == (0, 0)
    World(instance, "acme").run("items", NOW, NOW, checks=[])  # as of a load alone: no rule was judged
    assert set(standing(watch, instance, NOW).values()) == {State.UNMEASURED}
    good_run(instance, NOW)
    assert set(standing(watch, instance, NOW).values()) == {State.ON_TRACK}


def rejecting(instance: DagsterInstance, stage: str, rejected: int, at: datetime, day: str) -> None:
    made = AssetMaterialization(
        AssetKey(["acme", stage, "items"]), partition=day, metadata={"rows_quarantined": MetadataValue.int(rejected)}
    )
    data, kind = StepMaterializationData(made), DagsterEventType.ASSET_MATERIALIZATION
    World(instance, "acme")._event(f"{stage}-{day}", "job", kind, at.timestamp(), data)


def test_a_load_does_not_hide_the_rows_that_were_set_aside_before_it(tmp_path: Path, logs: Any) -> None:
    instance, _ = logs
    target = {"save_to_trino": True, "trino_output": {"target_table": "items", "target_schema": "shop"}}
    day = {"date_column": "day", "partitions": {"start": "2026-06-01"}, "has_transfer": True, "sla": SLA}
    config = make_config("acme", {"items": {**day, **target}})
    watch = SlaWatch(config, make_settings(tmp_path))
    watch.judge_now(instance, NOW)

    def shown() -> list[float]:
        watch.judge_now(instance, NOW)
        found = _counter_samples(config, "items", watch.log.counters()["items"])
        return [each.value for each in found if each.metric == "etl_pipeline_quarantined_rows"]

    rejecting(instance, "extract", 3, NOW, "2026-06-29")
    assert shown() == [], "the transfer's number is not known yet"
    rejecting(instance, "transfer", 2, NOW, "2026-06-29")
    rejecting(instance, "load", 0, NOW, "2026-06-29")
    assert shown() == [5]
    rejecting(instance, "extract", 0, NOW, "2026-06-29")
    assert shown() == [2]
    watch = SlaWatch(config, make_settings(tmp_path / "anew"))
    assert shown() == [2], "an excerpt that is made anew reads the newest number of each stage"
