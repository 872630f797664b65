"""The tenants' rules, judged on their demo data: nothing blocks, warnings warn, and quarantine sets some rows aside."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl
import pytest

from etl.config import PipelineConfig, TenantConfig, load_tenant
from etl.quality.checking import check
from etl.quality.quarantine import split
from etl.settings import load_settings

from .conftest import TENANTS, load
from .test_expected import CASES, DAYS, read_window

DAY = DAYS[4]
Stage = Literal["extract", "transfer", "load"]
Source = Callable[[str], duckdb.DuckDBPyConnection]

pytestmark = pytest.mark.filterwarnings("ignore:sqlglotrs is deprecated")  # said while sqlglot is imported

# What must fail on the demo data, so that a person sees a warning and a quarantine at work.
FAILING = {
    ("project_01", "lot_history"): {"non_negative__qty"},
    ("project_01", "equipment_event"): {"event_code_is_known", "occurred_before_arrival", "in_range__value"},
    ("project_01", "process_result"): {"not_null__product_code", "in_range__out_of_spec", "positive__measurements"},
    ("project_01", "cfg_item_master"): {"not_null__unit_price"},
    ("project_02", "workplace"): {
        "regex__business_registration_number",
        "in_set__status_code",
        "non_negative__subscriber_count",
    },
    ("project_02", "subscription_change"): {"in_set__change_type", "in_range__longest_delay_days"},
    ("project_02", "industry"): set(),
    ("default", "security"): {"not_null__market"},
    ("default", "stock_price"): {"low_not_above_high", "positive__close", "not_null__close"},
    ("default", "price_bar"): {"non_negative__volume", "in_range__bars"},
}


def tenant_config(tenant: str, data_dir: Path) -> TenantConfig:
    environ = {"ETL_PROJECT_DIR": str(TENANTS.parent), "ETL_DATA_DIR": str(data_dir)}
    return load_tenant(tenant, load_settings(environ))


def refined(connection: duckdb.DuckDBPyConnection, tenant: str, config: TenantConfig, name: str) -> pl.LazyFrame:
    function = getattr(load(TENANTS / tenant / "transforms" / f"{name}.py"), name)
    inputs = config.pipelines[name].transfer_inputs
    return function(**{each: window(connection, config.pipelines[each]) for each in inputs})  # type: ignore[no-any-return]


def window(connection: duckdb.DuckDBPyConnection, pipeline: PipelineConfig) -> pl.LazyFrame:
    as_dict = pipeline.model_dump(include={"source_table", "date_column"}, exclude_none=True)
    return read_window(connection, as_dict, DAY if pipeline.date_column else None)


@pytest.mark.parametrize(("tenant", "name"), CASES)
def test_the_rules_find_what_is_wrong_and_block_nothing(source: Source, tmp_path: Path, tenant: str, name: str) -> None:
    config = tenant_config(tenant, tmp_path)
    pipeline = config.pipelines[name]
    frames: dict[Stage, pl.LazyFrame] = {
        "extract": window(source(tenant), pipeline),
        "transfer": refined(source(tenant), tenant, config, name),
    }
    failed = set()
    for stage, frame in frames.items():
        rules = pipeline.rules_for(stage)
        if not rules:
            continue
        for result in check(frame, rules, engine="polars", now=dt.datetime(2026, 1, 11, tzinfo=dt.UTC)).results:
            assert result.status != "error", result.message
            if result.status == "failed":
                failed.add(result.check_name)
                blocks = result.rule.severity == "error" and (
                    pipeline.quality.on_failure == "block" or stage == "extract"
                )
                assert not blocks, f"{name}: {result.message}"
    assert failed == FAILING[tenant, name]


@pytest.mark.parametrize(
    ("tenant", "name"), [("project_01", "equipment_event"), ("project_02", "workplace"), ("default", "stock_price")]
)
def test_quarantine_sets_some_rows_aside_and_stays_within_its_limit(
    source: Source, tmp_path: Path, tenant: str, name: str
) -> None:
    config = tenant_config(tenant, tmp_path)
    quality = config.pipelines[name].quality
    rules = config.pipelines[name].rules_for("transfer")
    frame = refined(source(tenant), tenant, config, name)
    found = split(frame, rules, tmp_path / "good.parquet", tmp_path / "bad.parquet", extra={"_run_id": "r"})
    assert 0 < found.rejected <= (quality.max_quarantine_rate or 0) * found.read
    assert found.good + found.rejected == found.read


def test_every_way_of_handling_failures_is_shown(tmp_path: Path) -> None:
    ways = {
        pipeline.quality.on_failure
        for tenant in ("default", "project_01", "project_02")
        for pipeline in tenant_config(tenant, tmp_path).pipelines.values()
    }
    assert ways == {"block", "quarantine", "warn"}
