"""The same way of the rows, from the database to the warehouse, on a local lake and on an S3-compatible server."""

import contextlib
import random
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.faults.conftest import Worlds
from tests.faults.world import DAY, FIRST, STAGES, World, killed_at
from tests.tiny_project import DAYS

Servers = Callable[[str], Mapping[str, Any]]
LAKES = {"local": "plain", "s3": "s3"}


@pytest.fixture(params=sorted(LAKES))
def world(request: pytest.FixtureRequest, worlds: Worlds, servers: Servers, tmp_path: Path) -> World:
    name = LAKES[request.param]
    return worlds.prepared(name, tmp_path, servers(name))


def source_rows(world: World) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(world.project.source)) as connection:
        return connection.execute("SELECT order_id, name, amount FROM orders ORDER BY order_id").fetchall()


def test_every_row_arrives_and_a_second_run_changes_nothing(world: World) -> None:
    for day in DAYS:
        world.run(STAGES, day, "second")
    rows = world.rows()
    assert rows.sort("order_id").select("order_id", "name", "amount").rows() == source_rows(world)
    assert (rows["cents"] == (rows["amount"] * 100).cast(pl.Int64)).all()
    assert sorted(world.objects()) == sorted(
        f"acme/{stage}/orders {day}" for stage in ("extract", "transfer") for day in DAYS
    )
    task = world.task(FIRST, "reader")
    first = {day: task.lake.find(task.ref("transfer", "orders", day)) for day in DAYS}
    ledger = world.ledger()
    for day in DAYS:
        world.run(STAGES, day, "third")
    assert {day: task.lake.find(task.ref("transfer", "orders", day)) for day in DAYS} == first
    assert world.ledger() == ledger
    # the first day is as it was; the second changed between the runs; the third is new
    assert [each.provenance.run_id for each in first.values() if each] == ["first", "second", "second"]
    assert world.leftovers() == []
    world.check_agreement()
    task.close()


def test_an_object_that_is_half_way_out_is_seen_by_nobody(world: World, servers: Servers) -> None:
    letters = random.Random(7)
    many = [(n, letters.randbytes(60).hex(), n / 4, f"{DAYS[2]} 10:00:00") for n in range(10_000, 50_000)]
    with contextlib.closing(sqlite3.connect(world.project.source)) as connection, connection:
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", many)
    before = set(world.objects())
    assert not any(DAYS[2] in each for each in before)
    killed_at(world, "lake.upload.part@2" if world.scenario.s3 else "lake.before_rename", "extract", DAYS[2])
    assert set(world.objects()) == before
    if world.scenario.s3:
        given = servers("s3")
        assert given["s3"].pending_uploads(given["bucket"]) == []
        assert not any(DAYS[2] in each for each in given["s3"].keys(given["bucket"]))
    for day in (DAY, DAYS[2]):
        world.run(STAGES, day, "again")
    assert world.rows().sort("order_id").select("order_id", "name", "amount").rows() == source_rows(world)
    assert world.leftovers() == []
    world.check_agreement()
