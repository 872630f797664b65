"""The shape of a production installation: which processes run, as whom, with which variables, folders and ports.

Belongs here: the model `Shape`, and making it from the tenants of a project. Not here: the files of one target
(`systemd`, `compose`, `helm`), the variables that a tenant names (`variables`), the settings of Dagster (`instance`).

A shape has a web server, a daemon, and one code server for each tenant or group of tenants. A code server starts the
processes of its tenants' runs, so a run has the user, the variables and the folders of its code server. The database of
Dagster and the reverse proxy are no services of the shape: each target starts them in its own way.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from etl.config.config_loader import tenants_listed_once
from etl.config.shards import shard_members
from etl.config.tenant_config import TenantConfig
from etl.deployment.secret_store import SecretFolder, secret_folder, store_settings
from etl.deployment.variables import load_with_any_variables, needed_variables
from etl.errors import NothingExamined
from etl.platform import SecretsConfig, platform_of
from etl.settings import Environment, Settings

Kind = Literal["web", "daemon", "code"]
GroupBy = Literal["tenant", "shard", "all"]

DATABASE = "postgres"
"""The name of Dagster's database in `Service.needs`."""
DATABASE_PASSWORD = "DAGSTER_PG_PASSWORD"  # noqa: S105  the name of a variable
LOCAL_FOLDER = "DAGSTER_LOCAL_DIR"
LOGS_FOLDER = "DAGSTER_LOGS_DIR"
"""Variables of a service that `dagster.yaml` names, so that one file serves processes with different folders."""
WEB_PORT = 3000
FIRST_CODE_PORT = 4000
_LONGEST_NAME = 23
"""A user of Linux has at most 32 characters: `etl-code-` and these."""


class Places(BaseModel):
    """The folders of an installation, the same on a host and in a container.

    `programs` has `dagster` and `etl`; `project` is the project; both are only read. `config` has Dagster's settings
    and the files of variables. `state` has one folder for each service that keeps something. `run` has sockets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: PurePosixPath = PurePosixPath("/opt/etl/project")
    programs: PurePosixPath = PurePosixPath("/opt/etl/venv/bin")
    config: PurePosixPath = PurePosixPath("/etc/etl")
    state: PurePosixPath = PurePosixPath("/var/lib/etl")
    run: PurePosixPath = PurePosixPath("/run/etl")

    @property
    def home(self) -> PurePosixPath:
        """DAGSTER_HOME: `dagster.yaml` and `workspace.yaml`. No process writes into it."""
        return self.config / "dagster"

    def data(self, service: str) -> PurePosixPath:
        """Return ETL_DATA_DIR of a service: lake, DuckDB files, and what its tenants remember."""
        return self.state / service / "data"

    def local(self, service: str) -> PurePosixPath:
        """Return the folder for what Dagster writes beside its database: the locks of runs."""
        return self.state / service / "dagster"

    def logs(self, service: str) -> PurePosixPath:
        """Return the folder for what runs and sensors of a service print. The web server shows it."""
        return self.state / service / "logs"


class Database(BaseModel):
    """Dagster's own database in PostgreSQL: runs, events, schedules. DAGSTER_PG_PASSWORD is its password's variable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = 5432
    name: str = "dagster"
    user: str = "dagster"


class Service(BaseModel):
    """One process that runs all the time.

    Attributes:
        name: The name, in letters, digits and `-`: `web`, `daemon`, `code-acme`.
        kind: Whether it is the web server, the daemon or a code server.
        location: The name of the code location that a code server serves; empty for the others.
        command: The program and its arguments, without the address at which it listens: see `listening`.
        user: The user of the operating system. No two services have the same.
        tenants: The tenants that it serves.
        variables: The names of variables that it needs and that are not in `settings`; never their values.
        optional: The names of variables that it takes if they are set.
        settings: Variables whose values are no secret, besides those of the shape.
        secret_folders: The folders with its tenants' secrets, if secrets are files. No other service has them.
        writes: The folders that it writes. Everything else may be read-only, apart from a folder for temporary files.
        reads: The folders that it reads besides these.
        port: The port at which it listens, if it listens at a port.
        health: The command that succeeds as long as the service works, with the address as `listening` gives it.
        needs: The names of what has to run before it.
        memory_mb: The limit of memory, in MB. That of a code server includes its runs, if they are its processes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    location: str = ""
    command: tuple[str, ...]
    user: str
    tenants: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    secret_folders: tuple[SecretFolder, ...] = ()
    writes: tuple[PurePosixPath, ...] = ()
    reads: tuple[PurePosixPath, ...] = ()
    port: int | None = None
    health: tuple[str, ...] | None = None
    needs: tuple[str, ...] = (DATABASE,)
    memory_mb: int

    def listening(self, host: str = "0.0.0.0", socket: PurePosixPath | None = None) -> tuple[str, ...]:  # noqa: S104  in a container of its own
        """Return the command with its address: a socket, or the service's port at `host`."""
        return (*self.command, *self._address(host, socket))

    def health_at(self, host: str = "127.0.0.1", socket: PurePosixPath | None = None) -> tuple[str, ...] | None:
        """Return the health command for the same address; None if there is none."""
        if self.health is None:
            return None
        if self.kind == "code":
            return (*self.health, *self._address(host, socket))
        return tuple(each.replace("{address}", f"{host}:{self.port}") for each in self.health)

    def _address(self, host: str, socket: PurePosixPath | None) -> tuple[str, ...]:
        if socket is not None:
            return ("--socket", str(socket))
        return ("--host", host, "--port", str(self.port)) if self.port else ()


class Shape(BaseModel):
    """Everything that runs in production.

    Attributes:
        project: The name of the project, in letters, digits and `-`.
        environment: The environment of the tenants' files, `prod` or `staging`.
        services: The web server, the daemon, and the code servers.
        settings: Variables of every service whose values are no secret.
        database: Dagster's own database.
        places: The folders.
        group_by: How the tenants are divided into code servers.
        secrets: The platform's choice of a store of secrets, with what variables say about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    environment: Environment
    services: tuple[Service, ...]
    settings: dict[str, str]
    database: Database = Database()
    places: Places = Places()
    group_by: GroupBy = "tenant"
    secrets: SecretsConfig = SecretsConfig()

    @property
    def web(self) -> Service:
        """The web server."""
        return next(each for each in self.services if each.kind == "web")

    @property
    def daemon(self) -> Service:
        """The daemon."""
        return next(each for each in self.services if each.kind == "daemon")

    @property
    def code_servers(self) -> tuple[Service, ...]:
        """The code servers, in the order of their locations."""
        return tuple(each for each in self.services if each.kind == "code")


def shape_of(
    settings: Settings,
    group_by: GroupBy = "tenant",
    *,
    environment: Environment = "prod",
    places: Places | None = None,
    database: Database | None = None,
) -> Shape:
    """Return the shape of a project. Only files are read: no variable has to be set, and no secret is looked up.

    Raises ConfigError if a tenant's file is wrong, and NothingExamined if there is no tenant.
    """
    settings = settings.model_copy(update={"environment": environment})
    places = places or Places()
    with tenants_listed_once(settings) as every:
        if not every:
            raise NothingExamined(f"there is no tenant in {settings.tenants_dir}", "`etl new NAME` makes one")
        configs = {each: load_with_any_variables(each, settings) for each in every}
    secrets = platform_of(settings.project_dir, os.environ).secrets
    folders = {
        each: secret_folder(config, secrets, settings.project_dir, places.project) for each, config in configs.items()
    }
    code = [
        _code_server(location, module, [configs[each] for each in tenants], places, FIRST_CODE_PORT + index, folders)
        for index, (location, module, tenants) in enumerate(_groups(every, group_by, settings))
    ]
    return Shape(
        project=dns_name(settings.project_dir.name.lower()),
        environment=environment,
        services=(_web(places, ["daemon", *(each.name for each in code)]), _daemon(places), *code),
        settings={
            "DAGSTER_ENVIRONMENT": environment,
            "DAGSTER_HOME": str(places.home),
            "ETL_PROJECT_DIR": str(places.project),
            **store_settings(secrets, os.environ, settings.project_dir, places.project),
        },
        database=database or Database(),
        places=places,
        group_by=group_by,
        secrets=secrets,
    )


def dns_name(text: str) -> str:
    """Return a text as a name of services and hosts. Two different ids never have the same name."""
    name = "".join(each if each.isascii() and each.isalnum() else "-" for each in text).strip("-")
    if name.replace("-", "_") == text.replace("-", "_") and len(name) <= _LONGEST_NAME:
        return name
    digest = f"{zlib.crc32(text.encode()):08x}"
    return f"{name[: _LONGEST_NAME - 9].strip('-')}-{digest}".strip("-")


def _groups(
    tenants: Sequence[str], group_by: GroupBy, settings: Settings
) -> list[tuple[str, tuple[str, str], tuple[str, ...]]]:
    """Return the code locations: the name, the module with its attribute, and the tenants."""
    if group_by == "tenant":
        return [(each, (f"tenants.{each}.definitions", "defs"), (each,)) for each in tenants]
    if group_by == "all":
        return [("all", ("etl.all", "defs"), tuple(tenants))]
    shards = platform_of(settings.project_dir, {}).shards
    members = [(number, shard_members(tenants, number, shards)) for number in range(1, max(shards, 1) + 1)]
    return [(f"shard_{number}", ("etl.all", f"shard_{number}"), each) for number, each in members if each]


def _own_settings(name: str, places: Places) -> dict[str, str]:
    return {
        "ETL_DATA_DIR": str(places.data(name)),
        LOCAL_FOLDER: str(places.local(name)),
        LOGS_FOLDER: str(places.logs(name)),
    }


def _web(places: Places, writers: Sequence[str]) -> Service:
    program = str(places.programs / "dagster-webserver")
    look = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"
    return Service(
        name="web",
        kind="web",
        command=(program, "--workspace", str(places.home / "workspace.yaml")),
        user="etl-web",
        variables=(DATABASE_PASSWORD,),
        settings=_own_settings("web", places),
        writes=(places.state / "web",),
        reads=(places.home, places.project, *(places.logs(each) for each in writers)),
        port=WEB_PORT,
        health=(str(places.programs / "python"), "-c", look, "http://{address}/server_info"),
        memory_mb=1024,
    )


def _daemon(places: Places) -> Service:
    return Service(
        name="daemon",
        kind="daemon",
        command=(str(places.programs / "dagster-daemon"), "run", "--workspace", str(places.home / "workspace.yaml")),
        user="etl-daemon",
        variables=(DATABASE_PASSWORD,),
        settings=_own_settings("daemon", places),
        writes=(places.state / "daemon",),
        reads=(places.home, places.project),
        health=(str(places.programs / "dagster-daemon"), "liveness-check"),
        memory_mb=1024,
    )


def _code_server(
    location: str,
    module: tuple[str, str],
    configs: Sequence[TenantConfig],
    places: Places,
    port: int,
    folders: Mapping[str, SecretFolder | None],
) -> Service:
    name = f"code-{dns_name(location)}"
    dagster = str(places.programs / "dagster")
    needed = [needed_variables(each) for each in configs]
    required = {name for each in needed for name in each.required}
    optional = {name for each in needed for name in each.optional} - required
    return Service(
        name=name,
        kind="code",
        location=location,
        command=(
            # not `dagster code-server start`: if the process behind that one dies, it lives on and serves nothing
            *(dagster, "api", "grpc", "--module-name", module[0], "--attribute", module[1]),
            *("--working-directory", str(places.project), "--location-name", location),
            "--lazy-load-user-code",  # a tenant that cannot be loaded is shown with its error
        ),
        user=f"etl-{name}",
        tenants=tuple(each.id for each in configs),
        variables=(DATABASE_PASSWORD, *sorted(required)),
        optional=tuple(sorted(optional)),
        settings=_own_settings(name, places),
        secret_folders=tuple(folder for each in configs if (folder := folders[each.id]) is not None),
        writes=(places.state / name,),
        reads=(places.home, places.project),
        port=port,
        health=(dagster, "api", "grpc-health-check"),
        memory_mb=4096,
    )
