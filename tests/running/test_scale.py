"""A tick's cost is bounded, however long the past is. The full size is in benchmarks/sla_tick.py."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from etl.config.tenant_config import TenantConfig
from etl.promises.pipeline_log import KEPT
from etl.promises.run_rows import RUNS_KEPT
from etl.running.sla_watch import SlaWatch
from tests.effort import calls
from tests.running.past import write_past
from tests.running.promised_world import World, make_config, make_instance, make_settings, publish

NOW = datetime(2026, 6, 30, 8, tzinfo=UTC)
NAMES = [f"pipeline_{number}" for number in range(200)]
SLA = {"freshness": {"deadline": "0 9 * * *", "max_age_hours": 30}, "min_row_count": 1, "max_consecutive_failures": 3}
DAYS = {"date_column": "day", "partitions": {"start": "2026-01-01"}}


def tenant() -> TenantConfig:
    return make_config("tenant", {name: {**DAYS, "sla": SLA} for name in NAMES})


def cost_of_ticks(folder: Path, days: int) -> tuple[int, int]:
    """The calls of the cheapest of some ticks that find news, and the events that there were."""
    instance = make_instance(folder / "dagster")
    events = write_past(instance, "tenant", NAMES, days, NOW)
    world, config, settings = World(instance, "tenant"), tenant(), make_settings(folder)
    assert len(SlaWatch(config, settings, budget=60).tick(instance, NOW).verdicts) == len(NAMES)
    costs = []
    for minute in range(1, 5):
        now = NOW + timedelta(minutes=minute)
        world.run(NAMES[minute], now, now, partition="2026-06-29")
        cursor = (now - timedelta(minutes=1)).isoformat()
        ticks = []
        costs.append(
            calls(lambda: ticks.append(SlaWatch(config, settings, budget=60).tick(instance, now, cursor)))  # noqa: B023
        )
        assert [each.problems for each in ticks] == [()]
    instance.dispose()
    return min(costs), events


def test_ten_times_the_past_costs_the_same(tmp_path: Path) -> None:
    short, few = cost_of_ticks(tmp_path / "short", 2)
    long, many = cost_of_ticks(tmp_path / "long", 20)
    assert many > 9 * few
    assert long < 1.5 * short, f"{short} calls with {few} events, {long} with {many}"


@pytest.fixture
def instance() -> DagsterInstance:
    return DagsterInstance.ephemeral()


def test_what_is_kept_of_a_pipeline_is_bounded(tmp_path: Path, instance: DagsterInstance) -> None:
    config = make_config("tenant", {"orders": {**DAYS, "sla": SLA}, "items": {"sla": SLA}})
    watch, world = SlaWatch(config, make_settings(tmp_path), budget=60), World(instance, "tenant")
    begin = datetime(2026, 1, 2, 3, tzinfo=UTC)
    watch.tick(instance, begin)
    for number in range(60):
        at = begin + timedelta(days=number)
        world.run("orders", at, at, partition=(at - timedelta(days=1)).date().isoformat())
        world.run("items", at, at)
    publish(watch.settings, "tenant", "orders", "2026-03-01")
    publish(watch.settings, "tenant", "items", None)
    tick = watch.tick(instance, begin + timedelta(days=59, hours=1))
    assert {each.state.value for found in tick.verdicts.values() for each in found} <= {"on_track", "recovered"}
    with closing(sqlite3.connect(tmp_path / "data" / "sla" / "tenant.sqlite")) as db:
        for table, limit in (("publishes", KEPT), ("runs", RUNS_KEPT)):
            counts = dict(db.execute(f"SELECT pipeline, count(*) FROM {table} GROUP BY pipeline").fetchall())
            assert counts == {"orders": limit, "items": limit}, table
    assert watch.log.counters()["orders"].runs == 60, "counted, though not kept"
