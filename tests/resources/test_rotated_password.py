"""A password that is changed in the store and in the database while a process keeps the old one.

The store is a real OpenBao, so that values are kept; the databases and the bucket are real too.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl.config import load_tenant
from etl.errors import LakeError, LoginRefusedError, WarehouseError
from etl.lake.lake import open_lake
from etl.pipeline.stage import lake_place
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.secrets import cache
from etl.secrets.cache import AUDIT
from etl.settings import load_settings
from etl.source.reading import connection, describe
from tests.servers import seaweed
from tests.servers.mariadb import MariadbServer
from tests.servers.openbao import ROOT, OpenBao, openbao
from tests.servers.postgres import PostgresServer
from tests.tiny_project import make_project

__all__ = ["openbao"]

Tenant = Callable[[dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    cache.forget_everything()
    yield
    cache.forget_everything()


@pytest.fixture
def tenant(openbao: OpenBao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """Make the tenant `acme` with some changes, whose store is the server."""

    def made(changes: dict[str, Any]) -> Any:
        project = make_project(tmp_path, changes)
        environ = {"ETL_SECRETS": "openbao", "BAO_ADDR": openbao.address, "BAO_TOKEN": ROOT}
        for name, value in {**project.environ, **environ}.items():
            monkeypatch.setenv(name, value)
        return load_tenant("acme", load_settings())

    return made


def source(driver: str, port: int) -> dict[str, Any]:
    login = {"username": "rotated", "password": "${secret:db#password}"}
    return {"driver": driver, "host": "127.0.0.1", "port": port, "database": "src", **login}


def reads(caplog: pytest.LogCaptureFixture) -> int:
    return sum(each.name == AUDIT.name for each in caplog.records)


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("mysql", marks=pytest.mark.slow)])
def test_a_source_whose_password_was_rotated(
    kind: str, openbao: OpenBao, tenant: Tenant, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    name = {"postgresql": "postgres_server", "mysql": "mariadb_server"}[kind]
    server: PostgresServer | MariadbServer = request.getfixturevalue(name)
    words = {
        "postgresql": (
            "CREATE ROLE rotated LOGIN PASSWORD '{}'",
            "ALTER ROLE rotated PASSWORD '{}'",
            "DROP ROLE rotated",
        ),
        "mysql": (
            "CREATE USER rotated IDENTIFIED BY '{}'",
            "ALTER USER rotated IDENTIFIED BY '{}'",
            "DROP USER rotated",
        ),
    }
    create, alter, drop = words[kind]
    server.run(create.format("first-password"), *(["GRANT SELECT ON src.* TO rotated"] if kind == "mysql" else []))
    try:
        openbao.write("tenants/acme/db", password="first-password")
        config = tenant({"source_database": source(kind, server.port)})
        url = rdb_resource(config, "").url(config)  # made once, as a step that takes hours makes it
        with caplog.at_level(logging.INFO, AUDIT.name):
            describe(url)
            assert reads(caplog) == 1

            server.run(alter.format("second-password"))
            with pytest.raises(LoginRefusedError) as raised:  # the store has no other version: no second login
                describe(url)
            assert reads(caplog) == 2
            assert "first-password" not in str(raised.value)

            openbao.write("tenants/acme/db", password="second-password")
            describe(url)
            assert reads(caplog) == 3
            with connection(url):
                pass
            assert reads(caplog) == 3  # the new password is kept now
    finally:
        server.run(drop)


@pytest.mark.slow
def test_a_warehouse_whose_password_was_rotated(
    openbao: OpenBao, tenant: Tenant, postgres_server: PostgresServer
) -> None:
    postgres_server.run(
        "CREATE ROLE rotated LOGIN PASSWORD 'first-password'", "GRANT CREATE ON DATABASE src TO rotated"
    )
    try:
        openbao.write("tenants/acme/db", password="first-password")
        place = source("postgresql", postgres_server.port)
        warehouse = warehouse_of_tenant(config := tenant({"warehouse": {"type": "postgres", **place}})).open(config)
        assert "PostgreSQL" in warehouse.try_out().words
        postgres_server.run("ALTER ROLE rotated PASSWORD 'second-password'")
        with pytest.raises(WarehouseError, match="authentication failed"):
            warehouse.try_out()
        openbao.write("tenants/acme/db", password="second-password")
        assert "PostgreSQL" in warehouse.try_out().words
    finally:
        postgres_server.run("REVOKE CREATE ON DATABASE src FROM rotated", "DROP ROLE rotated")


@pytest.mark.slow
def test_a_bucket_whose_keys_were_rotated(openbao: OpenBao, tenant: Tenant) -> None:
    keys = {"access_key_id": "${secret:s3#id}", "secret_access_key": "${secret:s3#key}"}
    with seaweed.rotating() as store:
        store.client().create_bucket(Bucket="rotated")
        openbao.write("tenants/acme/s3", id=store.access_key, key=store.secret_key)
        config = tenant({"storage": {"bucket": "rotated", "endpoint_url": store.endpoint, **keys}})
        lake = open_lake(load_settings(), lake_place(config))
        lake.try_out("acme")
        store.rotate("another-secret-key-of-the-bucket")
        with pytest.raises(LakeError):
            lake.try_out("acme")
        openbao.write("tenants/acme/s3", id=store.access_key, key="another-secret-key-of-the-bucket")
        lake.try_out("acme")
        lake.close()
