"""Attacks `etl maintain` from outside: what it must not touch, what runs while it runs, and what it must not call done."""

import os
import signal
import subprocess
from typing import Any

import pytest

from tests.attack.target import Target
from tests.attack.warm import BIN
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer, postgres_server
from tests.servers.seaweed import SECRET, seaweed
from tests.servers.trino import Catalog, TrinoServer, trino, trino_catalog
from tests.tiny_project import DAYS, ROWS_PER_DAY, make_source

__all__ = ["postgres_server", "seaweed", "trino", "trino_catalog"]
DATABASE = "cared_for"


def join(target: Target, tenant: str, server: PostgresServer, role: str = "postgres") -> None:
    """A tenant that loads into the schema `shop` of the shared database."""
    prefix = tenant.upper()
    warehouse = {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": str(server.port),
        "database": DATABASE,
        "username": role,
        "password": f"${{{prefix}_WH_PASSWORD}}",
    }
    table = {"target_schema": "shop", "target_table": f"orders_of_{tenant}"}
    pipelines = {"orders": {"trino_output": table}}
    target.project.write_tenant({"warehouse": warehouse, "assets": {"pipelines": pipelines}}, tenant=tenant)
    target.environ[f"{prefix}_WH_PASSWORD"] = PASSWORD
    if tenant != "acme":
        make_source(target.project.data / "demo" / f"{tenant}.sqlite")


@pytest.mark.slow
def test_two_tenants_in_one_schema_of_postgresql(target: Target, postgres_server: PostgresServer) -> None:
    """Nobody's table is vacuumed by another tenant, and a table that a role may not vacuum is not called done."""
    quoted = PASSWORD.replace("'", "''")
    postgres_server.run(f"CREATE DATABASE {DATABASE}", f"CREATE ROLE carer LOGIN PASSWORD '{quoted}'")
    with postgres_server.connect(DATABASE) as connection:
        vacuumed = "SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0 ORDER BY 1"
        for tenant in ("acme", "globex"):
            join(target, tenant, postgres_server)
        target.serve("globex")
        for tenant in ("acme", "globex"):
            target.run_days(tenant=tenant)
        connection.execute("CREATE TABLE shop.by_hand AS SELECT 1 AS one")
        said = target.etl("maintain", "acme")
        assert said.code == 0, said.text
        assert "shop.orders_of_acme" in said.out
        assert "globex" not in said.text
        assert connection.execute(vacuumed).fetchall() == [("orders_of_acme",)]
        connection.execute("GRANT USAGE ON SCHEMA shop, etl_ledger TO carer")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA shop, etl_ledger TO carer")
        join(target, "acme", postgres_server, role="carer")
        for options in ((), ("--dry-run",)):
            refused = target.etl("maintain", "acme", *options)
            assert refused.code == 1, refused.text
            assert "shop.orders_of_acme is another role's, and only its owner may vacuum it" in refused.text
            assert PASSWORD not in refused.text
        connection.execute("DROP TABLE shop.orders_of_acme; CREATE VIEW shop.orders_of_acme AS SELECT 1 AS one")
        gone = target.etl("maintain", "acme")
        assert gone.code == 3, gone.text
        assert "shop.orders_of_acme: it is a view" in " ".join(gone.text.split())
        assert target.etl("maintain", "globex").code == 0


def on_trino(target: Target, trino: TrinoServer, catalog: Catalog, **output: Any) -> None:
    properties = dict(catalog.properties)
    target.environ["ACME_CATALOG_URI"] = properties.pop("uri")
    target.environ["ACME_LAKE_SECRET"] = properties.pop("s3.secret-access-key")
    target.environ["ACME_LAKE_KEY"] = properties.pop("s3.access-key-id")
    target.environ.update(TRINO_PORT=str(trino.port), TRINO_HOST="127.0.0.1")
    secret = {"s3.access-key-id": "${ACME_LAKE_KEY}", "s3.secret-access-key": "${ACME_LAKE_SECRET}"}
    iceberg = {**properties, **secret, "uri": "${ACME_CATALOG_URI}"}
    warehouse = {"type": "trino", "catalog": catalog.name, "iceberg": iceberg}
    jobs = {"weekly_care": {"maintain": True, "schedule": {"cron": "0 3 * * 0"}}}
    pipelines = {"orders": {"trino_output": output}}
    target.project.write_tenant({"warehouse": warehouse, "jobs": jobs, "assets": {"pipelines": pipelines}})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_tenant_on_trino_is_cared_for_while_it_is_loaded_and_killed(
    target: Target, trino: TrinoServer, trino_catalog: Catalog
) -> None:
    trino.empty(trino_catalog)
    on_trino(target, trino, trino_catalog, mode="upsert")
    assert target.etl("maintain", "acme").code == 3
    target.run_days()
    for turn in range(2):
        target.source(f"UPDATE orders SET amount = amount + {turn + 1}")
        target.run_days()
    trino.change("CREATE TABLE shop.by_hand AS SELECT 1 AS one", trino_catalog)

    def told(name: str) -> list[Any]:
        return trino.rows(f"SELECT count(*) FROM {trino_catalog.name}.{name}")[0]

    planned = target.etl("maintain", "acme", "--dry-run")
    assert planned.code == 0, planned.text
    assert "would join the files of 3 partitions" in planned.out
    target.source("UPDATE orders SET amount = amount + 9")
    killed = target.etl(
        "run", "acme", "--from", DAYS[0], "--to", DAYS[-1], environ={"ETL_FAULT": "warehouse.kept@2=kill"}
    )
    assert killed.code == 1, killed.text
    running = subprocess.Popen(
        [str(BIN / "etl"), "run", "acme", "--from", DAYS[0], "--to", DAYS[-1]],
        cwd=target.project.root, env=target.process_environ, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    cares = []
    try:
        while running.poll() is None:
            cares.append(target.etl("maintain", "acme"))
        assert running.returncode == 0
    finally:
        if running.poll() is None:
            os.kill(running.pid, signal.SIGINT)
            running.wait()
    for said in [*cares, target.etl("maintain", "acme")]:
        assert said.code == 0, said.text
        assert "by_hand" not in said.text
        assert SECRET not in said.text
        assert PASSWORD not in said.text
    assert told("shop.orders") == [3 * ROWS_PER_DAY]
    assert told('shop."by_hand$snapshots"') == [1]
    verified = target.etl("verify", "acme")
    assert verified.code == 0, verified.text
    by_job = target.etl("run", "acme", "--job", "weekly_care")
    assert by_job.code == 0, by_job.text
    early = target.etl("maintain", "acme", "--older-than", "0")
    assert early.code == 2, early.text
    trino.change("DROP TABLE shop.orders", trino_catalog)
    gone = target.etl("maintain", "acme")
    assert gone.code == 3, gone.text
    assert "shop.orders: there is no such table any more" in " ".join(gone.text.split())
    failed = target.etl("run", "acme", "--job", "weekly_care")
    assert failed.code == 1, "a job that cared for nothing has not succeeded"
