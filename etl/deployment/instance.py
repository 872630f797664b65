"""Dagster's settings of a production installation: `dagster.yaml` and `workspace.yaml`.

Belongs here: what differs from the project's own files: the database, the folders of each service, the code servers'
addresses. Not here: opening Dagster's storage, and Dagster's settings on a developer's machine (`etl.cli.home`).

The project's `dagster.yaml` stays the source of every other setting, such as limits.
"""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from etl.deployment.shape import DATABASE_PASSWORD, LOCAL_FOLDER, LOGS_FOLDER, Service, Shape
from etl.deployment.yaml_text import yaml_text
from etl.errors import ConfigError
from etl.settings import Settings

_NOT_THE_PROJECTS = ("storage", "run_storage", "event_log_storage", "schedule_storage", "local_artifact_storage")
_TICKS = {"skipped": 7, "failure": 90, "success": 90, "started": 90}
"""Days for which the ticks of schedules and sensors are kept. A sensor that watches promises ticks every minute."""


def instance_settings(shape: Shape, settings: Settings, launcher: Mapping[str, Any] | None = None) -> str:
    """Return the text of `dagster.yaml`: the project's, with PostgreSQL and the folders of the services.

    `launcher` replaces the run launcher, by which each run is a process of its code server.
    """
    found = {key: value for key, value in _project_file(settings).items() if key not in _NOT_THE_PROJECTS}
    database = shape.database
    found["storage"] = {
        "postgres": {
            "postgres_db": {
                "scheme": "postgresql+psycopg2",  # dagster-postgres listens in a way that only this driver knows
                "hostname": database.host,
                "port": database.port,
                "username": database.user,
                "password": {"env": DATABASE_PASSWORD},
                "db_name": database.name,
            }
        }
    }
    found["local_artifact_storage"] = {
        "module": "dagster._core.storage.root",
        "class": "LocalArtifactStorage",
        "config": {"base_dir": {"env": LOCAL_FOLDER}},
    }
    found.setdefault(
        "compute_logs",
        {
            "module": "etl.running.run_logs",
            "class": "LogsOfServices",
            "config": {"base_dir": {"env": LOGS_FOLDER}, "also": str(shape.places.logs("*"))},
        },
    )
    found.setdefault("retention", {"schedule": {"purge_after_days": _TICKS}, "sensor": {"purge_after_days": _TICKS}})
    if launcher is not None:
        found["run_launcher"] = dict(launcher)
    return yaml.safe_dump(found, sort_keys=False, allow_unicode=True)


def workspace(shape: Shape, address: Callable[[Service], Mapping[str, Any]]) -> str:
    """Return the text of `workspace.yaml`. `address` gives `socket`, or `host` and `port`, of a code server."""
    servers = [{"grpc_server": {**address(each), "location_name": each.location}} for each in shape.code_servers]
    return yaml_text({"load_from": servers})


def _project_file(settings: Settings) -> dict[str, Any]:
    path = settings.project_dir / "dagster.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing", "`etl init` in an empty folder writes one to copy") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "correct the file") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no mapping of settings", "correct the file")
    return found
