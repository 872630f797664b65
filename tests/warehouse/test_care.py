"""The care of loaded tables: they are smaller afterwards and hold the same rows, and the tables of others stay as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg import sql
from pyiceberg.catalog import Catalog as PyIcebergCatalog
from pyiceberg.table.metadata import TableMetadata, TableMetadataV2

from etl.errors import NothingExamined, WarehouseError
from etl.lake.lake import Lake
from etl.warehouse import contract, iceberg_ledger
from etl.warehouse.care import check_any
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import Care, CareRequest, RowsOf, TrinoPlace, Warehouse, WarehousePlace
from etl.warehouse.iceberg_care import replaced_before
from tests.lake.objects import DAY, NEXT_DAY, load, local_lake, publish, settings_in
from tests.servers.trino import Catalog, TrinoServer, place_of
from tests.warehouse.cluster import A, B, Execute, at_once, catalog, execute, lake, opened, rows

__all__ = ["catalog", "execute", "lake"]
MODES: dict[str, dict[str, Any]] = {
    "replace_partition": {"mode": "replace_partition"},
    "upsert": {"mode": "upsert", "keys": ["id"]},
    "append": {"mode": "append"},
    "whole": {"mode": "replace", "partition": None},
    "snapshots": {"mode": "append", "partition": None},
}


def cared(warehouse: Warehouse, *, dry_run: bool = False, age: timedelta | None = None) -> dict[str, Care]:
    return {each.table: each for each in warehouse.care(CareRequest(run_id="care", dry_run=dry_run, older_than=age))}


@pytest.fixture
def at_any_age(monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """Permits to remove at once what nothing needs any more. One second, because Trino and the store have clocks."""
    monkeypatch.setattr(contract, "SHORTEST_AGE", timedelta(0))
    return timedelta(seconds=1)
