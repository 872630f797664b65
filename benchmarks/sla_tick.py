"""A tick of the SLA sensor of a location: so many tenants, so long a past. `--tenants 500 --pipelines 10 --days 3 30`.

Each past is written into a fresh SQLite instance. Then ticks are measured: the first ones, in which the tenants'
excerpts of the event log are made, and ticks between which some pipelines ran, once everything is known. Beside them
stands the floor: what the same number of tenants costs to judge and to record when their histories are in memory, with
no event log, no file of a tenant and no messages.
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

from etl.promises.judge import judge_pipeline
from etl.running.sla_location import LocationWatch
from etl.running.sla_watch import Looked, record_states
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, nargs="+", default=[50])
    parser.add_argument("--pipelines", type=int, default=10)
    parser.add_argument("--days", type=int, nargs="+", default=[3, 30])
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = [measure(count, arguments.pipelines, days) for count in arguments.tenants for days in arguments.days]
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2))


def measure(tenants: int, pipelines: int, days: int) -> dict[str, float]:
    names = [f"pipeline_{number}" for number in range(pipelines)]
    configs = [
        make_config(f"tenant_{number}", {name: {**PARTITIONS, "sla": SLA} for name in names})
        for number in range(tenants)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        instance = make_instance(folder / "dagster")
        events = sum(write_past(instance, each.id, names, days, NOW) for each in configs)
        settings = make_settings(folder)
        watch, now, cursor = LocationWatch.of(configs, settings), NOW, ""
        first: list[tuple[float, float]] = []
        while True:  # until every pipeline is judged and has its check
            seconds, judged, checks = timed(watch, instance, now, cursor)
            first.append(seconds)
            cursor, now = now.isoformat(), now + timedelta(minutes=1)
            if judged == tenants * pipelines and not checks:
                break
        steady: list[tuple[float, float]] = []
        for _ in range(STEADY):
            for number in range(BETWEEN):
                World(instance, configs[number * tenants // BETWEEN].id).run(
                    names[number % pipelines],
                    now - timedelta(minutes=1),
                    now,
                    partition="2026-06-29",
                    checks=[("not_null__id", True)],
                )
            seconds, _, _ = timed(watch, instance, now, cursor)
            steady.append(seconds)
            cursor, now = now.isoformat(), now + timedelta(minutes=1)
        floor = floor_of(watch, settings, now)
        instance.dispose()
    wall, cpu = sorted(steady)[STEADY // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{tenants} tenants x {pipelines}, {days} days, {events} events: a tick {cpu:.2f} s CPU, {wall:.2f} s wall"
        f" (worst {max(each for _, each in steady):.2f} s CPU); floor {floor:.2f} s CPU, ratio {cpu / floor:.2f};"
        f" first {len(first)} tick(s), worst {max(each for _, each in first):.2f} s CPU; {peak:.0f} MB",
        flush=True,
    )
    return {
        "tenants": tenants,
        "pipelines": pipelines,
        "days": days,
        "events": events,
        "tick_wall_seconds": wall,
        "tick_cpu_seconds": cpu,
        "floor_cpu_seconds": floor,
        "first_ticks": len(first),
        "worst_first_cpu_seconds": max(each for _, each in first),
        "megabytes": peak,
    }


def floor_of(watch: LocationWatch, settings: Settings, now: datetime) -> float:
    """Judging what is in memory, and recording how it stands."""
    past = {tenant: each.reader.current(now).histories for tenant, each in watch.watches.items()}
    began = time.process_time()
    looked = [
        Looked(
            verdicts={
                name: judge_pipeline(sla, each, now)
                for name, each in past[tenant].items()
                if (sla := own.config.sla_of(name))
            },
            unjudged={},
            troubles=[],
        )
        for tenant, own in watch.watches.items()
    ]
    record_states(settings, looked, now)
    return time.process_time() - began


def timed(
    watch: LocationWatch, instance: DagsterInstance, now: datetime, cursor: str | None
) -> tuple[tuple[float, float], int, int]:
    wall, cpu = time.perf_counter(), time.process_time()
    tick = watch.tick(instance, now, cursor)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    if tick.problems:
        raise RuntimeError(tick.problems[0])
    return seconds, len(tick.verdicts), len(tick.checks)


if __name__ == "__main__":
    main()
