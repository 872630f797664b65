"""A model that would replace what is not the project's: refused before dbt is started, and nothing is changed."""

import json
from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from etl.config import load_tenant
from etl.dbt.project import parse, tenant_dbt
from etl.errors import DbtError
from etl.settings import load_settings
from tests.dbt.projects import definitions, inside, rows, run, write_dbt
from tests.tiny_project import DAYS, TinyProject, make_project

AS_SAID = "{% macro generate_schema_name(custom, node) %}{{ custom or target.schema }}{% endmacro %}"
MODEL = "{{ config(materialized='table', schema='shop', alias='orders') }} select 1 as id"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """`acme` loads `shop.orders`; its dbt project is written by each test."""
    made = make_project(tmp_path_factory.mktemp("ownership"), {"dbt": {"enabled": True}})
    write_dbt(made, {"macros/names.sql": AS_SAID, "models/mine.sql": "select 1 as id"})
    with inside(made):
        yield made


def test_a_model_in_the_place_of_a_loaded_table_is_refused_when_it_is_prepared(project: TinyProject) -> None:
    write_dbt(project, {"models/mine.sql": MODEL})
    with pytest.raises(DbtError, match=r"(?s)model `mine` would be built as shop\.orders.*pipeline `orders`.*`alias`"):
        definitions("acme")


@pytest.mark.slow
def test_a_table_of_the_ledger_is_refused_before_dbt_is_started(project: TinyProject) -> None:
    """The pipeline has another table now, so that the file alone does not tell."""
    write_dbt(project, {"models/mine.sql": MODEL.replace("orders", "fine")})
    with DagsterInstance.ephemeral() as instance:
        assert run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[0])).result.success
        project.write_tenant(
            {
                "dbt": {"enabled": True},
                "assets": {"pipelines": {"orders": {"trino_output": {"target_table": "orders_now"}}}},
            }
        )
        write_dbt(project, {"models/mine.sql": MODEL})
        done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[0]))
    assert not done.result.success
    failure = next(each for each in done.result.all_events if each.is_step_failure)
    said = str(failure.step_failure_data.error)
    assert "the model `mine` would be built as shop.orders, but the pipeline `orders` of tenant acme loads" in said
    assert "dbt was not started" in said
    assert rows(project, "SELECT count(*) FROM shop.orders") == [(20,)]
    project.write_tenant({"dbt": {"enabled": True}})


@pytest.mark.slow
def test_a_name_that_depends_on_the_run_is_no_success(project: TinyProject) -> None:
    """What was looked at is not what dbt builds then."""
    turning = "{% macro generate_alias_name(custom, node) %}{{ 'b' if var('partition_start') else 'a' }}{% endmacro %}"
    sql = "{{ config(materialized='incremental', unique_key='id') }} select 1 as id, dt from {{ source('extract', 'orders') }}"
    sources = """
        version: 2
        sources:
          - name: extract
            meta: {external_location: "read_parquet('{{ env_var('ETL_LAKE_DIR') }}/acme/extract/{name}/**/data.parquet', hive_partitioning=true)"}
            tables: [{name: orders}]
        """
    write_dbt(project, {"macros/turning.sql": turning, "models/mine.sql": sql, "models/sources.yml": sources})
    with DagsterInstance.ephemeral() as instance:
        done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[0]))
    write_dbt(project, {"macros/turning.sql": None, "models/sources.yml": None})
    assert not done.result.success
    failure = next(each for each in done.result.all_events if each.is_step_failure)
    assert "mine was built as acme.dbt.b, and was prepared as dbt.a" in str(failure.step_failure_data.error)


def test_the_products_variables_win_over_those_of_the_project(project: TinyProject) -> None:
    """`--vars` is stronger than `vars:` of dbt_project.yml, whether for all or for the project alone."""
    file = project.root / "dbt_projects" / "acme" / "dbt_project.yml"
    before = file.read_text()
    file.write_text(before.replace("vars: {", "vars: {tenant: beta, acme: {tenant: beta}, "))
    write_dbt(
        project, {"models/mine.sql": "{{ config(meta={'who': var('tenant')}) }} select '{{ var('tenant') }}' as id"}
    )
    config = load_tenant("acme", load_settings())
    manifest = json.loads(parse(tenant_dbt(config, load_settings())).read_bytes())
    file.write_text(before)
    assert manifest["nodes"]["model.acme.mine"]["config"]["meta"]["who"] == "acme"
