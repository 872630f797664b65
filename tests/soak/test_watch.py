"""The watcher of the kill test beside loads that are played by hand: it tells what the laws forbid, and nothing else."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.object_store import ObjectStore
from tests.servers.postgres import PostgresServer, serving
from tests.soak.watch import Watcher
from tests.soak.world import DAYS, World

DAY = DAYS[0]
NOWHERE = ObjectStore("http://127.0.0.1:1", "", "")
TABLES = (
    "CREATE SCHEMA north",
    "CREATE SCHEMA etl_ledger",
    "CREATE TABLE etl_ledger.loads (seq bigint, schema_name text, table_name text, partition text, version text)",
    "CREATE TABLE north.events (id int, amount numeric(12,2), note text, owner text, at timestamp, cents bigint)",
    "CREATE TABLE north.states (id int, state text, owner text, at timestamp)",
    "CREATE TABLE north.codes (id int, label text, owner text)",
    "CREATE TABLE north.snaps (id int, label text, owner text, etl_load bigint)",
)
EVENTS = "SELECT id, amount, note, owner, at, (amount * 100)::bigint FROM north_source.events WHERE amount >= 0"
ROWS = f"INSERT INTO north.events {EVENTS} AND at::date = '{DAY}'"
NO_ROWS = f"DELETE FROM north.events WHERE at::date = '{DAY}'"


class Warehouse:
    """A table of events, loaded by hand, and what the watcher says of it."""

    def __init__(self, world: World) -> None:
        self.world, self.watcher, self._seq = world, Watcher(world), 0

    def ledger(self, version: str, table: str = "events", partition: str | None = DAY) -> str:
        self._seq += 1
        part = f"'{partition}'" if partition else "NULL"
        return f"INSERT INTO etl_ledger.loads VALUES ({self._seq}, 'north', '{table}', {part}, '{version}')"

    def says(self, *statements: str) -> list[str]:
        """The problems that are new when the statements, one transaction, are done."""
        before = list(self.watcher.problems)
        with self.world.postgres.connect() as connection:
            with connection.transaction():
                for each in statements:
                    connection.execute(each)
            self.watcher.look(connection, "north")
        return [each for each in self.watcher.problems if each not in before]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with serving(log_statement="none") as postgres:
        yield postgres


@pytest.fixture
def warehouse(server: PostgresServer, tmp_path: Path) -> Iterator[Warehouse]:
    world = World(tmp_path, server, NOWHERE)
    world.make_sources()
    for seed in range(1, 5):  # until every day has rows
        world.change("north", random.Random(seed))
    server.run(*TABLES)
    yield Warehouse(world)
    names = ("north", "etl_ledger", "soak", "north_source", "south_source")
    server.run(*(f"DROP SCHEMA {each} CASCADE" for each in names))


def change(warehouse: Warehouse, seed: int = 9) -> None:
    warehouse.world.change("north", random.Random(seed))


def test_loads_in_one_transaction_are_right(warehouse: Warehouse) -> None:
    assert warehouse.says(ROWS, warehouse.ledger("v1")) == []
    change(warehouse)
    assert warehouse.says() == []
    assert warehouse.says(NO_ROWS, ROWS, warehouse.ledger("v2")) == []
    assert warehouse.watcher.compared["events"] >= 2


def test_rows_before_their_ledger(warehouse: Warehouse) -> None:
    warehouse.says(ROWS, warehouse.ledger("v1"))
    change(warehouse)
    assert "two different contents" in " ".join(warehouse.says(NO_ROWS, ROWS))


def test_the_ledger_before_its_rows(warehouse: Warehouse) -> None:
    warehouse.says(ROWS, warehouse.ledger("v1"))
    change(warehouse)
    warehouse.says(warehouse.ledger("v2"))
    assert "two different contents" in " ".join(warehouse.says(NO_ROWS, ROWS))


def test_half_of_the_rows(warehouse: Warehouse) -> None:
    half = f"{ROWS} AND id > (SELECT min(id) FROM north_source.events WHERE amount >= 0 AND at::date = '{DAY}')"
    assert "nothing that the source was" in " ".join(warehouse.says(half, warehouse.ledger("v1")))


def test_an_older_state_after_a_newer_one(warehouse: Warehouse) -> None:
    warehouse.says("CREATE TABLE north.kept AS SELECT * FROM north.events", ROWS, warehouse.ledger("v1"))
    warehouse.says("INSERT INTO north.kept SELECT * FROM north.events")
    change(warehouse)
    assert warehouse.says(NO_ROWS, ROWS, warehouse.ledger("v2")) == []
    back = warehouse.says(NO_ROWS, "INSERT INTO north.events SELECT * FROM north.kept", warehouse.ledger("v1"))
    assert "went back" in " ".join(back)


def test_rows_that_no_load_brought(warehouse: Warehouse) -> None:
    other = f"INSERT INTO north.events {EVENTS} AND at::date = '{DAYS[1]}'"
    assert "knows nothing" in " ".join(warehouse.says(ROWS, other, warehouse.ledger("v1")))


def test_a_row_of_upsert_that_never_was(warehouse: Warehouse) -> None:
    rows = "INSERT INTO north.states SELECT id, state, owner, at FROM north_source.states"
    assert warehouse.says(rows, warehouse.ledger("v1", "states")) == []
    assert "never had" in " ".join(warehouse.says("UPDATE north.states SET owner = 'south'"))


def test_the_same_objects_by_upsert_leave_the_same_table(warehouse: Warehouse) -> None:
    rows = "INSERT INTO north.states SELECT id, state, owner, at FROM north_source.states"
    warehouse.says(rows, warehouse.ledger("v1", "states"))
    less = "DELETE FROM north.states WHERE id = (SELECT min(id) FROM north.states)"
    assert "two different contents" in " ".join(warehouse.says(less, warehouse.ledger("v1", "states")))


def test_a_snapshot_that_was_appended_twice(warehouse: Warehouse) -> None:
    rows = "INSERT INTO north.snaps SELECT id, label, owner, {} FROM north_source.codes"
    assert warehouse.says(rows.format(1), warehouse.ledger("v1", "snaps", None)) == []
    again: list[Any] = warehouse.says(rows.format(2), warehouse.ledger("v1", "snaps", None))
    assert "does not know" in " ".join(again)
