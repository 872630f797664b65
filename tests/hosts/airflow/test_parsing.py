"""What a DAG costs and finds while it is parsed, without any server."""

import subprocess
import sys

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from etl.integrations.airflow import (
    DataQualityCheckOperator,
    DataQualityLearnOperator,
    DataQualityNotifier,
    DataQualityProfileOperator,
    DataQualitySensor,
)

RULES = [{"column": "a", "type": "not_null"}]


def modules_after(code: str) -> set[str]:
    words = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_the_names_cost_nothing_and_no_engine_is_loaded_while_a_dag_is_parsed() -> None:
    found = modules_after("import etl.integrations.airflow, etl.integrations.airflow.provider")
    assert not found & {"polars", "pydantic", "airflow"}
    dag = f"""
from airflow.sdk import DAG
from etl.integrations.airflow import DataQualityCheckOperator
with DAG("d"):
    DataQualityCheckOperator(task_id="t", data_path="x", rules={RULES!r}, engine="truthound")
"""
    found = modules_after(dag)
    assert "polars" in found  # the rules are validated
    assert not found & {"truthound", "pandera", "great_expectations", "dagster", "duckdb", "sqlglot", "dbt"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"rules": []}, "there are no rules"),
        ({}, "there are no rules"),
        ({"rules": [*RULES, {"type": "regex", "column": "a", "pattern": "("}]}, r"rule 2 \(regex\)"),
        ({"rules": [*RULES, {"type": "in_range", "column": "a", "mni": 1}]}, "did you mean `min`"),
        ({"rules": RULES, "engine": "truthond"}, "there is no quality engine `truthond`; did you mean `truthound`"),
        ({"rules": RULES, "timeout": 0}, "leaves no time"),
        ({"rules": RULES, "sql": "SELECT 1", "conn_id": "db"}, "data_path and sql to judge"),
        ({"rules": RULES, "data_path": None}, "nothing to judge"),
        ({"rules": RULES, "data_path": None, "sql": "SELECT 1"}, "belong together"),
    ],
)
def test_a_mistake_is_found_when_the_dag_is_parsed(arguments: dict, problem: str) -> None:
    with DAG("d", schedule=None), pytest.raises(AirflowFailException, match=problem) as raised:
        DataQualityCheckOperator(**{"task_id": "check_a", "data_path": "x.parquet", **arguments})
    assert "task `check_a`" in str(raised.value)


def test_a_rule_with_a_template_waits_for_the_run_and_counts_in_the_numbers_of_the_others() -> None:
    templated = {"column": "day", "type": "in_range", "min": "{{ ds }}"}
    with DAG("d", schedule=None):
        task = DataQualityCheckOperator(task_id="t", data_path="x", rules=[templated, *RULES])
        assert task.rules[0] == templated
        with pytest.raises(AirflowFailException, match="rule 2"):
            DataQualityCheckOperator(task_id="u", data_path="x", rules=[templated, {"type": "nonsense"}])


def test_the_other_operators_refuse_mistakes_too() -> None:
    with DAG("d", schedule=None):
        with pytest.raises(AirflowFailException, match="did you mean `strict`"):
            DataQualityLearnOperator(task_id="t", data_path="x", strictness="stricct")  # type: ignore[arg-type]
        with pytest.raises(AirflowFailException, match="nothing to judge"):
            DataQualityProfileOperator(task_id="p")
        with pytest.raises(AirflowFailException, match="pass rate of 0"):
            DataQualitySensor(task_id="s", data_path="x", rules=RULES, min_pass_rate=0)
        with pytest.raises(Exception, match="there is no target"):
            DataQualityNotifier([])
