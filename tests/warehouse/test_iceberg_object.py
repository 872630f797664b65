"""A published object becomes a file of a table as it is where it fits, and every reader finds its rows."""

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog import Catalog as PyIcebergCatalog

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse.contract import Warehouse
from tests.lake.objects import DAY, NEXT_DAY, load, publish, ref_of
from tests.warehouse.cluster import A, B, Execute, catalog, execute, lake, rows, warehouse

__all__ = ["catalog", "execute", "lake", "warehouse"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ALL = pl.DataFrame(
    {
        "id": [1, 2],
        "small": pl.Series([1, None], dtype=pl.Int32),
        "text": ["é\U0001f600", ""],
        "ratio": [float("nan"), -0.0],
        "single": pl.Series([0.1, None], dtype=pl.Float32),
        "is_open": [True, None],
        "day": [dt.date(1, 1, 1), None],
        "moment": pl.Series([dt.datetime.fromisoformat("1969-12-31T23:59:59.999999"), None], dtype=pl.Datetime("us")),
        "zoned": pl.Series([dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC), None], dtype=pl.Datetime("us", "UTC")),
        "price": pl.Series([Decimal("-1.23"), None], dtype=pl.Decimal(9, 2)),
        "sum": pl.Series([Decimal("12345678901.1234"), None], dtype=pl.Decimal(18, 4)),
        "great": pl.Series([Decimal("9" * 30), None], dtype=pl.Decimal(38, 0)),
        "bytes": [b"\x00\xff", b""],
    }
)


def files(catalog: PyIcebergCatalog) -> list[Any]:
    return [task.file for task in catalog.load_table("mart.orders").scan().plan_files()]


def content(catalog: PyIcebergCatalog, path: str) -> bytes:
    with catalog.load_table("mart.orders").io.new_input(path).open() as opened:
        return bytes(opened.read())


@pytest.mark.parametrize(("partition", "mode"), [(DAY, "replace_partition"), (None, "replace"), (None, "append")])
def test_an_object_of_plain_columns_is_a_file_as_it_is(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, partition: str | None, mode: str
) -> None:
    publish(lake, ALL, partition)
    load(lake, warehouse, partition, mode=mode)
    (file,) = files(catalog)
    assert content(catalog, file.file_path) == lake.local_copy(ref_of(partition)).read_bytes()
    found = warehouse.query("SELECT * FROM mart.orders ORDER BY id")
    assert found.select(ALL.columns).equals(ALL)
    scanned = pl.from_arrow(catalog.load_table("mart.orders").scan().to_arrow())
    assert isinstance(scanned, pl.DataFrame)
    assert scanned.sort("id").select(ALL.columns).cast(dict(ALL.schema)).equals(ALL)  # type: ignore[arg-type]
    if partition:
        assert found["etl_partition"].to_list() == scanned["etl_partition"].to_list() == [dt.date(2026, 1, 1)] * 2
        assert len(warehouse.query("SELECT 1 FROM mart.orders WHERE etl_partition = DATE '2026-01-01'")) == 2
        assert len(warehouse.query("SELECT 1 FROM mart.orders WHERE etl_partition = DATE '2026-01-02'")) == 0
    assert not load(lake, warehouse, partition, mode=mode).changed


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (A.cast({"qty": pl.Int32}), "the table's column is a bigint"),
        (A.rename({"qty": "QTY"}), "the name differs by its case"),
        (A.with_columns(tags=pl.Series([["a"], [], None])), "a list has parts"),
        (A.with_columns(kind=pl.Series(["a", "b", "a"], dtype=pl.Categorical)), "a dictionary is not a text"),
        (
            A.with_columns(empty=pl.lit(None)),
            "a column without a type gets one later, and this file is read again then",
        ),
    ],
)
def test_an_object_that_does_not_fit_is_written_anew(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog, later: pl.DataFrame, why: str
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, later, NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    published = lake.local_copy(ref_of(NEXT_DAY)).read_bytes()
    assert all(content(catalog, each.file_path) != published for each in files(catalog)), why
    assert rows(warehouse) == sorted([*A.rows(), *A.rows()], key=str)


def test_a_later_column_is_empty_in_files_that_came_before(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    publish(lake, B.with_columns(note=pl.lit("new")), NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    expected = [*((*row, None) for row in A.rows()), *((*row, "new") for row in B.rows())]
    assert rows(warehouse, "id, qty, note") == sorted(expected, key=str)
    assert not any(load(lake, warehouse, day).changed for day in (DAY, NEXT_DAY))


def test_a_column_that_a_person_renames_keeps_its_rows(lake: Lake, warehouse: Warehouse, execute: Execute) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    execute("ALTER TABLE mart.orders RENAME COLUMN qty TO amount")
    assert rows(warehouse, "id, amount") == A.rows()
    publish(lake, B.rename({"qty": "amount"}), NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    assert rows(warehouse, "id, amount") == sorted([*A.rows(), *B.rows()], key=str)


@pytest.mark.parametrize("kind", ["bigint", "varchar"])
def test_a_column_that_a_person_drops_and_makes_again_comes_back_by_the_next_load(
    lake: Lake, warehouse: Warehouse, execute: Execute, kind: str
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY)
    execute("ALTER TABLE mart.orders DROP COLUMN qty")
    execute(f"ALTER TABLE mart.orders ADD COLUMN qty {kind}")
    options = {"schema_changes": "evolve"}
    if kind == "varchar":
        with pytest.raises(WarehouseError, match="qty"):
            load(lake, warehouse, DAY, **options)
        return
    load(lake, warehouse, DAY, **options)
    assert rows(warehouse) == A.rows()


def test_a_person_s_changes_of_such_a_file_are_noticed_and_undone(
    lake: Lake, warehouse: Warehouse, execute: Execute
) -> None:
    for day in (DAY, NEXT_DAY):
        publish(lake, A, day)
        load(lake, warehouse, day)
    execute("UPDATE mart.orders SET qty = 0 WHERE id = 1 AND etl_partition = DATE '2026-01-01'")
    execute("DELETE FROM mart.orders WHERE id = 2 AND etl_partition = DATE '2026-01-02'")
    assert len(rows(warehouse)) == 5
    for day in (DAY, NEXT_DAY):
        assert load(lake, warehouse, day).changed
    assert rows(warehouse) == sorted([*A.rows(), *A.rows()], key=str)
    execute("ALTER TABLE mart.orders EXECUTE optimize")
    assert rows(warehouse) == sorted([*A.rows(), *A.rows()], key=str)
    assert not any(load(lake, warehouse, day).changed for day in (DAY, NEXT_DAY))


def test_a_table_that_has_written_files_gets_the_mapping_of_its_names(
    lake: Lake, warehouse: Warehouse, catalog: PyIcebergCatalog
) -> None:
    publish(lake, A.with_columns(kind=pl.Series(["a", "b", "a"], dtype=pl.Categorical)), DAY)
    load(lake, warehouse, DAY)
    assert catalog.load_table("mart.orders").name_mapping() is None
    publish(lake, B.with_columns(kind=pl.lit("c")), NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    assert catalog.load_table("mart.orders").name_mapping() is not None
    paths = [each.file_path for each in files(catalog)]
    assert lake.local_copy(ref_of(NEXT_DAY)).read_bytes() in [content(catalog, each) for each in paths]
    expected = [(1, 10, "a"), (2, 20, "b"), (3, 30, "a"), *((*row, "c") for row in B.rows())]
    assert rows(warehouse, "id, qty, kind") == sorted(expected, key=str)
