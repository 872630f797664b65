"""Folders and networks of the containers of Docker Compose.

Belongs here: the volumes of each service, what a service reads of the others, and who reaches whom. Not here: the
services themselves (`compose_services`), the paths inside a container (`shape`).

The network of a code server has only the web server, the daemon and the database, so that no tenant reaches the code
server of another tenant: a code server answers everybody who reaches it. So does the web server, which is in all of
these networks to ask the code servers. It therefore listens at one name, `WEB_ADDRESS`, that only the network of the
login has: Docker gives this name the address that the web server has there, whichever that is.
"""

from pathlib import PurePosixPath
from typing import Any, Literal

from etl.deployment.secret_store import SecretFolder
from etl.deployment.shape import DATABASE_PASSWORD, Service, Shape, dns_name

Runs = Literal["process", "container"]

FRONT = "front"
"""The network of the login and the web server."""
WEB_ADDRESS = "web-front"
"""The name of the web server in the network of the login, and nowhere else. It listens at this address only."""


def mounts(service: Service, shape: Shape) -> list[str]:
    """The folders of a service: its own, and what the web server and the daemon read of the others."""
    places = shape.places
    own = [f"{volume}:{folder}" for volume, folder in volumes(service, shape).items()]
    others = [each for each in shape.services if each.name != service.name]
    if service.kind == "web":
        return [*own, *(f"{each.name}-logs:{places.logs(each.name)}:ro" for each in others)]
    if service.kind == "daemon":
        return [*own, *(f"{each.name}-dagster:{places.local(each.name)}:ro" for each in others if each.kind == "code")]
    return own


def volumes(service: Service, shape: Shape) -> dict[str, str]:
    """The volumes of a service, and where they are. What other services read is a volume of its own."""
    places, name = shape.places, service.name
    return {
        f"{name}-data": str(places.data(name)),
        f"{name}-dagster": str(places.local(name)),
        f"{name}-logs": str(places.logs(name)),
    }


def all_volumes(shape: Shape) -> dict[str, str]:
    """Return the volumes of all services, and where they are."""
    return {volume: folder for each in shape.services for volume, folder in volumes(each, shape).items()}


def code_networks(shape: Shape) -> list[str]:
    """Return the networks of the code servers."""
    return [each.name for each in shape.code_servers]


def secret_mounts(service: Service, runs: Runs, context: str) -> list[str | dict[str, Any]]:
    """Return the folders with the secrets of a service's tenants, if secrets are files.

    A container of a run gets its folders by the names of volumes. `context` is the path of the project from here.
    """
    if runs == "container":
        return [f"{_secret_volume(each)}:{each.place}:ro" for each in service.secret_folders]
    return [
        {
            "type": "bind",
            "source": _at(each, context),
            "target": str(each.place),
            "read_only": True,
            "bind": {"create_host_path": False},
        }
        for each in service.secret_folders
    ]


def secret_volumes(shape: Shape, context: str) -> dict[str, Any]:
    """Return the volumes of the folders with secrets, for containers of runs."""
    return {
        _secret_volume(each): {
            "name": f"{shape.project}-{_secret_volume(each)}",
            "driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": _whole(_at(each, context))},
        }
        for service in shape.code_servers
        for each in service.secret_folders
    }


def _secret_volume(folder: SecretFolder) -> str:
    return f"secrets-{dns_name(folder.tenant)}"


def _at(folder: SecretFolder, context: str) -> str:
    """Return where a folder with secrets is, from here."""
    if folder.source.is_absolute():
        return str(folder.source)
    return f"{context if context.startswith('.') else f'./{context}'}/{folder.source}"


def networks(service: Service, shape: Shape) -> list[str] | dict[str, Any]:
    """Return the networks of a service that is no database and no proxy."""
    if service.kind == "code":
        return [service.name]
    others = ["state", *code_networks(shape)]
    if service.kind == "web":
        return {FRONT: {"aliases": [WEB_ADDRESS]}, **{each: {} for each in others}}
    return others


def settings_mount(shape: Shape, runs: Runs) -> str:
    """Return where Dagster's settings come from: this folder, or a volume if runs are containers of their own."""
    return f"{'settings' if runs == 'container' else './dagster'}:{shape.places.home}:ro"


def settings_volume(shape: Shape) -> dict[str, Any]:
    """Return the volume of Dagster's settings. The containers of runs get it by its name."""
    place = _whole("dagster")
    return {
        "settings": {
            "name": f"{shape.project}-settings",
            "driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": place},
        }
    }


def _whole(path: str) -> str:
    """Return a path from here as a whole path, which a volume needs."""
    if PurePosixPath(path).is_absolute():
        return path
    return f"${{ETL_FOLDER:?write the whole path of this folder into the file .env}}/{path}"


def needs_file(service: Service) -> bool:
    """Whether a code server does not start without its file of variables."""
    return set(service.variables) > {DATABASE_PASSWORD}


def proxy_secrets(shape: Shape) -> PurePosixPath:
    """The folder of accounts and certificate: `accounts`, `tls/server.crt` and `tls/server.key`."""
    return shape.places.config / "proxy"
