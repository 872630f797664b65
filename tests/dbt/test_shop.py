"""A dbt project over an extract: what the graph shows before a run, and what one run of a range leaves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, Definitions

from tests.dbt.projects import Run, definitions, inside, rows, run, shop
from tests.tiny_project import DAYS, TinyProject

RANGE = (DAYS[0], DAYS[-1])


@dataclass(frozen=True)
class Shop:
    project: TinyProject
    definitions: Definitions
    run: Run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    project = shop(tmp_path_factory.mktemp("shop"))
    with inside(project), DagsterInstance.ephemeral() as instance:
        found = definitions("acme")
        yield Shop(project, found, run(found, "acme_all", instance, RANGE))


def key(name: str) -> AssetKey:
    return AssetKey(["acme", "dbt", name])


def test_sources_are_the_extracts_and_models_stand_beside_them(made: Shop) -> None:
    graph = made.definitions.resolve_asset_graph()
    assert {each.path[-1] for each in graph.get_all_asset_keys() if each.path[1] == "dbt"} == {
        "stg_orders",
        "by_day",
        "totals",
        "regions",
    }
    assert graph.get(key("stg_orders")).parent_keys == {AssetKey(["acme", "extract", "orders"])}
    assert graph.get(key("totals")).parent_keys == {key("by_day"), key("regions")}
    assert graph.get(AssetKey(["acme", "exposure", "board"])).parent_keys == {key("totals")}
    assert not graph.get(AssetKey(["acme", "exposure", "board"])).is_executable


def test_tier_group_owners_tags_kinds_and_pool_are_those_of_the_tenant_and_of_the_model(made: Shop) -> None:
    graph = made.definitions.resolve_asset_graph()
    tiers = {name: graph.get(key(name)).tags["data_tier"] for name in ("stg_orders", "by_day", "totals", "regions")}
    assert tiers == {"stg_orders": "silver", "by_day": "silver", "totals": "gold", "regions": "bronze"}
    for name in tiers:
        node = graph.get(key(name))
        assert node.group_name == "CD"
        assert node.tags["tenant"] == "acme"
        assert node.tags["domain"] == "shop"
        assert node.kinds == {"dbt", "duckdb"}
        assert graph.get(key(name)).pools == {"acme_warehouse"}
    assert graph.get(key("totals")).owners == ["team:reports"]
    assert graph.get(key("stg_orders")).owners == ["team:shop"]
    assert "report" in graph.get(key("totals")).tags


def test_an_incremental_model_has_the_days_of_its_extract_and_all_else_is_built_whole(made: Shop) -> None:
    graph = made.definitions.resolve_asset_graph()
    partitions = graph.get(AssetKey(["acme", "extract", "orders"])).partitions_def
    assert graph.get(key("by_day")).partitions_def == partitions
    assert all(graph.get(key(name)).partitions_def is None for name in ("stg_orders", "totals", "regions"))


def test_every_dbt_test_is_a_check_also_those_of_a_source_and_of_two_models(made: Shop) -> None:
    graph = made.definitions.resolve_asset_graph()
    checks = {(each.asset_key.path[1], each.asset_key.path[2], each.name) for each in graph.asset_check_keys}
    assert {each for each in checks if each[0] == "dbt" or each[2].startswith("source_")} == {
        ("extract", "orders", "source_not_null_extract_orders_order_id"),
        ("dbt", "stg_orders", "not_null_stg_orders_order_id"),
        ("dbt", "stg_orders", "unique_stg_orders_order_id"),
        ("dbt", "by_day", "never_negative_by_day_amount"),
        ("dbt", "totals", "accepted_values_totals_orders__False___1"),
        ("dbt", "totals", "totals_agree"),
    }
    blocking = {
        each.name: graph.get_check_spec(each).blocking
        for each in graph.asset_check_keys
        if each.asset_key == key("totals")
    }
    assert blocking == {"accepted_values_totals_orders__False___1": False, "totals_agree": True}


def test_one_run_makes_extract_and_models_and_a_warning_fails_nothing(made: Shop) -> None:
    assert made.run.result.success
    assert {f"acme/dbt/{name}" for name in ("stg_orders", "by_day", "totals", "regions")} <= made.run.materialized
    assert rows(made.project, "SELECT order_date::VARCHAR, orders FROM dbt.by_day ORDER BY 1") == [
        (day, 20) for day in DAYS
    ]
    assert rows(made.project, "SELECT orders FROM dbt.totals") == [(60,)]


def test_evaluations_are_recorded_for_each_day_or_for_the_table(made: Shop) -> None:
    found = {
        name: verdict
        for name, verdict in made.run.evaluations.items()
        if not name[0].startswith(("not_null__", "unique__", "undated"))  # of the pipeline, not of dbt
    }
    assert found == {
        ("source_not_null_extract_orders_order_id", None): (True, "ERROR"),
        ("not_null_stg_orders_order_id", None): (True, "ERROR"),
        ("unique_stg_orders_order_id", None): (True, "ERROR"),
        **{("never_negative_by_day_amount", day): (True, "ERROR") for day in DAYS},
        ("accepted_values_totals_orders__False___1", None): (False, "WARN"),
        ("totals_agree", None): (True, "ERROR"),
    }
    check = AssetCheckKey(key("by_day"), "never_negative_by_day_amount")
    latest = made.run.instance.event_log_storage.get_latest_asset_check_execution_by_key([check])[check]
    assert (latest.status.value, latest.partition) == ("SUCCEEDED", DAYS[-1])


def test_a_range_is_one_invocation_of_dbt(made: Shop) -> None:
    log = (made.project.data / "dbt" / "acme" / "logs" / "dbt.log").read_text(encoding="utf-8")
    built = [line for line in log.splitlines() if "OK created sql incremental model" in line]
    assert len(built) == 1


def test_rows_columns_and_lineage_stand_at_each_materialization(made: Shop) -> None:
    day = made.run.metadata("acme/dbt/by_day", DAYS[1])
    assert day["dagster/partition_row_count"] == 1
    assert day["dagster/table_name"] == "acme.dbt.by_day"
    assert [(each.name, each.type) for each in day["dagster/column_schema"].columns][:2] == [
        ("order_date", "DATE"),
        ("orders", "BIGINT"),
    ]
    totals = made.run.metadata("acme/dbt/totals")
    assert totals["dagster/row_count"] == 1
    lineage = totals["dagster/column_lineage"].deps_by_column
    assert [(each.asset_key, each.column_name) for each in lineage["orders"]] == [(key("by_day"), "orders")]


def test_the_warehouse_is_let_go_so_that_a_load_follows_in_the_same_process(made: Shop) -> None:
    with DagsterInstance.ephemeral() as instance:
        again = made.definitions.resolve_job_def("acme_all").execute_in_process(
            instance=instance, asset_selection=[AssetKey(["acme", "load", "orders"])], partition_key=DAYS[0], raise_on_error=False
        )  # fmt: skip
    assert again.success
    assert not list((made.project.data / "warehouse").glob("*.wal"))
