"""The rules of the conformance suite: each rule by an operator of its own, and whole frames as tasks of the scheduler."""

import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from etl.integrations.airflow import DataQualityCheckOperator

CASES = Path(os.environ["ORACLE"])
WRITTEN = pickle.loads((CASES / "cases.pickle").read_bytes())
FRAMES = [(str((CASES / each["frame"]).with_suffix(".parquet")), each["rules"]) for each in WRITTEN["cases"]]
SCHEDULED = 4  # frames that are tasks of their own
COMMON = {
    "now": WRITTEN["now"].isoformat(),
    "tables": {name: str(CASES / f"{name}.parquet") for name in ("t_ints", "t_none")},
}

with DAG("oracle", schedule=None):
    for number, (path, rules) in enumerate(FRAMES[:SCHEDULED]):
        DataQualityCheckOperator(task_id=f"judge_{number}", data_path=path, rules=rules, fail_on_error=False, **COMMON)

    @task
    def alone() -> list[list[Any]]:
        """Say for each rule by itself how an operator with this one rule ends, and what it wrote to XCom."""
        context = get_current_context()
        return [[ending(context, path, rule) for rule in rules] for path, rules in FRAMES]

    alone()


def ending(context: Any, path: str, rule: dict[str, Any]) -> list[Any]:
    operator = DataQualityCheckOperator(task_id="alone", data_path=path, rules=[rule], **COMMON)
    written: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: written.update({key: value}))  # no call of the API for each rule
    state = "success"
    try:
        operator.execute({**context, "ti": ti})
    except AirflowFailException:
        state = "failed"
    (found,) = written["quality"]["results"]
    return [state, found["status"], found["failed_count"], found["total_count"]]
