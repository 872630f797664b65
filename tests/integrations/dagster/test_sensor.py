"""The sensor against real instances and real runs."""
# ruff: noqa: ARG005  Dagster is what is tested

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    DagsterInstance,
    DailyPartitionsDefinition,
    DefaultSensorStatus,
    Definitions,
    RunRequest,
    asset,
    asset_check,
    build_sensor_context,
    define_asset_job,
    in_process_executor,
    materialize,
)
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from etl.errors import QualityError
from etl.integrations.dagster import DataQualitySensor, quality_checked_asset, quality_sensor
from tests.integrations.dagster.runs import BAD, GOOD, POLARS, RULES, instance_in, run

DAYS = DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05")
DATA = {}


@quality_checked_asset(RULES)
def orders() -> pl.DataFrame:
    return DATA["orders"]


@quality_checked_asset(RULES, partitions_def=DAYS)
def daily(context: AssetExecutionContext) -> pl.DataFrame:
    return DATA[context.partition_key]


@asset
def customers() -> pl.DataFrame:
    return GOOD


@asset_check(asset=customers)
def never_empty() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


MEND = define_asset_job("mend", selection=["orders"])
DEFS = Definitions(
    assets=[orders, daily, customers],
    asset_checks=[never_empty],
    jobs=[MEND],
    resources={"data_quality": POLARS},
    sensors=[quality_sensor],
    executor=in_process_executor,
)


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    with instance_in(tmp_path / "dagster") as instance:
        yield instance


def tick(sensor: Any, instance: DagsterInstance, cursor: Any = None) -> Any:
    context = build_sensor_context(instance=instance, cursor=cursor, definitions=DEFS)
    return sensor.evaluate_tick(context)


def run_orders(instance: DagsterInstance, frame: pl.DataFrame, **options: Any) -> Any:
    DATA["orders"] = frame
    return run([orders], instance=instance, **options)


def run_day(instance: DagsterInstance, day: str, frame: pl.DataFrame) -> Any:
    DATA[day] = frame
    return run([daily], instance=instance, partition_key=day)


def test_the_plain_sensor_is_part_of_definitions_and_asks_for_no_run(instance: DagsterInstance) -> None:
    Definitions.validate_loadable(DEFS)
    assert DEFS.resolve_sensor_def("quality_sensor").default_status is DefaultSensorStatus.RUNNING
    first = tick(quality_sensor, instance)
    assert first.skip_message == "no new failure among 3 checks"
    failed = run_orders(instance, BAD)
    second = tick(quality_sensor, instance, first.cursor)
    assert not second.run_requests
    assert f"orders: quality failed in run {failed.run_id}" in second.skip_message
    third = tick(quality_sensor, instance, second.cursor)
    assert third.skip_message == "no new failure among 3 checks"


def test_each_new_failure_asks_for_one_run(instance: DagsterInstance) -> None:
    sensor = DataQualitySensor(name="mender", job=MEND)
    assert sensor.default_status is DefaultSensorStatus.STOPPED
    first_run = run_orders(instance, BAD)
    first = tick(sensor, instance)
    (request,) = first.run_requests
    assert request.tags["data_quality/asset"] == "orders"
    assert request.tags["data_quality/checks"] == "quality"
    assert request.tags["data_quality/run_id"] == first_run.run_id
    assert not tick(sensor, instance, first.cursor).run_requests
    run_orders(instance, GOOD)
    second = tick(sensor, instance, first.cursor)
    assert not second.run_requests
    run_orders(instance, BAD)
    third = tick(sensor, instance, second.cursor)
    (another,) = third.run_requests
    assert another.run_key != request.run_key


def test_a_failure_that_was_mended_between_two_ticks_is_still_seen(instance: DagsterInstance) -> None:
    sensor = DataQualitySensor(name="mender", job=MEND)
    cursor = tick(sensor, instance).cursor
    bad = run_orders(instance, BAD)
    run_orders(instance, GOOD)
    (request,) = tick(sensor, instance, cursor).run_requests
    assert request.tags["data_quality/run_id"] == bad.run_id


def test_failures_of_a_run_that_the_sensor_asked_for_do_not_ask_for_another(instance: DagsterInstance) -> None:
    sensor = DataQualitySensor(name="mender", job=MEND)
    run_orders(instance, BAD, tags={"dagster/sensor_name": "mender"})
    result = tick(sensor, instance)
    assert not result.run_requests
    assert "orders" in result.skip_message


def test_every_failed_partition_is_a_failure_of_its_own(instance: DagsterInstance) -> None:
    sensor = DataQualitySensor(
        name="mender",
        job=MEND,
        assets=["daily"],
        request=lambda failure: RunRequest(run_key=failure.key, tags={"day": failure.partition}),
    )
    run_day(instance, "2026-01-01", GOOD)
    cursor = tick(sensor, instance).cursor
    for day, frame in (("2026-01-01", BAD), ("2026-01-02", BAD), ("2026-01-03", GOOD)):
        run_day(instance, day, frame)
    result = tick(sensor, instance, cursor)
    assert [each.tags["day"] for each in result.run_requests] == ["2026-01-01", "2026-01-02"]
    assert not tick(sensor, instance, result.cursor).run_requests


def test_runs_that_end_in_another_order_than_they_were_planned_in_are_all_seen(instance: DagsterInstance) -> None:
    """A back-fill plans its runs at once; the sensor looks while some of them are still to come."""
    sensor = DataQualitySensor(name="mender", job=MEND, assets=["daily"])
    run_day(instance, "2026-01-04", GOOD)
    cursor = tick(sensor, instance).cursor
    job = DEFS.resolve_implicit_global_asset_job_def().get_subset(asset_selection={daily.key})
    planned = instance.create_run_for_job(
        job, asset_selection=frozenset({daily.key}), tags={"dagster/partition": "2026-01-01"}
    )
    run_day(instance, "2026-01-02", GOOD)
    middle = tick(sensor, instance, cursor)
    assert not middle.run_requests
    assert json.loads(middle.cursor)["pending"] != {}
    DATA["2026-01-01"] = BAD
    execute_run(InMemoryJob(job), instance.get_run_by_id(planned.run_id), instance)
    after = tick(sensor, instance, middle.cursor)
    assert [each.tags["data_quality/partition"] for each in after.run_requests] == ["2026-01-01"]
    assert json.loads(after.cursor)["pending"] == {}


def test_checks_that_were_not_made_by_us_are_watched_too_and_can_be_left_out(instance: DagsterInstance) -> None:
    @asset_check(asset=customers, name="never_empty")
    def failing() -> AssetCheckResult:
        return AssetCheckResult(passed=False)

    assert materialize([customers, failing], instance=instance).success
    run_orders(instance, BAD)
    every = tick(DataQualitySensor(name="mender", job=MEND), instance)
    assert {each.tags["data_quality/asset"] for each in every.run_requests} == {"customers", "orders"}
    ours = tick(DataQualitySensor(name="mender", job=MEND, check_names=["quality"]), instance)
    assert {each.tags["data_quality/asset"] for each in ours.run_requests} == {"orders"}


def test_a_misspelt_asset_stops_the_tick_and_is_named(instance: DagsterInstance) -> None:
    with pytest.raises(Exception, match="orders") as raised:
        tick(DataQualitySensor(assets=["ordrs"]), instance)
    assert "ordrs" in str(raised.value) + str(raised.value.__cause__)


def test_a_request_without_a_job_is_refused() -> None:
    with pytest.raises(QualityError, match="no job"):
        DataQualitySensor(request=lambda failure: RunRequest())
