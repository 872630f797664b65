"""Small dbt projects in temporary folders, and Dagster running them."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from etl.config import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings
from tests.tiny_project import REPOSITORY, TinyProject, make_project

SOURCES = """
version: 2
sources:
  - name: extract
    meta:
      external_location: >-
        read_parquet('{{ env_var("ETL_LAKE_DIR") }}/{{ var("tenant") }}/extract/{name}/**/data.parquet', hive_partitioning=true)
    tables:
      - name: orders
        columns: [{name: order_id, data_tests: [not_null]}]
"""
# Every shape that matters, each once: source with a test, view, seed, incremental by day, a table after it, exposure.
SHOP: dict[str, str] = {
    "models/staging/sources.yml": SOURCES,
    "models/staging/stg_orders.sql": "select order_id, name, amount, cast(dt as date) as order_date from {{ source('extract', 'orders') }}",
    "models/marts/by_day.sql": """
        {{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='order_date') }}
        select order_date, count(*) as orders, sum(amount) as amount from {{ ref('stg_orders') }}
        where 1 = 1 {% if var('partition_start') %} and order_date >= date '{{ var('partition_start') }}'{% endif %}
        {% if var('partition_end') %} and order_date < date '{{ var('partition_end') }}'{% endif %}
        group by order_date
        """,
    "models/marts/totals.sql": "select sum(orders) as orders from {{ ref('by_day') }} cross join (select count(*) from {{ ref('regions') }})",
    "models/marts/marts.yml": """
        version: 2
        models:
          - name: stg_orders
            columns:
              - {name: order_id, description: The order., data_tests: [not_null, unique]}
          - name: by_day
            config: {meta: {data_tier: silver}}
            data_tests:
              - never_negative: {column: amount}
          - name: totals
            config: {meta: {dagster: {owners: ["team:reports"]}}, tags: [report]}
            columns:
              - name: orders
                data_tests:
                  - accepted_values: {arguments: {values: [-1], quote: false}, config: {severity: warn}}
        exposures:
          - name: board
            type: dashboard
            owner: {name: Board, email: board@example.com}
            depends_on: [ref('totals')]
        """,
    "macros/never_negative.sql": "{% test never_negative(model, column) %}select * from {{ model }} where {{ column }} < 0{% endtest %}",
    "tests/totals_agree.sql": "select 1 from {{ ref('by_day') }} having sum(orders) <> (select orders from {{ ref('totals') }})",
    "seeds/regions.csv": "region,name\n1,서울\n2,부산\n",
}


@dataclass(frozen=True)
class Run:
    """One run of a job, and what it left in the event log."""

    result: ExecuteInProcessResult
    instance: DagsterInstance = field(repr=False)

    @property
    def evaluations(self) -> dict[tuple[str, str | None], tuple[bool, str]]:
        """(check, partition) -> (passed, severity)."""
        return {
            (each.check_name, each.partition): (each.passed, each.severity.value)
            for each in self.result.get_asset_check_evaluations()
        }

    @property
    def materialized(self) -> set[str]:
        return {
            event.asset_key.to_user_string()
            for event in self.result.get_asset_materialization_events()
            if event.asset_key
        }

    def metadata(self, key: str, partition: str | None = None) -> dict[str, Any]:
        for event in self.result.get_asset_materialization_events():
            if event.asset_key == AssetKey.from_user_string(key) and event.partition == partition:
                return {
                    name: each.value for name, each in event.step_materialization_data.materialization.metadata.items()
                }
        raise KeyError((key, partition))


def write_dbt(
    project: TinyProject, files: Mapping[str, str | None], name: str = "acme", *, variables: str = ""
) -> Path:
    """A dbt project of these files; None takes one away."""
    folder = project.root / "dbt_projects" / name
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(REPOSITORY / "dbt_projects" / "profiles.yml", folder.parent / "profiles.yml")
    if not (folder / "dbt_project.yml").exists():
        (folder / "dbt_project.yml").write_text(
            f"name: {name}\nversion: '1.0'\nconfig-version: 2\nprofile: etl\n"
            "vars: {partition_start: '', partition_end: ''}\n"
            f"models:\n  {name}:\n    marts: {{+materialized: table}}\n" + variables
        )
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            target.unlink()
        else:
            target.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def only_dbt(made: TinyProject, tenant: str, **dbt: Any) -> None:
    """A tenant of a few lines of YAML that has nothing but a dbt project."""
    folder = made.root / "tenants" / tenant
    folder.mkdir(parents=True)
    config = {"id": tenant, "group": "CD", "owners": ["team:shop"], "dbt": {"enabled": True, **dbt}}
    (folder / "config.yaml").write_text(yaml.safe_dump({"tenant": config}))


@contextmanager
def inside(project: TinyProject) -> Iterator[None]:
    """The environment in which this is the project."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in project.environ.items():
            patch.setenv(name, value)
        yield


def definitions(tenant: str) -> Definitions:
    """Built anew, past the cache of a process."""
    return definitions_of(load_tenant(tenant, load_settings()))


def run(
    found: Definitions, job: str, instance: DagsterInstance, days: tuple[str, str] | None = None, **more: Any
) -> Run:
    tags = (
        {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[1]} if days else {}
    )
    result = found.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, tags=tags, **more)
    return Run(result, instance)


def rows(project: TinyProject, sql: str, tenant: str = "acme") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(project.data / "warehouse" / f"{tenant}.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def shop(root: Path) -> TinyProject:
    """The tenant `acme` with the pipeline `orders` and the dbt project above."""
    project = make_project(root, {"dbt": {"enabled": True}})
    write_dbt(project, SHOP)
    return project
