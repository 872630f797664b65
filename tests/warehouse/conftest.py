from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace
from tests.lake.objects import settings_in
from tests.servers.object_store import bucket, object_store
from tests.servers.seaweed import seaweed
from tests.servers.trino import trino, trino_catalog, trino_place

__all__ = ["bucket", "object_store", "seaweed", "trino", "trino_catalog", "trino_place"]


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the test's own, as the superuser."""
    server: Any = request.getfixturevalue("postgres_server")
    server.run("DROP DATABASE IF EXISTS warehouse WITH (FORCE)", "CREATE DATABASE warehouse STRATEGY FILE_COPY")
    yield server.url.replace("//reader:", "//postgres:").replace("/src", "/warehouse")
    server.run("DROP DATABASE IF EXISTS warehouse WITH (FORCE)")


@pytest.fixture(params=["duckdb", "postgres", pytest.param("trino", marks=pytest.mark.slow)])
def new_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Warehouse]:
    """Open the warehouse, again and again the same one."""
    url = SecretStr(request.getfixturevalue("postgres_url")) if request.param == "postgres" else None

    place = request.getfixturevalue("trino_place") if request.param == "trino" else None

    def open_it(lock_seconds: float = 600) -> Warehouse:
        config = WarehousePlace(type=request.param, url=url, trino=place, lock_seconds=lock_seconds)
        return open_warehouse(config, settings_in(tmp_path), "acme")

    return open_it


@pytest.fixture
def warehouse(new_warehouse: Callable[..., Warehouse]) -> Warehouse:
    return new_warehouse()
