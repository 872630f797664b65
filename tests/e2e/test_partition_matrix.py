"""Every way to cut rows into partitions, between every source and warehouse: one test over all of them.

Each case is a real project whose real Dagster job runs over all partitions, is killed on the way and started again;
then source, lake and warehouse are compared, green at first and red after a change by hand, and the partition that was
changed is filled again. Which rows belong to which partition is said by DuckDB's own arithmetic of time zones.
"""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.pipeline.verdict import Reconciliation
from etl.pipeline.verify import reconcile
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import load_settings
from tests.servers import PASSWORD
from tests.servers.postgres import PostgresServer, postgres_server
from tests.tiny_project import TinyProject, make_project

__all__ = ["postgres_server"]

ZONE = "Europe/Berlin"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
REGIONS = ("emea", "apac", "amer")
Rows = list[tuple[int, str, float, datetime]]


@dataclass(frozen=True)
class Cut:
    """One way to cut rows: the YAML, the time that the rows are of, and the partition of a row as SQL."""

    partitions: dict[str, Any] | None
    begin: datetime
    step: timedelta
    rows: int
    key: str
    count: int


def _time(by: str, start: str, end: str) -> dict[str, Any]:
    return {"by": by, "start": start, "end": end, "timezone": ZONE, "naive_timezone": "UTC"}


LOCAL = f"timezone('{ZONE}', moment)"
CUTS = {
    "hours of a day of 25": Cut(
        _time("hour", "2025-10-26", "2025-10-26"), datetime(2025, 10, 25, 22, tzinfo=UTC), timedelta(minutes=30), 50,
        "strftime(date_trunc('hour', timezone('UTC', moment)), '%Y-%m-%dT%H%MZ')", 25,
    ),
    "hours of a day of 23": Cut(
        _time("hour", "2026-03-29", "2026-03-29"), datetime(2026, 3, 28, 23, tzinfo=UTC), timedelta(minutes=30), 46,
        "strftime(date_trunc('hour', timezone('UTC', moment)), '%Y-%m-%dT%H%MZ')", 23,
    ),
    "days": Cut(
        _time("day", "2025-10-25", "2025-10-27"), datetime(2025, 10, 24, 22, tzinfo=UTC), timedelta(hours=1), 73,
        f"strftime({LOCAL}, '%Y-%m-%d')", 3,
    ),
    "weeks": Cut(
        _time("week", "2025-W43", "2025-W44"), datetime(2025, 10, 19, 22, tzinfo=UTC), timedelta(hours=5), 67,
        f"strftime({LOCAL}, '%G-W%V') || '-1'", 2,
    ),
    "months": Cut(
        _time("month", "2025-10", "2025-12"), datetime(2025, 9, 30, 22, tzinfo=UTC), timedelta(hours=31), 71,
        f"strftime({LOCAL}, '%Y-%m')", 3,
    ),
    "regions": Cut(
        {"by": "region", "keys": list(REGIONS)}, datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), 60, "region", 3,
    ),
    "whole tables": Cut(None, datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1), 60, "NULL", 1),
}  # fmt: skip

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.e2e.test_partition_matrix"])


def execute(environ: Mapping[str, str], first: str | None, last: str | None, run_tags: Mapping[str, str]) -> bool:
    """The job of everything, for some partitions, in this process."""
    os.environ.update(environ)
    settings = load_settings()
    tags = dict(run_tags)
    if first and last:
        tags |= {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with DagsterInstance.get() as instance:
        for dead in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):  # as `etl run` does at first
            instance.report_run_failed(dead)
            instance.event_log_storage.free_concurrency_slots_for_run(dead.run_id)
        job = definitions_of(load_tenant("acme", settings)).resolve_job_def("acme_all")
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success


@dataclass
class World:
    """One case: a project, its source, and its warehouse."""

    project: TinyProject
    cut: Cut
    source: str
    warehouse: str
    server: PostgresServer | None
    environ: dict[str, str]

    def write(self) -> None:
        """The tenant's YAML and the table of its source, with one row that belongs nowhere."""
        connection = {
            "host": "127.0.0.1", "port": "${ACME_DB_PORT}", "database": "src", "username": "postgres",
            "password": "${ACME_DB_PASSWORD}",
        }  # fmt: skip
        partitions = self.cut.partitions
        pipeline: dict[str, Any] = {
            "source_table": "sales",
            "date_column": "at" if partitions and "keys" not in partitions else None,
            "partitions": None,
            "has_transfer": False,
            "quality": None,
            "undated": "ignore",
            "volume": "off",
            "trino_output": {"mode": None, "key_columns": None},
        }
        tenant: dict[str, Any] = {"assets": {"pipelines": {"orders": pipeline}}, "jobs": None}
        if self.source == "postgres":
            tenant["source_database"] = {"driver": "postgresql", "schema": "matrix", **connection}
        if self.warehouse == "postgres":
            tenant["warehouse"] = {"type": "postgres", **connection}
        path = self.project.write_tenant(tenant)
        said = yaml.safe_load(path.read_text())
        if partitions:  # not laid over those that the tiny project has
            said["tenant"]["assets"]["pipelines"]["orders"]["partitions"] = partitions
            path.write_text(yaml.safe_dump(said, sort_keys=False))
        rows = self.rows()
        if self.source == "postgres" and self.server:
            self.server.run(
                "DROP SCHEMA IF EXISTS matrix CASCADE",
                "CREATE SCHEMA matrix",
                "CREATE TABLE matrix.sales (id bigint, region text, amount double precision, at timestamptz)",
                *(f"INSERT INTO matrix.sales VALUES ({n}, '{r}', {a}, '{t.isoformat()}')" for n, r, a, t in rows),
            )
        else:
            with closing(sqlite3.connect(self.project.source)) as db, db:
                db.execute("CREATE TABLE sales (id INTEGER, region TEXT, amount REAL, at TIMESTAMP)")
                texts = [(n, r, a, f"{t:%Y-%m-%d %H:%M:%S}") for n, r, a, t in rows]
                db.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", texts)

    def rows(self) -> Rows:
        """What the source holds."""
        return [(n, REGIONS[n % 3], n + 0.25, self.cut.begin + n * self.cut.step) for n in range(self.cut.rows)]

    def expected(self) -> dict[str | None, set[int]]:
        """The rows of each partition, as DuckDB cuts them."""
        values = ", ".join(f"({n}, '{r}', TIMESTAMPTZ '{t.isoformat()}')" for n, r, _, t in self.rows())
        sql = f"SELECT {self.cut.key}, list(id) FROM (VALUES {values}) AS v(id, region, moment) GROUP BY 1"
        return {key: set(ids) for key, ids in duckdb.sql(sql).fetchall()}

    def in_warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement by hand."""
        if self.warehouse == "postgres" and self.server:
            with self.server.connect() as connection:
                done = connection.execute(sql)
                return done.fetchall() if done.description else []
        with duckdb.connect(self.project.data / "warehouse" / "acme.duckdb") as connection:
            return connection.execute(sql).fetchall()

    def change_source(self, number: int) -> None:
        """Another amount in one row."""
        change = f"UPDATE {{}}sales SET amount = amount + 1 WHERE id = {number}"
        if self.source == "postgres" and self.server:
            self.server.run(change.format("matrix."))
        else:
            with closing(sqlite3.connect(self.project.source)) as db, db:
                db.execute(change.format(""))

    def verdict(self) -> Reconciliation:
        """What `etl verify` says."""
        settings = load_settings()
        config = load_tenant("acme", settings)
        url = rdb_resource(config, str(self.project.source)).url(config)
        warehouse = warehouse_of_tenant(config).open(config)
        return reconcile(config, config.pipelines["orders"], url, warehouse, settings, now=NOW)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    name, source, warehouse = request.param
    server = request.getfixturevalue("postgres_server") if "postgres" in (source, warehouse) else None
    project = make_project(tmp_path)
    environ = dict(project.environ)
    if server:
        environ |= {"ACME_DB_PORT": str(server.port), "ACME_DB_PASSWORD": PASSWORD}
        server.run(*(f"DROP SCHEMA IF EXISTS {each} CASCADE" for each in ("shop", "etl_ledger", "etl_kept")))
    for key, value in environ.items():
        monkeypatch.setenv(key, value)
    made = World(project, CUTS[name], source, warehouse, server, environ)
    made.write()
    return made


PAIRS = [(source, target) for source in ("sqlite", "postgres") for target in ("duckdb", "postgres")]
CASES = [
    (name, source, target)
    for name in CUTS
    for source, target in PAIRS
    if source[0] == target[0] or name != "hours of a day of 23" or (source, target) == ("sqlite", "duckdb")
]
"""A day of 23 hours takes as long as all the others: between two of the pairs it is enough."""


@pytest.mark.slow
@pytest.mark.parametrize("world", CASES, indirect=True, ids="-".join)
def test_killed_run_again_verified_changed_and_filled_again(world: World) -> None:
    wanted = world.expected()
    keys = sorted(wanted, key=str) if world.cut.key != "region" else list(REGIONS)
    assert len(keys) == world.cut.count

    half = max(1, len(keys) // 2)
    kill = {**world.environ, "ETL_FAULT": f"extract.published@{half}=kill"}
    process = processes.Process(target=execute, args=(kill, keys[0], keys[-1], {}))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, "it was not killed on the way"
    assert len(world.project.published()) == half

    assert execute(world.environ, keys[0], keys[-1], {})
    assert world.project.leftovers() == []
    found = world.verdict()
    assert (found.status, [each.partition for each in found.days]) == ("agrees", keys), (found.differing, found.unknown)

    partitioned = keys != [None]
    column = "CAST(etl_partition AS VARCHAR)" if partitioned else "NULL"
    loaded = world.in_warehouse(f"SELECT {column}, id FROM shop.orders")
    cut = {frozenset(row[1] for row in loaded if row[0] == value) for value in {row[0] for row in loaded}}
    assert cut == {frozenset(ids) for ids in wanted.values()}

    victim = keys[-1] if len(keys) < 3 else keys[1]
    number = min(wanted[victim])
    world.in_warehouse(f"UPDATE shop.orders SET amount = -1 WHERE id = {number}")
    found = world.verdict()
    assert found.status == "differs"
    assert {place for place, _ in found.differing} == {victim or "the table"}
    assert str(victim or "") in found.differing[0][1].remedy

    world.change_source(number)
    assert execute(world.environ, victim, victim, {})
    assert world.verdict().status == "agrees"
    assert world.in_warehouse(f"SELECT amount FROM shop.orders WHERE id = {number}") == [(number + 1.25,)]
