"""`reconcile` with PostgreSQL as source and as warehouse: every type agrees in every mode, and damage is found in each.

A name of a type that the server writes in another way would be a false alarm on every column of that type.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from etl.config import load_tenant
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.stage import StageRun
from etl.pipeline.verdict import Reconciliation
from etl.pipeline.verify import reconcile
from etl.settings import load_settings
from etl.warehouse.postgres import PostgresWarehouse
from tests.servers.postgres import PostgresServer, postgres_server
from tests.source.test_postgres_types import KEPT
from tests.tiny_project import DAYS, TinyProject

__all__ = ["postgres_server"]

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DAMAGE = {
    "a value": "UPDATE shop.{table} SET c0 = NOT c0 WHERE c0",
    "a row": "DELETE FROM shop.{table} WHERE id % 10 = 1",
    "a type": "ALTER TABLE shop.{table} ALTER COLUMN c1 TYPE bigint",
    "a length": "ALTER TABLE shop.{table} ALTER COLUMN c6 TYPE numeric(16,2)",
    "a view": "ALTER TABLE shop.{table} RENAME TO aside; CREATE VIEW shop.{table} AS SELECT * FROM shop.aside",
}


DEEP = "numeric(38,38)"
"""A warehouse refuses so many decimal places in one object with lists of texts: it is loaded by itself."""
COLUMNS = ["id", "at", *(f"c{index}" for index, kind in enumerate(KEPT) if kind != DEEP)]


class World:
    """One pipeline between two databases of one server."""

    def __init__(
        self, project: TinyProject, server: PostgresServer, mode: str, *, dated: bool, columns: list[str]
    ) -> None:
        self.project, self.server, self.mode = project, server, mode
        self.days = DAYS if dated else (None,)
        output = {"mode": mode, "target_table": f"{mode}_{'dated' if dated else 'whole'}", "key_columns": ["id"]}
        self.table = output["target_table"]
        days: dict[str, Any] = {} if dated else {"partitions": None}
        project.write_pipeline(
            {
                "source_table": "every_type",
                "date_column": "at" if dated else None,
                "has_transfer": False,
                "columns": columns,
                "trino_output": output,
                "quality": {"rules": []},
                **days,
            }
        )
        self.settings = load_settings(project.environ)
        self.config = load_tenant("acme", self.settings)
        self.pipeline = self.config.pipelines["orders"]
        url = server.url.replace("//reader:", "//postgres:")
        self.url = f"{server.url}?options=-csearch_path%3Dtyped"
        self.warehouse = PostgresWarehouse(url, "acme")

    def run(self, day: str | None) -> None:
        task = StageRun(
            config=self.config, pipeline=self.pipeline, partition=day, run_id=f"run-{day}", settings=self.settings
        )
        try:
            extract(task, self.url)
            load(task, self.warehouse)
        finally:
            task.close()

    def verdict(self) -> Reconciliation:
        return reconcile(self.config, self.pipeline, self.url, self.warehouse, self.settings, now=NOW)


@pytest.fixture
def source(postgres_server: PostgresServer) -> PostgresServer:
    """A table with every type, some rows on each of three days; in a schema of its own, beside those of other tests."""
    columns = [f"c{i} {kind}" for i, kind in enumerate(KEPT)]
    statements = [
        *(f"DROP SCHEMA IF EXISTS {each} CASCADE" for each in ("typed", "shop", "etl_kept", "etl_ledger")),
        "CREATE SCHEMA typed",
        "SET search_path = typed, public",
        "CREATE TYPE typed.mood AS ENUM ('sad é', 'it''s')",
        "CREATE TYPE typed.pair AS (a int, b text)",
        "CREATE DOMAIN typed.amount AS numeric(10,2)",
        "CREATE DOMAIN typed.even AS int CHECK (VALUE % 2 = 0)",
        f"CREATE TABLE typed.every_type (id int, at timestamptz, {', '.join(columns)})",
    ]
    for row in range(max(map(len, KEPT.values()))):
        values = [f"({cases[row][0]})::{kind}" if row < len(cases) else "NULL" for kind, cases in KEPT.items()]
        for number, day in enumerate(DAYS):
            at = f"'{day} 12:00+09'::timestamptz"
            statements.append(f"INSERT INTO typed.every_type VALUES ({number * 10 + row}, {at}, {', '.join(values)})")
    postgres_server.run(*statements, "GRANT USAGE ON SCHEMA typed TO reader")
    return postgres_server


@pytest.mark.parametrize(
    ("mode", "dated"),
    [
        ("replace_partition", True),
        ("replace", False),
        ("upsert", False),
        ("append", False),
        pytest.param("upsert", True, marks=pytest.mark.slow),
        pytest.param("append", True, marks=pytest.mark.slow),
    ],
)
def test_every_type_agrees_and_damage_is_found(
    project: TinyProject, source: PostgresServer, mode: str, *, dated: bool
) -> None:
    world = World(project, source, mode, dated=dated, columns=COLUMNS)
    for day in world.days:
        world.run(day)
    found = world.verdict()
    assert found.status == "agrees", (found.differences, found.not_compared, [each.differences for each in found.days])
    assert sum(each.loaded_rows or 0 for each in found.days) > 0
    source.run(
        f"CREATE TABLE shop.copied (LIKE shop.{world.table})", f"INSERT INTO shop.copied TABLE shop.{world.table}"
    )
    for what, statements in DAMAGE.items():
        source.run(*statements.format(table=world.table).split("; "))
        assert world.verdict().status == "differs", (what, world.verdict())
        source.run(
            f"DROP VIEW IF EXISTS shop.{world.table}" if what == "a view" else f"DROP TABLE shop.{world.table}",
            "DROP TABLE IF EXISTS shop.aside",
            f"CREATE TABLE shop.{world.table} (LIKE shop.copied)",
            f"INSERT INTO shop.{world.table} TABLE shop.copied",
        )
        assert world.verdict().status == "agrees", what


def test_the_columns_that_are_damaged_are_those_that_are_meant() -> None:
    kinds = list(KEPT)
    assert (kinds[0], kinds[1], kinds[6]) == ("boolean", "smallint", "numeric(15,2)")


def test_rows_without_a_partition_and_a_changed_source_are_told(project: TinyProject, source: PostgresServer) -> None:
    world = World(project, source, "upsert", dated=True, columns=COLUMNS)
    for day in world.days:
        world.run(day)
    source.run(
        "INSERT INTO typed.every_type (id, at) VALUES (900, NULL), (901, '2025-12-31 14:59:59+00'), (902, '-infinity')"
    )
    found = world.verdict()
    assert (found.status, found.undated) == ("agrees", 3)
    source.run("UPDATE typed.every_type SET c0 = NOT c0 WHERE id = 0")
    assert "column `c0` differs between the source and its extract" in {
        each.problem for each in world.verdict().days[0].differences
    }


def test_a_number_of_38_decimal_places_agrees(project: TinyProject, source: PostgresServer) -> None:
    column = f"c{list(KEPT).index(DEEP)}"
    world = World(project, source, "upsert", dated=True, columns=["id", "at", column])
    for day in world.days:
        world.run(day)
    assert world.verdict().status == "agrees", world.verdict()
    source.run(f"UPDATE shop.{world.table} SET {column} = {column} / 10 WHERE id = 10")
    assert world.verdict().status == "differs"
