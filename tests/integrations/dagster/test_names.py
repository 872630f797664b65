"""The public names: all there, and loaded when they are used."""

import subprocess
import sys

import pytest

import etl.integrations.dagster as public

SPECIFIED = {
    "DataQualityResource", "EngineResource", "EngineResourceConfig", "quality_checked_asset", "profiled_asset",
    "create_quality_asset", "create_quality_check_asset", "create_quality_profile_asset", "build_quality_assets",
    "QualityAssetConfig", "data_quality_check_op", "data_quality_validate_op", "data_quality_profile_op",
    "data_quality_learn_op", "create_check_op", "CheckOpConfig", "LearnConfig", "quality_sensor", "DataQualitySensor",
    "QualityCheckOutput", "ProfileOutput", "ValidationFailure", "CheckStatus", "DataQualityError", "serialize_result",
    "SLAConfig", "SLAMetrics", "SLAMonitor", "SLARegistry", "SLAViolation", "SLAViolationType", "AlertLevel", "SLAHook",
    "LoggingSLAHook", "MetricsSLAHook", "CompositeSLAHook", "get_sla_registry", "SLAResource", "DEFAULT_SLA_CONFIG",
    "STRICT_SLA_CONFIG", "LENIENT_SLA_CONFIG",
}  # fmt: skip


def test_every_name_of_the_specification_is_there() -> None:
    assert set(public.__all__) >= SPECIFIED
    assert set(dir(public)) == set(public.__all__)
    for name in public.__all__:
        assert getattr(public, name) is not None


def test_a_misspelt_name_is_an_import_error() -> None:
    with pytest.raises(ImportError):
        exec("from etl.integrations.dagster import create_quality_chek_asset")


def test_the_package_costs_nothing_before_a_name_is_used() -> None:
    code = (
        "import sys, etl.integrations.dagster as d; heavy = {'dagster', 'polars', 'truthound'}; "
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}; d.SLAConfig; assert 'dagster' not in sys.modules; "
        "d.DataQualityResource; d.quality_sensor; assert 'truthound' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
