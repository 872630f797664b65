"""The care of loaded tables: the same rows and the same ledger afterwards, and the tables of others stay as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from pydantic import SecretStr

from etl.errors import NothingExamined, WarehouseError
from etl.lake.lake import Lake
from etl.warehouse import contract
from etl.warehouse.care import check_any
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Care, CareRequest, Warehouse, WarehousePlace
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish, settings_in
from tests.servers import PASSWORD

MODES: dict[str, dict[str, Any]] = {
    "replace_partition": {"mode": "replace_partition"},
    "upsert": {"mode": "upsert", "keys": ["id"]},
    "append": {"mode": "append"},
    "whole": {"mode": "replace", "partition": None},
    "snapshots": {"mode": "append", "partition": None},
}
BIG = pl.DataFrame({"id": range(5000), "qty": [1] * 5000})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path)


def cared(warehouse: Warehouse, *, dry_run: bool = False, age: timedelta | None = None) -> dict[str, Care]:
    return {each.table: each for each in warehouse.care(CareRequest(run_id="care", dry_run=dry_run, older_than=age))}


def loads(lake: Lake, warehouse: Warehouse, turn: int) -> list[bool]:
    """Load each table in its mode; two of the days change with each turn. Returns which loads changed something."""
    changed = []
    for number, day in enumerate((DAY, NEXT_DAY, None)):
        publish(lake, BIG.with_columns(pl.col("id") + 2000 * number, qty=pl.lit(turn)), day, f"run-{turn}")
    for table, said in MODES.items():
        days = [None] if "partition" in said else [DAY, NEXT_DAY]
        more = {name: value for name, value in said.items() if name != "partition"}
        reload = table == "append" and turn > 0
        changed += [
            load(lake, warehouse, day, table=table, run_id=f"run-{turn}", reload=reload, **more).changed for day in days
        ]
    return changed


def contents(warehouse: Warehouse) -> dict[str, Any]:
    tables = {table: warehouse.relation("mart", table) for table in MODES}
    tables["kept"] = warehouse.relation(contract.KEPT_SCHEMA, contract.kept_table("mart", "upsert"))
    return {name: sorted(map(str, warehouse.query(f"SELECT * FROM {of}").rows())) for name, of in tables.items()}


@pytest.mark.timeout(600)
def test_rows_ledger_and_digests_are_the_same_afterwards(
    lake: Lake, new_warehouse: Callable[..., Warehouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "SHORTEST_AGE", timedelta(0))
    warehouse = new_warehouse()
    for turn in range(3):
        assert all(loads(lake, warehouse, turn))
    before, ledger = contents(warehouse), warehouse.ledger()
    planned = cared(warehouse, dry_run=True, age=timedelta(seconds=1))
    assert all(each.before == each.after for each in planned.values()), planned
    done = cared(warehouse, age=timedelta(seconds=1))
    assert done.keys() == planned.keys()
    assert [each for each in done.values() if each.error or each.left_alone or not each.done] == []
    assert contents(warehouse) == before
    assert warehouse.ledger() == ledger
    for table, said in MODES.items():
        more = {name: value for name, value in said.items() if name != "partition"}
        for day in [None] if "partition" in said else [DAY, NEXT_DAY]:
            assert not load(lake, warehouse, day, table=table, **more).changed
    assert all(loads(lake, new_warehouse(), 3))


def test_a_warehouse_without_a_table_of_the_tenant_has_nothing_to_care_for(
    new_warehouse: Callable[..., Warehouse],
) -> None:
    found = list(cared(new_warehouse()).values())
    assert found == []
    with pytest.raises(NothingExamined, match="the warehouse has no table that acme has loaded"):
        check_any(found, "acme")


def test_what_a_load_may_need_is_not_asked_away() -> None:
    with pytest.raises(WarehouseError, match="may need files that are younger than one day") as refused:
        CareRequest(run_id="care", older_than=timedelta(hours=23))
    assert "give one day or more" in refused.value.hint


@contextmanager
def as_role(url: str, name: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("//postgres:", f"//{name}:"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def of_tenant(url: str, folder: Path, tenant: str, role: str = "postgres") -> Warehouse:
    address = SecretStr(url.replace("//postgres:", f"//{role}:"))
    return open_warehouse(WarehousePlace(type="postgres", url=address), settings_in(folder), tenant)


def vacuumed(connection: psycopg.Connection) -> set[str]:
    """The tables that were vacuumed by hand since the server began."""
    found = connection.execute("SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0").fetchall()
    return {str(name) for (name,) in found}


def test_the_replaced_rows_of_postgresql_are_gone(lake: Lake, postgres_url: str, tmp_path: Path) -> None:
    warehouse = of_tenant(postgres_url, tmp_path, "acme")
    for turn in range(4):
        publish(lake, BIG.with_columns(qty=pl.lit(turn)), DAY, f"run-{turn}")
        load(lake, warehouse, DAY, run_id=f"run-{turn}")
    found = cared(warehouse)["mart.orders"]
    assert found.before["dead rows"] >= 3 * BIG.height
    assert found.after["dead rows"] == 0
    assert found.done == ["vacuumed and analyzed"]


def test_only_the_tables_of_the_tenant_are_vacuumed(
    lake: Lake, postgres_url: str, tmp_path: Path, postgres: psycopg.Connection
) -> None:
    acme, globex = (of_tenant(postgres_url, tmp_path, each) for each in ("acme", "globex"))
    publish(lake, BIG, DAY)
    for table in ("orders", "view", "dropped", "given"):
        load(lake, acme, DAY, table=table)
    load(lake, globex, DAY, table="theirs", tenant="globex")
    with acme.writing("mart", "given", "set-aside") as table:
        table.set_aside()
    load(lake, globex, DAY, table="given", tenant="globex")
    postgres.execute("DROP TABLE mart.dropped; ALTER TABLE mart.view RENAME TO other")
    postgres.execute("CREATE VIEW mart.view AS SELECT 1 AS one; CREATE TABLE mart.by_hand (one integer)")
    found = cared(acme)
    assert {name: each.left_alone for name, each in found.items()} == {
        "mart.orders": "",
        "mart.view": "it is a view",
        "mart.dropped": "there is no such table any more",
        "mart.given": "it belongs to the tenant `globex` now",
    }
    assert not any(each.error for each in found.values())
    assert vacuumed(postgres) == {"orders"}
    check_any(list(found.values()), "acme")
    with pytest.raises(NothingExamined, match=r"mart\.view: it is a view"):
        check_any([found["mart.view"]], "acme")


def test_a_table_that_the_role_may_not_vacuum_is_named_and_the_others_are_done(
    lake: Lake, postgres_url: str, tmp_path: Path, postgres: psycopg.Connection
) -> None:
    quoted = PASSWORD.replace("'", "''")
    postgres.execute("DROP ROLE IF EXISTS loader")
    postgres.execute(f"CREATE ROLE loader LOGIN PASSWORD '{quoted}'".encode())
    postgres.execute("GRANT CREATE ON DATABASE warehouse TO loader")
    try:
        warehouse = of_tenant(postgres_url, tmp_path, "acme", "loader")
        publish(lake, BIG, DAY)
        for table in ("orders", "taken"):
            load(lake, warehouse, DAY, table=table)
        postgres.execute("ALTER TABLE mart.taken OWNER TO postgres")
        for dry_run in (True, False):
            found = cared(warehouse, dry_run=dry_run)
            error = found["mart.taken"].error
            assert error is not None
            assert "only its owner may vacuum it" in error.problem
            assert "OWNER TO" in error.hint
            assert found["mart.orders"].error is None
        assert vacuumed(postgres) == {"orders"}
    finally:
        postgres.execute("DROP OWNED BY loader CASCADE")
        postgres.execute("DROP ROLE loader")


def test_loads_go_on_while_postgresql_vacuums(lake: Lake, postgres_url: str, tmp_path: Path) -> None:
    """An idle reader keeps the replaced rows, and a load in the middle of its transaction keeps nobody waiting."""
    warehouse = of_tenant(postgres_url, tmp_path, "acme")
    publish(lake, BIG, DAY)
    load(lake, warehouse, DAY)
    with psycopg.connect(postgres_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert reader.execute("SELECT sum(qty) FROM mart.orders").fetchall() == [(5000,)]
        publish(lake, BIG.with_columns(qty=pl.lit(2)), DAY, "run-2")
        with warehouse.writing("mart", "orders", "run-2"):
            assert cared(warehouse)["mart.orders"].error is None
        load(lake, warehouse, DAY, run_id="run-2")
        assert cared(warehouse)["mart.orders"].error is None
        assert reader.execute("SELECT sum(qty) FROM mart.orders").fetchall() == [(5000,)]


def test_a_duckdb_file_gets_smaller_and_waits_for_nobody_longer_than_its_limit(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = WarehousePlace(lock_seconds=0.3)
    warehouse = open_warehouse(place, settings_in(tmp_path), "acme")
    publish(lake, BIG, DAY)
    load(lake, warehouse, DAY)
    before = warehouse.ledger()
    with warehouse.exclusive("dbt"):
        found = cared(open_warehouse(place, settings_in(tmp_path), "acme"))["acme.duckdb"]
    assert found.error is not None
    assert "still held" in found.error.problem
    found = cared(warehouse)["acme.duckdb"]
    assert (found.error, found.done) == (None, ["made a checkpoint"])
    assert found.after["bytes"] <= found.before["bytes"]
    assert warehouse.ledger() == before
