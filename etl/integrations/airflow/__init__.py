"""The quality core inside Airflow.

    from etl.integrations.airflow import DataQualityCheckOperator

Belongs here: the public names. A name is imported when it is first used, so that a DAG loads only what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.integrations.airflow.check_operator import DataQualityCheckOperator as DataQualityCheckOperator
    from etl.integrations.airflow.consumers import require_quality as require_quality
    from etl.integrations.airflow.decorator import quality_check_task as quality_check_task
    from etl.integrations.airflow.hook import (
        DataQualityHook as DataQualityHook,
        DataQualitySettings as DataQualitySettings,
    )
    from etl.integrations.airflow.learn_operator import DataQualityLearnOperator as DataQualityLearnOperator
    from etl.integrations.airflow.mistakes import DataQualityFailed as DataQualityFailed
    from etl.integrations.airflow.notifier import DataQualityNotifier as DataQualityNotifier
    from etl.integrations.airflow.profile_operator import DataQualityProfileOperator as DataQualityProfileOperator
    from etl.integrations.airflow.sensor import DataQualitySensor as DataQualitySensor
    from etl.integrations.airflow.trigger import DataArrivalTrigger as DataArrivalTrigger

_HOMES = {
    "check_operator": ("DataQualityCheckOperator",),
    "consumers": ("require_quality",),
    "decorator": ("quality_check_task",),
    "hook": ("DataQualityHook", "DataQualitySettings"),
    "learn_operator": ("DataQualityLearnOperator",),
    "mistakes": ("DataQualityFailed",),
    "notifier": ("DataQualityNotifier",),
    "profile_operator": ("DataQualityProfileOperator",),
    "sensor": ("DataQualitySensor",),
    "trigger": ("DataArrivalTrigger",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605  one list, kept with the modules above


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import the module in which a public name lives."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__]
