"""The verdicts of the operator over dirty data are those that SQL gives."""

import json
from pathlib import Path

from tests.hosts.airflow.servers import Airflow

CASES = 300


def test_every_verdict_that_passed_the_scheduler_is_the_one_of_the_oracle(
    airflow: Airflow, started: dict[str, str], oracle: Path
) -> None:
    run = started["oracle"]
    assert airflow.ended("oracle", run) == "success"
    frames = json.loads((oracle / "cases.json").read_text())["frames"]
    wrong, judged = [], 0
    for number, each in enumerate(frames):
        found = airflow.xcom("oracle", run, f"judge_{number}")["results"]
        assert len(found) == len(each["rules"])
        for rule, expected, seen in zip(each["rules"], each["expected"], found, strict=True):
            judged += 1
            if [seen["status"], seen["failed_count"], seen["total_count"]] != expected:
                wrong.append(f"{each['file']} {rule}: {seen}, not {expected}")
    assert not wrong, "\n".join(wrong[:10])
    assert judged >= CASES


def test_a_task_with_one_rule_succeeds_only_if_the_oracle_says_that_the_rule_passes(
    airflow: Airflow, started: dict[str, str], oracle: Path
) -> None:
    run = started["oracle"]
    assert airflow.ended("oracle", run) == "success"
    frames = json.loads((oracle / "cases.json").read_text())["frames"]
    endings = airflow.xcom("oracle", run, "alone", "return_value")
    due = [["success" if status == "passed" else "failed" for status, *_ in each["expected"]] for each in frames]
    assert endings == due
    assert sum(map(len, due)) >= CASES
