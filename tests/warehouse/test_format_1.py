"""A warehouse of the format before: it is read, continued in every mode, and never believed where it cannot be held."""

import gzip
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import psycopg
import pytest

from etl.errors import EtlError, WarehouseError
from etl.lake.lake import Lake
from etl.warehouse.contract import Warehouse
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish

FIXTURE = Path(__file__).parents[1] / "fixtures" / "format_1" / "warehouse"
A = pl.DataFrame({"id": [1, 2, 3], "qty": [10, 20, 30]})
B = pl.DataFrame({"id": [2, 3, 4], "qty": [21, 5, 41]})
BY_KEY = {"keys": ["id"], "order": "qty"}
Execute = Callable[[str], None]


@pytest.fixture
def execute(request: pytest.FixtureRequest, tmp_path: Path) -> Execute:
    """Run statements past the product, in the warehouse of the fixture."""
    if "trino" in request.node.callspec.id:
        pytest.skip("on Trino there is no ledger of an older release")
    if "postgres" in request.node.callspec.id:
        url = request.getfixturevalue("postgres_url")

        def run(sql: str) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(sql.encode())

        run((FIXTURE / "warehouse.sql").read_text())
        return run
    path = tmp_path / "warehouse" / "acme.duckdb"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress((FIXTURE / "acme.duckdb.gz").read_bytes()))

    def run_here(sql: str) -> None:
        with duckdb.connect(path) as connection:
            connection.execute(sql)

    return run_here


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = local_lake(tmp_path)
    publish(lake, A, DAY)
    publish(lake, B, NEXT_DAY)
    return lake


def rows(warehouse: Warehouse, table: str) -> list[tuple[object, ...]]:
    return sorted(warehouse.query(f"SELECT id, qty FROM mart.{table}").rows())


def test_its_ledger_is_read(execute: Execute, warehouse: Warehouse) -> None:
    entries = warehouse.ledger()
    assert len(entries) == 12
    assert {(each.format, each.digest) for each in entries} == {(1, None)}


@pytest.mark.parametrize("mode", ["replace_partition", "append"])
def test_a_day_is_loaded_again_and_then_believed(execute: Execute, warehouse: Warehouse, lake: Lake, mode: str) -> None:
    for day in (NEXT_DAY, DAY):
        again = load(lake, warehouse, day, mode=mode, table=mode)
        assert (again.changed, "format 1" in again.reason) == (True, True)
        assert not load(lake, warehouse, day, mode=mode, table=mode).changed
    assert rows(warehouse, mode) == sorted([*A.rows(), *B.rows()])
    assert [each.format for each in warehouse.ledger()] == [1] * 12 + [3] * 2


def test_an_upsert_comes_to_the_law_as_its_days_are_loaded_again(
    execute: Execute, warehouse: Warehouse, lake: Lake
) -> None:
    assert rows(warehouse, "upsert") == [(1, 10), (2, 21), (3, 30), (4, 41)]
    for day in (NEXT_DAY, DAY):
        assert load(lake, warehouse, day, mode="upsert", table="upsert", **BY_KEY).changed
        assert rows(warehouse, "upsert") == [(1, 10), (2, 21), (3, 30), (4, 41)]
    publish(lake, A.clear(), DAY, "run-2")
    load(lake, warehouse, DAY, mode="upsert", table="upsert", **BY_KEY)
    assert rows(warehouse, "upsert") == [(2, 21), (3, 5), (4, 41)]


def test_keys_that_an_older_release_collected_are_not_removed_unasked(
    execute: Execute, warehouse: Warehouse, lake: Lake
) -> None:
    publish(lake, B, None)
    with pytest.raises(WarehouseError, match="holds 1 rows whose keys the published object does not have"):
        load(lake, warehouse, None, mode="upsert", table="whole_upsert", **BY_KEY)
    assert rows(warehouse, "whole_upsert") == [(1, 10), (2, 21), (3, 5), (4, 41)]
    load(lake, warehouse, None, mode="upsert", table="whole_upsert", reload=True, **BY_KEY)
    assert rows(warehouse, "whole_upsert") == B.rows()


def test_snapshots_are_continued_and_counted_together(execute: Execute, warehouse: Warehouse, lake: Lake) -> None:
    publish(lake, B, None)
    said = load(lake, warehouse, None, mode="append", table="whole_append")
    publish(lake, A.head(1), None, "run-2")
    load(lake, warehouse, None, mode="append", table="whole_append")
    assert rows(warehouse, "whole_append") == sorted([*A.rows(), *B.rows(), (1, 10)])
    if not said.changed:  # the same bytes as when the fixture was made
        assert "were counted" in said.reason
    execute("DELETE FROM mart.whole_append WHERE id = 4")
    publish(lake, B, None, "run-3")
    if not said.changed:
        with pytest.raises(WarehouseError, match="Nothing tells which rows came from this object"):
            load(lake, warehouse, None, mode="append", table="whole_append")


def test_a_ledger_of_the_future_is_neither_read_nor_written(execute: Execute, warehouse: Warehouse, lake: Lake) -> None:
    load(lake, warehouse, DAY, table="replace_partition")
    execute("UPDATE etl_ledger.format SET format = 4")
    with pytest.raises(EtlError, match=r"has format 4; this release reads formats 1 to 3"):
        load(lake, warehouse, NEXT_DAY, table="replace_partition")
    with pytest.raises(EtlError, match=r"has format 4"):
        warehouse.ledger()


def test_an_older_release_that_loads_in_between_is_noticed(execute: Execute, warehouse: Warehouse, lake: Lake) -> None:
    """It knows nothing of the rows that are kept, and writes entries without a format."""
    for day in (DAY, NEXT_DAY):
        load(lake, warehouse, day, mode="upsert", table="upsert", **BY_KEY)
    execute(
        "INSERT INTO etl_ledger.loads (seq, tenant, pipeline, schema_name, table_name, partition, version, run_id, rows,"
        " mode, created_table, loaded_at) VALUES (99, 'acme', 'orders', 'mart', 'upsert', '2026-01-02', 'v', 'r', 1,"
        " 'upsert', false, now())"
    )
    execute("UPDATE mart.upsert SET qty = 99 WHERE id = 2")
    for day in (DAY, NEXT_DAY):
        assert load(lake, warehouse, day, mode="upsert", table="upsert", **BY_KEY).changed
    assert rows(warehouse, "upsert") == [(1, 10), (2, 21), (3, 30), (4, 41)]
