"""Days of 23 and 25 hours: over the days around the change no row is lost and none is in two days."""

import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from tests.faults.world import World
from tests.tiny_project import make_project

# Zone, the day of the change, its half hours. Havana and Cairo change at midnight itself.
CHANGES = [
    ("Europe/Berlin", "2026-03-29", 46),
    ("Europe/Berlin", "2026-10-25", 50),
    ("America/Havana", "2026-03-08", 46),
    ("America/Havana", "2026-11-01", 50),
    ("Africa/Cairo", "2026-04-24", 46),
    ("Africa/Cairo", "2026-10-29", 50),
    ("Asia/Seoul", "2026-03-29", 48),
]


@pytest.mark.parametrize("column_zone", ["UTC", "same"])
@pytest.mark.parametrize(("zone", "changed", "half_hours"), CHANGES)
def test_every_half_hour_is_in_exactly_one_day(
    tmp_path: Path, zone: str, changed: str, half_hours: int, column_zone: str
) -> None:
    day = date.fromisoformat(changed)
    days = [day + timedelta(days=n) for n in (-1, 0, 1)]
    written_in = zone if column_zone == "same" else "UTC"
    world = World(make_project(tmp_path), "plain")
    rows = _every_half_hour(days, ZoneInfo(zone), ZoneInfo(written_in))
    with contextlib.closing(sqlite3.connect(world.project.source)) as connection, connection:
        connection.execute("DELETE FROM orders")
        connection.executemany("INSERT INTO orders VALUES (?, 'x', 1.0, ?)", rows)
    world.project.write_pipeline(
        {"partitions": {"start": days[0].isoformat(), "end": None, "timezone": zone, "naive_timezone": written_in}}
    )
    for each in days:
        world.run(("extract", "transfer", "load"), each.isoformat(), "run")
    loaded = world.rows()
    counts = dict(loaded.group_by(pl.col("etl_partition").cast(pl.String)).len().rows())
    assert loaded["order_id"].is_unique().all()
    assert loaded["order_id"].sort().to_list() == sorted(number for number, _ in rows)
    assert counts[changed] == half_hours
    assert sum(counts.values()) == len(rows)


def _every_half_hour(days: list[date], zone: ZoneInfo, written_in: ZoneInfo) -> list[tuple[int, str]]:
    """Every instant of the days, as a clock in `written_in` shows it."""
    now = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC) - timedelta(days=1)
    rows = []
    for number in range(48 * (len(days) + 2)):
        instant = now + timedelta(minutes=30 * number)
        if instant.astimezone(zone).date() in days:
            rows.append((number, instant.astimezone(written_in).strftime("%Y-%m-%d %H:%M:%S")))
    return rows
