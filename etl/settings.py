"""Reads the settings of this installation from the process environment: paths, endpoints, the environment's name.

Belongs here: paths, the environment's name, endpoints shared by all tenants. Not here: the configuration of one tenant
(`etl.config`), opening connections.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from etl.errors import EtlError
from etl.project import project_dir

Environment = Literal["dev", "staging", "prod"]
ENVIRONMENTS: tuple[Environment, ...] = ("dev", "staging", "prod")


class S3Settings(BaseModel):
    """One S3-compatible object store, shared by the tenants whose YAML names a bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None


class TrinoSettings(BaseModel):
    """The Trino coordinator for tenants with `warehouse: {type: trino}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = None
    port: int = 8080
    http_scheme: str = "http"
    user: str = "etl"
    catalog: str = "iceberg"


class Settings(BaseModel):
    """All settings that come from the process environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Environment = "dev"
    project_dir: Path
    data_dir: Path
    s3: S3Settings = S3Settings()
    trino: TrinoSettings = TrinoSettings()
    ui_url: str | None = None
    """The address of Dagster's web server, as people open it: messages and explanations link to it."""
    strict: bool = False
    """Whether a broken tenant stops its location, instead of being shown beside the others."""
    portal_dir: Path | None = None
    """The folder in which a sensor keeps the pages of tenants fresh; without it, there is no such sensor."""

    @property
    def tenants_dir(self) -> Path:
        """One folder per tenant."""
        return self.project_dir / "tenants"

    @property
    def dbt_dir(self) -> Path:
        """One folder per dbt project."""
        return self.project_dir / "dbt_projects"

    @property
    def lake_dir(self) -> Path:
        """The local lake: what readers see."""
        return self.data_dir / "lake"

    @property
    def staging_dir(self) -> Path:
        """Unfinished objects, on the same disk as the lake so that publishing is a rename."""
        return self.data_dir / "staging"

    @property
    def warehouse_dir(self) -> Path:
        """One DuckDB file per tenant."""
        return self.data_dir / "warehouse"

    @property
    def demo_dir(self) -> Path:
        """The seeded demo sources, one SQLite file per tenant."""
        return self.data_dir / "demo"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ` (default: the process environment)."""
    env = os.environ if environ is None else environ
    name = env.get("DAGSTER_ENVIRONMENT") or "dev"
    if name not in ENVIRONMENTS:
        raise EtlError(
            f"DAGSTER_ENVIRONMENT is `{name}`",
            f"set it to one of {', '.join(ENVIRONMENTS)}",
        )
    project = project_dir(env)
    data = Path(env["ETL_DATA_DIR"]) if env.get("ETL_DATA_DIR") else project / ".data"
    return Settings(
        environment=name,
        project_dir=project.resolve(),
        data_dir=data.resolve(),
        s3=S3Settings(
            endpoint_url=env.get("S3_ENDPOINT_URL") or None,
            region=env.get("AWS_REGION") or "us-east-1",
            access_key_id=_secret(env, "AWS_ACCESS_KEY_ID"),
            secret_access_key=_secret(env, "AWS_SECRET_ACCESS_KEY"),
        ),
        trino=TrinoSettings(
            host=env.get("TRINO_HOST") or None,
            port=_port(env, "TRINO_PORT", 8080),
            http_scheme=env.get("TRINO_HTTP_SCHEME") or "http",
            user=env.get("TRINO_USER") or "etl",
            catalog=env.get("TRINO_CATALOG") or "iceberg",
        ),
        ui_url=_address(env, "ETL_UI_URL"),
        strict=_flag(env, "ETL_STRICT"),
        portal_dir=Path(env["ETL_PORTAL_DIR"]).resolve() if env.get("ETL_PORTAL_DIR") else None,
    )


def _secret(env: Mapping[str, str], name: str) -> SecretStr | None:
    return SecretStr(env[name]) if env.get(name) else None


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name) or "0"
    if text not in ("0", "1"):
        raise EtlError(f"{name} is `{text}`", "set it to 1, or to 0 as without it")
    return text == "1"


def _address(env: Mapping[str, str], name: str) -> str | None:
    text = (env.get(name) or "").rstrip("/")
    if text and not text.startswith(("http://", "https://")):
        raise EtlError(f"{name} is `{text}`", "write the address of Dagster's UI, such as https://dagster.example.com")
    return text or None


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdigit():
        raise EtlError(f"{name} is `{text}`", "set it to a port number")
    return int(text)
