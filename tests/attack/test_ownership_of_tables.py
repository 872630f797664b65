"""Attacks the law of ownership in the warehouse: nobody loads a table that another tenant or a person made."""

from typing import Any

import pytest

from tests.attack.target import Target
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer, postgres_server
from tests.tiny_project import DAYS, make_source

__all__ = ["postgres_server"]


def join(target: Target, tenant: str, server: PostgresServer, database: str) -> None:
    """A tenant that loads `shop.orders` of the shared database."""
    prefix = tenant.upper()
    warehouse: dict[str, Any] = {
        "type": "postgres",
        "host": "127.0.0.1",
        "port": str(server.port),
        "database": database,
        "username": "postgres",
        "password": f"${{{prefix}_WH_PASSWORD}}",
    }
    target.project.write_tenant({"warehouse": warehouse}, tenant=tenant)
    target.environ[f"{prefix}_WH_PASSWORD"] = PASSWORD
    make_source(target.project.data / "demo" / f"{tenant}.sqlite") if tenant != "acme" else None


@pytest.mark.slow
def test_two_tenants_with_one_table_do_not_delete_each_others_rows(
    target: Target, postgres_server: PostgresServer
) -> None:
    postgres_server.run("CREATE DATABASE shared")
    for tenant in ("acme", "globex"):
        join(target, tenant, postgres_server, "shared")
    target.serve("globex")
    target.run_days(DAYS[0], DAYS[0])
    count = "SELECT count(*) FROM shop.orders"
    with postgres_server.connect("shared") as connection:
        assert connection.execute(count).fetchall() == [(20,)]
        said = target.etl("run", "globex", "--from", DAYS[0], "--to", DAYS[0])
        assert said.code == 1, said.text
        assert "shop.orders belongs to the pipeline `orders` of tenant `acme`" in " ".join(said.text.split())
        assert connection.execute(count).fetchall() == [(20,)]
        said = target.etl("set-aside", "globex", "orders")
        assert (said.code, "nothing was done" in said.text) == (2, True), said.text
        assert connection.execute("SELECT tenant FROM etl_ledger.loads").fetchall() == [("acme",)]


@pytest.mark.slow
def test_a_table_or_view_that_a_person_made_is_refused_and_moved_away_on_demand(target: Target) -> None:
    (target.project.data / "warehouse").mkdir(parents=True)
    target.warehouse("CREATE SCHEMA shop", "CREATE VIEW shop.orders AS SELECT 'mine' AS order_id")
    said = target.etl("run", "acme", "--from", DAYS[0], "--to", DAYS[0])
    assert said.code == 1, said.text
    assert "shop.orders is not a table but a view" in " ".join(said.text.split())
    moved = target.etl("set-aside", "acme", "orders", "--yes")
    assert moved.code == 0, moved.text
    target.run_days(DAYS[0], DAYS[0])
    assert target.warehouse("SELECT count(*) FROM shop.orders") == [(20,)]
    name = moved.out.split(" is now called ")[1].split(";")[0]
    assert target.warehouse(f"SELECT order_id FROM {name}") == [("mine",)]
