"""`reconcile` of the same project on a Trino and on DuckDB: the same findings in the same words, whatever is damaged.

Where all rows agree, no row comes from the cluster; where some differ, those of their partition do and no others.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.config import load_tenant
from etl.pipeline.load import load
from etl.pipeline.stage import StageRun
from etl.pipeline.verdict import Reconciliation
from etl.pipeline.verify import reconcile
from etl.settings import load_settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import RowsOf, Warehouse, WarehousePlace
from etl.warehouse.sql_warehouse import SqlWarehouse
from tests.amounts import amount
from tests.pipeline import test_verify
from tests.pipeline.stages import run_stages
from tests.pipeline.test_verify import DAY, NOW, PLANTED, in_source, in_warehouse
from tests.servers.seaweed import seaweed
from tests.servers.trino import Catalog, TrinoServer, place_of, trino, trino_catalog
from tests.tiny_project import DAYS, TinyProject, make_project

__all__ = ["seaweed", "trino", "trino_catalog"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODES = ("replace_partition", "upsert", "append")[: amount(1, whole=3)]
SWAPPED = "CASE order_id WHEN 205 THEN '이름 6' ELSE '이름 5' END"
EXCHANGED = "CASE order_id WHEN 105 THEN DATE '2026-01-02' ELSE DATE '2026-01-01' END"
DAMAGE: dict[str, tuple[str, ...]] = {
    "one value": ("UPDATE shop.orders SET amount = 7 WHERE order_id = 205",),
    "an empty text for a null": ("UPDATE shop.orders SET name = '' WHERE order_id = 306",),
    "a null for a text": ("UPDATE shop.orders SET name = NULL WHERE order_id = 205",),
    "a second": ("UPDATE shop.orders SET created_at = created_at + INTERVAL '1' SECOND WHERE order_id = 205",),
    "two rows have swapped a value": (f"UPDATE shop.orders SET name = {SWAPPED} WHERE order_id IN (205, 206)",),
    "a row stands there twice": ("INSERT INTO shop.orders SELECT * FROM shop.orders WHERE order_id = 205",),
    "a row stands there for another": (
        "DELETE FROM shop.orders WHERE order_id = 206",
        "INSERT INTO shop.orders SELECT * FROM shop.orders WHERE order_id = 205",
    ),
    "a row is in another partition": ("UPDATE shop.orders SET etl_partition = DATE '2026-01-01' WHERE order_id = 205",),
    "two rows have exchanged their partitions": (
        f"UPDATE shop.orders SET etl_partition = {EXCHANGED} WHERE order_id IN (105, 205)",
    ),
    "a row has no partition": ("UPDATE shop.orders SET etl_partition = NULL WHERE order_id = 205",),
    "a partition is empty": (f"DELETE FROM shop.orders WHERE etl_partition = DATE '{DAY}'",),
}


class Twins:
    """A project whose objects are in a DuckDB file and in tables of a Trino."""

    def __init__(self, project: TinyProject, server: TrinoServer, catalog: Catalog) -> None:
        self.project, self.server, self.catalog = project, server, catalog
        self.place = WarehousePlace(type="trino", trino=place_of(server, catalog))

    @property
    def trino(self) -> Warehouse:
        return open_warehouse(self.place, load_settings(self.project.environ), "acme")

    @property
    def duckdb(self) -> Warehouse:
        return open_warehouse(WarehousePlace(), load_settings(self.project.environ), "acme")

    def load(self) -> None:
        settings = load_settings(self.project.environ)
        config = load_tenant("acme", settings)
        for day in DAYS:
            for warehouse in (self.trino, self.duckdb):
                given: dict[str, Any] = {"config": config, "pipeline": config.pipelines["orders"], "settings": settings}
                task = StageRun(**given, partition=day, run_id="run-1")
                try:
                    load(task, warehouse)
                finally:
                    task.close()

    def found_by(self, warehouse: Warehouse, **options: Any) -> Reconciliation:
        settings = load_settings(self.project.environ)
        config = load_tenant("acme", settings)
        url = f"sqlite:///{self.project.source}"
        return reconcile(config, config.pipelines["orders"], url, warehouse, settings, **{"now": NOW, **options})

    def found(self, **options: Any) -> tuple[str, str]:
        """What is found on Trino and on DuckDB, without the names of the databases."""
        on_trino, on_duckdb = (self.found_by(each, **options) for each in (self.trino, self.duckdb))
        names = (f'"{self.catalog.name}".', '"acme".')
        return tuple(
            each.model_dump_json(indent=1).replace(name.replace('"', '\\"'), "")
            for each, name in zip((on_trino, on_duckdb), names, strict=True)
        )  # type: ignore[return-value]

    def change(self, *statements: str) -> None:
        """Run the statements past the product, on both."""
        for each in statements:
            self.server.change(each, self.catalog)
        in_warehouse(self.project, *statements)

    def snapshots(self) -> dict[str, int]:
        """The present snapshot of the table and of the ledger."""
        return {name: self._snapshot(*name.split(".")) for name in ("shop.orders", "etl_ledger.loads")}

    def _snapshot(self, schema: str, table: str) -> int:
        refs = f'{self.catalog.name}.{schema}."{table}$refs"'
        return int(self.server.rows(f"SELECT snapshot_id FROM {refs} WHERE name = 'main'")[0][0])

    def go_back(self, snapshots: dict[str, int]) -> None:
        for name, snapshot in snapshots.items():
            if self._snapshot(*name.split(".")) != snapshot:
                self.server.change(f"ALTER TABLE {name} EXECUTE rollback_to_snapshot({snapshot})", self.catalog)


@pytest.fixture(scope="module", params=MODES)
def loaded(
    request: pytest.FixtureRequest,
    trino: TrinoServer,
    trino_catalog: Catalog,
    tmp_path_factory: pytest.TempPathFactory,
) -> Twins:
    trino.empty(trino_catalog)
    project = make_project(tmp_path_factory.mktemp("twins"))
    project.write_pipeline({"trino_output": {"mode": request.param}})
    in_source(project, "UPDATE orders SET name = NULL WHERE order_id = 306")
    for day in DAYS:
        run_stages(project, ("extract", "transfer"), day)
    twins = Twins(project, trino, trino_catalog)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in project.environ.items():
            patch.setenv(name, value)
        twins.load()
    return twins


@pytest.fixture
def twins(loaded: Twins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """A copy of the project, and the tables as they were after the loads."""
    shutil.copytree(loaded.project.root, tmp_path / "project")
    shutil.copytree(loaded.project.data, tmp_path / "data")
    copied = TinyProject(tmp_path / "project", tmp_path / "data")
    for name, value in copied.environ.items():
        monkeypatch.setenv(name, value)
    made = Twins(copied, loaded.server, loaded.catalog)
    before = made.snapshots()
    yield made
    made.go_back(before)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[RowsOf]:
    """The rows that came from the cluster."""
    seen: list[RowsOf] = []
    rows_of = SqlWarehouse.rows_of

    def noted(warehouse: SqlWarehouse, rows: RowsOf, columns: Any) -> Any:
        if type(warehouse).__name__ == "TrinoWarehouse":
            seen.append(rows)
        return rows_of(warehouse, rows, columns)

    monkeypatch.setattr(SqlWarehouse, "rows_of", noted)
    return seen


def test_where_all_agrees_no_row_is_read(twins: Twins, read: list[RowsOf]) -> None:
    assert twins.found_by(twins.trino).status == "agrees"
    assert read == []
    on_trino, on_duckdb = twins.found()
    assert on_trino == on_duckdb


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_as_on_duckdb(twins: Twins, read: list[RowsOf], damage: str) -> None:
    twins.change(*DAMAGE[damage])
    on_trino, on_duckdb = twins.found()
    assert twins.found_by(twins.duckdb).status == "differs"
    assert on_trino == on_duckdb
    assert len(set(read)) <= 2, "only the rows of the partitions that differ are read"


def test_only_the_rows_of_the_partition_that_differs_are_read(twins: Twins, read: list[RowsOf]) -> None:
    twins.change(*DAMAGE["one value"])
    assert twins.found_by(twins.trino).status == "differs"
    assert read == [RowsOf("shop", "orders", DAY)]
    assert twins.found_by(twins.trino, max_rows=19).status == "not_compared"
    assert len(read) == 1


@pytest.mark.parametrize("planted", PLANTED)
def test_what_the_other_tests_plant_is_found_as_on_duckdb(
    twins: Twins, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant: Callable[[TinyProject], None] = PLANTED[planted][0]
    monkeypatch.setattr(test_verify, "in_warehouse", lambda _, *statements: twins.change(*statements))
    plant(twins.project)
    on_trino, on_duckdb = twins.found()
    assert twins.found_by(twins.duckdb).status == "differs"
    if plant is test_verify.forget_the_load:  # a cluster knows the number of the entry, and a load refuses the table
        assert "the ledger lacks entries that" in on_trino
        assert "a load refuses such a table" in on_trino
        return
    assert on_trino == on_duckdb
