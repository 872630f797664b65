"""Attacks the law of ownership through dbt: no model replaces what another tenant, or a load, put into a warehouse."""

from typing import Any

import pytest

from tests.attack.target import Target
from tests.attack.test_ownership_of_tables import join
from tests.dbt.projects import write_dbt
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer, postgres_server
from tests.tiny_project import DAYS

__all__ = ["postgres_server"]

THEIRS = "{% macro generate_schema_name(custom, node) %}shop{% endmacro %}"
MODEL = "{{ config(materialized='table') }} select 1 as id, 'mine' as note"


@pytest.mark.parametrize(
    ("dbt", "place", "said"),
    [
        ({"vars": {"tenant": "beta"}}, "(dbt.vars.tenant)", "the dbt variable `tenant` is given by the product"),
        ({"schema": "etl_ledger"}, "(dbt.schema)", "the schema `etl_ledger` belongs to the loads themselves"),
        ({"schema": "etl_kept"}, "(dbt.schema)", "the schema `etl_kept` belongs to the loads themselves"),
    ],
)
def test_the_file_may_not_take_what_is_the_products(target: Target, dbt: dict[str, Any], place: str, said: str) -> None:
    target.project.write_tenant({"dbt": {"enabled": True, **dbt}})
    write_dbt(target.project, {"models/mine.sql": MODEL})
    found = target.etl("check", "acme")
    text = " ".join(found.text.split())
    assert (found.code, said in text, place in text) == (2, True, True), text
    assert "tenants/acme/config.yaml:" in text
    assert "allowed:" in text


@pytest.mark.slow
def test_dbt_of_one_tenant_does_not_replace_a_table_that_another_loaded(
    target: Target, postgres_server: PostgresServer
) -> None:
    """First through the YAML alone, then through a macro of the project, which the file does not show."""
    postgres_server.run("CREATE DATABASE marts")
    for tenant in ("acme", "globex"):
        join(target, tenant, postgres_server, "marts")
    target.environ.update(
        {
            "ETL_POSTGRES_HOST": "127.0.0.1",
            "ETL_POSTGRES_PORT": str(postgres_server.port),
            "ETL_POSTGRES_USER": "postgres",
            "ETL_POSTGRES_PASSWORD": PASSWORD,
            "ETL_POSTGRES_DB": "marts",
        }
    )
    target.serve("globex")
    folder = target.project.root / "tenants" / "globex"
    (folder / "config.yaml").write_text(
        "tenant: {id: globex, group: CD, owners: ['team:shop'], dbt: {target: postgres, schema: shop}}\n"
    )
    write_dbt(target.project, {"models/orders.sql": MODEL}, "globex")
    target.run_days(DAYS[0], DAYS[0])

    found = target.etl("check")
    text = " ".join(found.text.split())
    assert found.code == 2, text
    assert (
        "globex/config.yaml:1: dbt of tenant globex would write into the schema `shop`, which is tenant acme's" in text
    )

    (folder / "config.yaml").write_text(
        "tenant: {id: globex, group: CD, owners: ['team:shop'], dbt: {target: postgres}}\n"
    )
    write_dbt(target.project, {"macros/theirs.sql": THEIRS}, "globex")
    found = target.etl("run", "globex")
    text = " ".join(found.text.split())
    assert found.code == 1, text
    assert "the model `orders` would be built as shop.orders, but the pipeline `orders` of tenant acme loads" in text
    with postgres_server.connect("marts") as connection:
        assert connection.execute("SELECT count(*), min(name) FROM shop.orders").fetchall() == [(20, "이름 0")]
        assert connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'dbt_globex'").fetchall() == []

    write_dbt(target.project, {"macros/theirs.sql": None}, "globex")
    found = target.etl("run", "globex")
    assert found.code == 0, found.text
    with postgres_server.connect("marts") as connection:
        assert connection.execute("SELECT note FROM dbt_globex.orders").fetchall() == [("mine",)]
