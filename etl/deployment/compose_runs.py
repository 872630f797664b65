"""The containers of runs, if a run of an installation with Docker Compose is a container of its own.

Belongs here: what Dagster's daemon is told about them. Not here: starting them (`etl.resources.docker_runs`), the
services of the installation (`compose_services`).
"""

from typing import Any

from etl.deployment.compose_places import mounts, needs_file, secret_mounts
from etl.deployment.identities import user_ids
from etl.deployment.shape import DATABASE_PASSWORD, Service, Shape

RUN_PLACES = "runs.yaml"


def launcher(shape: Shape) -> dict[str, Any]:
    """Return the launcher of runs for dagster.yaml."""
    return {
        "module": "etl.resources.docker_runs",
        "class": "ContainerRunLauncher",
        "config": {"places": str(shape.places.home / RUN_PLACES)},
    }


def run_places(shape: Shape) -> dict[str, Any]:
    """Return the containers of runs, in the form of `etl.deployment.run_places`."""
    ids = user_ids(shape)
    return {
        "format": 1,
        "locations": {
            each.location: {
                "image": "${ETL_IMAGE}",
                "env_file": f"{shape.places.config}/env/{each.name}.env",
                "env_file_required": needs_file(each),
                "context": {
                    "env_vars": [
                        DATABASE_PASSWORD,
                        *(f"{name}={value}" for name, value in {**shape.settings, **each.settings}.items()),
                    ],
                    "networks": [f"{shape.project}-{each.name}"],
                    "container_kwargs": _run_kwargs(each, shape, ids[each.name]),
                },
            }
            for each in shape.code_servers
        },
    }


def _run_kwargs(service: Service, shape: Shape, number: int) -> dict[str, Any]:
    return {
        "user": f"{number}:{number}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,
        "auto_remove": True,
        "tmpfs": {"/tmp": "mode=1777,size=1g"},  # noqa: S108  in the container, of its own
        "mem_limit": f"{service.memory_mb}m",
        "pids_limit": 512,
        "volumes": [
            f"{shape.project}-settings:{shape.places.home}:ro",
            *(f"{shape.project}-{each}" for each in mounts(service, shape)),
            *(f"{shape.project}-{each}" for each in secret_mounts(service, "container", "")),
        ],
    }
