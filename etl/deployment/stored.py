"""What an installation keeps: the folder of each service with its user, and Dagster's database.

Belongs here: finding both, of an installation that `etl deploy` has written and of a project on a developer's machine.
Not here: copying (`backup`, `restore`).
"""

import os
import pwd
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from etl.config.config_loader import list_tenants
from etl.deployment.shape import DATABASE_PASSWORD, Database, Shape
from etl.deployment.variables import load_with_any_variables
from etl.errors import ConfigError, EtlError
from etl.settings import Settings

SHAPE = Path("/etc/etl/shape.json")


class Kept(NamedTuple):
    """The folder of one service, the data folder in it, and its user; no user means the user of this process."""

    service: str
    folder: Path
    data: Path
    user: str | None


class Stored(NamedTuple):
    """Everything that an installation keeps. Without `database`, Dagster's storage is SQLite files in the folder."""

    folders: tuple[Kept, ...]
    database: Database | None


def stored_by(shape: Shape) -> Stored:
    """Return what the installation of a shape keeps on this machine."""
    places = shape.places
    folders = tuple(
        Kept(each.name, Path(places.state / each.name), Path(places.data(each.name)), each.user)
        for each in shape.services
    )
    return Stored(folders, shape.database)


def stored_in(settings: Settings) -> Stored:
    """Return what a project keeps without such an installation: its data folder, with Dagster's files in it."""
    return Stored((Kept("project", settings.data_dir, settings.data_dir, None),), None)


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


def elsewhere(settings: Settings) -> tuple[str, ...]:
    """Return what tenants keep in servers and buckets, which no backup of this machine contains."""
    found = []
    for tenant in list_tenants(settings):
        config = load_with_any_variables(tenant, settings)
        if config.warehouse.type != "duckdb":
            found.append(f"the warehouse of {tenant}: {config.warehouse.type}")
        if config.storage.bucket is not None:
            found.append(f"the lake of {tenant}: its bucket")
    return tuple(found)


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
