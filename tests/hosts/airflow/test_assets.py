"""An asset carries its verdict, and a consumer is stopped by a bad one, by none, and by a check that failed."""

from typing import Any

from tests.hosts.airflow import shop
from tests.hosts.airflow.servers import Airflow, wait_for


def asset_id(airflow: Airflow) -> int:
    (found,) = airflow.ask("/api/v2/assets?name_pattern=orders")["assets"]
    return int(found["id"])


def newest_event(airflow: Airflow) -> dict[str, Any]:
    path = f"/api/v2/assets/events?asset_id={asset_id(airflow)}&order_by=-timestamp&limit=1"

    def look() -> dict[str, Any] | None:
        try:
            return dict(airflow.ask(path)["asset_events"][0])
        except ValueError:  # Airflow cannot show an event while a run that the event started is queued
            return None

    return dict(wait_for("the newest event", look))


def consumer(airflow: Airflow) -> str:
    """Wait for the run of the consumer that the newest event started, and return the run."""

    def look() -> str | None:
        created = newest_event(airflow)["created_dagruns"]
        return created[0]["run_id"] if created else None

    return str(wait_for("the consumer", look))


def report_ends(airflow: Airflow, run: str) -> tuple[str, int, str]:
    airflow.ended("report", run)
    (task,) = airflow.tasks("report", run)
    return task["state"], task["try_number"], airflow.log("report", run, "make_report")


def test_a_consumer_runs_after_good_data_and_stops_after_bad(airflow: Airflow) -> None:
    never = airflow.trigger("report")  # before the first event
    assert "has no event: nothing was checked" in report_ends(airflow, never)[2]

    run = airflow.trigger("orders")
    assert airflow.ended("orders", run) == "success"
    event = newest_event(airflow)
    assert event["extra"]["quality"] == airflow.xcom("orders", run, "check_orders")
    report = consumer(airflow)
    assert report_ends(airflow, report)[0] == "success"
    assert airflow.xcom("report", report, "make_report", "return_value") == "a report of 3 orders"

    run = airflow.trigger("orders", {"file": "bad_orders.parquet"})
    assert airflow.ended("orders", run) == "success"
    event = newest_event(airflow)
    assert event["extra"]["quality"]["status"] == "failed"
    state, tries, log = report_ends(airflow, consumer(airflow))
    assert (state, tries) == ("failed", 1)
    assert "1 of 3 rules passed, and 95% are wanted" in log


def test_an_event_that_nobody_judged_stops_the_consumer(airflow: Airflow) -> None:
    airflow.ask("/api/v2/assets/events", {"asset_id": asset_id(airflow), "extra": {}})
    state, _, log = report_ends(airflow, consumer(airflow))
    assert state == "failed"
    assert "has no verdict: nothing was checked" in log


def test_a_check_that_failed_without_an_event_stops_the_consumer(airflow: Airflow) -> None:
    """The newest event is good. The check after it failed its task, so that there is no newer event."""
    shop.ORDERS.write_parquet(airflow.home / "data" / "strict.parquet")
    good = airflow.trigger("strict_orders")
    assert airflow.ended("strict_orders", good) == "success"
    assert report_ends(airflow, consumer(airflow))[0] == "success"
    shop.BAD_ORDERS.write_parquet(airflow.home / "data" / "strict.parquet")
    bad = airflow.trigger("strict_orders")
    assert airflow.ended("strict_orders", bad) == "failed"
    assert newest_event(airflow)["extra"]["quality"]["status"] == "passed"
    state, _, log = report_ends(airflow, airflow.trigger("report"))
    assert state == "failed"
    assert "is not good enough" in log


def test_a_check_that_ended_without_a_verdict_stops_the_consumer(airflow: Airflow) -> None:
    """The newest event is good. The check after it found no file, so that nobody knows what the data is like now."""
    shop.ORDERS.write_parquet(airflow.home / "data" / "strict.parquet")
    assert airflow.ended("strict_orders", airflow.trigger("strict_orders")) == "success"
    assert report_ends(airflow, consumer(airflow))[0] == "success"
    (airflow.home / "data" / "strict.parquet").unlink()
    assert airflow.ended("strict_orders", airflow.trigger("strict_orders")) == "failed"
    state, _, log = report_ends(airflow, airflow.trigger("report"))
    assert state == "failed"
    assert "the newest check, the task `check_orders`, ended without a verdict" in log


def test_a_later_check_of_the_run_does_not_hide_an_earlier_one(airflow: Airflow) -> None:
    assert airflow.ended("two_checks", airflow.trigger("two_checks")) == "success"
    assert newest_event(airflow)["extra"]["quality"]["status"] == "passed"
    state, _, log = report_ends(airflow, airflow.trigger("report"))
    assert state == "failed"
    assert "by the task `first`, is not good enough" in log


def test_a_mapped_check_with_an_asset_is_refused(airflow: Airflow) -> None:
    run = airflow.trigger("mapped_asset")
    assert airflow.ended("mapped_asset", run) == "failed"
    assert [(each["state"], each["try_number"]) for each in airflow.tasks("mapped_asset", run)] == [("failed", 1)] * 2
    assert "a mapped check cannot have outlets" in airflow.log("mapped_asset", run, "check", index=0)
