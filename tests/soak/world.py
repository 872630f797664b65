"""What the kill test runs on: one PostgreSQL, one bucket, one project with two tenants, and sources that change.

Belongs here: making the world, changing the sources, asking what the tables should hold. Not here: killing (`rounds`).
"""

import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance

from tests.servers import PASSWORD
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
    "events": "SELECT id, amount, note, owner, at, (amount * 100)::bigint FROM {source}.events WHERE amount >= 0",
    "states": "SELECT DISTINCT ON (id) id, state, owner, at FROM {source}.states ORDER BY id, at::date DESC",
    "codes": "SELECT id, label, owner FROM {source}.codes",
}
FOUND = {
    "events": "SELECT id, amount, note, owner, at, cents FROM {target}.events",
    "states": "SELECT id, state, owner, at FROM {target}.states",
    "codes": "SELECT id, label, owner FROM {target}.codes",
}


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
    }


@dataclass(frozen=True)
class World:
    """The servers and the folders of the kill test."""

    root: Path
    postgres: PostgresServer
    store: ObjectStore

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
        for place in (self.project, self.home):
            shutil.copyfile(REPOSITORY / "dagster.yaml", place / "dagster.yaml")
        self.store.client().create_bucket(Bucket=BUCKET)
        locations = []
        for tenant in TENANTS:
            self._make_tenant(tenant)
            module = f"tenants.{tenant}.definitions"
            place = {"module_name": module, "attribute": "defs", "location_name": tenant, "working_directory": "."}
            locations.append({"python_module": place})
        (self.project / "workspace.yaml").write_text(yaml.safe_dump({"load_from": locations}))

        with DagsterInstance.from_config(str(self.home)):  # its databases: two commands at once cannot both make them
            pass
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
        self.postgres.run(
            f"CREATE SCHEMA {tenant}_source",
            f"CREATE TABLE {tenant}_source.events (id int, amount numeric(12,2), note text, owner text, at timestamp)",
            f"CREATE TABLE {tenant}_source.states (id int, state text, owner text, at timestamp, UNIQUE (id, at))",
            f"CREATE TABLE {tenant}_source.codes (id int PRIMARY KEY, label text, owner text)",
        )

    def change(self, tenant: str, chance: random.Random) -> None:
        """Some rows of each table come, change, move to another day or vanish, all at once."""
        source = f"{tenant}_source"
        statements = []
        for _ in range(40):
            key = chance.randrange(KEYS)
            at = f"timestamp '{chance.choice(DAYS)}' + interval '{chance.randrange(86_400)} seconds'"
            amount = f"{chance.randrange(-50, 1000)}.{chance.randrange(100):02d}"
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
                    [
                        f"DELETE FROM {source}.events WHERE id = {key}",
                        f"DELETE FROM {source}.states WHERE id = {key}",
                        f"DELETE FROM {source}.codes WHERE id = {key}",
                    ],
                ]
            )
        with self.postgres.connect() as connection, connection.transaction():
            for each in statements:
                connection.execute(each)
