"""What is not there yet is waited for, by a retry or by the triggerer; a verdict is not."""

import json
import time
from pathlib import Path

import polars as pl

from tests.hosts.airflow import shop
from tests.hosts.airflow.servers import Airflow, wait_for


def state_of(airflow: Airflow, dag_id: str, run: str) -> str | None:
    (task,) = airflow.tasks(dag_id, run)
    return task["state"]


def arrive(place: Path, frame: pl.DataFrame) -> None:
    """Write a file in one step, as whoever delivers it should."""
    draft = place.with_suffix(".draft")
    frame.write_parquet(draft)
    draft.rename(place)


def test_a_file_that_comes_later_is_tried_again(airflow: Airflow) -> None:
    run = airflow.trigger("late_file")
    wait_for("a retry", lambda: state_of(airflow, "late_file", run) == "up_for_retry")
    arrive(airflow.home / "data" / "late.parquet", shop.USERS)
    assert airflow.ended("late_file", run) == "success"
    (task,) = airflow.tasks("late_file", run)
    assert task["try_number"] > 1
    assert "there is no file" in airflow.log("late_file", run, "check", 1)
    assert airflow.xcom("late_file", run, "check")["status"] == "passed"


def test_a_store_that_is_down_is_tried_again_until_the_tries_are_over(
    airflow: Airflow, started: dict[str, str]
) -> None:
    run = started["store_down"]
    assert airflow.ended("store_down", run) == "failed"
    (task,) = airflow.tasks("store_down", run)
    assert task["try_number"] == 2
    assert "the data cannot be read" in airflow.log("store_down", run, "check", 2)


def test_the_triggerer_waits_the_worker_judges_and_a_late_run_is_told(
    airflow: Airflow, webhook: tuple[str, list[bytes]]
) -> None:
    dag_id = "wait_for_orders"
    run = airflow.trigger(dag_id)
    wait_for("the deferral", lambda: state_of(airflow, dag_id, run) == "deferred")
    (task,) = airflow.tasks(dag_id, run)
    assert task["trigger"]["classpath"] == "etl.integrations.airflow.trigger.DataArrivalTrigger"
    message = wait_for("the message", lambda: [json.loads(each) for each in webhook[1]])[0]
    assert (message["events"], message["pipelines"]) == (["sla"], [dag_id])
    assert run in message["text"]
    assert "The orders are late." in message["text"]
    assert state_of(airflow, dag_id, run) == "deferred"
    webhook[1].clear()
    arrive(airflow.home / "data" / "arriving.parquet", shop.BAD_ORDERS)
    assert airflow.ended(dag_id, run) == "failed"
    assert airflow.xcom(dag_id, run, "orders_are_good")["status"] == "failed"
    told = json.loads(wait_for("the second message", lambda: webhook[1])[0])
    assert told["events"] == ["quality"]
    assert "unique__order_id: 2 of 3 rows failed" in told["text"]
    (task,) = airflow.tasks(dag_id, run)
    assert task["try_number"] == 1


def test_a_sensor_can_wait_until_the_data_is_good(airflow: Airflow) -> None:
    place = airflow.home / "data" / "corrected.parquet"
    run = airflow.trigger("until_good")
    wait_for("the deferral", lambda: state_of(airflow, "until_good", run) == "deferred")
    arrive(place, shop.TWICE)

    def refused() -> bool:
        try:
            return airflow.xcom("until_good", run, "sensor")["status"] == "failed"
        except ValueError:
            return False

    wait_for("the first verdict", refused)
    time.sleep(2)
    assert state_of(airflow, "until_good", run) not in ("success", "failed")
    arrive(place, shop.USERS)
    assert airflow.ended("until_good", run) == "success"
    assert airflow.xcom("until_good", run, "sensor")["status"] == "passed"


def test_a_sensor_that_occupies_a_worker_fails_at_once_for_bad_data(airflow: Airflow, started: dict[str, str]) -> None:
    run = started["in_a_worker"]
    assert airflow.ended("in_a_worker", run) == "failed"
    (task,) = airflow.tasks("in_a_worker", run)
    assert task["try_number"] == 1
    assert airflow.xcom("in_a_worker", run, "sensor")["status"] == "failed"
