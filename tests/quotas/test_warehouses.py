"""`warehouse_bytes` on servers: measured as the server says it, the tenant's own tables only, and refused when used up."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import pytest

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.quotas.amounts import shown_bytes
from etl.running.quota_watch import quota_troubles
from etl.settings import load_settings
from tests.cli.conftest import Etl, etl
from tests.quotas.conftest import NOON, write_quotas
from tests.quotas.test_publish import extracted, uses
from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.seaweed import seaweed
from tests.servers.trino import Catalog, TrinoServer, trino, trino_catalog
from tests.tiny_project import DAYS, TinyProject, make_source

__all__ = ["etl", "postgres_server", "seaweed", "trino", "trino_catalog"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Clock = Callable[[datetime], None]


@dataclass(frozen=True)
class Server:
    """A warehouse on a server, and what the server itself says."""

    warehouse: dict[str, Any]
    environ: dict[str, str]
    size: Callable[[str], int]
    """Of one table."""
    count: Callable[[str], int]


def on_postgres(server: PostgresServer) -> Server:
    server.run("DROP DATABASE IF EXISTS quotas WITH (FORCE)", "CREATE DATABASE quotas STRATEGY FILE_COPY")
    url = server.url.replace("//reader:", "//postgres:").replace("/src", "/quotas")

    def number(sql: str) -> int:
        with server.connect("quotas") as connection:
            return int(connection.execute(sql).fetchone()[0])

    return Server(
        {"type": "postgres", "url": "${OWN_WAREHOUSE_URL}"},
        {"OWN_WAREHOUSE_URL": url},
        # Not the function that the product asks: the files of the heap, of long values and of indexes.
        lambda table: number(f"SELECT pg_table_size('{table}'::regclass) + pg_indexes_size('{table}'::regclass)"),
        lambda table: number(f"SELECT count(*) FROM {table}"),
    )


def on_trino(server: TrinoServer, catalog: Catalog) -> Server:
    server.empty(catalog)
    bucket, _, folder = catalog.warehouse.removeprefix("s3://").partition("/")

    def size(table: str) -> int:
        pages = catalog.store.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
        sizes = {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}
        (path,) = {row[0] for row in server.rows(f'SELECT "$path" FROM {catalog.name}.{table} LIMIT 1')}
        root = path.removeprefix(f"s3://{bucket}/").partition("/data/")[0]
        return sum(size for key, size in sizes.items() if key.startswith(f"{root}/"))

    iceberg = {
        **catalog.properties,
        "uri": "${OWN_CATALOG_URI}",
        "s3.access-key-id": "${OWN_TABLES_KEY}",
        "s3.secret-access-key": "${OWN_TABLES_SECRET}",
    }
    return Server(
        {"type": "trino", "catalog": catalog.name, "iceberg": iceberg},
        {
            "TRINO_HOST": "127.0.0.1",
            "TRINO_PORT": str(server.port),
            "OWN_CATALOG_URI": catalog.uri,
            "OWN_TABLES_KEY": catalog.store.access_key,
            "OWN_TABLES_SECRET": catalog.store.secret_key,
        },
        size,
        lambda table: int(server.rows(f"SELECT count(*) FROM {catalog.name}.{table}")[0][0]),
    )


@pytest.fixture(params=["postgres", "trino"])
def server(request: pytest.FixtureRequest, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The warehouse of two tenants, acme and globex, each with its own schema."""
    given = request.getfixturevalue
    made = (
        on_postgres(given("postgres_server"))
        if request.param == "postgres"
        else on_trino(given("trino"), given("trino_catalog"))
    )
    make_source(project.data / "demo" / "globex.sqlite")
    for tenant in ("acme", "globex"):
        own = tenant.upper()
        for name, value in made.environ.items():
            monkeypatch.setenv(name.replace("OWN", own), value)
        output = {"target_schema": f"{tenant}_shop"}
        said = {
            key: {name: str(each).replace("OWN", own) for name, each in value.items()}
            if isinstance(value, dict)
            else value.replace("OWN", own)
            for key, value in made.warehouse.items()
        }
        project.write_tenant({"warehouse": said, "assets": {"pipelines": {"orders": {"trino_output": output}}}}, tenant)
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance: dg.DagsterInstance, tenant: str, day: str) -> str:
    """Run all stages of a day; return the error of a step that failed, or nothing."""
    job = definitions_of(load_tenant(tenant, load_settings())).resolve_job_def(f"{tenant}_all")
    done = job.execute_in_process(instance=instance, partition_key=day, tags={"tenant": tenant}, raise_on_error=False)
    errors = [each.step_failure_data.error for each in done.all_events if each.is_step_failure]
    return "\n".join(each.to_string() for each in errors if each is not None)


def test_the_tables_of_a_server_are_measured_and_a_full_tenant_loads_no_more(
    server: Server, project: TinyProject, instance: dg.DagsterInstance, set_clock: Clock
) -> None:
    write_quotas(project, "defaults: {warehouse_bytes: 1 GB}")
    assert uses(project)["warehouse_bytes"].used is None, "before the first load it is unknown, and not zero"
    assert run(instance, "acme", DAYS[0]) == ""
    assert run(instance, "globex", DAYS[0]) == ""
    use = uses(project)["warehouse_bytes"]
    size = server.size("acme_shop.orders")
    assert (use.used, use.limit) == (size, 10**9)
    assert size > 0

    write_quotas(project, f"tenants: {{acme: {{warehouse_bytes: {size * 10 // 9}}}}}")
    config, settings = load_tenant("acme", load_settings()), load_settings()
    assert [each.cause for each in quota_troubles(config, settings, NOON)] == ["warehouse_bytes is nearly used up"]

    write_quotas(project, f"tenants: {{acme: {{warehouse_bytes: {size}}}}}")
    refused = run(instance, "acme", DAYS[1])
    assert "load: nothing was loaded: the tables of acme take" in refused
    assert f"{shown_bytes(size)} of {shown_bytes(size)} (100%)" in refused
    assert "Make room (`etl maintain acme" in refused
    assert extracted(project) == [f"dt={DAYS[0]}", f"dt={DAYS[1]}"], "the lake has what waits to be loaded"
    assert server.count("acme_shop.orders") == 20
    assert {each.cause for each in quota_troubles(config, settings, NOON)} == {
        "warehouse_bytes is nearly used up",
        "warehouse_bytes is used up",
    }
    assert run(instance, "globex", DAYS[1]) == "", "the other tenant of the same server has room"
    assert server.count("globex_shop.orders") == 40

    write_quotas(project, "defaults: {warehouse_bytes: 1 GB}")
    assert run(instance, "acme", DAYS[1]) == ""
    assert server.count("acme_shop.orders") == 40
    assert uses(project)["warehouse_bytes"].used == server.size("acme_shop.orders") > 0


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_the_space_of_replaced_rows_counts_until_the_tables_are_written_again(
    server: Server, project: TinyProject, instance: dg.DagsterInstance, set_clock: Clock, etl: Etl
) -> None:
    """What the refusal tells people to do makes room: on PostgreSQL, VACUUM alone does not."""
    write_quotas(project, "defaults: {warehouse_bytes: 1 GB}")
    with sqlite3.connect(project.source) as source:
        source.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
            f" INSERT INTO orders SELECT i + 10000, 'name ' || i, i, '{DAYS[0]} 12:00:00' FROM n"
        )
    sizes = []
    for _ in range(4):
        with sqlite3.connect(project.source) as source:
            source.execute("UPDATE orders SET amount = amount + 1")
        assert run(instance, "acme", DAYS[0]) == ""
        sizes.append(uses(project)["warehouse_bytes"].used or 0)
    assert sizes[-1] > 2 * sizes[0], sizes
    write_quotas(project, f"defaults: {{warehouse_bytes: {2 * sizes[0]}}}")
    refused = run(instance, "acme", DAYS[1])
    assert "`etl maintain acme --rewrite`" in refused
    done = etl("maintain", "acme", "--rewrite")
    assert done.code == 0, done.err
    assert run(instance, "acme", DAYS[1]) == ""
    assert server.count("acme_shop.orders") == 5040
