"""What an installation keeps: the folder of each service with its user, and Dagster's database.

Belongs here: finding both, of an installation that `etl deploy` has written and of a project on a developer's machine.
Not here: copying (`backup`, `restore`).
"""

import os
import pwd
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from etl.config.config_loader import list_tenants
from etl.deployment.shape import DATABASE_PASSWORD, Database, Shape
from etl.deployment.variables import load_with_any_variables
from etl.errors import ConfigError, EtlError
from etl.settings import Settings

_STORAGES = {"storage", "run_storage", "event_log_storage", "schedule_storage"}
SHAPE = Path("/etc/etl/shape.json")


class Kept(NamedTuple):
    """The folder of one service, the data folder in it, and its user; no user means the user of this process."""

    service: str
    folder: Path
    data: Path
    user: str | None

    @property
    def how_to_make(self) -> str:
        """The command that makes the folder: with its rights, or on a developer's machine."""
        return f"mkdir -p '{self.folder}'" if self.user is None else "systemd-tmpfiles --create"


class Stored(NamedTuple):
    """Everything that an installation keeps. Without `database`, Dagster's storage is SQLite files in the folder."""

    folders: tuple[Kept, ...]
    database: Database | None
    tenants: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """Which installation this is: the machine and a folder, which no other installation on it has."""
        return f"{socket.gethostname()}:{self.folders[0].folder}"


def stored_by(shape: Shape) -> Stored:
    """Return what the installation of a shape keeps on this machine."""
    places = shape.places
    folders = tuple(
        Kept(each.name, Path(places.state / each.name), Path(places.data(each.name)), each.user)
        for each in shape.services
    )
    return Stored(folders, shape.database, tuple(sorted(each for one in shape.services for each in one.tenants)))


def stored_in(settings: Settings, environ: Mapping[str, str]) -> Stored:
    """Return what a project keeps without such an installation: its data folder, and a DAGSTER_HOME elsewhere."""
    data, home, tenants = settings.data_dir, _home(settings, environ), list_tenants(settings)
    kept = Kept("project", data, data, None)
    if home.is_relative_to(data) or data.is_relative_to(home):
        return Stored((kept,), None, tenants)
    return Stored((kept, Kept("dagster", home, home, None)), None, tenants)


def read_shape(path: Path) -> Shape:
    """Read the file `shape.json` that `etl deploy` has written."""
    try:
        return Shape.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(
            f"{path} is missing", "`etl deploy systemd` writes it; name another place by --shape"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {where}: {first['msg']}", "write it again: `etl deploy systemd`") from error


def password_of(environ: Mapping[str, str]) -> str:
    """Return the password of Dagster's database."""
    found = environ.get(DATABASE_PASSWORD)
    if not found:
        raise ConfigError(f"{DATABASE_PASSWORD} is not set", "it stands in /etc/etl/variables/daemon.env")
    return found


def elsewhere(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what is kept in servers, buckets and other folders, which no backup of this machine contains.

    `environ` has DAGSTER_HOME, if it is set and Dagster's database is no part of the backup.
    """
    home = _home(settings, environ)
    found = [*_history_elsewhere(home / "dagster.yaml")]
    if home != settings.data_dir and settings.data_dir.is_relative_to(home):
        found.append(f"Dagster's history in {home}: set DAGSTER_HOME to a folder that does not contain the data folder")
    for tenant in list_tenants(settings):
        config = load_with_any_variables(tenant, settings)
        if config.warehouse.type != "duckdb":
            found.append(f"the warehouse of {tenant}: {config.warehouse.type}")
        if config.storage.bucket is not None:
            found.append(f"the lake of {tenant}: its bucket")
    return tuple(found)


def _home(settings: Settings, environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DAGSTER_HOME") or settings.data_dir / "dagster").resolve()


def _history_elsewhere(path: Path) -> Iterator[str]:
    """Yield what a `dagster.yaml` says about places of its own for Dagster's history."""
    try:
        found = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError):
        return
    for each in sorted(_STORAGES & set(found if isinstance(found, dict) else ())):
        yield f"Dagster's history, if the place that `{each}` in {path} names is no folder of the backup"


def as_its_user(kept: Kept) -> dict[str, Any]:
    """Return the options of a process that works with a service's folder, as the service's user."""
    own = pwd.getpwuid(os.geteuid())
    if kept.user is None or kept.user == own.pw_name:
        return {}
    try:
        user = pwd.getpwnam(kept.user)
    except KeyError:
        raise EtlError(
            f"there is no user {kept.user} on this machine", "install the services first: systemd-sysusers"
        ) from None
    if os.geteuid() != 0:
        raise EtlError(
            f"the folder {kept.folder} belongs to {kept.user}, and this is {own.pw_name}",
            f"run it as root: sudo {Path(sys.executable).with_name('etl')} ...",
        )
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)}
