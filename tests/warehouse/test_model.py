"""Any history of publishing and loading leaves each table as the law says: a function of what is loaded.

The oracle is SQLite over a list of objects. It never looks at how the product loads: for each mode there is one query
that says what the table holds, from the objects that were published last and those that were loaded of them.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import SecretStr

from etl.errors import WarehouseError
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import TrinoPlace, Warehouse, WarehousePlace
from tests.lake.objects import load, local_lake, publish, settings_in
from tests.servers.trino import Catalog, TrinoServer

pytestmark = pytest.mark.slow  # histories of loads, on each warehouse

DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]
Row = tuple[int, int | None, str]

rows_of_an_object = st.lists(
    st.tuples(st.integers(0, 4), st.none() | st.integers(0, 3), st.sampled_from(["a", "B", "é", ""])), max_size=6
)
steps = st.lists(st.tuples(st.sampled_from(DAYS), rows_of_an_object | st.none(), st.booleans()), min_size=1, max_size=9)
"""A day, the rows that it has from now on (`None`: the same as before), and whether it is loaded right away."""

SCHEMA = "CREATE TABLE objects (at INTEGER, day TEXT, id INTEGER, qty INTEGER, note TEXT, row INTEGER)"
NEWEST = "SELECT * FROM objects o WHERE at = (SELECT max(at) FROM objects p WHERE p.day IS o.day)"
FUNCTIONS = {
    "replace_partition": f"SELECT day, id, qty, note FROM ({NEWEST})",
    "replace": f"SELECT day, id, qty, note FROM ({NEWEST})",
    "upsert": f"""SELECT day, id, qty, note FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY {{order}}
                  day DESC, row DESC) AS place FROM ({NEWEST})) WHERE place = 1""",
    "append": "SELECT day, id, qty, note FROM objects",
}


class Law:
    """The objects that were loaded, and the query that says what the table is then."""

    def __init__(self, mode: str, order: str | None) -> None:
        by = f"{order} IS NULL, {order} DESC," if order else ""
        self._query = FUNCTIONS[mode].format(order=by)
        self._mode, self._order, self._at = mode, order, 0
        self._loaded: dict[str | None, list[Sequence[Row]]] = {}
        self._sqlite = sqlite3.connect(":memory:")
        self._sqlite.execute(SCHEMA)

    def refuses(self, day: str | None, rows: Sequence[Row]) -> bool:
        if self._mode == "append":
            return bool(day and day in self._loaded and rows not in self._loaded[day])
        return self._mode == "upsert" and self._order is None and len({row[0] for row in rows}) < len(rows)

    def load(self, day: str | None, rows: Sequence[Row]) -> None:
        known = self._loaded.setdefault(day, [])
        if self._mode == "append" and rows in known:
            return
        known.append(rows)
        self._at += 1
        self._sqlite.execute("DELETE FROM objects WHERE day IS ? AND ? <> 'append'", [day, self._mode])
        values = [(self._at, day, *row, place) for place, row in enumerate(rows)]
        self._sqlite.executemany("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?)", values)

    def table(self) -> list[tuple[Any, ...]]:
        return sorted(self._sqlite.execute(self._query).fetchall(), key=str)


def check(
    warehouse: Warehouse, folder: Path, table: str, mode: str, order: str | None, plan: Sequence[Any], *, days: bool
) -> None:
    lake, law, published = local_lake(folder), Law(mode, order), dict[str | None, tuple[Row, ...]]()
    arguments: dict[str, Any] = {"mode": mode, "keys": ["id"], "order": order, "table": table}
    for at, (planned, rows, now) in enumerate([*plan, *((day, None, True) for day in reversed(DAYS))]):
        day = planned if days else None
        if rows is not None:
            published[day] = tuple(rows)
            frame = pl.DataFrame(rows, schema={"id": pl.Int64, "qty": pl.Int64, "note": pl.String}, orient="row")
            publish(lake, frame, day, f"run-{at}")
        if day not in published or not now:
            continue
        if law.refuses(day, published[day]):
            with pytest.raises(WarehouseError):
                load(lake, warehouse, day, **arguments)
            continue
        load(lake, warehouse, day, **arguments)
        assert not load(lake, warehouse, day, **arguments).changed
        law.load(day, published[day])
        assert found(warehouse, table, days=days) == law.table()
    lake.close()


def found(warehouse: Warehouse, table: str, *, days: bool) -> list[tuple[Any, ...]]:
    columns = "CAST(etl_partition AS varchar), id, qty, note" if days else "NULL, id, qty, note"
    return sorted(warehouse.query(f"SELECT {columns} FROM mart.{table}").rows(), key=str)


CASES = {
    "replace_partition": ("replace_partition", None, True),
    "replace_partition_without_partitions": ("replace_partition", None, False),
    "replace": ("replace", None, False),
    "upsert_by_order": ("upsert", "qty", True),
    "upsert_by_text": ("upsert", "note", True),
    "upsert_without_order": ("upsert", None, True),
    "upsert_without_partitions": ("upsert", "qty", False),
    "append": ("append", None, True),
    "append_without_partitions": ("append", None, False),
}


def histories(examples: int, hold: Callable[[Sequence[Any]], None]) -> None:
    """Let the law hold for so many histories."""
    settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)(
        given(plan=steps)(hold)
    )()


@pytest.mark.parametrize("examples", [4, pytest.param(15, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_a_duckdb_table_is_the_function_of_what_is_loaded(case: str, examples: int) -> None:
    mode, order, days = CASES[case]

    def hold(plan: Sequence[Any]) -> None:
        with tempfile.TemporaryDirectory() as name:
            warehouse = open_warehouse(WarehousePlace(), settings_in(Path(name)), "acme")
            check(warehouse, Path(name), "orders", mode, order, plan, days=days)

    histories(examples, hold)


@pytest.fixture
def database(postgres_url: str) -> Callable[[], Warehouse]:
    """The database, without the tables of the example before."""

    def empty() -> Warehouse:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for schema in ("mart", "etl_ledger", "etl_kept"):
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        place = WarehousePlace(type="postgres", url=SecretStr(postgres_url))
        return open_warehouse(place, settings_in(Path()), "acme")

    return empty


@pytest.mark.parametrize("examples", [2, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_a_postgresql_table_is_the_function_of_what_is_loaded(
    database: Callable[[], Warehouse], case: str, examples: int
) -> None:
    mode, order, days = CASES[case]

    def hold(plan: Sequence[Any]) -> None:
        with tempfile.TemporaryDirectory() as name:
            check(database(), Path(name), "orders", mode, order, plan, days=days)

    histories(examples, hold)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", CASES)
def test_a_table_on_trino_is_the_function_of_what_is_loaded(
    trino: TrinoServer, trino_catalog: Catalog, trino_place: TrinoPlace, case: str
) -> None:
    mode, order, days = CASES[case]

    def hold(plan: Sequence[Any]) -> None:
        trino.empty(trino_catalog)
        with tempfile.TemporaryDirectory() as name:
            place = WarehousePlace(type="trino", trino=trino_place)
            warehouse = open_warehouse(place, settings_in(Path(name)), "acme")
            check(warehouse, Path(name), "orders", mode, order, plan, days=days)

    histories(int(os.environ.get("ETL_TRINO_HISTORIES", "2")), hold)  # the first one is a short one
