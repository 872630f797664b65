import os
from collections import defaultdict
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


# Which cases the cluster gets, since a case costs it seconds: each second, third or fifth of a test, or none of a file
# whose subject is the same on each warehouse. ETL_TRINO_ALL=1 (`make soak`) asks for all of them.
EACH = {"test_model.py": 2, "test_faults.py": 3, "test_trust.py": 5, "test_types.py": 5, "test_warehouse.py": 5}
WHOLE = (
    "test_care.py",
    "test_iceberg.py",
    "test_iceberg_care.py",
    "test_iceberg_catalogs.py",
    "test_iceberg_faults.py",
    "test_iceberg_large.py",
    "test_iceberg_object.py",
    "test_portable.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out cases on the cluster."""
    if os.environ.get("ETL_TRINO_ALL"):
        return
    cases: dict[Any, list[pytest.Item]] = defaultdict(list)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        is_ours = item.path.parent == Path(__file__).parent and item.path.name not in WHOLE
        if is_ours and (
            parameters.get("new_warehouse") == "trino" or "trino_place" in getattr(item, "fixturenames", ())
        ):
            cases[item.path.name, getattr(item, "originalname", "")].append(item)
    left_out = {
        item
        for (file, _), found in cases.items()
        for at, item in enumerate(found)
        if file not in EACH or at % EACH[file]
    }
    if left_out:
        config.hook.pytest_deselected(items=sorted(left_out, key=lambda item: item.nodeid))
        items[:] = [item for item in items if item not in left_out]


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
