"""Reads the platform's configuration for all tenants: `[tool.etl]` in the project's pyproject.toml.

Belongs here: the model of that section and reading it. Not here: checking conventions (`etl.conventions`), the
configuration of a tenant (`etl.config`), paths and endpoints (`etl.settings`).
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from etl.errors import ConfigError

SHARED_VARIABLES = (
    "AWS_REGION",
    "DAGSTER_ENVIRONMENT",
    "S3_BUCKET_NAME",
    "S3_ENDPOINT_URL",
    "TRINO_CATALOG",
    "TRINO_HOST",
    "TRINO_HTTP_SCHEME",
    "TRINO_METHOD",
    "TRINO_PORT",
    "TRINO_USER",
)
"""The default variables that every tenant's file may name. None of them is a secret."""

StoreName = Literal["env", "files", "openbao", "vault", "aws", "gcp", "azure", "sops"]
_IN_FOLDERS = ("files", "sops")


class SecretsConfig(BaseModel):
    """`[tool.etl.secrets]`: where `${secret:...}` is looked up. ETL_SECRETS and ETL_SECRETS_PATH override it.

    `path` is the place of the tenants' secrets in the store, and `{tenant}` in it is the tenant's id. `vault` means the
    same as `openbao`. `cache_seconds` is how long a process keeps what it has read. `address` is the server's
    (`openbao`, `azure`), or another endpoint than the usual one (`aws`, `gcp`). `certificate` is the file of the
    authorities that have signed the server's certificate. The other keys belong to one store: `kv`, `auth`,
    `auth_mount`, `role`, `jwt_file` and `namespace` to `openbao`, `region` to `aws`, `project` to `gcp`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: StoreName = "env"
    path: str | None = None
    cache_seconds: int = Field(300, ge=0, le=3600)
    address: str | None = None
    certificate: str | None = None
    kv: Literal[1, 2] = 2
    auth: Literal["token", "approle", "kubernetes"] = "token"
    auth_mount: str | None = None
    role: str | None = None
    jwt_file: str = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    namespace: str | None = None
    region: str | None = None
    project: str | None = None

    @field_validator("path")
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        """Refuse a path in which a tenant's id would not be a part of its own, and one that leads upwards."""
        if value is not None and (".." in value.split("/") or "{" in value.replace("{tenant}", "")):
            raise ValueError("the path may contain {tenant}, no other name in braces, and no `..`")
        return value


class Conventions(BaseModel):
    """`[tool.etl.conventions]`: the conventions of all definitions; the defaults are those of the guidelines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[str, ...] = ("CD", "DS", "IS", "SS", "NPS")
    tiers: tuple[str, ...] = ("bronze", "silver", "gold")
    kinds: tuple[str, ...] | None = None
    """None means the list of `etl.conventions.kinds`."""
    required_tags: tuple[str, ...] = ("data_tier",)
    recommended_tags: tuple[str, ...] = ("domain",)
    file_prefixes: dict[str, str] | None = None
    """The beginnings of the names of files with assets, by group. None means the group in lowercase letters and `_`."""
    max_kinds: int = 3
    max_file_lines: int = 1500
    name_pattern: str = "[a-z][a-z0-9_]*"


class Platform(BaseModel):
    """`[tool.etl]`: the names of the platform, and the names that it shares with its tenants.

    `shared_variables` are names of environment variables, or patterns such as `WAREHOUSE_*`, that every tenant's file
    may name. `process_variables` are other variables that the processes of runs keep; no tenant's file may name them.
    `shared_dbt_projects` are folders below `dbt_projects/` that any tenant may use. `file_sources` are folders that any
    tenant may read database files from. `owners` maps each tenant to the owners that it may name; the key `"*"` lists
    owners that every tenant may name. An empty map means that an owner is only a label. `shards` is the number of code
    locations into which `etl.all` divides the tenants: `shard_1`, `shard_2`, ...; 0 means that all are one location.
    `python_seconds` and `python_megabytes` are what the import of a tenant's own Python may take in such a location;
    0 is no limit. `python_seconds_together` is what all imports that do not end in a short time may take together; by
    default twice `python_seconds`. `keep_last_good` lets such a location serve the files of a broken tenant that could
    be built last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shared_variables: tuple[str, ...] = SHARED_VARIABLES
    process_variables: tuple[str, ...] = ()
    shared_dbt_projects: tuple[str, ...] = ()
    file_sources: tuple[str, ...] = ()
    owners: dict[str, tuple[str, ...]] = Field({})
    shards: int = Field(0, ge=0)
    python_seconds: float = Field(30, ge=0)
    python_seconds_together: float | None = Field(None, ge=0)
    python_megabytes: int = Field(2048, ge=0)
    keep_last_good: bool = False
    secrets: SecretsConfig = SecretsConfig()
    conventions: Conventions = Conventions()


def platform_of(project_dir: Path, environ: Mapping[str, str]) -> Platform:
    """Return the section of the project's pyproject.toml, with the environment's settings of the secret store."""
    path = project_dir / "pyproject.toml"
    try:
        platform = _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        platform = Platform()
    store = environ.get("ETL_SECRETS")
    place = environ.get("ETL_SECRETS_PATH")
    said = platform.secrets.model_dump() | ({"store": store} if store else {}) | ({"path": place} if place else {})
    if said["store"] in _IN_FOLDERS and said["path"]:
        said["path"] = str(project_dir / Path(said["path"]).expanduser())
    try:
        secrets = SecretsConfig.model_validate(said)
    except ValidationError as error:
        name, value = ("ETL_SECRETS", store) if error.errors()[0]["loc"] == ("store",) else ("ETL_SECRETS_PATH", place)
        known = ", ".join(get_args(StoreName))
        hint = f"set it to one of {known}" if name == "ETL_SECRETS" else error.errors()[0]["msg"]
        raise ConfigError(f"{name} is `{value}`", hint) from None
    return platform if secrets == platform.secrets else platform.model_copy(update={"secrets": secrets})


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int) -> Platform:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "correct the file") from error
    try:
        return Platform.model_validate(content.get("tool", {}).get("etl", {}))
    except ValidationError as error:
        first = error.errors()[0]
        section, *key = map(str, first["loc"])
        inner: dict[str, type[BaseModel]] = {"conventions": Conventions, "secrets": SecretsConfig}
        model = inner.get(section, Platform) if key else Platform
        raise ConfigError(
            f"[tool.etl] in {path}: {'.'.join((section, *key))}: {first['msg']}",
            f"known keys: {', '.join(model.model_fields)}",
        ) from error
