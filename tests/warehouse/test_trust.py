"""Whose table it is, whether it still holds what the ledger says, and what it costs to find out."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import psycopg
import pytest
from pydantic import SecretStr

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse import ledger
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import KEPT_SCHEMA, Warehouse, WarehousePlace, kept_table
from tests.amounts import amount
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish, settings_in

pytestmark = pytest.mark.slow  # a matrix of damages, in each mode, on each warehouse

A = pl.DataFrame({"id": [1, 2, 3], "qty": [10.5, 20.0, None], "note": ["a", None, "c"]})
B = A.with_columns(pl.col("qty") + 1)
Execute = Callable[[str], None]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path)


@pytest.fixture
def execute(request: pytest.FixtureRequest, tmp_path: Path) -> Execute:
    """Run a statement past the product."""

    def run(sql: str) -> None:
        if "postgres" in request.node.callspec.id:
            with psycopg.connect(request.getfixturevalue("postgres_url"), autocommit=True) as connection:
                connection.execute(sql.encode())
        elif "trino" in request.node.callspec.id:
            request.getfixturevalue("trino").change(sql, request.getfixturevalue("trino_catalog"))
        else:
            (tmp_path / "warehouse").mkdir(exist_ok=True)
            with duckdb.connect(tmp_path / "warehouse" / "acme.duckdb") as connection:
                connection.execute(sql)

    return run


def rows(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return sorted(warehouse.query("SELECT id, qty, note FROM mart.orders").rows(), key=str)


DAMAGE = {
    "emptied": "DELETE FROM mart.orders",
    "a row gone": "DELETE FROM mart.orders WHERE id = 1",
    "a row twice": "INSERT INTO mart.orders SELECT * FROM mart.orders WHERE id = 2",
    "a value changed": "UPDATE mart.orders SET qty = 11 WHERE id = 1",
    "a value gone": "UPDATE mart.orders SET note = NULL WHERE id = 1",
    "values swapped": "UPDATE mart.orders SET note = CASE id WHEN 1 THEN 'c' WHEN 3 THEN 'a' ELSE note END",
    "another type": "ALTER TABLE mart.orders ALTER COLUMN note TYPE INTEGER USING 1",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    ("mode", "day"),
    [
        ("replace_partition", DAY),
        ("replace_partition", None),
        ("upsert", DAY),
        ("upsert", None),
        ("append", DAY),
        ("append", None),
    ],
)
def test_damage_by_hand_is_noticed_and_mended_by_loading_again(
    lake: Lake, warehouse: Warehouse, execute: Execute, mode: str, day: str | None, damage: str
) -> None:
    if damage == "another type" and "Trino" in type(warehouse).__name__:
        pytest.skip("Iceberg widens a type and gives no column another one")
    publish(lake, A, day)
    load(lake, warehouse, day, mode=mode, keys=["id"])
    before = rows(warehouse)
    execute(DAMAGE[damage])
    if damage == "another type":
        with pytest.raises(WarehouseError, match="column `note` is") as refused:
            load(lake, warehouse, day, mode=mode, keys=["id"])
        execute(re.findall("`(ALTER TABLE .*?)`", refused.value.problem)[0])  # the remedy works as it is printed
    again = load(lake, warehouse, day, mode=mode, keys=["id"], run_id="run-2")
    assert (again.changed, "changed by hand" in again.reason) == (True, True)
    assert rows(warehouse) == before
    assert not load(lake, warehouse, day, mode=mode, keys=["id"]).changed


@pytest.mark.parametrize("day", [DAY, None])
@pytest.mark.parametrize("reload", [False, True])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ALTER TABLE mart.orders RENAME COLUMN note TO note2", "note2"),
        ("ALTER TABLE mart.orders ALTER COLUMN qty TYPE {text} USING 'x'", "qty"),
    ],
)
def test_a_column_of_an_upserted_table_changed_by_hand_is_named_with_its_statement(
    lake: Lake,
    warehouse: Warehouse,
    execute: Execute,
    request: pytest.FixtureRequest,
    damage: str,
    said: str,
    *,
    reload: bool,
    day: str | None,
) -> None:
    if "TYPE" in damage and "Trino" in type(warehouse).__name__:
        pytest.skip("Iceberg widens a type and gives no column another one")
    publish(lake, A, day)
    load(lake, warehouse, day, mode="upsert", keys=["id"], order="qty")
    execute(damage.format(text="TEXT" if "postgres" in request.node.callspec.id else "VARCHAR"))
    with pytest.raises(WarehouseError, match=f"(?s)have changed.*{said}.*ALTER TABLE"):
        load(lake, warehouse, day, mode="upsert", keys=["id"], order="qty", reload=reload)


@pytest.mark.parametrize("before", ["upsert", "replace", "replace_partition"])
def test_a_whole_table_that_becomes_one_of_snapshots_keeps_what_it_held_as_the_first(
    lake: Lake, warehouse: Warehouse, before: str
) -> None:
    publish(lake, A, None)
    load(lake, warehouse, None, mode=before, keys=["id"])
    load(lake, warehouse, None, mode="append", keys=["id"])
    assert rows(warehouse) == sorted(A.rows(), key=str)  # the same object, once
    load(lake, warehouse, None, mode=before, keys=["id"], reload=True)
    publish(lake, B, None, "run-2")
    assert load(lake, warehouse, None, mode="append", keys=["id"]).warnings == ()
    assert rows(warehouse) == sorted([*A.rows(), *B.rows()], key=str)
    again = load(lake, warehouse, None, mode="append", keys=["id"], reload=True)
    assert (again.warnings, rows(warehouse)) == ((), sorted([*A.rows(), *B.rows()], key=str))


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
@pytest.mark.parametrize("changes", ["fail", "evolve"])
def test_a_column_renamed_by_hand_is_noticed(
    lake: Lake, warehouse: Warehouse, execute: Execute, mode: str, changes: str
) -> None:
    publish(lake, A)
    load(lake, warehouse, mode=mode, keys=["id"], schema_changes=changes)
    execute("ALTER TABLE mart.orders RENAME COLUMN note TO note2")
    with pytest.raises(WarehouseError, match="note2") as refused:
        load(lake, warehouse, mode=mode, keys=["id"], run_id="run-2", schema_changes=changes)
    execute("ALTER TABLE mart.orders RENAME COLUMN note2 TO note")
    assert refused.value.hint
    assert not load(lake, warehouse, mode=mode, keys=["id"], schema_changes=changes).changed


def test_a_ledger_entry_changed_by_hand_is_written_again(lake: Lake, warehouse: Warehouse, execute: Execute) -> None:
    publish(lake, A)
    load(lake, warehouse)
    execute("UPDATE etl_ledger.loads SET rows = 6")
    assert "the ledger's entry" in load(lake, warehouse).reason
    assert not load(lake, warehouse).changed


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM mart.orders WHERE id = 2",  # the row of the other day, for which this day's lost
        "UPDATE mart.orders SET etl_partition = DATE '2026-01-01' WHERE id = 2",
        "DELETE FROM {kept} WHERE id = 2 AND etl_partition = DATE '2026-01-01'",
        "DROP TABLE {kept}",
    ],
)
def test_damage_to_another_days_row_or_to_the_kept_rows_is_noticed(
    lake: Lake, warehouse: Warehouse, execute: Execute, damage: str
) -> None:
    publish(lake, A, DAY)
    publish(lake, B, NEXT_DAY)
    for day in (DAY, NEXT_DAY):
        load(lake, warehouse, day, mode="upsert", keys=["id"])
    before = rows(warehouse)
    execute(damage.format(kept=warehouse.relation(KEPT_SCHEMA, kept_table("mart", "orders"))))
    assert load(lake, warehouse, DAY, mode="upsert", keys=["id"]).changed
    load(lake, warehouse, NEXT_DAY, mode="upsert", keys=["id"])
    assert rows(warehouse) == before
    publish(lake, B.clear(), NEXT_DAY, "run-2")
    load(lake, warehouse, NEXT_DAY, mode="upsert", keys=["id"])
    assert rows(warehouse) == sorted(A.rows(), key=str)


def test_a_column_that_came_later_does_not_make_older_days_look_changed(
    lake: Lake, warehouse: Warehouse, execute: Execute
) -> None:
    publish(lake, A, DAY)
    publish(lake, B.with_columns(more=pl.lit(1)), NEXT_DAY)
    for mode in ("replace_partition", "upsert"):
        for day in (DAY, NEXT_DAY):
            load(lake, warehouse, day, mode=mode, keys=["id"], table=mode)
        assert not load(lake, warehouse, DAY, mode=mode, keys=["id"], table=mode).changed
        assert load(lake, warehouse, DAY, mode=mode, keys=["id"], table=mode, reload=True).changed
        execute(f"UPDATE mart.{mode} SET more = 7 WHERE id = 1")
        days = (DAY, NEXT_DAY) if mode == "replace_partition" else (NEXT_DAY,)
        execute(f"UPDATE mart.{mode} SET more = NULL, qty = 0 WHERE etl_partition = DATE '{DAY}'")
        for day in days:
            assert load(lake, warehouse, day, mode=mode, keys=["id"], table=mode).changed


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
def test_days_from_before_a_column_are_loaded_after_those_that_have_it(
    lake: Lake, warehouse: Warehouse, mode: str
) -> None:
    publish(lake, A, DAY)
    publish(lake, B.with_columns(id=pl.col("id") + 10, more=pl.lit(1)), NEXT_DAY)
    for day in (NEXT_DAY, DAY):
        load(lake, warehouse, day, mode=mode, keys=["id"])
    found = sorted(warehouse.query("SELECT id, more FROM mart.orders").rows())
    assert found == [(1, None), (2, None), (3, None), (11, 1), (12, 1), (13, 1)]
    publish(lake, A.drop("note"), DAY, "run-2")
    with pytest.raises(WarehouseError, match="column `note`"):
        load(lake, warehouse, DAY, mode=mode, keys=["id"], reload=True)


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
def test_reload_loads_again_what_is_there_and_what_append_would_refuse(
    lake: Lake, warehouse: Warehouse, mode: str
) -> None:
    publish(lake, A)
    load(lake, warehouse, mode=mode, keys=["id"])
    again = load(lake, warehouse, mode=mode, keys=["id"], reload=True)
    assert (again.changed, again.reason) == (True, "asked for (`reload`)")
    publish(lake, B.head(2), run_id="run-2")
    load(lake, warehouse, mode=mode, keys=["id"], reload=True)
    assert rows(warehouse) == B.head(2).rows()


def test_other_keys_decide_every_row_again(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, pl.DataFrame({"id": [1, 2], "no": [7, 7], "pos": [1, 2]}), DAY)
    publish(lake, pl.DataFrame({"id": [1, 3], "no": [8, 7], "pos": [2, 1]}), NEXT_DAY)
    for day in (DAY, NEXT_DAY):
        load(lake, warehouse, day, mode="upsert", keys=["id"])
    query = "SELECT id, no, pos FROM mart.orders ORDER BY ALL" if "DuckDB" in type(warehouse).__name__ else (
        "SELECT id, no, pos FROM mart.orders ORDER BY 1, 2, 3")  # fmt: skip
    assert warehouse.query(query).rows() == [(1, 8, 2), (2, 7, 2), (3, 7, 1)]
    assert load(lake, warehouse, DAY, mode="upsert", keys=["no"], order="pos").changed
    assert warehouse.query(query).rows() == [(1, 8, 2), (2, 7, 2)]


@pytest.mark.parametrize("mode", ["replace_partition", "append"])
def test_a_table_that_is_no_longer_upserted_gets_its_rows_back(lake: Lake, warehouse: Warehouse, mode: str) -> None:
    publish(lake, A, DAY)
    publish(lake, B, NEXT_DAY)
    for day in (DAY, NEXT_DAY):
        load(lake, warehouse, day, mode="upsert", keys=["id"])
    load(lake, warehouse, NEXT_DAY, mode=mode, reload=True)
    assert rows(warehouse) == sorted([*A.rows(), *B.rows()], key=str)
    kept = warehouse.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'etl_kept'")
    assert kept.item() == 0


@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
@pytest.mark.parametrize("who", [{"tenant": "globex"}, {"pipeline": "others"}])
def test_a_table_of_another_tenant_or_pipeline_is_refused_with_its_owner_and_a_remedy(
    lake: Lake, warehouse: Warehouse, mode: str, who: dict[str, str]
) -> None:
    publish(lake, A)
    load(lake, warehouse, mode=mode, keys=["id"], tenant="acme", pipeline="orders")
    with pytest.raises(WarehouseError, match="belongs to the pipeline `orders` of tenant `acme`") as refused:
        load(lake, warehouse, mode=mode, keys=["id"], reload=True, **who)
    assert "etl set-aside" in refused.value.hint
    assert rows(warehouse) == sorted(A.rows(), key=str)
    with warehouse.writing("mart", "orders", "r") as table:
        moved = table.set_aside()
    assert load(lake, warehouse, mode=mode, keys=["id"], **who).changed
    assert warehouse.query(f'SELECT count(*) FROM mart."{moved}"').item() == 3


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ("CREATE TABLE mart.orders AS SELECT 1 AS id", "holds rows that no load of this product has inserted"),
        ("CREATE VIEW mart.orders AS SELECT 1 AS id", "is not a table but a view"),
    ],
)
def test_what_somebody_else_made_is_refused_and_can_be_moved_away(
    lake: Lake, warehouse: Warehouse, execute: Execute, made: str, complaint: str
) -> None:
    publish(lake, A)
    execute("CREATE SCHEMA mart")
    execute(made)
    with pytest.raises(WarehouseError, match=complaint):
        load(lake, warehouse)
    with warehouse.writing("mart", "orders", "r") as table:
        assert table.set_aside()
    assert load(lake, warehouse).rows_after == 3


def test_an_empty_table_that_fits_is_taken(lake: Lake, warehouse: Warehouse, execute: Execute) -> None:
    publish(lake, A)
    execute("CREATE SCHEMA mart")
    execute("CREATE TABLE mart.orders (id BIGINT, qty DOUBLE PRECISION, note VARCHAR)")
    assert load(lake, warehouse).rows_after == 3


def test_a_name_in_other_letters_is_the_same_table_where_the_database_says_so(lake: Lake, tmp_path: Path) -> None:
    warehouse = open_warehouse(WarehousePlace(), settings_in(tmp_path), "acme")
    publish(lake, A)
    load(lake, warehouse)
    with pytest.raises(WarehouseError, match="belongs to the pipeline `orders`"):
        load(lake, warehouse, schema="MART", table="Orders", pipeline="others")


def test_two_tenants_share_a_database_in_schemas_of_their_own(lake: Lake, postgres_url: str, tmp_path: Path) -> None:
    place = WarehousePlace(type="postgres", url=SecretStr(postgres_url))
    publish(lake, A)
    for tenant in ("acme", "globex"):
        warehouse = open_warehouse(place, settings_in(tmp_path), tenant)
        for mode in ("upsert", "append"):
            load(lake, warehouse, mode=mode, keys=["id"], schema=tenant, table=mode, tenant=tenant)
        assert {(each.tenant, each.schema_name) for each in warehouse.ledger()} == {(tenant, tenant)}


@pytest.mark.parametrize("tenant", ["acme", "main", "temp", "system", "public", "memory"])
@pytest.mark.parametrize("mode", ["replace_partition", "upsert"])
def test_the_default_schema_is_loaded_whatever_the_tenant_is_called(
    lake: Lake, tmp_path: Path, tenant: str, mode: str
) -> None:
    warehouse = open_warehouse(WarehousePlace(), settings_in(tmp_path), tenant)
    publish(lake, A)
    publish(lake, B, run_id="run-2")
    for _ in range(2):
        load(lake, warehouse, mode=mode, keys=["id"], schema=tenant, tenant=tenant)
    assert warehouse.query(f"SELECT count(*) FROM {warehouse.relation(tenant, 'orders')}").item() == 3
    assert len(warehouse.ledger()) == 1


MANY = """
INSERT INTO etl_ledger.loads (seq, tenant, pipeline, schema_name, table_name, partition, version, run_id, rows, mode,
 created_table, loaded_at, format, digest)
SELECT 1000 + n, 'acme', 'orders', 'mart', 'orders', CAST(DATE '1980-01-01' + CAST(n AS INTEGER) AS VARCHAR), 'v', 'r', 1,
 'replace_partition', false, now(), 2, 'd' FROM {series}
"""


def test_a_load_reads_a_handful_of_ten_thousand_entries(
    lake: Lake, warehouse: Warehouse, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(lake, A)
    load(lake, warehouse)
    if "Trino" in type(warehouse).__name__:
        pytest.skip("Iceberg has no index; a load reads the entries of its own table, which are in one file")
    postgres = "Postgres" in type(warehouse).__name__
    execute(MANY.format(series="generate_series(1, 10000) AS s(n)" if postgres else "range(1, 10001) AS s(n)"))
    fetched: list[int] = []
    entries = ledger._entries

    def counted(*arguments: Any) -> Any:
        found = entries(*arguments)
        fetched.append(len(found))
        return found

    monkeypatch.setattr(ledger, "_entries", counted)
    assert not load(lake, warehouse).changed
    publish(lake, B, run_id="run-2")
    assert load(lake, warehouse).changed
    assert sum(fetched) <= 8


def test_postgresql_finds_an_entry_and_a_partition_by_an_index(lake: Lake, postgres_url: str, tmp_path: Path) -> None:
    warehouse = open_warehouse(
        WarehousePlace(type="postgres", url=SecretStr(postgres_url)), settings_in(tmp_path), "acme"
    )
    publish(lake, A)
    load(lake, warehouse)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(MANY.format(series="generate_series(1, 10000) AS s(n)").encode())
        connection.execute(
            "INSERT INTO mart.orders SELECT n, n, 'x', DATE '1980-01-01' + n % 1000 FROM generate_series(1, 50000) AS s(n)"
        )
        connection.execute(
            "INSERT INTO etl_ledger.loads SELECT seq + n, tenant, pipeline, schema_name, table_name,"
            " (DATE '1980-01-01' + n)::text, version, run_id, rows, mode, false, loaded_at, format, digest, upsert_by"
            " FROM etl_ledger.loads, generate_series(0, 999) AS s(n)"
            " WHERE seq = (SELECT max(seq) FROM etl_ledger.loads)"
        )
        connection.execute("ANALYZE")
        connection.execute("SELECT pg_stat_reset()")
    assert not load(lake, warehouse).changed
    publish(lake, B, run_id="run-2")
    assert load(lake, warehouse).changed
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        read = connection.execute(
            "SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_user_tables WHERE relname IN ('loads', 'orders')"
        ).fetchall()
    assert read
    for name, scanned, fetched in read:
        assert scanned + (fetched or 0) < 100, (name, scanned, fetched)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("mode", ["replace_partition", "upsert"])
def test_a_duckdb_file_does_not_grow_with_replaced_partitions(lake: Lake, tmp_path: Path, mode: str) -> None:
    replaced = amount(300, whole=1000)
    days = [f"2026-01-{day:02d}" for day in range(1, 21)]

    def frame(turn: int) -> pl.DataFrame:
        rows = pl.DataFrame({"id": range(turn * 2000, (turn + 1) * 2000)})
        return rows.with_columns(text=pl.col("id").hash(turn).cast(pl.String), value=pl.col("id").hash(turn + 1))

    def size(folder: str, turns: range) -> int:
        warehouse = open_warehouse(WarehousePlace(), settings_in(tmp_path / folder), "acme")
        for turn in turns:
            day = days[turn % 20]
            publish(lake, frame(turn), day, f"run-{turn}")
            load(lake, warehouse, day, mode=mode, keys=["id"])
            lake.close()
        return (tmp_path / folder / "warehouse" / "acme.duckdb").stat().st_size

    assert size("long", range(replaced + 20)) <= 2 * size("fresh", range(replaced, replaced + 20))


FOREIGN = {
    "no partition": "INSERT INTO mart.orders SELECT id + 50, qty, note, NULL{more} FROM mart.orders WHERE id = 1",
    "a partition that was never loaded": "INSERT INTO mart.orders SELECT id + 50, qty, note, DATE '2025-12-31'{more}"
    " FROM mart.orders WHERE id = 1",
}


@pytest.mark.parametrize("attack", FOREIGN)
@pytest.mark.parametrize("mode", ["replace_partition", "upsert", "append"])
def test_rows_that_no_load_brought_are_told_by_every_load_and_removed_when_asked_for(
    lake: Lake, warehouse: Warehouse, execute: Execute, mode: str, attack: str
) -> None:
    publish(lake, A, DAY)
    publish(lake, B.with_columns(id=pl.col("id") + 10), NEXT_DAY)
    for day in (DAY, NEXT_DAY):
        assert load(lake, warehouse, day, mode=mode, keys=["id"]).warnings == ()
    before = rows(warehouse)
    execute(FOREIGN[attack].format(more=", 99" if mode == "append" else ""))
    for options in ({}, {"day": NEXT_DAY}):
        found = load(lake, warehouse, options.get("day", DAY), mode=mode, keys=["id"])
        assert not found.changed
        (said,) = found.warnings
        assert "holds 1 rows that no load brought" in said
        assert f"`etl run acme --pipeline orders --stage load --from {options.get('day', DAY)}" in said
        assert "--reload` removes them" in said
    assert len(rows(warehouse)) == len(before) + 1
    (said,) = load(lake, warehouse, DAY, mode=mode, keys=["id"], reload=True).warnings
    assert "they were removed" in said
    assert rows(warehouse) == before
    assert load(lake, warehouse, DAY, mode=mode, keys=["id"]).warnings == ()


@pytest.mark.parametrize("number", ["NULL", "99"])
def test_rows_of_no_load_in_a_table_that_collects_snapshots(
    lake: Lake, warehouse: Warehouse, execute: Execute, number: str
) -> None:
    for frame in (A, B):
        publish(lake, frame, None)
        load(lake, warehouse, None, mode="append")
    before = rows(warehouse)
    execute(f"INSERT INTO mart.orders SELECT id + 50, qty, note, {number} FROM mart.orders WHERE id = 1 LIMIT 1")
    (said,) = load(lake, warehouse, None, mode="append").warnings
    assert "holds 1 rows that no load brought (number of the load: " in said
    load(lake, warehouse, None, mode="append", reload=True)
    assert rows(warehouse) == before


def test_keys_that_a_whole_object_has_no_more_are_told(lake: Lake, warehouse: Warehouse) -> None:
    publish(lake, A, None)
    assert load(lake, warehouse, None, mode="upsert", keys=["id"]).warnings == ()
    publish(lake, A.head(1), None, "run-2")
    (said,) = load(lake, warehouse, None, mode="upsert", keys=["id"]).warnings
    assert said == "2 rows of mart.orders were removed: the object lacks their keys"


@pytest.mark.parametrize("mode", ["replace_partition", "upsert"])
def test_another_release_of_the_database_is_not_taken_for_a_change_by_hand(
    lake: Lake, warehouse: Warehouse, execute: Execute, mode: str
) -> None:
    publish(lake, A, DAY)
    load(lake, warehouse, DAY, mode=mode, keys=["id"])
    execute("UPDATE etl_ledger.loads SET digest = 'older-1.0:' || substr(digest, strpos(digest, ':') + 1)")
    again = load(lake, warehouse, DAY, mode=mode, keys=["id"])
    assert (again.changed, "another release of the database" in again.reason) == (True, True)
    assert "by hand" not in again.reason
    assert load(lake, warehouse, DAY, mode=mode, keys=["id"]).reason == ""
