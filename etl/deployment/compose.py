"""An installation as containers of one machine: the files for Docker Compose.

Belongs here: `compose.yaml`, and the lists of variables that the operator fills in. Not here: which services there are
(`shape`), the image (`dockerfile`), the settings of Dagster (`instance`), the settings of the reverse proxy (`nginx`).

Each service has a user, a folder and limits of its own, a read-only file system, and no capabilities. The network of a
code server has only the web server, the daemon and the database, so that no tenant reaches the code server of another
tenant: a code server answers everybody who reaches it.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from textwrap import indent
from typing import Any, Literal

from etl.deployment.dockerfile import ImageSource, image_files
from etl.deployment.identities import SHARED_GROUP, user_ids
from etl.deployment.instance import instance_settings, workspace
from etl.deployment.proxy import nginx
from etl.deployment.shape import DATABASE, DATABASE_PASSWORD, LOCAL_FOLDER, LOGS_FOLDER, Service, Shape
from etl.deployment.yaml_text import yaml_text
from etl.settings import Settings

Runs = Literal["process", "container"]

IMAGE = "${ETL_IMAGE:?write the name and version of the image into the file .env}"
PASSWORD = f"${{{DATABASE_PASSWORD}:?write the password of the database into the file .env}}"
POSTGRES = "postgres:17-bookworm"
NGINX = "nginxinc/nginx-unprivileged:1.28-bookworm"
PREPARE, UPGRADE, PROXY = "prepare", "upgrade", "proxy"
PROXY_PORT = 8443
_POSTGRES_USER = 999
"""The user of PostgreSQL in its image."""
_RUN_PLACES = "runs.yaml"
_HARDENED: Mapping[str, Any] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "logging": {"driver": "json-file", "options": {"max-size": "20m", "max-file": "5"}},
}


def files(shape: Shape, settings: Settings, source: ImageSource, host: str, runs: Runs = "process") -> dict[str, str]:
    """Return the files by their names. People reach the installation at `https://host`.

    The operator writes the values of variables into copies of each `.example`.
    """
    launcher = _launcher(shape) if runs == "container" else None
    found = {
        **image_files(source, shape.places),
        "compose.yaml": compose_text(shape, source, runs),
        "dagster/dagster.yaml": instance_settings(shape, settings, launcher),
        "dagster/workspace.yaml": workspace(shape, lambda each: {"host": each.name, "port": each.port}),
        "proxy/conf.d/etl.conf": nginx(
            shape,
            host,
            upstream=f"{shape.web.name}:{shape.web.port}",
            accounts=_proxy_secrets(shape) / "accounts",
            tls=_proxy_secrets(shape) / "tls",
            port=PROXY_PORT,
        ),
        ".env.example": _env_example(runs),
        ".gitignore": "# The values of variables stay on the machine.\n.env\nenv/*.env\nproxy/secrets/\n",
        **{f"env/{each.name}.env.example": variables_example(each) for each in shape.code_servers},
    }
    if runs == "container":
        found[f"dagster/{_RUN_PLACES}"] = yaml_text(run_places(shape))
    return found


def compose_text(shape: Shape, source: ImageSource, runs: Runs) -> str:
    """Return `compose.yaml`."""
    content = compose(shape, source, runs)
    parts = [_FIRST_LINES, yaml_text({"name": content["name"]}), "services:\n"]
    for name, service in content["services"].items():
        comment = f"# {_WORDS.get(name) or _of(name, shape)}\n"
        parts.append("\n" + indent(comment + yaml_text({name: service}), "  "))
    parts += ["\n" + yaml_text({key: content[key]}) for key in ("networks", "volumes")]
    return "".join(parts)


_FIRST_LINES = """\
# Written by `etl deploy compose` from the tenants' files: write it again after a tenant was added or removed.
# Own settings belong into compose.override.yaml, which Docker Compose reads too.
"""
_WORDS = {
    PREPARE: "Makes the folders of the services, and ends. The only container that is root, and it has no network.",
    DATABASE: "Dagster's own database: runs, events, schedules. No tenant's rows.",
    UPGRADE: "Makes the tables of Dagster's database, or brings them to the release of the image, and ends.",
    PROXY: "The login, in front of the web server: the only port that is open.",
    "web": "Dagster's web server.",
    "daemon": "Dagster's daemon: schedules, sensors, the queue of runs, run monitoring.",
}


def _of(name: str, shape: Shape) -> str:
    service = next(each for each in shape.services if each.name == name)
    return f"The code of {', '.join(service.tenants)}, and the processes of its runs."


def compose(shape: Shape, source: ImageSource, runs: Runs) -> dict[str, Any]:
    """Return the content of `compose.yaml`."""
    services = {
        PREPARE: _prepare(shape, source),
        DATABASE: _database(shape),
        UPGRADE: _upgrade(shape),
        **{each.name: _service(each, shape, runs) for each in shape.services},
        PROXY: _proxy(shape),
    }
    return {
        "name": shape.project,
        "services": services,
        "networks": {each: {"name": f"{shape.project}-{each}"} for each in ("front", "state", *_code_networks(shape))},
        "volumes": {each: {"name": f"{shape.project}-{each}"} for each in (DATABASE, *_all_volumes(shape))}
        | (_settings_volume(shape) if runs == "container" else {}),
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
                "env_file_required": _needs_file(each),
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


def variables_example(service: Service) -> str:
    """Return the variables of a code server without their values."""
    required = [each for each in service.variables if each != DATABASE_PASSWORD]
    lines = [
        f"# The variables of {', '.join(service.tenants)}. Copy this file to {service.name}.env, and write the values."
    ]
    lines += [f"{each}=" for each in required] or ["# Nothing is needed."]
    lines += ["", "# These have defaults.", *(f"# {each}=" for each in service.optional)] if service.optional else []
    return "\n".join([*lines, ""])


def _launcher(shape: Shape) -> dict[str, Any]:
    return {
        "module": "etl.resources.docker_runs",
        "class": "ContainerRunLauncher",
        "config": {"places": str(shape.places.home / _RUN_PLACES)},
    }


def _env_example(runs: Runs) -> str:
    more = (
        "\n# The whole path of this folder, and the number of the group that /var/run/docker.sock belongs to.\n"
        "ETL_FOLDER=\nDOCKER_GROUP=\n"
    )
    return (
        "# Copy this file to .env, and write the values.\n\n"
        "# The name and version of the image that `docker compose build` makes, or that a registry has.\n"
        "ETL_IMAGE=\n\n"
        f"# The password of Dagster's database.\n{DATABASE_PASSWORD}=\n\n"
        "# Where the login listens. 0.0.0.0:443 opens it to the network.\nETL_LISTEN=127.0.0.1:8443\n"
        + (more if runs == "container" else "")
    )


def _service(service: Service, shape: Shape, runs: Runs) -> dict[str, Any]:
    number = user_ids(shape)[service.name]
    health = _ask_code_server(service, shape) if service.kind == "code" else service.health_at("127.0.0.1")
    volumes = [_settings_mount(shape, runs), *_mounts(service, shape)]
    made: dict[str, Any] = {
        "image": IMAGE,
        "command": list(service.listening()),
        "user": f"{number}:{number}",
        **_HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=1g"],  # noqa: S108  in the container, of its own
        "environment": {**shape.settings, **service.settings, DATABASE_PASSWORD: PASSWORD},
        "volumes": volumes,
        "networks": _networks(service, shape),
        "depends_on": {UPGRADE: {"condition": "service_completed_successfully"}},
        "mem_limit": f"{service.memory_mb}m",
        "pids_limit": 512,
        "restart": "unless-stopped",
        "stop_grace_period": "2m",
    }
    if health:
        made["healthcheck"] = _health(health, "2m" if service.kind == "daemon" else "30s")
    if service.kind == "code":
        made["env_file"] = [{"path": f"env/{service.name}.env", "required": _needs_file(service), "format": "raw"}]
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


def _needs_file(service: Service) -> bool:
    return set(service.variables) > {DATABASE_PASSWORD}


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


def _mounts(service: Service, shape: Shape) -> list[str]:
    """The folders of a service: its own, and what the web server and the daemon read of the others."""
    places = shape.places
    own = [f"{volume}:{folder}" for volume, folder in _volumes(service, shape).items()]
    others = [each for each in shape.services if each.name != service.name]
    if service.kind == "web":
        return [*own, *(f"{each.name}-logs:{places.logs(each.name)}:ro" for each in others)]
    if service.kind == "daemon":
        return [*own, *(f"{each.name}-dagster:{places.local(each.name)}:ro" for each in others if each.kind == "code")]
    return own


def _volumes(service: Service, shape: Shape) -> dict[str, str]:
    """The volumes of a service, and where they are. What other services read is a volume of its own."""
    places, name = shape.places, service.name
    return {
        f"{name}-data": str(places.data(name)),
        f"{name}-dagster": str(places.local(name)),
        f"{name}-logs": str(places.logs(name)),
    }


def _all_volumes(shape: Shape) -> dict[str, str]:
    return {volume: folder for each in shape.services for volume, folder in _volumes(each, shape).items()}


def _code_networks(shape: Shape) -> list[str]:
    return [each.name for each in shape.code_servers]


def _networks(service: Service, shape: Shape) -> list[str]:
    if service.kind == "code":
        return [service.name]
    return [*(["front"] if service.kind == "web" else []), "state", *_code_networks(shape)]


def _settings_mount(shape: Shape, runs: Runs) -> str:
    return f"{'settings' if runs == 'container' else './dagster'}:{shape.places.home}:ro"


def _settings_volume(shape: Shape) -> dict[str, Any]:
    place = "${ETL_FOLDER:?write the whole path of this folder into the file .env}/dagster"
    return {
        "settings": {
            "name": f"{shape.project}-settings",
            "driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": place},
        }
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
            *(f"{shape.project}-{each}" for each in _mounts(service, shape)),
        ],
    }


def _prepare(shape: Shape, source: ImageSource) -> dict[str, Any]:
    """The folders belong to the users of the services. What a run prints can be read by the web server only."""
    ids, steps = user_ids(shape), []
    for service in shape.services:
        own = f"{ids[service.name]}:{ids[service.name]}"
        for volume, folder in _volumes(service, shape).items():
            is_shared = not volume.endswith("-data")
            owner, mode = (f"{ids[service.name]}:{SHARED_GROUP}", "2750") if is_shared else (own, "0700")
            steps += [f"chown {owner} {folder}", f"chmod {mode} {folder}"]
    return {
        "image": IMAGE,
        "build": {"context": source.context, "dockerfile": f"{source.folder}/Dockerfile"},
        "entrypoint": ["/bin/sh", "-ec"],
        "command": ["\n".join(steps) + "\n"],
        "user": "0:0",
        **_HARDENED,
        "cap_add": ["CHOWN", "FOWNER", "FSETID"],  # without the last one, a folder does not keep its group
        "network_mode": "none",
        "volumes": [f"{volume}:{folder}" for volume, folder in _all_volumes(shape).items()],
        "mem_limit": "256m",
        "pids_limit": 64,
        "restart": "no",
    }


def _database(shape: Shape) -> dict[str, Any]:
    database = shape.database
    return {
        "image": POSTGRES,
        "user": f"{_POSTGRES_USER}:{_POSTGRES_USER}",
        **_HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=256m", f"/var/run/postgresql:uid={_POSTGRES_USER},gid={_POSTGRES_USER}"],  # noqa: S108
        "shm_size": "256m",
        "environment": {
            "POSTGRES_DB": database.name,
            "POSTGRES_USER": database.user,
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_INITDB_ARGS": "--auth-host=scram-sha-256 --data-checksums",
        },
        "volumes": [f"{DATABASE}:/var/lib/postgresql/data"],
        "networks": ["state", *_code_networks(shape)],
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
        **_HARDENED,
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


def _proxy_secrets(shape: Shape) -> PurePosixPath:
    """The folder of accounts and certificate: `accounts`, `tls/server.crt` and `tls/server.key`."""
    return shape.places.config / "proxy"


def _proxy(shape: Shape) -> dict[str, Any]:
    return {
        "image": NGINX,
        "user": "101:101",
        **_HARDENED,
        "tmpfs": ["/tmp:mode=1777,size=256m"],  # noqa: S108  in the container, of its own
        "volumes": ["./proxy/conf.d:/etc/nginx/conf.d:ro", f"./proxy/secrets:{_proxy_secrets(shape)}:ro"],
        "networks": ["front"],
        "ports": [f"${{ETL_LISTEN:-127.0.0.1:8443}}:{PROXY_PORT}"],
        "depends_on": {shape.web.name: {"condition": "service_healthy", "restart": True}},
        "healthcheck": _health(
            ("curl", "--silent", "--insecure", "--output", "/dev/null", f"https://127.0.0.1:{PROXY_PORT}/")
        ),
        "mem_limit": "256m",
        "pids_limit": 128,
        "restart": "unless-stopped",
    }
