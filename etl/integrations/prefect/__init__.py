"""Data quality and promises in Prefect flows.

    from etl.integrations.prefect import DataQualityBlock, data_quality_check_task

Belongs here: the public names. A name is imported when it is first used, so a flow loads only what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.integrations.prefect.artifacts import (
        ato_prefect_artifact as ato_prefect_artifact,
        to_prefect_artifact as to_prefect_artifact,
    )
    from etl.integrations.prefect.assets import quality_checked_asset as quality_checked_asset
    from etl.integrations.prefect.block import DataQualityBlock as DataQualityBlock
    from etl.integrations.prefect.decorators import (
        profiled_flow as profiled_flow,
        quality_checked_flow as quality_checked_flow,
        validated_flow as validated_flow,
    )
    from etl.integrations.prefect.factories import (
        create_pipeline_flow as create_pipeline_flow,
        create_quality_flow as create_quality_flow,
        create_validation_flow as create_validation_flow,
    )
    from etl.integrations.prefect.sla_block import SLABlock as SLABlock
    from etl.integrations.prefect.tasks import (
        adata_quality_check_task as adata_quality_check_task,
        adata_quality_learn_task as adata_quality_learn_task,
        adata_quality_profile_task as adata_quality_profile_task,
        data_quality_check as data_quality_check,
        data_quality_check_task as data_quality_check_task,
        data_quality_learn_task as data_quality_learn_task,
        data_quality_profile as data_quality_profile,
        data_quality_profile_task as data_quality_profile_task,
    )
    from etl.quality.results import DataQualityError as DataQualityError
    from etl.sla.config import SLAConfig as SLAConfig
    from etl.sla.metrics import SLAViolation as SLAViolation
    from etl.sla.monitor import SLAMonitor as SLAMonitor

_HOMES = {
    "etl.integrations.prefect.artifacts": ("ato_prefect_artifact", "to_prefect_artifact"),
    "etl.integrations.prefect.assets": ("quality_checked_asset",),
    "etl.integrations.prefect.block": ("DataQualityBlock",),
    "etl.integrations.prefect.decorators": ("profiled_flow", "quality_checked_flow", "validated_flow"),
    "etl.integrations.prefect.factories": ("create_pipeline_flow", "create_quality_flow", "create_validation_flow"),
    "etl.integrations.prefect.sla_block": ("SLABlock",),
    "etl.integrations.prefect.tasks": (
        "adata_quality_check_task",
        "adata_quality_learn_task",
        "adata_quality_profile_task",
        "data_quality_check",
        "data_quality_check_task",
        "data_quality_learn_task",
        "data_quality_profile",
        "data_quality_profile_task",
    ),
    "etl.quality.results": ("DataQualityError",),
    "etl.sla.config": ("SLAConfig",),
    "etl.sla.metrics": ("SLAViolation",),
    "etl.sla.monitor": ("SLAMonitor",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605  one list, kept with the modules above


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the module in which a public name lives."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names; `prefect block register -m` looks here for blocks."""
    return [*__all__]
