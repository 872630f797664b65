"""Data quality and promises in hand-written Dagster code.

    from etl.integrations.dagster import DataQualityResource, create_quality_check_asset

Belongs here: the public names. A name is imported when it is first used, so a code location loads only what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.integrations.dagster.asset_config import QualityAssetConfig as QualityAssetConfig
    from etl.integrations.dagster.decorators import (
        profiled_asset as profiled_asset,
        quality_checked_asset as quality_checked_asset,
    )
    from etl.integrations.dagster.engine_resource import (
        EngineResource as EngineResource,
        EngineResourceConfig as EngineResourceConfig,
    )
    from etl.integrations.dagster.factories import (
        build_quality_assets as build_quality_assets,
        create_quality_asset as create_quality_asset,
        create_quality_check_asset as create_quality_check_asset,
        create_quality_profile_asset as create_quality_profile_asset,
    )
    from etl.integrations.dagster.op_config import CheckOpConfig as CheckOpConfig, LearnConfig as LearnConfig
    from etl.integrations.dagster.ops import (
        create_check_op as create_check_op,
        data_quality_check_op as data_quality_check_op,
        data_quality_learn_op as data_quality_learn_op,
        data_quality_profile_op as data_quality_profile_op,
        data_quality_validate_op as data_quality_validate_op,
    )
    from etl.integrations.dagster.outputs import (
        ProfileOutput as ProfileOutput,
        QualityCheckOutput as QualityCheckOutput,
        serialize_result as serialize_result,
    )
    from etl.integrations.dagster.resource import DataQualityResource as DataQualityResource
    from etl.integrations.dagster.sensor import (
        DataQualitySensor as DataQualitySensor,
        QualityFailure as QualityFailure,
        quality_sensor as quality_sensor,
    )
    from etl.integrations.dagster.sla_resource import SLAResource as SLAResource
    from etl.quality.results import (
        CheckStatus as CheckStatus,
        DataQualityError as DataQualityError,
        ValidationFailure as ValidationFailure,
    )
    from etl.sla.config import (
        DEFAULT_SLA_CONFIG as DEFAULT_SLA_CONFIG,
        LENIENT_SLA_CONFIG as LENIENT_SLA_CONFIG,
        STRICT_SLA_CONFIG as STRICT_SLA_CONFIG,
        AlertLevel as AlertLevel,
        SLAConfig as SLAConfig,
    )
    from etl.sla.hooks import (
        CompositeSLAHook as CompositeSLAHook,
        LoggingSLAHook as LoggingSLAHook,
        MetricsSLAHook as MetricsSLAHook,
        SLAHook as SLAHook,
    )
    from etl.sla.metrics import (
        SLAMetrics as SLAMetrics,
        SLAViolation as SLAViolation,
        SLAViolationType as SLAViolationType,
    )
    from etl.sla.monitor import SLAMonitor as SLAMonitor
    from etl.sla.registry import SLARegistry as SLARegistry, get_sla_registry as get_sla_registry

_HOMES = {
    "etl.integrations.dagster.asset_config": ("QualityAssetConfig",),
    "etl.integrations.dagster.decorators": ("profiled_asset", "quality_checked_asset"),
    "etl.integrations.dagster.engine_resource": ("EngineResource", "EngineResourceConfig"),
    "etl.integrations.dagster.factories": (
        "build_quality_assets",
        "create_quality_asset",
        "create_quality_check_asset",
        "create_quality_profile_asset",
    ),
    "etl.integrations.dagster.op_config": ("CheckOpConfig", "LearnConfig"),
    "etl.integrations.dagster.ops": (
        "create_check_op",
        "data_quality_check_op",
        "data_quality_learn_op",
        "data_quality_profile_op",
        "data_quality_validate_op",
    ),
    "etl.integrations.dagster.outputs": ("ProfileOutput", "QualityCheckOutput", "serialize_result"),
    "etl.integrations.dagster.resource": ("DataQualityResource",),
    "etl.integrations.dagster.sensor": ("DataQualitySensor", "QualityFailure", "quality_sensor"),
    "etl.integrations.dagster.sla_resource": ("SLAResource",),
    "etl.quality.results": ("CheckStatus", "DataQualityError", "ValidationFailure"),
    "etl.sla.config": ("DEFAULT_SLA_CONFIG", "LENIENT_SLA_CONFIG", "STRICT_SLA_CONFIG", "AlertLevel", "SLAConfig"),
    "etl.sla.hooks": ("CompositeSLAHook", "LoggingSLAHook", "MetricsSLAHook", "SLAHook"),
    "etl.sla.metrics": ("SLAMetrics", "SLAViolation", "SLAViolationType"),
    "etl.sla.monitor": ("SLAMonitor",),
    "etl.sla.registry": ("SLARegistry", "get_sla_registry"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605  one list, kept with the modules above


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the module in which a public name lives."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
