"""What the tests of tables on a Trino share: opening them, reading them, several loads at once."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog import Catalog as PyIcebergCatalog, load_catalog

from etl.errors import WarehouseError
from etl.lake.lake import Lake
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import TrinoPlace, Warehouse, WarehousePlace
from tests.lake.objects import local_lake, settings_in
from tests.servers.trino import Catalog, TrinoServer

A = pl.DataFrame({"id": [1, 2, 3], "qty": [10, 20, 30]})
B = A.with_columns(pl.col("qty") + 1)
Execute = Callable[[str], None]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return local_lake(tmp_path)


def opened(place: TrinoPlace, folder: Path) -> Warehouse:
    return open_warehouse(WarehousePlace(type="trino", trino=place), settings_in(folder), "acme")


@pytest.fixture
def warehouse(trino_place: TrinoPlace, tmp_path: Path) -> Warehouse:
    return opened(trino_place, tmp_path)


@pytest.fixture
def execute(trino: TrinoServer, trino_catalog: Catalog) -> Execute:
    return lambda sql: trino.change(sql, trino_catalog)


@pytest.fixture
def catalog(trino_catalog: Catalog) -> Iterator[PyIcebergCatalog]:
    opened = load_catalog(trino_catalog.name, **trino_catalog.properties)
    yield opened
    opened.close()


def rows(warehouse: Warehouse, columns: str = "id, qty", table: str = "orders") -> list[tuple[Any, ...]]:
    return sorted(warehouse.query(f"SELECT {columns} FROM mart.{table}").rows(), key=str)


def at_once(*steps: Callable[[], object]) -> list[WarehouseError]:
    """Run the steps in threads. Returns the errors that they end with."""
    failures: list[WarehouseError] = []

    def one(step: Callable[[], object]) -> None:
        try:
            step()
        except WarehouseError as error:
            failures.append(error)

    threads = [threading.Thread(target=one, args=(step,)) for step in steps]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return failures
