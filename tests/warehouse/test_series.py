"""The loads of a range share a lock and a connection for a while: what others can do meanwhile, and what a kill leaves."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest

from etl.errors import WarehouseError
from etl.warehouse import series as series_module
from etl.warehouse.contract import Warehouse
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.series import LoadSeries
from tests.lake.objects import load, local_lake, publish

pytestmark = pytest.mark.slow  # series of loads, on each warehouse

ROWS = pl.DataFrame({"id": range(10), "rank": range(10)})
DAYS = [f"2026-01-{day:02}" for day in range(1, 31)]


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was locked and opened meanwhile."""
    seen: list[str] = []

    def noted(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.append(name)
            return original(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBWarehouse, "connect", noted("opened", DuckDBWarehouse.connect))
        patch.setattr(DuckDBWarehouse, "exclusive", noted("locked", DuckDBWarehouse.exclusive))
        yield seen


@pytest.mark.parametrize("days", [3, 30])
def test_a_range_locks_and_opens_the_file_once(tmp_path: Path, days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, warehouse = local_lake(tmp_path), DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    for day in DAYS[:days]:
        publish(lake, ROWS, day)
    with counting(monkeypatch) as seen, LoadSeries(warehouse, hold_seconds=600) as series:
        for day in DAYS[:days]:
            load(lake, series, day)
    assert seen == ["locked", "opened"]
    assert warehouse.query("SELECT count(*), count(DISTINCT etl_partition) FROM mart.orders").row(0) == (
        10 * days,
        days,
    )
    with duckdb.connect(tmp_path / "acme.duckdb"):
        pass  # the file is free


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
def test_a_range_leaves_the_table_that_single_loads_leave(
    mode: str, tmp_path: Path, new_warehouse: Callable[..., Warehouse]
) -> None:
    lake, warehouse = local_lake(tmp_path), new_warehouse()
    options: dict[str, Any] = {"mode": mode, "keys": ["id"], "order": "rank"} if mode == "upsert" else {"mode": mode}
    for number, day in enumerate(DAYS[:4]):
        publish(lake, ROWS.with_columns(pl.col("id") + 3 * number, pl.col("rank") * 7 % 5), day)
    for day in DAYS[:4]:
        load(lake, warehouse, day, table="singly", **options)
    with LoadSeries(warehouse, hold_seconds=600) as series:
        for day in (*DAYS[:4], DAYS[1]):
            load(lake, series, day, **options)
    query = "SELECT id, rank, etl_partition FROM mart.{} ORDER BY etl_partition, id"
    assert warehouse.query(query.format("orders")).equals(warehouse.query(query.format("singly")))
    assert [each.partition for each in warehouse.ledger() if each.table_name == "orders"] == DAYS[:4]


def test_others_load_and_read_before_a_long_range_ends(tmp_path: Path, new_warehouse: Callable[..., Warehouse]) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS, DAYS[0])
    publish(lake, ROWS, None)
    load(lake, new_warehouse(), DAYS[0])
    done = threading.Event()

    def other() -> None:
        assert new_warehouse().query("SELECT count(*) AS n FROM mart.orders").item() == 10
        load(local_lake(tmp_path), new_warehouse(), None, table="elsewhere", mode="replace")
        assert len(new_warehouse().ledger()) > 1
        done.set()

    thread = threading.Thread(target=other)
    with LoadSeries(new_warehouse(), hold_seconds=0.2) as series:
        load(lake, series, DAYS[0])
        thread.start()
        while thread.is_alive():  # the range would go on for as long as the other one waits
            load(lake, series, DAYS[0], reload=True)
    assert done.is_set()


def test_a_load_that_fails_gives_up_the_lock_and_the_next_one_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, warehouse = local_lake(tmp_path), DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    for day in DAYS[:3]:
        publish(lake, ROWS, day)
    with counting(monkeypatch) as seen, LoadSeries(warehouse, hold_seconds=600) as series:
        load(lake, series, DAYS[0])
        with pytest.raises(WarehouseError, match="no column `nothing`"):
            load(lake, series, DAYS[1], mode="upsert", keys=["nothing"])
        load(lake, warehouse, DAYS[1])
        load(lake, series, DAYS[2])
    assert seen == ["locked", "opened"] * 3
    assert warehouse.query("SELECT count(*) AS n FROM mart.orders").item() == 30


def test_the_lock_is_given_up_after_a_while_and_left_to_others_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, warehouse = local_lake(tmp_path), DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    ticks, pauses = count(), list[float]()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) * 0.05, sleep=pauses.append)
    monkeypatch.setattr(series_module, "time", clock)
    publish(lake, ROWS, DAYS[0])
    with counting(monkeypatch) as seen, LoadSeries(warehouse, hold_seconds=0.09) as series:
        for _ in range(6):
            load(lake, series, DAYS[0], reload=True)
    assert seen == ["locked", "opened"] * 3, "two loads each"
    assert [each > 0 for each in pauses] == [False, True, True]


PROCESS = """
import sys, pathlib
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.series import LoadSeries
from tests.lake.objects import load, local_lake
folder = pathlib.Path(sys.argv[1])
with LoadSeries(DuckDBWarehouse(folder / 'acme.duckdb', folder / 'locks'), hold_seconds=600) as series:
    for day in sys.argv[2:]:
        load(local_lake(folder), series, day, mode='upsert', keys=['id'], order='rank')
"""


@pytest.mark.parametrize("point", ["begin@3", "kept@2", "ledger@3", "before_commit@3", "committed@2", "closed"])
def test_a_range_that_is_killed_keeps_what_it_committed_and_goes_on(tmp_path: Path, point: str) -> None:
    lake, warehouse = local_lake(tmp_path), DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    for number, day in enumerate(DAYS[:4]):
        publish(lake, ROWS.with_columns(pl.col("id") + 3 * number), day)
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", PROCESS, str(tmp_path), *DAYS[:4]]
    killed = subprocess.run(
        command, env={**environ, "ETL_FAULT": f"warehouse.{point}=kill"}, check=False, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr
    committed = {"committed@2": 2, "closed": 4}.get(point, 2 if point[-1] == "3" else 1)
    assert [each.partition for each in warehouse.ledger()] == DAYS[:committed]
    counted = "SELECT count(*) AS n FROM mart.orders"
    assert warehouse.query(counted).item() == 10 + 3 * (committed - 1)
    subprocess.run(command, env=environ, check=True, capture_output=True)
    assert [each.partition for each in warehouse.ledger()] == DAYS[:4]
    assert warehouse.query(counted).item() == 19
    assert [each.name for each in tmp_path.glob("acme.duckdb*")] == ["acme.duckdb"]
