"""The verdicts of the operator over dirty data are those that SQL gives."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.airflow.servers import Airflow

CASES = 300


@pytest.fixture(scope="module")
def frames(airflow: Airflow, started: dict[str, str], oracle: Path) -> Any:
    assert airflow.ended("oracle", started["oracle"]) == "success"
    return pickle.loads((oracle / "cases.pickle").read_bytes())["cases"]


def test_an_operator_ends_as_the_oracle_says_and_its_verdict_has_the_counts_of_the_oracle(
    airflow: Airflow, started: dict[str, str], frames: Any
) -> None:
    seen = airflow.xcom("oracle", started["oracle"], "alone", "return_value")
    wrong, judged = [], 0
    for each, found in zip(frames, seen, strict=True):
        for rule, expected, ending in zip(each["rules"], each["expected"], found, strict=True):
            judged += 1
            due = ["success" if expected[0] == "passed" else "failed", *expected]
            if ending != due:
                wrong.append(f"{each['frame']} {rule}: {ending}, not {due}")
    assert not wrong, "\n".join(wrong[:10])
    assert judged >= CASES


def test_the_verdicts_of_whole_frames_pass_through_the_scheduler(
    airflow: Airflow, started: dict[str, str], frames: Any
) -> None:
    states = airflow.states("oracle", started["oracle"])
    scheduled = sorted(task_id for task_id in states if task_id.startswith("judge_"))
    assert len(scheduled) == 4
    for task_id, each in zip(scheduled, frames, strict=False):
        found = airflow.xcom("oracle", started["oracle"], task_id)["results"]
        verdicts = [(one["status"], one["failed_count"], one["total_count"]) for one in found]
        assert verdicts == each["expected"]
