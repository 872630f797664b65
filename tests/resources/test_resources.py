"""Resources open what they are called, for a tenant's own assets too, and show no secret."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import AssetKey, Definitions
from dagster_duckdb import DuckDBResource

from etl import build_all_definitions, build_tenant_definitions
from etl.config import load_tenant
from etl.errors import SourceError, WarehouseError
from etl.factories.resource_factory import ResourceFactory
from etl.resources.duckdb_file import TenantDuckDBResource
from etl.resources.lake import LakeResource, S3Resource
from etl.resources.warehouse import TrinoResource, WarehouseResource
from etl.settings import load_settings
from tests.pipeline.stages import run_stages
from tests.test_docs import REPOSITORY, blocks
from tests.tiny_project import TinyProject, make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyProject]:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "path", list(sys.path))
    forget_tenants()
    yield made
    forget_tenants()


def forget_tenants() -> None:
    """Another test's project has tenants of the same names."""
    build_all_definitions.cache_clear()
    build_tenant_definitions.cache_clear()
    for name in [each for each in sys.modules if each == "tenants" or each.startswith("tenants.")]:
        del sys.modules[name]


def resources(tenant: str = "acme") -> dict[str, Any]:
    return ResourceFactory(load_tenant(tenant, load_settings())).create_all_resources()


def test_the_documented_asset_of_a_tenants_own_reads_source_lake_and_warehouse(project: TinyProject) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        run_stages(project, partition=day)
    (code,) = [each.text for each in blocks(REPOSITORY / "docs/own-assets.md") if each.order == "write definitions.py"]
    (project.root / "tenants/acme/definitions.py").write_text(code, encoding="utf-8")
    definitions: Definitions = build_all_definitions()
    own = AssetKey(["acme", "own", "coverage"])
    done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(asset_selection=[own])
    (event,) = done.asset_materializations_for_node(own.to_python_identifier())
    found = {name: event.metadata[name].value for name in ("in_source", "published", "loaded")}
    assert found == {"in_source": 60, "published": 40, "loaded": 40}


def test_the_documented_lock_lets_a_tenants_own_code_write_its_file(project: TinyProject) -> None:
    warehouse = resources()["acme_warehouse"].open()
    with warehouse.exclusive("own") as path, duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA own")
        connection.execute("CREATE TABLE own.notes AS SELECT 1 AS note")
    assert warehouse.query("SELECT note FROM own.notes").item() == 1


def test_a_connection_to_the_file_only_reads_and_waits_for_its_writer(project: TinyProject) -> None:
    run_stages(project)
    resource = resources()["acme_duckdb"]
    assert isinstance(resource, DuckDBResource)
    with pytest.raises(duckdb.InvalidInputException, match="read-only"), resource.get_connection() as connection:
        connection.execute("CREATE TABLE shop.other (id int)")
    writer = duckdb.connect(resource.database)
    timer = threading.Timer(0.3, writer.close)
    timer.start()
    with resource.get_connection() as connection:
        assert connection.execute("SELECT count(*) FROM shop.orders").fetchall() == [(20,)]
    timer.join()


def test_a_file_that_is_not_there_yet_is_said_and_not_made(project: TinyProject) -> None:
    resource = resources()["acme_duckdb"]
    with pytest.raises(WarehouseError, match="cannot be opened"), resource.get_connection():
        pass
    assert not Path(resource.database).exists()


def test_a_source_connection_only_reads(project: TinyProject) -> None:
    with pytest.raises(SourceError, match="readonly"), resources()["acme_source"].connect() as connection:
        connection.exec_driver_sql("DELETE FROM orders")


def test_resources_hold_references_until_a_run_opens_something(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_tenant({
        "storage": {"bucket": "${ACME_BUCKET}"},
        "warehouse": {"type": "postgres", "url": "${ACME_WAREHOUSE}"},
    })  # fmt: skip
    monkeypatch.setenv("ACME_WAREHOUSE", "postgresql://u:canary-77@127.0.0.1:1/d")
    monkeypatch.setenv("ACME_DB_PASSWORD", "canary-77")
    made = resources()
    shown = json.dumps({key: each.model_dump() for key, each in made.items()}, default=str)
    assert "canary-77" not in shown
    assert "${ACME_DB_PASSWORD}" in shown
    assert isinstance(made["acme_lake"], S3Resource)
    assert "acme_duckdb" not in made
    with pytest.raises(WarehouseError, match="could not be read") as caught:
        made["acme_warehouse"].open().ledger()
    assert "canary-77" not in str(caught.value)


def test_each_tenant_has_the_classes_of_its_places(project: TinyProject) -> None:
    made = resources()
    assert (type(made["acme_lake"]), type(made["acme_warehouse"])) == (LakeResource, WarehouseResource)
    assert type(made["acme_duckdb"]) is TenantDuckDBResource
    project.write_tenant({"warehouse": {"type": "trino", "host": "trino.example.com"}})
    trino = resources()["acme_warehouse"]
    assert type(trino) is TrinoResource
    assert trino.open().relation("shop", "orders") == '"iceberg"."shop"."orders"'  # no connection is opened
    assert "ACME_DB_PASSWORD" not in os.environ
