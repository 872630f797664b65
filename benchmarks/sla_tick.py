"""A tick of the SLA sensor: so many assets, so long a past. `--assets 5000 --days 3 30`.

Each past is written into a fresh SQLite instance. Then ticks are measured: the first ones, in which the tenant's
excerpt of the event log is made, and ticks between which some pipelines ran, once everything is known.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dagster import DagsterInstance

from etl.config.tenant_config import TenantConfig
from etl.running.sla_watch import SlaWatch
from etl.settings import Settings
from tests.running.past import write_past
from tests.running.promised_world import World, make_config, make_instance, make_settings

NOW = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
SLA = {
    "freshness": {"deadline": "0 9 * * *", "max_age_hours": 30},
    "max_failure_rate": 0.1,
    "max_execution_time_seconds": 3600,
    "min_row_count": 1,
    "max_consecutive_failures": 3,
}
PARTITIONS = {"date_column": "day", "partitions": {"start": "2026-01-01"}}
BETWEEN = 20  # pipelines that run between two ticks
STEADY = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=5000)
    parser.add_argument("--days", type=int, nargs="+", default=[3, 30])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = [measure(arguments.assets, days) for days in arguments.days]
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2))


def measure(assets: int, days: int) -> dict[str, float]:
    names = [f"pipeline_{number}" for number in range(assets)]
    config = make_config("tenant", {name: {**PARTITIONS, "sla": SLA} for name in names})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        instance = make_instance(folder / "dagster")
        events = write_past(instance, "tenant", names, days, NOW)
        world, settings, now, cursor = World(instance, "tenant"), make_settings(folder), NOW, ""
        first: list[tuple[float, float]] = []
        while True:  # until every pipeline is judged
            seconds, judged = timed(config, settings, instance, now, cursor)
            first.append(seconds)
            cursor, now = now.isoformat(), now + timedelta(minutes=1)
            if judged == assets:
                break
        steady: list[tuple[float, float]] = []
        for _ in range(STEADY):
            for each in names[:BETWEEN]:
                world.run(
                    each, now - timedelta(minutes=1), now, partition="2026-06-29", checks=[("not_null__id", True)]
                )
            seconds, _ = timed(config, settings, instance, now, cursor)
            steady.append(seconds)
            cursor, now = now.isoformat(), now + timedelta(minutes=1)
    wall, cpu = sorted(steady)[STEADY // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{assets} assets, {days} days, {events} events: a tick {wall:.2f} s wall, {cpu:.2f} s CPU "
        f"(worst {max(each for each, _ in steady):.2f} s wall); first {len(first)} tick(s), "
        f"worst {max(each for each, _ in first):.2f} s wall, {max(each for _, each in first):.2f} s CPU; {peak:.0f} MB",
        flush=True,
    )
    return {
        "assets": assets,
        "days": days,
        "events": events,
        "tick_wall_seconds": wall,
        "tick_cpu_seconds": cpu,
        "first_ticks": len(first),
        "worst_first_wall_seconds": max(each for each, _ in first),
        "megabytes": peak,
    }


def timed(
    config: TenantConfig, settings: Settings, instance: DagsterInstance, now: datetime, cursor: str | None
) -> tuple[tuple[float, float], int]:
    wall, cpu = time.perf_counter(), time.process_time()
    watch = SlaWatch(config, settings)
    tick = watch.tick(instance, now, cursor)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    if tick.problems:
        raise RuntimeError(tick.problems[0])
    return seconds, len(tick.verdicts)


if __name__ == "__main__":
    main()
