"""A tenant's dbt project on disk: its folder, its variables, whether its manifest is fresh, and the dbt command.

Belongs here: dbt as a process. Not here: what a manifest means in Dagster (`etl.factories.dbt_factory`).
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from etl.config.cross_checks import OWN_VARIABLES
from etl.config.tenant_config import TenantConfig
from etl.dbt import window_reads
from etl.dbt.clean import clean_folders
from etl.errors import DbtError
from etl.locks import exclusive
from etl.pipeline.stage import lake_place
from etl.secrets.ownership import DBT_VARIABLES, STORE_LOGINS, environment_of, prefix_of
from etl.secrets.scrub import learn, learn_environment, scrub
from etl.secrets.template import EnvTemplate, secrets_of
from etl.settings import Settings
from etl.sql import file_pattern

PARTIAL_PARSE = "partial_parse.msgpack"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# Folders that dbt writes; they do not belong to the project's sources.
_MADE_BY_DBT = {"target", "logs", "dbt_packages", "dbt_modules", ".user.yml", "package-lock.yml"}


class TenantDbt(BaseModel):
    """One tenant's view of a dbt project; several tenants may share the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    folder: Path
    profiles_dir: Path
    work_dir: Path
    lock_dir: Path
    target: str
    variables: Mapping[str, str | int | float | bool | None]
    environ: Mapping[str, str]
    tenants: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    """Names or patterns of variables that dbt gets although they are not the tenant's own."""
    late: Mapping[str, Callable[[], str]] = {}
    """Variables that are resolved when dbt connects, because they name secrets; empty where dbt only parses."""

    @property
    def target_path(self) -> Path:
        """The output folder of dbt for this tenant; a shared project has one folder for each tenant."""
        return self.work_dir / "target"

    def build_path(self, *, days: bool) -> Path:
        """The output folder of runs. Runs of days have another folder, because their parse is another."""
        return self.work_dir / ("build_days" if days else "build")

    @property
    def has_own_profile(self) -> bool:
        """Whether the project writes into the database of its own profiles.yml, not into the tenant's warehouse."""
        return self.profiles_dir == self.folder

    @property
    def manifest_path(self) -> Path:
        """The manifest that dbt made from the project."""
        return self.target_path / "manifest.json"

    @property
    def parsed_path(self) -> Path:
        """The whole result of dbt's parse, as dbt reads it again."""
        return self.target_path / PARTIAL_PARSE

    @property
    def window_reads_path(self) -> Path:
        """Which files read the variables of a window while `parsed_path` was made."""
        return self.target_path / "window_reads.json"

    def full_environ(self, *, connects: bool = True) -> dict[str, str]:
        """The environment of dbt: the tenant's and the shared variables, system variables, and the tenant's paths."""
        shared = (*DBT_VARIABLES, *self.shared, *(("AWS_*", "S3_*") if self.reads_bucket else ()))
        own = environment_of(self.tenant, os.environ, self.tenants, shared)
        learn_environment(own)
        for name in STORE_LOGINS:
            own.pop(f"{prefix_of(self.tenant)}{name}", None)
        late = {name: resolve() if connects else "" for name, resolve in self.late.items()}
        return {**own, **self.environ, **late}

    @property
    def reads_bucket(self) -> bool:
        """Whether the extracts are in a bucket, which needs keys."""
        return self.environ.get("ETL_LAKE_DIR", "").startswith("s3://")

    def variables_with(self, **more: str) -> str:
        """The value of `--vars`."""
        return json.dumps({**self.variables, **more}, sort_keys=True)


def tenant_dbt(config: TenantConfig, settings: Settings) -> TenantDbt:
    """Return the project that a tenant's YAML names."""
    name = config.dbt.project or config.id
    platform = config.origin.platform
    folder = settings.dbt_dir / name
    if not (folder / "dbt_project.yml").is_file():
        line = config.line_of("dbt")
        raise DbtError(
            f"tenant {config.id}: there is no dbt project dbt_projects/{name} ({config.origin.path}:{line})",
            "make it with `dbt init`, name another one in `dbt: {project: ...}`, or set `dbt: {enabled: false}`",
        )
    outputs = _shared_outputs(settings)
    # The tenant gets its own schema if others may write into the same database; its DuckDB file is already its own.
    alone = name == config.id and outputs.get(config.dbt.target, {}).get("type", "duckdb") == "duckdb"
    schema = config.dbt.target_schema or (None if alone else f"dbt_{config.id}")
    parts = _trino_parts(config) | _postgres_parts(config)
    late = _late(config, parts)
    environ = {
        **_lake_environ(config, settings),
        **{name: part.resolve(config.namespace()) for name, part in parts.items() if name not in late},
        "ETL_DUCKDB_PATH": str(settings.warehouse_dir / f"{config.id}.duckdb"),
        "ETL_DBT_TARGET": config.dbt.target,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    if schema:
        environ["ETL_DBT_SCHEMA"] = schema
    return TenantDbt(
        tenant=config.id,
        folder=folder,
        profiles_dir=_profiles_dir(folder, outputs, settings, config),
        work_dir=work_dir(config.id, settings),
        lock_dir=settings.data_dir / "locks",
        target=config.dbt.target,
        variables={**_given(config), "tenant": config.id, **({"schema": schema} if schema else {})},
        environ=environ,
        tenants=config.origin.tenants,
        shared=(*platform.shared_variables, *platform.process_variables),
        late=late,
    )


def _trino_parts(config: TenantConfig) -> dict[str, EnvTemplate]:
    """Return the variables by which the shared profile finds the tenant's own Trino, as far as the YAML names one."""
    said = config.warehouse
    if said.type != "trino":
        return {}
    parts = {
        "TRINO_HOST": said.host,
        "TRINO_PORT": said.port,
        "TRINO_HTTP_SCHEME": said.http_scheme,
        "TRINO_USER": said.username,
        "TRINO_CATALOG": said.catalog,
        "TRINO_PASSWORD": said.password,
    }
    # The platform's password is for the platform's Trino: where the host is the tenant's own, it is empty.
    none = {"TRINO_PASSWORD": EnvTemplate("")} if said.host is not None else {}
    return none | {name: part for name, part in parts.items() if part is not None}


def _postgres_parts(config: TenantConfig) -> dict[str, EnvTemplate]:
    """Return the same of the tenant's own PostgreSQL, if a secret is part of it and the platform gives no server."""
    said = config.warehouse
    if said.type != "postgres" or said.url is not None or "ETL_POSTGRES_HOST" in os.environ:
        return {}
    parts = {
        "ETL_POSTGRES_HOST": said.host,
        "ETL_POSTGRES_PORT": said.port,
        "ETL_POSTGRES_USER": said.username,
        "ETL_POSTGRES_PASSWORD": said.password,
        "ETL_POSTGRES_DB": said.database,
    }
    found = {name: part for name, part in parts.items() if part is not None}
    return found if any(secrets_of(each.text) for each in found.values()) else {}


def _late(config: TenantConfig, parts: Mapping[str, EnvTemplate]) -> dict[str, Callable[[], str]]:
    """Return what is resolved only when dbt connects: passwords, all that names a secret, and the bucket's keys."""
    values = config.namespace()
    late: dict[str, Callable[[], str]] = {
        name: partial(_learned, part, values) if name.endswith("_PASSWORD") else partial(part.resolve, values)
        for name, part in parts.items()
        if secrets_of(part.text) or name.endswith("_PASSWORD")
    }
    late |= {name: partial(part.resolve, values) for name, part in config.dbt.env.items()}
    keys = config.storage.keys if config.storage.bucket is not None else None
    if keys is not None:
        late |= {name: partial(_learned, part, values) for name, part in zip(_KEYS, keys, strict=True)}
    return late


def _learned(part: EnvTemplate, values: Mapping[str, str]) -> str:
    clear = part.resolve(values)
    learn(clear)
    return clear


def _given(config: TenantConfig) -> dict[str, str | int | float | bool | None]:
    """Return the variables of the tenant's file, without variables that only the product may give."""
    return {name: value for name, value in config.dbt.variables.items() if name not in OWN_VARIABLES}


def work_dir(tenant: str, settings: Settings) -> Path:
    """Return the folder of all files that are made for this tenant and its project."""
    return settings.data_dir / "dbt" / tenant


def fingerprint(project: TenantDbt) -> str:
    """Return a hash of everything on which the manifest depends: files, local packages, profile, variables, target."""
    digest = hashlib.sha256(json.dumps([project.target, dict(project.variables)], sort_keys=True).encode())
    for root in (project.folder, *_local_packages(project.folder)):
        for path in sorted(_files(root)):
            digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    profile = (project.folder if project.has_own_profile else project.folder.parent) / "profiles.yml"
    digest.update(profile.read_bytes() if profile.is_file() else b"")
    return digest.hexdigest()


def parse(project: TenantDbt) -> Path:
    """Let dbt make the manifest, with its packages. Raises an error with dbt's message if the project is wrong."""
    project.work_dir.mkdir(parents=True, exist_ok=True)
    _write_profile(project)
    lock = project.lock_dir / f"dbt_{project.folder.name}.lock"
    with exclusive(lock, what=f"the dbt project {project.folder.name}", error=DbtError), _packages(project):
        recorder = [str(Path(window_reads.__file__)), str(project.window_reads_path), str(project.parsed_path)]
        run_dbt(
            project,
            ["parse", "--vars", project.variables_with(), "--no-partial-parse"],
            program=(sys.executable, "-P", *recorder),
        )
    return project.manifest_path


@contextmanager
def _packages(project: TenantDbt) -> Iterator[None]:
    """Install the project's packages. They are in its folder, which another installation may use at the same time."""
    if not any((project.folder / name).is_file() for name in ("packages.yml", "dependencies.yml")):
        yield
        return
    if (project.folder / "dbt_packages").is_dir() and not os.access(project.folder, os.W_OK):
        yield  # a project that is only read, as in an image, has its packages since it was built
        return
    lock = project.folder / "target" / "packages.lock"
    with exclusive(lock, what=f"the packages of the dbt project {project.folder.name}", error=DbtError):
        run_dbt(project, ["deps"])
        yield


def run_dbt(project: TenantDbt, arguments: Sequence[str], program: Sequence[str] = ()) -> str:
    """Run one short dbt command on this project, and return its output; `program` is dbt with something around it."""
    places = [] if arguments[0] == "deps" else ["--target-path", str(project.target_path)]
    command = [*(program or (dbt_executable(),)), *dbt_arguments(project, [*arguments, *places])]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            env=project.full_environ(connects=False),
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        clean_folders(project.work_dir)
    if done.returncode != 0:
        said = _message(scrub(done.stdout))
        raise DbtError(
            f"tenant {project.tenant}: `dbt {arguments[0]}` failed in {project.folder.name}: {said}",
            f"correct the file that dbt names below dbt_projects/{project.folder.name}; only this tenant is affected",
        )
    return done.stdout


def dbt_arguments(project: TenantDbt, arguments: Sequence[str]) -> list[str]:
    """Return the arguments of the dbt command for this tenant."""
    given = ["--no-use-colors", "--log-format", "text", *arguments]
    given += ["--project-dir", str(project.folder), "--profiles-dir", str(project.profiles_dir)]
    return [*given, "--target", project.target, "--log-path", str(project.work_dir / "logs")]


def dbt_executable() -> str:
    """Return the dbt command of this Python environment, also if it is not on PATH."""
    beside = Path(sys.executable).parent / "dbt"
    return str(beside) if beside.is_file() else "dbt"


def _files(root: Path) -> list[Path]:
    return [
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part in _MADE_BY_DBT for part in path.relative_to(root).parts)
    ]


def _local_packages(folder: Path) -> list[Path]:
    path = folder / "packages.yml"
    if not path.is_file():
        return []
    found: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return [(folder / each["local"]).resolve() for each in found.get("packages", []) if "local" in each]


def _lake_environ(config: TenantConfig, settings: Settings) -> dict[str, str]:
    """Return the variables by which dbt finds the extracts: the local lake, or the tenant's bucket with its access."""
    place = lake_place(config)
    if not place.bucket:
        return {"ETL_LAKE_DIR": file_pattern(str(settings.lake_dir))}  # dbt uses the folder in patterns
    environ = {"ETL_LAKE_DIR": "/".join(["s3:/", place.bucket, *place.base_path.split("/")]).rstrip("/")}
    own = {"S3_ENDPOINT_URL": place.endpoint_url, "AWS_REGION": place.region}
    return environ | {name: value for name, value in own.items() if value}


def _shared_outputs(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the targets of the profile that all tenants share."""
    path = settings.dbt_dir / "profiles.yml"
    shared = _read_profiles(path) if path.is_file() else {}
    return {target: output for profile in shared.values() for target, output in profile.get("outputs", {}).items()}


def _read_profiles(path: Path) -> dict[str, Any]:
    """Return the profiles of a file. Raises DbtError if it is missing, empty or no YAML."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise DbtError(f"{path} cannot be read: {reason}", "correct it, or write it as `etl init` does") from error
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()) or not found:
        raise DbtError(f"{path} has no profile", "write it as `etl init` does: a profile with `outputs`")
    return found


def _profiles_dir(folder: Path, outputs: Mapping[str, Any], settings: Settings, config: TenantConfig) -> Path:
    """Return the folder of the shared profile if it has the target, or else of the project's own profile."""
    if config.dbt.target in outputs or not (folder / "profiles.yml").is_file():
        return work_dir(config.id, settings) / "profile"
    return folder


def _write_profile(project: TenantDbt) -> None:
    """Write the shared profile under the profile name that the project uses."""
    if project.has_own_profile:
        return
    source = project.folder.parent / "profiles.yml"
    shared = _read_profiles(source)
    wanted = yaml.safe_load((project.folder / "dbt_project.yml").read_text(encoding="utf-8")).get("profile", "etl")
    profile = next(iter(shared.values()))
    if project.environ["ETL_LAKE_DIR"].startswith("s3://"):
        for output in profile["outputs"].values():
            if output["type"] == "duckdb":
                output["plugins"] = [{"module": "etl.dbt.lake_plugin"}]
    project.profiles_dir.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({wanted: profile}, sort_keys=True)
    target = project.profiles_dir / "profiles.yml"
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _message(output: str) -> str:
    """Return dbt's error without the banner: the output from the first line with an error on."""
    lines = [line.split("  ", 1)[-1].strip() for line in output.splitlines() if line.strip()]
    start = next((n for n, line in enumerate(lines) if "Error" in line or "error" in line), 0)
    return " ".join(lines[start : start + 12])[:1500]
