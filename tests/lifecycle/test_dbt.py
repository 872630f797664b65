"""A tenant with a dbt project: its tables, its project and all that dbt writes are gone, and are the same elsewhere."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cli.conftest import Etl
from tests.dbt.projects import SOURCES, write_dbt
from tests.lifecycle.scan import files_with
from tests.lifecycle.world import World, canary, pipelines

SQL = f"{canary('acme')}SQL"
MODELS = {
    "models/staging/sources.yml": SOURCES,
    "models/staging/stg_orders.sql": (
        f"select order_id, name, amount, cast(dt as date) as day, '{SQL}' as said"
        " from {{ source('extract', 'orders') }}"
    ),
    "models/marts/by_day.sql": """
        {{ config(materialized='table', schema='marts') }}
        select day, said, min(name) as name, count(*) as orders from {{ ref('stg_orders') }} group by day, said
        """,
    "seeds/regions.csv": f"region,name\n1,{canary('acme')}\n",
}
Rows = dict[str, list[tuple[Any, ...]]]


def rows(world: World) -> Rows:
    """Every table and view of the tenant's file, with its rows."""
    with duckdb.connect(world.project.data / "warehouse" / "acme.duckdb", read_only=True) as db:
        found = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        ).fetchall()
        return {
            f"{schema}.{name}": db.execute(f'SELECT * FROM "{schema}"."{name}" ORDER BY ALL').fetchall()
            for schema, name in found
        }


def with_dbt(world: World, **changes: Any) -> None:
    """The project of both tenants; `acme` uses its own, and a person has run dbt there by hand."""
    for tenant in ("acme", "acme_eu"):
        files = {name: text.replace(canary("acme"), canary(tenant)) for name, text in MODELS.items()}
        folder = write_dbt(world.project, files, tenant)
        for name in ("target/compiled/by_day.sql", "logs/dbt.log"):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).write_text(f"select '{canary(tenant)}SQL'")
    world.project.write_tenant({"dbt": {"enabled": True}, "assets": {"pipelines": pipelines("acme")}, **changes})


@pytest.mark.slow
def test_nothing_of_dbt_is_left_and_elsewhere_the_tables_are_the_same(
    world: World, tmp_path: Path, etl: Etl, elsewhere: Callable[[], World]
) -> None:
    with_dbt(world)
    done = world.run("acme", stages=("dbt",))
    assert done.success, [each.message for each in done.all_events if each.is_failure]
    before, others = rows(world), files_with(canary("acme_eu"), *world.folders)
    assert {"dbt.stg_orders", "dbt_marts.by_day", "shop.acme_orders"} <= before.keys()
    assert SQL in repr(before["dbt_marts.by_day"])
    there = files_with(SQL, *world.folders)
    kinds = ("dbt_projects/acme/models", "dbt/acme/target/manifest.json", "partial_parse.msgpack", "dbt/acme/build",
             "dbt/acme/logs", "dbt_projects/acme/logs", "dbt_projects/acme/target", "warehouse/")  # fmt: skip
    assert [kind for kind in kinds if not any(kind in each for each in there)] == []

    said = etl("tenant", "export", "acme", "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    said = etl("tenant", "erase", "acme", "--confirm", "acme")
    assert said.code == 0, said.err
    assert files_with(canary("acme"), *world.folders) == []
    assert not list((world.project.data / "locks").glob("acme.*"))
    assert files_with(canary("acme_eu"), *world.folders) == others

    other = elsewhere()
    shutil.copy(world.project.root / "dbt_projects" / "profiles.yml", tmp_path)
    (other.project.root / "dbt_projects").mkdir()
    shutil.copy(tmp_path / "profiles.yml", other.project.root / "dbt_projects")
    said = etl("tenant", "import", str(tmp_path / "out"))
    assert said.code == 0, said.err
    found = rows(other)
    assert found == {name: rows for name, rows in before.items() if name != "dbt.stg_orders"}  # dbt makes its views
    project = (other.project.root / "dbt_projects" / "acme" / "models" / "staging" / "stg_orders.sql").read_text()
    assert SQL in project


def test_a_database_of_dbt_that_is_not_the_tenants_warehouse_is_named_and_not_green(world: World, etl: Etl) -> None:
    with_dbt(world, dbt={"enabled": True, "target": "postgres"})
    said = etl("tenant", "erase", "acme")
    assert said.code == 3
    assert "NOT EXAMINED: the schema dbt_acme and others of dbt's target `postgres`" in said.out
