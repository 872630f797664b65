"""The examples of the page: data from files, an object store, a database, a function, another task."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.integrations.contract import verdict
from etl.quality import check
from tests.hosts.airflow import shop
from tests.hosts.airflow.servers import Airflow

ORDER_RULES: Any = [{"column": "order_id", "type": "unique"}, {"type": "row_count", "min": 1}]
ROWS = {"files": 3, "database": 3, "function": 2, "other_task": 2}


@pytest.fixture(scope="module")
def many(airflow: Airflow, started: dict[str, str]) -> str:
    assert airflow.ended("many_sources", started["many_sources"]) == "success"
    return started["many_sources"]


@pytest.mark.parametrize("task_id", ROWS)
def test_data_from_anywhere_has_its_verdict(airflow: Airflow, many: str, task_id: str) -> None:
    found = airflow.xcom("many_sources", many, task_id)
    assert (found["status"], found["row_count"], found["rule_count"]) == ("passed", ROWS[task_id], 2)
    bare = check(pl.DataFrame({"order_id": range(ROWS[task_id])}), ORDER_RULES)
    assert [each["message"] for each in found["results"]] == [each["message"] for each in verdict(bare)["results"]]


def test_the_text_of_a_query_stands_in_no_verdict(airflow: Airflow, many: str) -> None:
    assert airflow.xcom("many_sources", many, "database")["subject"] == "a query of shop"


def test_the_pipeline_of_the_specification_runs_on_an_object_store(airflow: Airflow, store: shop.Store) -> None:
    run = airflow.trigger("data_quality_pipeline")
    day = airflow.ask(f"/api/v2/dags/data_quality_pipeline/dagRuns/{run}")["run_after"][:10]
    place = f"s3://data-lake/users/{day}/data.parquet"
    shop.USERS.write_parquet(place, storage_options=store.options)
    assert airflow.ended("data_quality_pipeline", run) == "success"
    found = airflow.xcom("data_quality_pipeline", run, "validate_user_data")
    assert (found["subject"], found["status"], found["engine"]) == (place, "passed", "truthound")
    assert airflow.xcom("data_quality_pipeline", run, "validate_with_custom")["engine"] == "polars"


def test_learned_rules_are_those_of_the_check_and_a_promise_is_judged(
    airflow: Airflow, started: dict[str, str]
) -> None:
    run = started["learned_rules"]
    airflow.ended("learned_rules", run)
    learned = airflow.xcom("learned_rules", run, "learn", "rules")
    found = airflow.xcom("learned_rules", run, "check")
    assert [each["rule"] for each in found["results"]] == learned
    assert found["row_count"] == 200
    promise = airflow.xcom("learned_rules", run, "check", "sla")
    assert promise["consecutive_failures"] == int(found["status"] in ("failed", "error"))
    profile = airflow.xcom("learned_rules", run, "describe", "profile")
    assert profile["columns"]["order_id"] == {
        "dtype": "Int64", "null_count": 0, "unique_count": 200, "min_length": None, "max_length": None,
    }  # fmt: skip


def test_failures_in_a_row_are_counted_over_runs(airflow: Airflow, started: dict[str, str]) -> None:
    """The first failure is one, the second breaks the promise."""
    seen = []
    for _ in range(2):
        run = airflow.trigger("promised")
        assert airflow.ended("promised", run) == "failed"
        seen.append(airflow.xcom("promised", run, "check", "sla"))
    kinds = [{each["violation_type"] for each in one["violations"]} for one in seen]
    assert [each["consecutive_failures"] for each in seen] == [1, 2]
    assert ["consecutive_failures" in each for each in kinds] == [False, True]


def test_a_decorated_function_hands_its_path_to_the_next_task(airflow: Airflow, started: dict[str, str]) -> None:
    run = started["extract_orders"]
    assert airflow.ended("extract_orders", run) == "success"
    assert airflow.xcom("extract_orders", run, "extract")["row_count"] == 3
    assert airflow.xcom("extract_orders", run, "extract", "return_value") == "data/wanted.parquet"
    assert airflow.xcom("extract_orders", run, "load", "return_value") == 3


def test_a_decorated_function_with_bad_data_stops_the_next_task(airflow: Airflow) -> None:
    orders: Path = airflow.home / "data" / "orders.parquet"
    shop.BAD_ORDERS.write_parquet(orders)
    try:
        run = airflow.trigger("extract_orders", {"smallest": -5})
        assert airflow.ended("extract_orders", run) == "failed"
    finally:
        shop.ORDERS.write_parquet(orders)
    assert airflow.states("extract_orders", run) == {"extract": "failed", "load": "upstream_failed"}
    assert airflow.xcom("extract_orders", run, "extract")["status"] == "failed"
