"""What the kill test runs on: one PostgreSQL, one bucket, one project with two tenants, and sources that change.

Belongs here: making the world, changing the sources, asking what the tables should hold. Not here: killing (`rounds`).
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance

from etl.running import naming
from tests.servers import PASSWORD, free_port
from tests.servers.object_store import ObjectStore
from tests.servers.postgres import PostgresServer
from tests.tiny_project import REPOSITORY

TENANTS = ("north", "south")
DAYS = tuple(f"2026-01-0{day}" for day in range(1, 7))
BUCKET = "soak"
KEYS = 60

TRANSFORM = '''"""events, refined."""

import polars as pl


def events(events: pl.LazyFrame) -> pl.LazyFrame:
    """Amounts in cents."""
    return events.with_columns((pl.col("amount") * 100).cast(pl.Int64).alias("cents"))
'''

MODEL = """{{ config(materialized='table') }}
select cast(dt as varchar) as day, count(*) as events, sum(amount) as amount
from {{ source('extract', 'events') }} group by 1
"""
DBT_SOURCES = """
version: 2
sources:
  - name: extract
    meta:
      external_location: >-
        read_parquet('{{ env_var("ETL_LAKE_DIR") }}/{{ var("tenant") }}/extract/{name}/**/data.parquet', hive_partitioning=true)
    tables: [{name: events}]
"""

# What each table holds if it is a function of what the source holds now, in SQL, from the source alone.
EXPECTED = {
    "events": "SELECT id, amount, note, owner, at, (amount * 100)::bigint AS cents FROM {source}.events WHERE amount >= 0",
    "states": "SELECT DISTINCT ON (id) id, state, owner, at FROM {source}.states ORDER BY id, at::date DESC",
    "codes": "SELECT id, label, owner FROM {source}.codes",
    "ticks": "SELECT id, value, owner, at FROM {source}.ticks",
}
FOUND = {
    "events": "SELECT id, amount, note, owner, at, cents FROM {target}.events",
    "states": "SELECT id, state, owner, at FROM {target}.states",
    "codes": "SELECT id, label, owner FROM {target}.codes",
    "ticks": "SELECT id, value, owner, at FROM {target}.ticks",
}
TABLES = (*FOUND, "snaps")
"""`snaps` collects every state of `codes` that was loaded: what it holds depends on its ledger, not on the source."""
ROWS_OF_ANY_STATE = ("states",)
"""Tables that are made of several days together: each of their rows stood in the source at one moment."""
DAILY = ("events", "ticks")
"""Tables of which each day has a state of its own, which the source had at one moment."""
JOBS = ("models", "events_and_states", "whole_and_appended", "events")
"""`models` are those of dbt, with what they are made from. The undisturbed runs are of `all`."""


def _pipelines(tenant: str) -> dict[str, Any]:
    daily = {"start": DAYS[0], "end": DAYS[-1], "timezone": "UTC"}
    output = {"target_schema": tenant}
    return {
        "events": {
            "source_table": "events",
            "date_column": "at",
            "partitions": daily,
            "allow_empty": True,
            "has_transfer": True,
            "save_to_trino": True,
            "trino_output": {**output, "target_table": "events", "key_columns": ["id"], "mode": "replace_partition"},
            "quality": {
                "engine": "polars",
                "on_failure": "quarantine",
                "rules": [{"column": "amount", "type": "non_negative"}, {"column": "id", "type": "unique"}],
            },
        },
        "states": {
            "source_table": "states",
            "date_column": "at",
            "partitions": daily,
            "allow_empty": True,
            "save_to_trino": True,
            "trino_output": {**output, "target_table": "states", "key_columns": ["id"], "mode": "upsert"},
        },
        "codes": {
            "source_table": "codes",
            "allow_empty": True,
            "save_to_trino": True,
            "trino_output": {**output, "target_table": "codes", "key_columns": ["id"], "mode": "replace"},
        },
        "ticks": {
            "source_table": "ticks",
            "date_column": "at",
            "partitions": daily,
            "save_to_trino": True,
            "trino_output": {**output, "target_table": "ticks", "mode": "append"},
        },
        "snaps": {
            "source_table": "codes",
            "allow_empty": True,
            "save_to_trino": True,
            "trino_output": {**output, "target_table": "snaps", "mode": "append"},
        },
    }


def _jobs(tenant: str) -> dict[str, Any]:
    def of(*pipelines: str) -> dict[str, str]:
        return {"selection": " or ".join(f'key:"{tenant}/*/{each}"' for each in pipelines)}

    models = {"selection": f'key:"{tenant}/extract/events" or key:"{tenant}/dbt/*"'}
    return {
        "models": models,
        "events_and_states": of("events", "states"),
        "whole_and_appended": of("codes", "ticks", "snaps", "states"),
        "events": of("events"),
    }


def lines(sql: str) -> str:
    """The rows of a query as texts that two tables have in common only if all values are the same."""
    return f"SELECT q::text AS line FROM ({sql}) q"


def digests(sql: str, part: str, line: str = "q::text") -> str:
    """A digest of the rows of each part of a query."""
    return (
        """SELECT part::text AS part, md5(string_agg(line, E'\\n' ORDER BY line COLLATE "C")) AS digest"""
        f" FROM (SELECT {part} AS part, {line} AS line FROM ({sql}) q) parts GROUP BY 1"
    )


@dataclass(frozen=True)
class World:
    """The servers and the folders of the kill test."""

    root: Path
    postgres: PostgresServer
    store: ObjectStore
    ports: dict[str, int] = field(default_factory=lambda: {tenant: free_port() for tenant in TENANTS})
    """Of the tenants' code servers."""
    changes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENANTS, 0))
    """How often each source was changed."""

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.data / "dagster"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every command."""
        own = {
            "ETL_PROJECT_DIR": str(self.project),
            "ETL_DATA_DIR": str(self.data),
            "DAGSTER_HOME": str(self.home),
            "DAGSTER_ENVIRONMENT": "prod",
            "PYTHONWARNINGS": "ignore",
            "PYTHONPATH": str(self.project),
            "S3_BUCKET_NAME": BUCKET,
            **self.store.environ,
        }
        for tenant in TENANTS:
            own |= {
                f"{tenant.upper()}_DB_PORT": str(self.postgres.port),
                f"{tenant.upper()}_DB_PASSWORD": PASSWORD,
            }
        return {**os.environ, **own}

    def make(self) -> None:
        """The project, the bucket, the sources."""
        (self.project / "tenants").mkdir(parents=True)
        (self.project / "tenants" / "__init__.py").touch()
        self.home.mkdir(parents=True)
        settings = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
        # the same settings with shorter times, because nobody waits for a slow container here
        settings["run_coordinator"]["config"] |= {"dequeue_interval_seconds": 1, "user_code_failure_retry_delay": 1}
        monitoring = settings["run_monitoring"]
        times = {"poll_interval_seconds": 2, "free_slots_after_run_end_seconds": 1, "start_timeout_seconds": 180}
        monitoring |= {name: seconds for name, seconds in times.items() if name in monitoring}
        for place in (self.project, self.home):
            (place / "dagster.yaml").write_text(yaml.safe_dump(settings))
        self.store.client().create_bucket(Bucket=BUCKET)
        self.make_sources()
        locations = []
        for tenant in TENANTS:
            self._make_tenant(tenant)
            module = f"tenants.{tenant}.definitions"
            place = {"module_name": module, "attribute": "defs", "location_name": tenant, "working_directory": "."}
            locations.append({"python_module": place})
        (self.project / "workspace.yaml").write_text(yaml.safe_dump({"load_from": locations}))
        servers = [
            {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": tenant}}
            for tenant, port in self.ports.items()
        ]
        (self.project / "servers.yaml").write_text(yaml.safe_dump({"load_from": servers}))

        with DagsterInstance.from_config(str(self.home)) as instance:
            # One tenant with the default of one step at a time, one whose steps may overlap.
            for pool in (naming.source_pool(TENANTS[0]), naming.warehouse_pool(TENANTS[0])):
                instance.event_log_storage.set_concurrency_slots(pool, 3)
        etl = Path(sys.executable).parent / "etl"
        subprocess.run([etl, "dbt", "prepare"], cwd=self.project, env=self.environ, check=True, capture_output=True)

    def _make_tenant(self, tenant: str) -> None:
        connection = {
            "host": "127.0.0.1",
            "port": f"${{{tenant.upper()}_DB_PORT}}",
            "database": "src",
            "username": "postgres",
            "password": f"${{{tenant.upper()}_DB_PASSWORD}}",
        }
        config = {
            "id": tenant,
            "name": tenant.title(),
            "group": "CD",
            "owners": ["team:soak"],
            "tags": {"domain": "soak"},
            "source_database": {"driver": "postgresql", **connection, "schema": f"{tenant}_source"},
            "storage": {"bucket": "${S3_BUCKET_NAME}", "base_path": tenant},
            "warehouse": {"type": "postgres", **connection},
            "assets": {"pipelines": _pipelines(tenant)},
            "jobs": _jobs(tenant),
            "dbt": {"enabled": True, "target": "dev"},
        }
        folder = self.project / "tenants" / tenant
        (folder / "transforms").mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump({"tenant": config}, sort_keys=False))
        (folder / "definitions.py").write_text(
            f'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("{tenant}")\n'
        )
        (folder / "transforms" / "events.py").write_text(TRANSFORM)
        dbt = self.project / "dbt_projects" / tenant
        (dbt / "models").mkdir(parents=True)
        shutil.copyfile(REPOSITORY / "dbt_projects" / "profiles.yml", dbt.parent / "profiles.yml")
        (dbt / "dbt_project.yml").write_text(f"name: {tenant}\nversion: '1.0'\nprofile: etl\n")
        (dbt / "models" / "sources.yml").write_text(DBT_SOURCES)
        (dbt / "models" / "by_day.sql").write_text(MODEL)

    def make_sources(self) -> None:
        """The tables that the tenants read, and the place where their states are remembered."""
        self.postgres.run(
            "CREATE SCHEMA soak",
            "CREATE TABLE soak.history (tenant text, nth int, name text, part text, digest text)",
            "CREATE TABLE soak.lines (tenant text, name text, line text, UNIQUE (tenant, name, line))",
        )
        for tenant in TENANTS:
            self._make_source(tenant)
            self.change(tenant, random.Random(0))

    def _make_source(self, tenant: str) -> None:
        self.postgres.run(
            f"CREATE SCHEMA {tenant}_source",
            f"CREATE TABLE {tenant}_source.events (id int, amount numeric(12,2), note text, owner text, at timestamp)",
            f"CREATE TABLE {tenant}_source.states (id int, state text, owner text, at timestamp, UNIQUE (id, at))",
            f"CREATE TABLE {tenant}_source.codes (id int PRIMARY KEY, label text, owner text)",
            # what is appended by days never changes
            f"CREATE TABLE {tenant}_source.ticks (id int, value int, owner text, at timestamp)",
            *(
                f"INSERT INTO {tenant}_source.ticks SELECT i, {nth} * 1000 + i, '{tenant}',"
                f" timestamp '{day}' + i * interval '1 hour' FROM generate_series(1, 10 + {nth}) i"
                for nth, day in enumerate(DAYS)
            ),
        )

    def change(self, tenant: str, chance: random.Random) -> None:
        """Some rows of each table come, change, move to another day or vanish, all at once."""
        source = f"{tenant}_source"
        statements = []
        for _ in range(40):
            key = chance.randrange(KEYS)
            at = f"timestamp '{chance.choice(DAYS)}' + interval '{chance.randrange(86_400)} seconds'"
            amount = f"{chance.randrange(-200, 1000)}.{chance.randrange(100):02d}"
            word = f"'{chance.choice(['한', 'é', 'x', '🙂'])}{chance.randrange(1000)}'"
            # the same keys in both tenants: what is mixed up shows in `owner`
            statements += chance.choice(
                [
                    [
                        f"DELETE FROM {source}.events WHERE id = {key}",
                        f"INSERT INTO {source}.events VALUES ({key}, {amount}, {word}, '{tenant}', {at})",
                        f"DELETE FROM {source}.states WHERE id = {key} AND at::date = ({at})::date",
                        f"INSERT INTO {source}.states VALUES ({key}, {word}, '{tenant}', {at})",
                        f"DELETE FROM {source}.codes WHERE id = {key}",
                        f"INSERT INTO {source}.codes VALUES ({key}, {word}, '{tenant}')",
                    ],
                    [
                        f"UPDATE {source}.events SET at = {at} WHERE id = {key}",
                        f"UPDATE {source}.states SET state = {word} WHERE id = {key}",
                    ],
                    [  # the newest row of a key moves to another day
                        f"DELETE FROM {source}.states WHERE id = {key} AND at::date = ({at})::date",
                        (
                            f"UPDATE {source}.states SET at = {at} WHERE id = {key}"
                            f" AND at = (SELECT max(at) FROM {source}.states WHERE id = {key})"
                        ),
                        f"UPDATE {source}.codes SET label = {word} WHERE id = {key}",
                    ],
                    [
                        f"DELETE FROM {source}.events WHERE id = {key}",
                        f"DELETE FROM {source}.states WHERE id = {key}",
                        f"DELETE FROM {source}.codes WHERE id = {key}",
                    ],
                ]
            )
        self.changes[tenant] += 1
        with self.postgres.connect() as connection, connection.transaction():
            for each in [*statements, *self._remember(tenant)]:
                connection.execute(each)

    def _remember(self, tenant: str) -> Iterator[str]:
        """What every day of every table would be if it were made of this state of the source."""
        for name, sql in EXPECTED.items():
            query = sql.format(source=f"{tenant}_source")
            if name in ROWS_OF_ANY_STATE:
                rows = f"SELECT id, state, owner, at FROM {tenant}_source.{name}"
                yield f"INSERT INTO soak.lines SELECT '{tenant}', '{name}', line FROM ({lines(rows)}) l ON CONFLICT DO NOTHING"
                continue
            found = digests(query, "at::date" if name in DAILY else "'all'")
            nth = self.changes[tenant]
            yield f"INSERT INTO soak.history SELECT '{tenant}', {nth}, '{name}', part, digest FROM ({found}) d"
            parts = DAYS if name in DAILY else ("all",)
            for part in parts:  # without any row
                yield (
                    f"INSERT INTO soak.history SELECT '{tenant}', {nth}, '{name}', '{part}', '' WHERE NOT EXISTS (SELECT 1"
                    f" FROM soak.history WHERE tenant = '{tenant}' AND nth = {nth} AND name = '{name}' AND part = '{part}')"
                )
