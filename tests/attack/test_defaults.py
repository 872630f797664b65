"""Attacks the law that nothing is green by chance: the defaults, taken as they are, load a table."""

import pytest

from tests.attack.target import Target
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer, postgres_server

__all__ = ["postgres_server"]

BARE = {
    "date_column": None,
    "partitions": None,
    "has_transfer": False,
    "trino_output": None,
    "quality": None,
    "source_table": "orders",
    "save_to_trino": True,
}


@pytest.mark.slow
def test_nothing_but_a_source_table_and_save_to_trino_loads_into_duckdb(target: Target) -> None:
    target.project.write_pipeline(BARE)
    for _ in range(2):
        said = target.etl("run", "acme")
        assert said.code == 0, said.text
    assert target.warehouse("SELECT count(*) FROM acme.acme.orders") == [(60,)]
    verified = target.etl("verify", "acme")
    assert "Ambiguous" not in verified.text


@pytest.mark.slow
def test_nothing_but_a_source_table_and_save_to_trino_loads_into_postgresql(
    target: Target, postgres_server: PostgresServer
) -> None:
    postgres_server.run("CREATE DATABASE bare")
    target.environ["ACME_WH_PASSWORD"] = PASSWORD
    target.project.write_tenant(
        {
            "warehouse": {
                "type": "postgres",
                "host": "127.0.0.1",
                "port": str(postgres_server.port),
                "database": "bare",
                "username": "postgres",
                "password": "${ACME_WH_PASSWORD}",
            },
            "assets": {"pipelines": {"orders": BARE}},
        }
    )
    said = target.etl("run", "acme")
    assert said.code == 0, said.text
    with postgres_server.connect("bare") as connection:
        assert connection.execute("SELECT count(*) FROM acme.orders").fetchall() == [(60,)]
