"""One writer at a time: who waits, what is said, and when waiting ends."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pytest

from etl import locks
from etl.errors import WarehouseError
from etl.warehouse.contract import Warehouse
from etl.warehouse.duckdb import DuckDBWarehouse
from tests.lake.objects import DAY, load, local_lake, publish

ROWS = pl.DataFrame({"id": range(10)})


@contextmanager
def process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs `code`, says so, and lives until the block ends."""
    source = f"import sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-c", source, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            assert started.stdout
            assert started.stdout.readline() == "ready\n"
            yield started
        finally:
            started.kill()


HOLD = """
import pathlib
from etl.errors import WarehouseError
from etl import locks
held = locks.exclusive(pathlib.Path(sys.argv[1]), what='x', run_id='run-other', error=WarehouseError)
held.__enter__()
"""


def test_a_load_that_waits_too_long_names_the_process_and_the_run_that_holds_the_warehouse(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks", lock_seconds=0.3)
    with process(HOLD, str(tmp_path / "locks" / "acme.warehouse")) as other, caplog.at_level(logging.WARNING):
        with pytest.raises(WarehouseError, match=rf"held by process {other.pid} \(run `run-other`, since 2\d\d\d-"):
            load(lake, warehouse)
        assert f"waiting up to 0 s for the warehouse acme.duckdb, held by process {other.pid}" in caplog.text
    assert load(lake, warehouse).changed


def test_a_load_goes_on_as_soon_as_the_holder_has_died(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks", lock_seconds=30)
    with process(HOLD, str(tmp_path / "locks" / "acme.warehouse")) as other:
        timer = threading.Timer(0.3, other.kill)
        timer.start()
        assert load(lake, warehouse).changed
        timer.join()


def test_a_file_that_another_program_has_open_is_waited_for_and_then_named(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks", lock_seconds=0.3)
    load(lake, warehouse)
    publish(lake, ROWS.head(1), run_id="run-2")
    code = "import duckdb\nconnection = duckdb.connect(sys.argv[1])"
    with process(code, str(tmp_path / "acme.duckdb")) as other:
        for attempt in (lambda: load(lake, warehouse), lambda: warehouse.query("SELECT 1"), warehouse.ledger):
            with pytest.raises(WarehouseError, match=rf"database file acme.duckdb is still held by .*PID {other.pid}"):
                attempt()
    assert load(lake, warehouse).rows_after == 1


def test_a_connection_of_the_same_process_is_named_as_such(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks", lock_seconds=0.2)
    load(lake, warehouse)
    with (
        duckdb.connect(tmp_path / "acme.duckdb", read_only=True),
        pytest.raises(WarehouseError, match="another connection of this process"),
    ):
        warehouse.query("SELECT 1")


def test_the_file_is_free_between_loads(tmp_path: Path) -> None:
    lake = local_lake(tmp_path)
    publish(lake, ROWS)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    load(lake, warehouse)
    with process("import duckdb\nconnection = duckdb.connect(sys.argv[1])", str(tmp_path / "acme.duckdb")):
        pass
    with warehouse.exclusive("dbt") as path, duckdb.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM mart.orders").fetchall() == [(10,)]


def test_a_file_that_is_no_database_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "acme.duckdb").write_text("not a database" * 1000)
    warehouse = DuckDBWarehouse(tmp_path / "acme.duckdb", tmp_path / "locks")
    with pytest.raises(WarehouseError, match="cannot be opened"):
        warehouse.query("SELECT 1")


def test_loads_at_the_same_time_all_arrive(tmp_path: Path, new_warehouse: Callable[..., Warehouse]) -> None:
    days = [f"2026-01-0{day}" for day in range(1, 6)]
    lake = local_lake(tmp_path)
    for day in days:
        publish(lake, ROWS, day)
    failures: list[BaseException] = []

    def one(day: str) -> None:
        try:
            load(local_lake(tmp_path), new_warehouse(60), day)
        except WarehouseError as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(day,)) for day in days]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    warehouse = new_warehouse()
    assert warehouse.query("SELECT count(*) AS n FROM mart.orders").item() == 50
    assert sorted(each.seq for each in warehouse.ledger()) == [1, 2, 3, 4, 5]


def test_a_postgresql_table_that_is_being_loaded_is_waited_for(tmp_path: Path, postgres_url: str) -> None:
    from etl.warehouse.postgres import PostgresWarehouse

    lake = local_lake(tmp_path)
    publish(lake, ROWS, DAY)
    code = (
        "import os; os.environ['ETL_FAULT'] = 'warehouse.inserted=hang'\n"
        "import threading, pathlib, time\n"
        "from tests.lake.objects import *\n"
        "from etl.warehouse.postgres import PostgresWarehouse\n"
        "warehouse = PostgresWarehouse(sys.argv[2], 'acme')\n"
        "from etl.warehouse import transaction\n"
        "at = threading.Event()\n"
        "reach = transaction.reach\n"
        "transaction.reach = lambda point: (at.set() if point == 'warehouse.inserted' else None, reach(point))\n"
        "run = lambda: load(local_lake(pathlib.Path(sys.argv[1])), warehouse, run_id='run-other')\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "at.wait()"
    )
    with process(code, str(tmp_path), postgres_url):
        with pytest.raises(
            WarehouseError, match=r"mart.orders is still held by process \d+ \(etl acme run-other, since"
        ):
            load(lake, PostgresWarehouse(postgres_url, "acme", lock_seconds=0.3))
        assert PostgresWarehouse(postgres_url, "acme").ledger() == ()
    assert load(lake, PostgresWarehouse(postgres_url, "acme", lock_seconds=30)).rows_after == 10


def test_a_lock_is_given_back_when_its_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def fail() -> None:
        with locks.exclusive(path, what="it", error=WarehouseError):
            assert locks.is_held(path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not locks.is_held(path)
