"""docs/quality-in-dagster.md, run as it stands: every section in a folder with data, with real runs."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult, build_sensor_context

import etl.integrations.dagster as public
from tests.integrations.dagster.runs import evaluations, instance_in, materialized, metadata_of, plain, skipped

PAGE = Path(__file__).parents[3] / "docs" / "quality-in-dagster.md"
SECTIONS = {
    title: "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    for title, text in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
}
USERS = pl.DataFrame(
    {
        "user_id": ["a", "b", "c"],
        "email": ["ann@example.com", "bo.b@example.org", "c-c@example.net"],
        "age": [25, 17, 90],
    }
)
ORDERS = pl.DataFrame(
    {
        "order_id": [str(UUID(int=n, version=4)) for n in range(4)],
        "customer_id": [1, 1, 2, 3],
        "amount": [10.0, 5.5, 0.0, 7.25],
        "created_at": [datetime.fromisoformat("2026-01-02") + timedelta(hours=n) for n in range(4)],
    }
)
CUSTOMERS = pl.DataFrame(
    {
        "customer_id": [1, 2, 3],
        "email": ["ann@example.com", "bo.b@example.org", "c-c@example.net"],
        "status": ["active", "inactive", "active"],
    }
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    for part in ("raw/customers", "raw/orders"):
        (folder / part).mkdir(parents=True)
    USERS.write_parquet(folder / "users.parquet")
    pl.concat([USERS, USERS.head(1)]).write_parquet(folder / "users_twice.parquet")
    ORDERS.write_parquet(folder / "orders.parquet")
    CUSTOMERS.write_parquet(folder / "raw" / "customers" / "part-0.parquet")
    ORDERS.write_parquet(folder / "raw" / "orders" / "part-0.parquet")
    with sqlite3.connect(folder / "shop.db") as shop:
        shop.executescript("CREATE TABLE orders (id INTEGER, qty INTEGER); INSERT INTO orders VALUES (1, 0), (2, 3);")
    shop.close()
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with instance_in(tmp_path / "dagster") as instance:
        yield instance


def names_of(section: str) -> dict[str, Any]:
    """What the section's code defines."""
    names: dict[str, Any] = {"__name__": "documentation"}
    exec(compile(SECTIONS[section], f"{PAGE.name}: {section}", "exec"), names)
    return names


def execute(defs: Definitions, job: str, instance: DagsterInstance, **options: Any) -> ExecuteInProcessResult:
    Definitions.validate_loadable(defs)
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)


def test_every_public_name_is_on_the_page_or_is_a_part_of_one_that_is() -> None:
    text = PAGE.read_text()
    parts = {
        "AlertLevel", "CheckOpConfig", "CheckStatus", "DEFAULT_SLA_CONFIG", "EngineResourceConfig", "LENIENT_SLA_CONFIG",
        "LearnConfig", "ProfileOutput", "QualityAssetConfig", "QualityCheckOutput", "QualityFailure", "SLAHook",
        "SLAMonitor", "SLARegistry", "SLAViolation", "SLAViolationType", "STRICT_SLA_CONFIG", "ValidationFailure",
        "create_quality_asset", "create_quality_profile_asset", "get_sla_registry", "serialize_result",
    }  # fmt: skip
    assert {name for name in public.__all__ if name not in text} <= parts
    assert all(getattr(public, name) is not None for name in public.__all__)


def test_checked_copies_of_assets(instance: DagsterInstance, data: Path) -> None:
    defs = names_of("Checked copies of assets")["defs"]
    good = execute(defs, "__ASSET_JOB", instance)
    assert good.success
    assert materialized(good) == {"raw_users", "raw_orders", "validated_users", "validated_orders"}
    assert {each.asset_key.to_user_string(): each.passed for each in evaluations(good)} == {
        "validated_users": True,
        "validated_orders": True,
    }
    assert metadata_of(good, "validated_users")["rules_count"] == 4
    assert metadata_of(good, "validated_orders")["input_asset"] == "raw_orders"
    USERS.with_columns(age=pl.lit(151)).write_parquet(data / "users.parquet")
    bad = execute(defs, "__ASSET_JOB", instance)
    assert materialized(bad) == {"raw_users", "raw_orders", "validated_orders"}


def test_a_complete_pipeline(instance: DagsterInstance, data: Path) -> None:
    names = names_of("A complete pipeline")
    defs = names["defs"]
    good = execute(defs, "full_pipeline_job", instance)
    assert good.success
    summary = good.output_for_node("customer_orders_summary").sort("customer_id")
    assert summary["order_count"].to_list() == [2, 1, 1]
    assert summary["total_amount"].to_list() == [15.5, 0.0, 7.25]
    assert summary["status"].to_list() == ["active", "inactive", "active"]
    only_checks = execute(defs, "quality_check_job", instance)
    assert only_checks.success
    assert materialized(only_checks) == {"validated_customers", "validated_orders"}

    ORDERS.with_columns(created_at=pl.lit(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=3))).write_parquet(
        data / "raw" / "orders" / "part-0.parquet"
    )
    bad = execute(defs, "full_pipeline_job", instance)
    assert not bad.success
    assert materialized(bad) == {"raw_customers", "raw_orders", "validated_customers"}
    assert skipped(bad) == {"customer_orders_summary"}
    (failed,) = (each for each in evaluations(bad) if not each.passed)
    assert [each["rule"] for each in plain(failed.metadata)["failures"]] == ["not_future__created_at"]
    assert instance.get_latest_materialization_event(AssetKey("validated_orders")).run_id == only_checks.run_id

    sensor = defs.resolve_sensor_def("quality_sensor")
    tick = sensor.evaluate_tick(build_sensor_context(instance=instance, definitions=defs))
    assert bad.run_id in tick.skip_message
    schedule = defs.resolve_schedule_def("daily_pipeline")
    assert (schedule.job_name, schedule.cron_schedule) == ("full_pipeline_job", "0 6 * * *")


def test_a_different_resource_for_each_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    make = names_of("A different resource for each environment")["get_data_quality_resource"]
    monkeypatch.delenv("DAGSTER_ENV", raising=False)
    assert (make().default_timeout, make().fail_on_error, make().connection_string) == (120, False, None)
    monkeypatch.setenv("DAGSTER_ENV", "prod")
    assert (make().default_timeout, make().fail_on_error) == (600, True)


def test_inside_an_asset_that_you_wrote(instance: DagsterInstance, data: Path) -> None:
    names = names_of("Inside your own asset")
    job = names["defs"].resolve_implicit_global_asset_job_def()
    of_day = job.execute_in_process(
        instance=instance,
        partition_key="2026-01-02",
        asset_selection=[AssetKey("orders_of_day")],
        run_config={"ops": {"orders_of_day": {"config": {"smallest": 5.0}}}},
    )
    assert of_day.output_for_node("orders_of_day").collect().height == 3
    assert evaluations(of_day)[0].partition == "2026-01-02"
    rest = job.execute_in_process(instance=instance, asset_selection=[AssetKey("users"), AssetKey("adult_users")])
    assert metadata_of(rest, "users")["column_count"] == 3
    assert metadata_of(rest, "adult_users")["quality_status"] == "passed"


def test_the_resource_by_itself() -> None:
    names = names_of("The resource by itself")
    assert [each.rule_name for each in names["failed"]] == ["in_range__age"]
    assert (names["sampled"].row_count, names["sampled"].sampled_from) == (2, 3)
    assert set(names["profile"].columns) == {"age"}
    assert names["again"].is_success
    assert (names["in_table"].row_count, names["in_query"].row_count) == (2, 1)


def test_ops(instance: DagsterInstance) -> None:
    result = execute(names_of("Ops")["defs"], "users_job", instance)
    assert result.success
    assert result.output_for_node("check_age")["status"] == "passed"
    assert result.output_for_node("data_quality_validate_op", "validated_data").equals(USERS)


def test_acting_on_failures(instance: DagsterInstance) -> None:
    defs = names_of("Acting on failures")["defs"]
    failed = execute(defs, "__ASSET_JOB", instance)
    assert materialized(failed) == {"duplicates"}
    sensor = defs.resolve_sensor_def("explain_duplicates")
    tick = sensor.evaluate_tick(build_sensor_context(instance=instance, definitions=defs))
    (request,) = tick.run_requests
    assert request.tags["data_quality/run_id"] == failed.run_id
    explained = execute(defs, "explain", instance, tags=request.tags)
    assert explained.output_for_node("duplicates").height == 2


def test_promises(instance: DagsterInstance) -> None:
    names = names_of("Promises")
    for _ in range(3):
        assert execute(names["defs"], "__ASSET_JOB", instance).success
    result = execute(names["defs"], "__ASSET_JOB", instance)
    metadata = metadata_of(result, "validated_users")
    assert (metadata["sla_pass_rate"], metadata["sla_violations"]) == (1.0, 0)
    stats = names["metrics_hook"].get_stats()
    assert stats["check_count"] == 8
    assert stats["violations_by_type"] == {
        "failure_rate_exceeded": 4,
        "pass_rate_below_minimum": 4,
        "consecutive_failures": 2,
    }
