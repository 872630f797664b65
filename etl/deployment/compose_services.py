"""The services of `compose.yaml`: the containers that stay, and those that prepare the others and end.

Belongs here: image, user, command, limits and health check of each. Not here: which services there are (`shape`), their
folders and networks (`compose_places`), the files (`compose`), the containers of runs (`compose_runs`).

Each service has a user, a folder and limits of its own, a read-only file system, and no capabilities.
"""

from collections.abc import Mapping
from typing import Any

from etl.deployment.compose_places import (
    FRONT,
    WEB_ADDRESS,
    Runs,
    all_volumes,
    code_networks,
    mounts,
    needs_file,
    networks,
    proxy_secrets,
    secret_mounts,
    settings_mount,
    volumes,
)
from etl.deployment.dockerfile import ImageSource
from etl.deployment.identities import SHARED_GROUP, user_ids
from etl.deployment.shape import DATABASE, DATABASE_PASSWORD, LOCAL_FOLDER, LOGS_FOLDER, Service, Shape

IMAGE = "${ETL_IMAGE:?write the name and version of the image into the file .env}"
PASSWORD = f"${{{DATABASE_PASSWORD}:?write the password of the database into the file .env}}"
POSTGRES = "postgres:17-bookworm"
NGINX = "nginxinc/nginx-unprivileged:1.28-bookworm"
PREPARE, UPGRADE, PROXY = "prepare", "upgrade", "proxy"
PROXY_PORT = 8443
ROLE_SQL = "postgres/role.sql"
_POSTGRES_USER = 999
"""The user of PostgreSQL in its image."""
HARDENED: Mapping[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
}


def services(shape: Shape, source: ImageSource, runs: Runs) -> dict[str, Any]:
    """Return all services by their names, in the order in which they start."""
    return {
        PREPARE: _prepare(shape, source),
        DATABASE: _database(shape),
        UPGRADE: _upgrade(shape),
        **{each.name: _service(each, shape, source, runs) for each in shape.services},
        PROXY: _proxy(shape),
    }


def _service(service: Service, shape: Shape, source: ImageSource, runs: Runs) -> dict[str, Any]:
    number = user_ids(shape)[service.name]
    address = WEB_ADDRESS if service.kind == "web" else "0.0.0.0"  # noqa: S104  in a network of its own
    health = _ask_code_server(service, shape) if service.kind == "code" else service.health_at(address)
    volumes = [settings_mount(shape, runs), *mounts(service, shape), *secret_mounts(service, runs, source.context)]
    made: dict[str, Any] = {
        "image": IMAGE,
        "command": list(service.listening(address)),
        "user": f"{number}:{number}",
        **HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=1g"],  # noqa: S108  in the container, of its own
        "environment": {**shape.settings, **service.settings, DATABASE_PASSWORD: PASSWORD},
        "volumes": volumes,
        "networks": networks(service, shape),
        "depends_on": {UPGRADE: {"condition": "service_completed_successfully"}},
        "mem_limit": f"{service.memory_mb}m",
        "pids_limit": 512,
        "restart": "unless-stopped",
        "stop_grace_period": "2m",
    }
    if health:
        made["healthcheck"] = _health(health, "2m" if service.kind == "daemon" else "30s")
    if service.kind == "code":
        made["env_file"] = [{"path": f"env/{service.name}.env", "required": needs_file(service), "format": "raw"}]
    else:
        made["group_add"] = [str(SHARED_GROUP)]
    if service.kind == "daemon":
        made["environment"]["ETL_RUN_LOCKS"] = str(shape.places.local("*"))  # to see whether the process of a run lives
    if service.kind == "daemon" and runs == "container":
        made["group_add"].append(
            "${DOCKER_GROUP:?write the number of the group of /var/run/docker.sock into the file .env}"
        )
        made["volumes"] += ["/var/run/docker.sock:/var/run/docker.sock", f"./env:{shape.places.config}/env:ro"]
        made["environment"]["ETL_IMAGE"] = IMAGE
    return made


def _ask_code_server(service: Service, shape: Shape) -> tuple[str, ...]:
    """Return the command `dagster api grpc-health-check` in a form that needs a tenth of its CPU time."""
    ask = (
        "import sys, grpc; from grpc_health.v1.health_pb2 import HealthCheckRequest as Ask;"
        " from grpc_health.v1.health_pb2_grpc import HealthStub as Health;"
        " answer = Health(grpc.insecure_channel(sys.argv[1])).Check(Ask(service='DagsterApi'), timeout=15);"
        " sys.exit(answer.status != 1)"
    )
    return (str(shape.places.programs / "python"), "-c", ask, f"127.0.0.1:{service.port}")


def _health(command: tuple[str, ...], interval: str = "30s") -> dict[str, Any]:
    return {
        "test": ["CMD", *command],
        "interval": interval,
        "timeout": "20s",
        "retries": 3,
        "start_period": "3m",
        "start_interval": "5s",
    }


def _prepare(shape: Shape, source: ImageSource) -> dict[str, Any]:
    """The folders belong to the users of the services. What a run prints can be read by the web server only."""
    ids, steps = user_ids(shape), []
    for service in shape.services:
        own = f"{ids[service.name]}:{ids[service.name]}"
        for volume, folder in volumes(service, shape).items():
            is_shared = not volume.endswith("-data")
            owner, mode = (f"{ids[service.name]}:{SHARED_GROUP}", "2750") if is_shared else (own, "0700")
            steps += [f"chown {owner} {folder}", f"chmod {mode} {folder}"]
    return {
        "image": IMAGE,
        "build": {"context": source.context, "dockerfile": f"{source.folder}/Dockerfile"},
        "entrypoint": ["/bin/sh", "-ec"],
        "command": ["\n".join(steps) + "\n"],
        "user": "0:0",
        **HARDENED,
        "cap_add": ["CHOWN", "FOWNER", "FSETID"],  # without the last one, a folder does not keep its group
        "network_mode": "none",
        "volumes": [f"{volume}:{folder}" for volume, folder in all_volumes(shape).items()],
        "mem_limit": "256m",
        "pids_limit": 64,
        "restart": "no",
    }


def _database(shape: Shape) -> dict[str, Any]:
    database = shape.database
    return {
        "image": POSTGRES,
        "user": f"{_POSTGRES_USER}:{_POSTGRES_USER}",
        **HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=256m", f"/var/run/postgresql:uid={_POSTGRES_USER},gid={_POSTGRES_USER}"],  # noqa: S108
        "shm_size": "256m",
        "environment": {
            "POSTGRES_USER": "postgres",  # the administrator: `ROLE_SQL` makes the role of the services
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
        },
        "volumes": [
            f"{DATABASE}:/var/lib/postgresql/data",
            f"./{ROLE_SQL}:/docker-entrypoint-initdb.d/10-role.sql:ro",
        ],
        "networks": ["state", *code_networks(shape)],
        "healthcheck": _health(("pg_isready", "--username", database.user, "--dbname", database.name)),
        "mem_limit": "1g",
        "pids_limit": 512,
        "restart": "unless-stopped",
        "stop_grace_period": "1m",
    }


def _upgrade(shape: Shape) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "command": [str(shape.places.programs / "dagster"), "instance", "migrate"],
        "user": f"{SHARED_GROUP}:{SHARED_GROUP}",
        **HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=256m"],  # noqa: S108  in the container, of its own
        "environment": {
            **shape.settings,
            LOCAL_FOLDER: "/tmp",  # noqa: S108  nothing is kept there
            LOGS_FOLDER: "/tmp",  # noqa: S108
            DATABASE_PASSWORD: PASSWORD,
        },
        "volumes": [f"./dagster:{shape.places.home}:ro"],
        "networks": ["state"],
        "depends_on": {
            DATABASE: {"condition": "service_healthy"},
            PREPARE: {"condition": "service_completed_successfully"},
        },
        "mem_limit": "512m",
        "pids_limit": 128,
        "restart": "no",
    }


def _proxy(shape: Shape) -> dict[str, Any]:
    return {
        "image": NGINX,
        "user": "101:101",
        **HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=256m"],  # noqa: S108  in the container, of its own
        "volumes": ["./proxy/conf.d:/etc/nginx/conf.d:ro", f"./proxy/secrets:{proxy_secrets(shape)}:ro"],
        "networks": [FRONT],
        "ports": [f"${{ETL_LISTEN:-127.0.0.1:8443}}:{PROXY_PORT}"],
        "depends_on": {shape.web.name: {"condition": "service_healthy", "restart": True}},
        "healthcheck": _health(
            ("curl", "--silent", "--insecure", "--output", "/dev/null", f"https://127.0.0.1:{PROXY_PORT}/")
        ),
        "mem_limit": "256m",
        "pids_limit": 128,
        "restart": "unless-stopped",
    }
