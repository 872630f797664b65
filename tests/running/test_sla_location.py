"""One sensor for all tenants of a location: the verdicts of each are those of a sensor of its own, whatever others do.

The oracle is the same world watched by one `SlaWatch` a tenant, with files of its own.
"""

import logging
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance, build_sensor_context
from sqlalchemy import event
from sqlalchemy.engine import Engine

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.factories.sensor_factory import location_sensor
from etl.notify.outbox import Outbox
from etl.running import sla_location
from etl.running.sla_history import SlaHistory
from etl.running.sla_location import LocationWatch
from etl.running.sla_reader import NEAR
from etl.running.sla_watch import SlaWatch
from tests.notify.servers import web_server
from tests.running.past import write_past
from tests.running.promised_world import World, make_config, make_instance, make_settings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAYS = {"date_column": "day", "partitions": {"start": "2026-06-01"}}
SLA = {"freshness": {"max_age_hours": 30}, "max_failure_rate": 0.4, "min_row_count": 1, "max_consecutive_failures": 2}
TENANTS = ("acme", "acme_eu", "beta")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    made = make_instance(tmp_path / "dagster")
    yield made
    made.dispose()


def configs(*tenants: str, **more: Any) -> list[TenantConfig]:
    pipelines = {"orders": {**DAYS, "sla": SLA}, "items": {**DAYS, "sla": SLA}}
    return [make_config(each, pipelines, notifications=[{"type": "log"}], **more) for each in tenants or TENANTS]


def happen(instance: DagsterInstance, tenant: str, at: datetime, *, fails: bool = False) -> None:
    """A run of `orders` that succeeds, and one of `items` that may fail."""
    world, day = World(instance, tenant), (at - DAY).date().isoformat()
    world.run("orders", at, at, partition=day, checks=[("not_null__id", True)])
    world.run("items", at, at, partition=day, error=f"{tenant} is broken" if fails else None)


def states(checks: list[AssetCheckEvaluation]) -> dict[str, tuple[bool, str]]:
    return {each.asset_key.to_user_string(): (each.passed, each.description or "") for each in checks}


def test_the_verdicts_are_those_of_a_sensor_for_each_tenant(tmp_path: Path, instance: DagsterInstance) -> None:
    together = LocationWatch.of(configs(), make_settings(tmp_path / "together"))
    apart = {each.id: SlaWatch(each, make_settings(tmp_path / each.id)) for each in configs()}
    now = NOW
    for step in range(6):
        for number, tenant in enumerate(TENANTS):
            if step % (number + 1) == 0:
                happen(instance, tenant, now, fails=(step + number) % 3 == 0)
        found = together.tick(instance, now)
        alone = {tenant: watch.tick(instance, now) for tenant, watch in apart.items()}
        assert found.problems == ()
        assert found.verdicts == {
            f"{tenant}/{name}": verdicts for tenant, each in alone.items() for name, verdicts in each.verdicts.items()
        }
        assert states(found.checks) == {k: v for each in alone.values() for k, v in states(each.checks).items()}
        now += 11 * HOUR
    one, many = (Outbox(tmp_path / each / "data" / "notify.sqlite") for each in ("beta", "together"))
    assert [each.key for each in many.open_incidents("beta")] == [each.key for each in one.open_incidents("beta")]


def test_what_the_sensors_of_the_tenants_knew_is_carried_over(
    tmp_path: Path, instance: DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    """Positions, open breaches and incidents: nothing is told twice, and what ends later is told once."""
    caplog.set_level(logging.INFO, logger="etl.notify")
    settings = make_settings(tmp_path)
    for tenant in TENANTS:
        happen(instance, tenant, NOW, fails=tenant == "acme")
    for each in configs():
        SlaWatch(each, settings).tick(instance, NOW)
    assert len(caplog.messages) == 1
    together = LocationWatch.of(configs(), settings)
    for minute in range(3):
        tick = together.tick(instance, NOW + timedelta(minutes=1 + minute), NOW.isoformat())
        assert ("1 open incident(s), 0 message(s) sent, 0 check(s) written" in tick.text, tick.problems) == (True, ())
    happen(instance, "acme", NOW + HOUR)
    assert "0 open incident(s), 1 message(s) sent" in together.tick(instance, NOW + HOUR).text
    assert "recovered" in caplog.text
    # And back: a tenant that gets a location of its own again.
    alone = SlaWatch(configs("acme")[0], settings).tick(instance, NOW + 2 * HOUR, (NOW + HOUR).isoformat())
    assert "0 message(s) sent" in alone.text
    assert alone.judged


def test_a_tenant_without_news_is_read_no_further_back_than_it_must(tmp_path: Path, instance: DagsterInstance) -> None:
    """Its positions are stored now and then. A new process begins there, and finds what happened since."""
    settings = make_settings(tmp_path)
    for tenant in TENANTS:
        happen(instance, tenant, NOW)
    LocationWatch.of(configs(), settings).tick(instance, NOW)
    happen(instance, "beta", NOW + HOUR)
    LocationWatch.of(configs(), settings).tick(instance, NOW + HOUR)
    happen(instance, "acme", NOW + 2 * HOUR, fails=True)
    again = LocationWatch.of(configs(), settings)
    tick = again.tick(instance, NOW + 2 * HOUR)
    assert "1 open incident(s), 1 message(s) sent" in tick.text
    stored = {each: again.watches[each].log.cursors()["failures"] for each in TENANTS}
    assert max(stored.values()) - min(stored.values()) <= NEAR


def test_a_tenant_far_behind_is_read_after_the_others(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose file was brought back from a backup: it catches up, and nobody waits for it."""
    monkeypatch.setattr("etl.running.sla_history.NEAR", 2)
    monkeypatch.setattr("etl.running.sla_reader.NEAR", 2)
    settings = make_settings(tmp_path)
    watch = LocationWatch.of(configs(), settings)
    for tenant in TENANTS:
        happen(instance, tenant, NOW)
    watch.tick(instance, NOW)
    path = settings.data_dir / "sla" / "beta.sqlite"
    before = path.read_bytes()
    for hour in range(1, 8):
        for tenant in TENANTS:
            happen(instance, tenant, NOW + hour * HOUR, fails=tenant == "beta")
    watch.tick(instance, NOW + 8 * HOUR)
    path.write_bytes(before)
    tick = watch.tick(instance, NOW + 9 * HOUR)
    assert tick.problems == ()
    assert {each.state.value for each in tick.verdicts["beta/items"]} >= {"broken"}
    assert len(tick.verdicts) == 2 * len(TENANTS)


def damaged(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / "data" / "sla" / "acme_eu.sqlite").write_bytes(b"no database at all" * 100)


def raising(_: Path, patch: pytest.MonkeyPatch) -> None:
    look = SlaWatch.look

    def looked(self: SlaWatch, *given: Any) -> Any:
        if self.config.id == "acme_eu":
            raise RuntimeError("out of order")
        return look(self, *given)

    patch.setattr(SlaWatch, "look", looked)


def unreadable_run(_: Path, patch: pytest.MonkeyPatch) -> None:
    note = SlaHistory._note_outcome

    def noted(self: SlaHistory, facts: Any, instance: Any, reader: Any, *given: Any) -> None:
        if reader.tenant == "acme_eu":
            raise ValueError("an event that cannot be read")
        note(self, facts, instance, reader, *given)

    patch.setattr(SlaHistory, "_note_outcome", noted)


@pytest.mark.parametrize("breakage", [damaged, raising, unreadable_run])
def test_a_broken_tenant_is_a_problem_of_its_own(
    breakage: Any, tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LocationWatch.of(configs(), make_settings(tmp_path))
    watch.tick(instance, NOW)
    breakage(tmp_path, monkeypatch)
    for tenant in TENANTS:
        happen(instance, tenant, NOW + HOUR, fails=True)
    for minute in range(2):
        tick = watch.tick(instance, NOW + HOUR + timedelta(minutes=minute))
        assert {each.split("/")[0] for each in tick.verdicts} == {"acme", "beta"}
        assert len(tick.problems) == 1
        assert "acme_eu" in tick.problems[0]
    assert {each.state.value for each in tick.verdicts["beta/items"]} >= {"unmeasured"} or tick.verdicts["beta/items"]


def test_a_locked_file_keeps_only_its_tenant_waiting(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sla_location, "PATIENCE", 0.2)
    watch = LocationWatch.of(configs(), make_settings(tmp_path))
    watch.tick(instance, NOW)
    with closing(sqlite3.connect(tmp_path / "data" / "sla" / "beta.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        tick = watch.tick(instance, NOW + HOUR)
        assert {each.split("/")[0] for each in tick.verdicts} == {"acme", "acme_eu"}
        assert ["beta" in each and "locked" in each for each in tick.problems] == [True]
        other.execute("ROLLBACK")
    assert watch.tick(instance, NOW + 2 * HOUR).problems == ()


def test_a_target_that_does_not_answer_keeps_only_its_tenant_waiting(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sla_location, "TELLING", 0.5)
    with socket.socket() as silent, web_server() as server:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        urls = {"acme": f"http://127.0.0.1:{silent.getsockname()[1]}/", "beta": server.url}
        own = [
            make_config(each, {"orders": {**DAYS, "sla": SLA}}, notifications=[{"type": "webhook", "url": url}])
            for each, url in urls.items()
        ]
        watch = LocationWatch.of(own, make_settings(tmp_path))
        for tenant in urls:
            World(instance, tenant).run("orders", NOW, NOW, partition="2026-06-29", error="gone wrong")
        began = time.monotonic()
        tick = watch.tick(instance, NOW)
        assert time.monotonic() - began < 8, "the target has 10 seconds to answer"
        assert len(server.requests) == 1
        assert ["acme" in each for each in tick.problems] == [True]
        assert {each.split("/")[0] for each in tick.verdicts} == {"acme", "beta"}
        assert len(tick.checks) == 2
        again = watch.tick(instance, NOW + HOUR)
        assert [each for each in again.problems if "earlier tick" in each]


def test_tenants_for_whom_there_was_no_time_come_first_the_next_time(
    tmp_path: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = LocationWatch.of(configs(), make_settings(tmp_path))
    watch.tick(instance, NOW)
    monkeypatch.setattr(sla_location, "JUDGING", 0.05)
    look = SlaWatch.look

    def slow(self: SlaWatch, *given: Any) -> Any:
        time.sleep(0.3 if self.config.id == "acme" else 0)
        return look(self, *given)

    monkeypatch.setattr(SlaWatch, "look", slow)
    first = watch.tick(instance, NOW + HOUR)
    assert {each.split("/")[0] for each in first.verdicts} == {"acme"}
    assert "2 tenant(s) left for the next tick" in first.text
    second = watch.tick(instance, NOW + 2 * HOUR)
    assert {each.split("/")[0] for each in second.verdicts} >= {"acme_eu", "beta"}


def test_the_sensor_of_a_location_shows_problems_and_keeps_the_checks(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    (sensor,) = location_sensor(configs(), make_settings(tmp_path))
    with build_sensor_context(instance=instance) as context:
        assert len(sensor(context).asset_events) == 2 * len(TENANTS)  # type: ignore[union-attr]
    damaged(tmp_path, pytest.MonkeyPatch())
    at = datetime.now(UTC)
    World(instance, "beta").run("orders", at, at, partition=(at - DAY).date().isoformat())
    with (
        build_sensor_context(instance=instance, cursor=at.isoformat()) as context,
        pytest.raises(EtlError, match="acme_eu cannot be watched"),
    ):
        sensor(context)
    assert location_sensor([make_config("calm", {"orders": {}})], make_settings(tmp_path)) == []


def statements(instance: DagsterInstance, folder: Path, tenants: int, days: int) -> int:
    """The statements that a tick without news sends to Dagster's storage."""
    names = [f"t{number}" for number in range(tenants)]
    for each in names:
        write_past(instance, each, ["orders", "items"], days, NOW)
    watch = LocationWatch.of(configs(*names), make_settings(folder))
    first = watch.tick(instance, NOW)
    assert (len(first.verdicts), first.problems) == (2 * tenants, ())
    sent: list[str] = []

    def note(*given: Any) -> None:
        sent.append(given[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        tick = watch.tick(instance, NOW + timedelta(minutes=1), NOW.isoformat())
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert (len(tick.verdicts), tick.checks, tick.problems) == (2 * tenants, [], ())
    return len([each for each in sent if "PRAGMA" not in each])


def test_a_tick_asks_dagster_as_often_for_many_tenants_and_a_long_past_as_for_one(tmp_path: Path) -> None:
    counts = {}
    for tenants, days in ((1, 3), (12, 3), (12, 30)):
        folder = tmp_path / f"{tenants}_{days}"
        instance = make_instance(folder / "dagster")
        counts[tenants, days] = statements(instance, folder, tenants, days)
        instance.dispose()
    assert len(set(counts.values())) == 1, counts
