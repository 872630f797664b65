"""What Airflow shows after a check is what `check()` says in a process without Airflow."""

from typing import Any

import polars as pl
import pytest

from etl.integrations.contract import verdict
from etl.quality import check
from tests.hosts.airflow import shop
from tests.hosts.airflow.dags.rules_of_tests import BRACES, COUNT, MISSING, RULES, WARNS
from tests.hosts.airflow.servers import Airflow

TIMES = {"execution_time_ms", "timestamp"}
EXPECTED: dict[str, tuple[str, str, pl.DataFrame, Any]] = {
    "passes": ("success", "passed", shop.USERS, RULES),
    "fails": ("failed", "failed", shop.TWICE, RULES),
    "fails_tolerated": ("success", "failed", shop.TWICE, RULES),
    "warns": ("success", "warning", shop.TWICE, WARNS),
    "errs": ("failed", "error", shop.USERS, MISSING),
    "errs_tolerated": ("success", "error", shop.USERS, MISSING),
    "empty": ("success", "passed", shop.USERS.clear(), RULES),
    "empty_refused": ("failed", "failed", shop.USERS.clear(), COUNT),
    "braces": ("failed", "failed", shop.USERS, BRACES),
}
NOT_INSTALLED = {"no_pandera": "pandera", "no_expectations": "great-expectations"}


@pytest.fixture(scope="module")
def run(airflow: Airflow, started: dict[str, str]) -> str:
    assert airflow.ended("verdicts", started["verdicts"]) == "failed"
    return started["verdicts"]


@pytest.mark.parametrize("task_id", EXPECTED)
def test_the_task_and_its_verdict_are_those_of_a_bare_check(airflow: Airflow, run: str, task_id: str) -> None:
    state, status, frame, rules = EXPECTED[task_id]
    found = airflow.xcom("verdicts", run, task_id)
    bare = verdict(check(frame, rules), subject=found["subject"])
    assert found["status"] == status
    assert {**found, **dict.fromkeys(TIMES)} == {**bare, **dict.fromkeys(TIMES)}
    assert airflow.states("verdicts", run)[task_id] == state


def test_no_verdict_is_tried_again(airflow: Airflow, run: str) -> None:
    tries = {each["task_id"]: each["try_number"] for each in airflow.tasks("verdicts", run)}
    assert tries == dict.fromkeys([*EXPECTED, *NOT_INSTALLED], 1)


@pytest.mark.parametrize("task_id", NOT_INSTALLED)
def test_an_engine_that_is_not_installed_fails_the_task_and_says_the_remedy(
    airflow: Airflow, run: str, task_id: str
) -> None:
    assert airflow.states("verdicts", run)[task_id] == "failed"
    with pytest.raises(ValueError, match="404"):
        airflow.xcom("verdicts", run, task_id)
    assert f"pip install 'tenant-etl[{NOT_INSTALLED[task_id]}]'" in airflow.log("verdicts", run, task_id)


def test_the_log_says_what_did_not_pass_and_that_there_were_no_rows(airflow: Airflow, run: str) -> None:
    assert "unique__user_id: 2 of 2 rows failed" in airflow.log("verdicts", run, "fails")
    assert "there were no rows" in airflow.log("verdicts", run, "empty")


def test_no_value_of_a_row_leaves_the_task(airflow: Airflow, run: str) -> None:
    for task_id in ("fails", "fails_tolerated", "warns"):
        assert "a@shop.example" not in str(airflow.xcom("verdicts", run, task_id))
        assert "a@shop.example" not in airflow.log("verdicts", run, task_id)


def test_a_mistake_in_a_rule_is_an_error_of_the_dag_that_names_the_rule(
    airflow: Airflow, started: dict[str, str]
) -> None:
    (error,) = airflow.ask("/api/v2/importErrors")["import_errors"]
    assert error["filename"].endswith("mistaken.py")
    assert "task `check_users`" in error["stack_trace"]
    assert "rule 2: there is no rule type `uniqe`; did you mean `unique`?" in error["stack_trace"]


def test_mapped_tasks_have_a_verdict_each_and_a_mistake_in_them_is_not_tried_again(
    airflow: Airflow, started: dict[str, str]
) -> None:
    run = started["mapped"]
    assert airflow.ended("mapped", run) == "failed"
    found = {
        (each["task_id"], each["map_index"]): (each["state"], each["try_number"])
        for each in airflow.tasks("mapped", run)
    }
    assert found == {("check", 0): ("success", 1), ("check", 1): ("failed", 1), ("wrong", 0): ("failed", 1)}
    verdicts = [airflow.xcom("mapped", run, "check", index=index)["status"] for index in (0, 1)]
    assert verdicts == ["passed", "failed"]
