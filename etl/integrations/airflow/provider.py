"""What Airflow reads when it starts: the connection type, the decorator, and where the rest is.

Belongs here: `get_provider_info`, which the entry point `apache_airflow_provider` names. Not here: any of the things
that it names, since Airflow imports them only when they are used.
"""

from typing import Any

_ROOM = "etl.integrations.airflow"
_NAME = "Data Quality"


def get_provider_info() -> dict[str, Any]:
    """Return the metadata of the provider."""
    return {
        "package-name": "tenant-etl",
        "name": _NAME,
        "description": "Exact verdicts about data: operators, a sensor, a hook and a decorator.",
        "integrations": [{"integration-name": _NAME, "tags": ["software"]}],
        "operators": [{"integration-name": _NAME, "python-modules": [f"{_ROOM}.check_operator"]}],
        "sensors": [{"integration-name": _NAME, "python-modules": [f"{_ROOM}.sensor"]}],
        "hooks": [{"integration-name": _NAME, "python-modules": [f"{_ROOM}.hook"]}],
        "triggers": [{"integration-name": _NAME, "python-modules": [f"{_ROOM}.trigger"]}],
        "notifications": [f"{_ROOM}.notifier.DataQualityNotifier"],
        "connection-types": [
            {
                "connection-type": "data_quality",
                "hook-class-name": f"{_ROOM}.hook.DataQualityHook",
                "hook-name": _NAME,
                "ui-field-behaviour": {"hidden-fields": ["host", "schema", "port", "login", "password"]},
                "conn-fields": {
                    "engine": {"label": "Engine", "schema": {"type": ["string", "null"]}},
                    "timeout": {"label": "Seconds until a check is given up", "schema": {"type": ["number", "null"]}},
                },
            }
        ],
        "task-decorators": [{"name": "quality_check", "class-name": f"{_ROOM}.decorator.quality_check_task"}],
    }
