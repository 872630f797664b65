"""The rules of the conformance suite: once through the scheduler, frame by frame, and once each rule alone."""

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from etl.integrations.airflow import DataQualityCheckOperator

CASES = Path(os.environ["ORACLE"])
FRAMES = json.loads((CASES / "cases.json").read_text(encoding="utf-8"))
COMMON = {"now": FRAMES["now"], "tables": {name: str(CASES / f"{name}.parquet") for name in FRAMES["tables"]}}

with DAG("oracle", schedule=None):
    for number, frame in enumerate(FRAMES["frames"]):
        DataQualityCheckOperator(
            task_id=f"judge_{number}",
            data_path=str(CASES / frame["file"]),
            rules=frame["rules"],
            fail_on_error=False,
            **COMMON,
        )

    @task
    def alone() -> list[list[str]]:
        """Say for each rule by itself how an operator with this one rule ends."""
        context = get_current_context()
        return [
            [ending(context, str(CASES / each["file"]), rule) for rule in each["rules"]] for each in FRAMES["frames"]
        ]

    alone()


def ending(context: Any, path: str, rule: dict[str, Any]) -> str:
    operator = DataQualityCheckOperator(task_id="alone", data_path=path, rules=[rule], **COMMON)
    try:
        operator.execute(context)
    except AirflowFailException:
        return "failed"
    return "success"
