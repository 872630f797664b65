"""Every mode of loading, schema changes and refusals, the same in DuckDB and in PostgreSQL."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse.contract import LoadRequest, Warehouse
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish, ref_of

ROWS = pl.DataFrame({"id": [1, 2, 3], "qty": [10, 20, 30]})
NewWarehouse = Callable[..., Warehouse]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path)


def rows(warehouse: Warehouse, columns: str = "id, qty") -> list[tuple[object, ...]]:
    return sorted(warehouse.query(f"SELECT {columns} FROM mart.orders").rows(), key=str)


def test_a_load_brings_every_row_and_says_so_in_the_ledger(lake: Lake, warehouse: Warehouse) -> None:
    published = publish(lake, ROWS)
    report = load(lake, warehouse)
    assert (report.table, report.changed) == ("mart.orders", True)
    assert (report.rows_loaded, report.rows_before, report.rows_after) == (3, 0, 3)
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 30)]
    (entry,) = warehouse.ledger()
    assert (entry.partition, entry.version, entry.rows, entry.run_id) == (DAY, published.version, 3, "run-1")
    assert (entry.created_table, entry.loaded_at.tzinfo is not None) == (True, True)


@pytest.mark.parametrize("folder", ["a[b]c", "a?c", "a*"])
def test_a_folder_whose_name_reads_as_a_pattern_is_itself_and_no_other(
    folder: str, tmp_path: Path, warehouse: Warehouse
) -> None:
    publish(local_lake(tmp_path / "abc"), ROWS.with_columns(pl.col("qty") + 1))
    lake = local_lake(tmp_path / folder)
    publish(lake, ROWS)
    load(lake, warehouse)
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 30)]


@pytest.mark.parametrize(
    ("mode", "partition"),
    [*((mode, day) for mode in ("replace_partition", "upsert", "append") for day in (DAY, None)), ("replace", None)],
)
def test_the_same_object_again_changes_nothing(
    lake: Lake, warehouse: Warehouse, mode: str, partition: str | None
) -> None:
    publish(lake, ROWS, partition)
    load(lake, warehouse, partition, mode=mode, keys=["id"])
    again = load(lake, warehouse, partition, mode=mode, keys=["id"], run_id="run-2")
    assert (again.changed, again.rows_loaded, again.rows_after) == (False, 0, 3)
    assert len(warehouse.ledger()) == 1
    assert len(rows(warehouse)) == 3


def test_a_changed_object_replaces_its_partition_only(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    publish(lake, ROWS.with_columns(pl.col("id") + 10), NEXT_DAY)
    load(lake, warehouse, DAY)
    load(lake, warehouse, NEXT_DAY)
    publish(lake, ROWS.head(1), DAY, "run-2")
    report = load(lake, warehouse, DAY)
    assert (report.rows_before, report.rows_after) == (3, 1)
    assert rows(warehouse, "id, CAST(etl_partition AS varchar)") == [
        (1, DAY), (11, NEXT_DAY), (12, NEXT_DAY), (13, NEXT_DAY),
    ]  # fmt: skip


def test_a_table_without_partitions_is_replaced_as_a_whole(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, None)
    load(lake, warehouse, None)
    publish(lake, ROWS.tail(1), None, "run-2")
    load(lake, warehouse, None)
    assert rows(warehouse, "*") == [(3, 30)]


def test_replace_of_one_partition_is_refused_because_it_would_remove_the_others(
    lake: Lake, warehouse: Warehouse
) -> None:
    publish(lake, ROWS, DAY)
    with pytest.raises(WarehouseError, match="would remove all other partitions"):
        load(lake, warehouse, DAY, mode="replace")


def test_an_object_without_rows_empties_its_partition(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS)
    load(lake, warehouse)
    publish(lake, ROWS.clear(), run_id="run-2")
    assert load(lake, warehouse).rows_after == 0


def test_a_table_that_somebody_dropped_is_filled_again(
    lake: Lake, warehouse: Warehouse, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for partition in (DAY, NEXT_DAY):
        publish(lake, ROWS, partition)
        load(lake, warehouse, partition)
    _execute(request, tmp_path, "DROP TABLE mart.orders")
    for partition in (DAY, NEXT_DAY):
        assert load(lake, warehouse, partition).changed
    assert len(rows(warehouse)) == 6


def test_upsert_adds_new_keys_changes_old_ones_and_keeps_those_of_other_partitions(
    lake: Lake, warehouse: Warehouse
) -> None:
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY, mode="upsert", keys=["id"])
    publish(lake, pl.DataFrame({"id": [3, 4], "qty": [33, 40]}), NEXT_DAY)
    report = load(lake, warehouse, NEXT_DAY, mode="upsert", keys=["id"])
    assert (report.rows_loaded, report.rows_before, report.rows_after) == (2, 0, 2)
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 33), (4, 40)]


def test_columns_called_like_those_that_readers_add_are_loaded_like_any_other(lake: Lake, warehouse: Warehouse) -> None:
    names = ("file_row_number", "filename", "file_index", "dt", "rowid")
    several = {name: [f"{name} {row}" for row in range(4)] for name in names}
    publish(lake, pl.DataFrame({"id": [1, 2, 1, 3], "qty": [1, 1, 1, 1], **several}), DAY)
    load(lake, warehouse, DAY, mode="upsert", keys=["id"], order="qty")  # the order column is equal: the last row wins
    expected = [(number, *(f"{name} {row}" for name in names)) for number, row in ((1, 2), (2, 1), (3, 3))]
    assert rows(warehouse, f"id, {', '.join(names)}") == expected
    load(lake, warehouse, DAY, mode="replace_partition", table="other")
    found = warehouse.query(f"SELECT {', '.join(names)} FROM mart.other ORDER BY dt")
    assert found.equals(pl.DataFrame(several).select(names))


def test_upsert_without_partitions_is_the_last_row_of_each_key_of_the_one_object(
    lake: Lake, warehouse: Warehouse
) -> None:
    publish(lake, ROWS, None)
    load(lake, warehouse, None, mode="upsert", keys=["id"], order="qty")
    publish(lake, pl.DataFrame({"id": [3, 4, 4], "qty": [33, 41, 40]}), None, "run-2")
    report = load(lake, warehouse, None, mode="upsert", keys=["id"], order="qty")
    assert (report.rows_loaded, report.rows_before, report.rows_after) == (2, 3, 2)
    assert rows(warehouse) == [(3, 33), (4, 41)]
    assert not load(lake, warehouse, None, mode="upsert", keys=["id"], order="qty").changed


def test_upsert_gives_a_key_back_to_the_partition_that_still_has_it(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    publish(lake, ROWS.with_columns(pl.col("qty") + 1), NEXT_DAY)
    for day in (NEXT_DAY, DAY):
        load(lake, warehouse, day, mode="upsert", keys=["id"])
    assert rows(warehouse) == [(1, 11), (2, 21), (3, 31)]
    publish(lake, ROWS.head(1), NEXT_DAY, "run-2")
    load(lake, warehouse, NEXT_DAY, mode="upsert", keys=["id"])
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 30)]
    publish(lake, ROWS.head(2), DAY, "run-3")
    load(lake, warehouse, DAY, mode="upsert", keys=["id"])
    assert rows(warehouse) == [(1, 10), (2, 20)]


def test_upsert_takes_the_last_by_order_and_of_equals_the_later_row(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, pl.DataFrame({"id": [1, 1, 1, 2, 2], "qty": [5, 9, None, 7, 7], "note": list("abcde")}))
    load(lake, warehouse, mode="upsert", keys=["id"], order="qty")
    assert rows(warehouse, "id, qty, note") == [(1, 9, "b"), (2, 7, "e")]


def test_upsert_ends_the_same_in_whatever_order_the_partitions_come(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, pl.DataFrame({"id": [1, 2, 3, 4], "qty": [5, 5, 5, None]}), DAY)
    publish(lake, pl.DataFrame({"id": [1, 2, 3, 4], "qty": [4, 5, 6, None]}), NEXT_DAY)
    ends = []
    for table, partitions in (("forth", [DAY, NEXT_DAY]), ("back", [NEXT_DAY, DAY])):
        for partition in partitions:
            load(lake, warehouse, partition, mode="upsert", keys=["id"], order="qty", table=table)
        ends.append(sorted(warehouse.query(f"SELECT id, qty, CAST(etl_partition AS varchar) FROM mart.{table}").rows()))
    assert ends[0] == ends[1] == [(1, 5, DAY), (2, 5, NEXT_DAY), (3, 6, NEXT_DAY), (4, None, NEXT_DAY)]


@pytest.mark.parametrize(
    ("frame", "order", "complaint"),
    [
        (pl.DataFrame({"id": [1, None], "qty": [1, 2]}), None, r"1 rows have a null in their key \(id\)"),
        (pl.DataFrame({"id": [1, 1, 2], "qty": [1, 1, 1]}), None, r"1 keys \(id\) are in more than one row"),
        (pl.DataFrame({"no": [1], "qty": [1]}), None, "no column `id` to upsert by"),
        (pl.DataFrame({"id": [1], "qty": [1]}), "at", "no column `at` to upsert by"),
    ],
)
def test_upsert_refuses_what_it_cannot_decide(
    lake: Lake, warehouse: Warehouse, frame: pl.DataFrame, order: str | None, complaint: str
) -> None:
    publish(lake, frame)
    with pytest.raises(WarehouseError, match=complaint):
        load(lake, warehouse, mode="upsert", keys=["id"], order=order)
    assert warehouse.ledger() == ()


def test_append_takes_each_object_once_and_refuses_a_changed_one(lake: Lake, warehouse: Warehouse) -> None:
    for partition in (DAY, NEXT_DAY, DAY):
        publish(lake, ROWS, partition)
        load(lake, warehouse, partition, mode="append")
    assert len(rows(warehouse)) == 6
    publish(lake, ROWS.head(1), DAY, "run-2")
    with pytest.raises(WarehouseError, match="already holds partition 2026-01-01 from run `run-1`"):
        load(lake, warehouse, DAY, mode="append")
    assert len(rows(warehouse)) == 6


def test_append_without_partitions_collects_every_snapshot(lake: Lake, warehouse: Warehouse) -> None:
    for frame in (ROWS, ROWS.head(2), ROWS):
        publish(lake, frame, None)
        load(lake, warehouse, None, mode="append")
    assert len(rows(warehouse)) == 5


def test_a_new_column_is_added_and_is_null_in_older_rows(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY)
    publish(lake, ROWS.head(1).with_columns(note=pl.lit("n"), nothing=None), NEXT_DAY)
    assert load(lake, warehouse, NEXT_DAY).columns_added == ("note",)
    assert rows(warehouse, "id, note") == [(1, "n"), (1, None), (2, None), (3, None)]


@pytest.mark.parametrize(
    ("frame", "policy", "complaint"),
    [
        (ROWS.drop("qty"), "evolve", r"column `qty` \(.*\) is not in the object any more"),
        (
            ROWS.cast({"qty": pl.String}),
            "evolve",
            r"column `qty` is (BIGINT|bigint) in the table and \S+( varying)? in",
        ),
        (ROWS.cast({"id": pl.Float64}), "evolve", "column `id` is (BIGINT|bigint) in the table and (DOUBLE|double)"),
        (ROWS.with_columns(new=1), "fail", r"column `new` \(.*\) is new"),
        (ROWS.cast({"qty": pl.Int32}), "fail", "column `qty` is (BIGINT|bigint) in the table and (INTEGER|integer)"),
        (ROWS.with_columns(etl_partition=1), "evolve", "`etl_partition` belongs to the loader"),
        (ROWS.with_columns(QTY=1), "evolve", "`qty` and `QTY` differ by case only"),
    ],
)
def test_a_change_of_columns_that_needs_a_person_is_refused_by_name(
    lake: Lake, warehouse: Warehouse, frame: pl.DataFrame, policy: str, complaint: str
) -> None:
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY)
    publish(lake, frame, DAY, "run-2")
    with pytest.raises(WarehouseError, match=complaint):
        load(lake, warehouse, DAY, schema_changes=policy)
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 30)]
    assert len(warehouse.ledger()) == 1


def test_a_narrower_type_and_a_column_of_nulls_only_are_taken_as_they_are(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY)
    publish(lake, ROWS.head(1).cast({"id": pl.Int16}).with_columns(qty=None), NEXT_DAY)
    load(lake, warehouse, NEXT_DAY)
    assert rows(warehouse) == [(1, 10), (1, None), (2, 20), (3, 30)]


def test_a_partitioned_table_does_not_become_a_whole_one_unnoticed(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    publish(lake, ROWS, None)
    load(lake, warehouse, DAY)
    with pytest.raises(WarehouseError, match="was loaded as a partitioned table and is whole now"):
        load(lake, warehouse, None)
    load(lake, warehouse, None, table="whole")
    with pytest.raises(WarehouseError, match="was loaded as a whole table and is partitioned now"):
        load(lake, warehouse, DAY, table="whole")


def test_an_object_that_is_not_the_one_announced_is_refused(lake: Lake, warehouse: Warehouse) -> None:
    published = publish(lake, ROWS)
    given = {
        "tenant": "acme", "pipeline": "orders", "partition": DAY, "schema_name": "mart", "table": "orders",
        "run_id": "r", "version": published.version, "rows": 3,
    }  # fmt: skip
    path = lake.local_copy(ref_of())
    with warehouse.writing("mart", "orders", "r") as table:
        with pytest.raises(WarehouseError, match="holds 3 rows, 4 were expected"):
            table.load(LoadRequest(**{**given, "rows": 4}), path)
        with pytest.raises(WarehouseError, match="was replaced while the load began"):
            table.load(LoadRequest(**{**given, "version": "0" * 64}), path)
        with pytest.raises(WarehouseError, match="does not exist"):
            table.load(LoadRequest(**given), path.with_name("gone.parquet"))
    assert warehouse.ledger() == ()


HOSTILE = [
    'x"; DROP TABLE mart.orders; --', "x'; DROP TABLE mart.orders; --", "a b", "Select", "ünïcode", "%s", "%(a)s", "?",
    "{x}", "$1", "a.b", "\\", "tab\tnew\nline", "x" * 60,
]  # fmt: skip


def test_names_that_carry_sql_are_names_and_nothing_else(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS, DAY)
    load(lake, warehouse, DAY)
    publish(lake, pl.DataFrame({name: [at] for at, name in enumerate(HOSTILE)}), NEXT_DAY)
    for at, name in enumerate(HOSTILE):
        keys = HOSTILE[at : at + 1]
        if "Trino" in type(warehouse).__name__ and not re.fullmatch(r"\w+", name, re.ASCII):
            with pytest.raises(WarehouseError, match="may have only letters from a to z, digits and underscores"):
                load(lake, warehouse, NEXT_DAY, schema=name, table="t", mode="upsert", keys=keys)
            with pytest.raises(WarehouseError, match="may have only letters from a to z, digits and underscores"):
                load(lake, warehouse, NEXT_DAY, table=name, mode="upsert", keys=keys)
        target = "hostile" if "Trino" in type(warehouse).__name__ else name
        report = load(lake, warehouse, NEXT_DAY, schema=target, table=target, mode="upsert", keys=keys)
        assert report.rows_after == 1
    assert rows(warehouse) == [(1, 10), (2, 20), (3, 30)]


def test_two_tables_of_one_pipeline_have_their_own_ledger(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS)
    assert load(lake, warehouse, table="one").changed
    assert load(lake, warehouse, table="two").changed
    assert not load(lake, warehouse, table="one").changed


def test_a_query_cannot_write(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, ROWS)
    load(lake, warehouse)
    with pytest.raises(WarehouseError, match=r"(?i)read.only"):
        warehouse.query("DELETE FROM mart.orders")
    with pytest.raises(WarehouseError, match="the query failed"):
        warehouse.query("SELECT * FROM mart.nothing")


def test_upsert_without_keys_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(WarehouseError, match="without key columns"):
        LoadRequest(
            tenant="t", pipeline="p", partition=None, schema_name="s", table="t", mode="upsert", version="v", rows=0,
            run_id="r",
        )  # fmt: skip


def _execute(request: pytest.FixtureRequest, folder: Path, sql: str) -> None:
    """Run a statement in the warehouse, past the product."""
    if "postgres" in request.node.callspec.id:
        import psycopg

        with psycopg.connect(request.getfixturevalue("postgres_url"), autocommit=True) as connection:
            connection.execute(sql)
        return
    if "trino" in request.node.callspec.id:
        server: Any = request.getfixturevalue("trino")
        server.change(sql, request.getfixturevalue("trino_catalog"))
        return
    import duckdb

    with duckdb.connect(folder / "warehouse" / "acme.duckdb") as connection:
        connection.execute(sql)
