"""A dbt test waits for all that it reads, in whatever step that is made: it never judges what an earlier run left."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, JobDefinition
from dagster._core.execution.api import create_execution_plan

from etl.errors import DbtError
from tests.dbt.projects import SHOP, SOURCES, definitions, inside, run, write_dbt
from tests.tiny_project import DAYS, TinyProject, make_project

EXTRACT: dict[str, Any] = {
    "source_table": "orders",
    "date_column": "created_at",
    "partitions": {"start": DAYS[0], "end": DAYS[-1], "timezone": "Asia/Seoul"},
}
LOADED = """
  - name: loaded
    schema: shop
    tables:
      - name: orders
        columns: [{name: order_id, data_tests: [not_null]}]
  - name: elsewhere
    schema: main
    tables:
      - name: countries
        columns: [{name: code, data_tests: [not_null]}]
  - name: renamed
    meta:
      external_location: >-
        read_parquet('{{ env_var("ETL_LAKE_DIR") }}/{{ var("tenant") }}/extract/{identifier}/**/data.parquet')
    tables: [{name: 이름, identifier: alone, columns: [{name: order_id, data_tests: [not_null: {name: undated}]}]}]
  - name: refined
    meta:
      external_location: read_parquet('{{ env_var("ETL_LAKE_DIR") }}/{{ var("tenant") }}/transfer/{name}/**/data.parquet')
    tables: [{name: orders}]
"""
FILES: dict[str, str | None] = {
    **SHOP,
    # `alone` is read by no model, `shop.orders` is the table that the pipeline loads.
    "models/staging/sources.yml": SOURCES
    + "      - name: alone\n        columns: [{name: order_id, data_tests: [not_null]}]\n"
    + LOADED,
    "models/staging/hidden.sql": "{{ config(materialized='ephemeral') }} select * from {{ source('extract', 'alone') }}",
    "models/marts/named.sql": "select code from {{ source('elsewhere', 'countries') }}",
    "models/marts/by_name.sql": "select count(*) as n from {{ source('renamed', '이름') }}",
    "models/marts/cents.sql": "select count(*) as n from {{ source('refined', 'orders') }}",
    "tests/alone_is_complete.sql": """
        select 1 from {{ ref('totals') }} having sum(orders) <> (select count(*) from {{ ref('hidden') }})
        """,
    "tests/names_no_model.sql": "select 1 from dbt.totals where orders <> 60",
    "models/marts/units.yml": """
        version: 2
        unit_tests:
          - name: orders_are_added
            model: totals
            given:
              - {input: ref('by_day'), rows: [{orders: 1}, {orders: 2}]}
              - {input: ref('regions'), rows: [{region: 1}]}
            expect: {rows: [{orders: 3}]}
        """,
    "tests/days_of_the_table.sql": """
        select 1 from {{ ref('by_day') }} having count(*) > (select count(*) from {{ source('loaded', 'orders') }})
        """,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    made = make_project(
        tmp_path_factory.mktemp("placing"),
        {"dbt": {"enabled": True}, "assets": {"pipelines": {"alone": EXTRACT}}},
    )
    write_dbt(made, FILES)
    (made.data / "warehouse").mkdir()
    with duckdb.connect(str(made.data / "warehouse" / "acme.duckdb")) as connection:
        connection.execute("CREATE TABLE countries AS SELECT 'KR' AS code")  # made by nobody of this product
    with inside(made):
        yield made


def steps_before(job: JobDefinition) -> dict[str, set[str]]:
    """Step -> all steps for which it waits."""
    direct = create_execution_plan(job).get_all_step_deps()
    found: dict[str, set[str]] = {}

    def of(step: str) -> set[str]:
        if step not in found:
            found[step] = set(direct[step]).union(*(of(each) for each in direct[step]))
        return found[step]

    return {step: of(step) for step in direct}


def step_of(job: JobDefinition, key: AssetKey | AssetCheckKey) -> str:
    """The step that makes an asset or judges a check, in the job as Dagster has split it."""
    return str(job.asset_layer.get_op_output_handle(key).node_handle)


READS: dict[tuple[str, str], set[str]] = {
    ("extract/orders", "source_not_null_extract_orders_order_id"): {"extract/orders"},
    ("extract/alone", "source_not_null_extract_alone_order_id"): {"extract/alone"},
    ("load/orders", "source_not_null_loaded_orders_order_id"): {"load/orders"},
    ("dbt/totals", "totals_agree"): {"dbt/totals", "dbt/by_day"},
    ("extract/alone", "undated_2"): {"extract/alone"},
    ("extract/alone", "alone_is_complete"): {"dbt/totals", "extract/alone"},
    ("dbt/named", "source_not_null_elsewhere_countries_code"): set(),
    ("dbt/by_day", "names_no_model"): {"dbt/totals", "dbt/cents", "dbt/stg_orders"},
    ("dbt/totals", "orders_are_added"): {"dbt/by_day", "dbt/regions"},
    ("dbt/by_day", "days_of_the_table"): {"dbt/by_day", "load/orders"},
    ("dbt/stg_orders", "unique_stg_orders_order_id"): {"dbt/stg_orders"},
}


def asset_key(path: str) -> AssetKey:
    return AssetKey(["acme", *path.split("/")])


def test_the_step_of_each_test_waits_for_all_that_the_test_reads(project: TinyProject) -> None:
    job = definitions("acme").resolve_job_def("acme_all")
    before = steps_before(job)
    for (asset, name), reads in READS.items():
        step = step_of(job, AssetCheckKey(asset_key(asset), name))
        for read in reads:
            made_by = step_of(job, asset_key(read))
            assert made_by == step or made_by in before[step], f"{name} does not wait for {read}"


def test_a_source_is_the_stage_that_makes_it(project: TinyProject) -> None:
    graph = definitions("acme").resolve_asset_graph()
    assert graph.get(asset_key("dbt/stg_orders")).parent_keys == {asset_key("extract/orders")}
    assert graph.get(asset_key("dbt/cents")).parent_keys == {asset_key("transfer/orders")}
    assert graph.get(asset_key("dbt/by_name")).parent_keys == {asset_key("extract/alone")}


def test_a_failing_test_of_a_source_stops_its_models_in_each_step_and_nothing_else(project: TinyProject) -> None:
    files = {"tests/no_orders.sql": "select 1 from {{ source('extract', 'orders') }} limit 1"}
    write_dbt(project, files)
    try:
        with DagsterInstance.ephemeral() as instance:
            found = definitions("acme")
            done = run(found, "acme_all", instance, (DAYS[0], DAYS[-1]))
            models = [asset_key("dbt/stg_orders"), asset_key("dbt/cents")]
            alone = run(found, "acme_all", instance, (DAYS[0], DAYS[-1]), asset_selection=models)
    finally:
        write_dbt(project, dict.fromkeys(files))
    assert not done.result.success
    assert done.evaluations["no_orders", None] == (False, "ERROR")
    assert done.evaluations["source_not_null_extract_alone_order_id", None] == (True, "ERROR")
    of_orders = {"acme/dbt/stg_orders", "acme/dbt/by_day", "acme/dbt/totals"}
    assert not done.materialized & of_orders
    assert done.materialized >= {"acme/transfer/orders", "acme/load/orders", "acme/dbt/cents", "acme/dbt/named"}
    assert not alone.result.success, "where only models are selected, the tests of their sources still guard them"
    assert alone.materialized == {"acme/dbt/cents"}


def test_all_of_them_run_and_are_recorded_once(project: TinyProject) -> None:
    with DagsterInstance.ephemeral() as instance:
        done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[-1]))
    assert done.result.success, [each.event_specific_data for each in done.result.all_events if each.is_step_failure]
    names = [each.check_name for each in done.result.get_asset_check_evaluations()]
    for _, name in READS:
        assert names.count(name) == 1, name
        assert done.evaluations[name, None] == (True, "ERROR")


def test_a_unit_test_that_fails_stops_its_model(project: TinyProject) -> None:
    units = str(FILES["models/marts/units.yml"])
    write_dbt(project, {"models/marts/units.yml": units.replace("orders: 3", "orders: 4")})
    try:
        with DagsterInstance.ephemeral() as instance:
            done = run(definitions("acme"), "acme_all", instance, (DAYS[0], DAYS[-1]))
    finally:
        write_dbt(project, {"models/marts/units.yml": units})
    assert not done.result.success
    assert done.evaluations["orders_are_added", None] == (False, "ERROR")
    assert "acme/dbt/totals" not in done.materialized


@pytest.mark.parametrize(
    ("name", "says"),
    [("모델", r"models/marts/모델\.sql: Dagster does not take the name `모델`"), ("ab", None)],
)
def test_a_name_that_dagster_does_not_take_is_named_with_its_file(tmp_path: Path, name: str, says: str | None) -> None:
    made = make_project(tmp_path, {"dbt": {"enabled": True}})
    tests = "version: 2\nmodels: [{name: NAME, columns: [{name: one, data_tests: [not_null: {name: a.b}, unique: {name: a_b}]}]}]"
    write_dbt(
        made, {f"models/marts/{name}.sql": "select 1 as one", "models/marts/all.yml": tests.replace("NAME", name)}
    )
    with inside(made):
        if says:
            with pytest.raises(DbtError, match=says):
                definitions("acme")
            return
        found = definitions("acme").resolve_asset_graph().asset_check_keys
    assert {each.name for each in found if each.asset_key.path[1] == "dbt"} == {"a.b", "a_b_2"}
