"""Dagster's history in PostgreSQL, as production keeps it: one tenant's is erased, and no row of another's is changed."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import yaml

from tests.cli.conftest import Etl, broke_off
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
def on_postgres(world: World, url: str, postgres_server: Any) -> World:
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
def test_only_this_tenants_history_goes(on_postgres: World, url: str, etl: Etl, fault: Callable[[str], None]) -> None:
    assert on_postgres.run("acme_eu").success
    with on_postgres.instance() as instance:
        leave_history(instance, "acme_eu")
    before = dump(url)
    assert on_postgres.run("acme").success
    with on_postgres.instance() as instance:
        leave_history(instance, "acme")
    both = dump(url)
    assert tables_of("acme", both) >= {
        "event_logs",
        "asset_check_executions",
        "instigators",
        "job_ticks",
        "bulk_actions",
    }

    for point in ("lifecycle.rows_of_history_deleted@3", "lifecycle.runs_deleted"):
        fault(point)
        broke_off(etl("tenant", "erase", "acme", "--confirm", "acme"))
    fault("")
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    after = dump(url)
    assert tables_of("acme", after) == set()
    assert tables_of("acme_eu", after) == tables_of("acme_eu", before)
    for name, rows in after.items():
        assert rows == before[name], name
    assert files_with(canary("acme"), *on_postgres.folders) == []
    text = next((on_postgres.project.root / "certificates").glob("*.txt")).read_text()
    assert "VACUUM (FULL)" in text  # what only the server's owner may decide


def _as_built_by_default(connection: Any, _record: object) -> None:
    """A statement of SQLite has at most 32,766 values, unless a distribution builds it otherwise."""
    if isinstance(connection, sqlite3.Connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)


@pytest.mark.slow
def test_more_ticks_than_one_statement_can_name(world: World, etl: Etl) -> None:
    ticks = 33_000  # of three sensors that look every minute, in a week
    sa.event.listen(sa.engine.Engine, "connect", _as_built_by_default)
    with world.instance() as instance:
        leave_history(instance, "acme")
        leave_history(instance, "acme_eu")
    path = world.project.data / "dagster" / "schedules" / "schedules.db"
    with closing(sqlite3.connect(path)) as db, db:
        ((others,),) = db.execute("SELECT count(*) FROM job_ticks WHERE tick_body LIKE '%CANARYACMEEUX%'").fetchall()
        db.execute(
            "INSERT INTO job_ticks (job_origin_id, selector_id, status, type, timestamp, tick_body)"
            " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " SELECT job_origin_id, selector_id, status, type, timestamp, tick_body FROM n, (SELECT * FROM job_ticks"
            " WHERE tick_body LIKE '%CANARYACMEX%' LIMIT 1)",
            [ticks],
        )
    try:
        said = etl("tenant", "erase", "acme", "--confirm", "acme")
    finally:
        sa.event.remove(sa.engine.Engine, "connect", _as_built_by_default)
    assert said.code == 0, said.err
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM job_ticks").fetchall() == [(others,)]
    (certificate,) = (world.project.root / "certificates").glob("*.json")
    removed = {each["place"]: each["rows"] for each in json.loads(certificate.read_text())["removed"]}
    assert removed["records"] > ticks
