"""Dagster's history in PostgreSQL, as production keeps it: one tenant's is erased, and no row of another's is changed."""

import shutil
import zlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import yaml

from tests.cli.conftest import Etl
from tests.lifecycle.history import leave_history
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary
from tests.servers import PASSWORD

Dump = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def url(postgres_server: Any) -> Iterator[str]:
    postgres_server.run("DROP DATABASE IF EXISTS history WITH (FORCE)", "CREATE DATABASE history STRATEGY FILE_COPY")
    yield postgres_server.url.replace("//reader:", "//postgres:").replace("/src", "/history")
    postgres_server.run("DROP DATABASE IF EXISTS history WITH (FORCE)")


@pytest.fixture
def world(world: World, url: str, postgres_server: Any) -> World:
    """The world, whose history begins anew in an empty database."""
    path = world.project.data / "dagster" / "dagster.yaml"
    database = {
        "scheme": "postgresql+psycopg2",
        "hostname": "127.0.0.1",
        "port": postgres_server.port,
        "username": "postgres",
        "password": PASSWORD,
        "db_name": "history",
    }
    for each in ("history", "schedules", "storage"):
        shutil.rmtree(path.with_name(each))
    found = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**found, "storage": {"postgres": {"postgres_db": database}}}))
    return world


def dump(url: str) -> Dump:
    """Every row of every table, with packed values unpacked."""
    with psycopg.connect(url) as db:
        names = [
            name for (name,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ]
        return {name: sorted(map(_unpacked, db.execute(f'SELECT * FROM "{name}"')), key=repr) for name in names}  # type: ignore[call-overload]


def _unpacked(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(zlib.decompress(bytes(each)) if isinstance(each, bytes | memoryview) else each for each in row)


def tables_of(tenant: str, found: Dump) -> set[str]:
    return {name for name, rows in found.items() if canary(tenant) in repr(rows)}


@pytest.mark.slow
def test_only_this_tenants_history_goes(world: World, url: str, etl: Etl) -> None:
    assert world.run("acme_eu").success
    with world.instance() as instance:
        leave_history(instance, "acme_eu")
    before = dump(url)
    assert world.run("acme").success
    with world.instance() as instance:
        leave_history(instance, "acme")
    both = dump(url)
    assert tables_of("acme", both) >= {
        "event_logs",
        "asset_check_executions",
        "instigators",
        "job_ticks",
        "bulk_actions",
    }

    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    after = dump(url)
    assert tables_of("acme", after) == set()
    assert tables_of("acme_eu", after) == tables_of("acme_eu", before)
    for name, rows in after.items():
        assert rows == before[name], name
    assert files_with(canary("acme"), *world.folders) == []
