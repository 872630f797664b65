"""The models of a tenant's source database, storage and warehouse.

Belongs here: `source_database`, `storage` and `warehouse`, and how a URL is made from its parts. Not here: opening
connections (`etl.source`, `etl.warehouse`).
Every part is an `EnvTemplate`, which is resolved only in a run.
"""

import os
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator

from etl.config.identifiers import SourceName, placed_error
from etl.errors import ConfigError
from etl.secrets.in_clear import is_secret_key
from etl.secrets.scrub import learn, learn_url
from etl.secrets.template import EnvTemplate

_ICEBERG = re.compile(
    r"name|type|uri|warehouse|prefix|credential|token|scope|audience|resource|oauth2-server-uri"
    r"|(?:s3|glue|client|gcs|adls|hive|rest|header)\.[\w.-]+"
)
"""Properties of a catalog. Others name code to be loaded, or files of this machine."""
_CATALOGS = ("sql", "rest", "glue", "hive")


class Connection(BaseModel):
    """A database, as a whole SQLAlchemy URL or in parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: EnvTemplate | None = Field(None, description="The whole SQLAlchemy URL; instead of the parts below.")
    driver: EnvTemplate = Field(EnvTemplate("postgresql"), description="Dialect, optionally with a driver.")
    host: EnvTemplate | None = Field(None, description="Name or address of the server.")
    port: EnvTemplate | None = Field(None, description="Default: the default port of the dialect.")
    database: EnvTemplate | None = Field(None, description="Name of the database; for SQLite the path of the file.")
    username: EnvTemplate | None = Field(None, description="Also written `user`.")
    password: EnvTemplate | None = Field(None, description="Only as ${VAR} or ${secret:name#key}.")
    options: dict[str, EnvTemplate] = Field({}, description="The parameters after the question mark of the URL.")

    def templates(self) -> tuple[EnvTemplate, ...]:
        """All used parts that may name a variable."""
        parts = (self.driver, self.host, self.port, self.database, self.username, self.password)
        if self.url is not None:
            return (self.url, *self.options.values())
        return (*(part for part in parts if part is not None), *self.options.values())

    def missing(self, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """The variables that the connection needs and that are not set."""
        env = os.environ if environ is None else environ
        return tuple(dict.fromkeys(name for part in self.templates() for name in part.missing(env)))

    def address_variables(self) -> tuple[str, ...]:
        """The variables without a default that say which database it is, set or not."""
        parts = (self.url,) if self.url is not None else (self.host, self.database)
        return tuple(dict.fromkeys(name for part in parts if part is not None for name in part.missing({})))

    def resolve_url(self, environ: Mapping[str, str] | None = None) -> str:
        """Return the SQLAlchemy URL with its secrets, to open a connection. The URL must never be shown.

        `environ` is the process environment or a `Namespace`; every secret is remembered, so that texts are scrubbed.
        """
        env = os.environ if environ is None else environ
        if missing := self.missing(env):
            names = ", ".join(missing)
            raise ConfigError(f"not set in the environment: {names}", f"set {names}")
        if self.url is not None:
            url = self.url.resolve(env)
        else:
            user = quote(_part(self.username, env), safe="")
            clear = _part(self.password, env)
            learn(clear)
            password = quote(clear, safe="")
            login = f"{user}:{password}" if password else user
            host = _part(self.host, env)
            host = f"[{host}]" if ":" in host else host
            port = _part(self.port, env)
            database = _part(self.database, env)
            url = f"{self.driver.resolve(env)}://"
            url += f"{login}@" if login else ""
            url += f"{host}:{port}" if port and host else host
            url += f"/{database}" if database else ""
        options = {key: value.resolve(env) for key, value in self.options.items()}
        learn(*(value for key, value in options.items() if is_secret_key(key)))
        pairs = [f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in options.items()]
        url += ("&" if "?" in url else "?") + "&".join(pairs) if pairs else ""
        learn_url(url)
        return url


def _part(template: EnvTemplate | None, environ: Mapping[str, str]) -> str:
    return template.resolve(environ) if template is not None else ""


class SourceDatabase(Connection):
    """The database that a tenant's rows come from."""

    schema_name: SourceName | None = Field(
        None, alias="schema", description="Schema of the source tables, for pipelines that name no schema."
    )
    statement_timeout_seconds: PositiveInt | None = Field(None, description="The database ends a longer statement.")

    @model_validator(mode="before")
    @classmethod
    def _accept_url(cls, data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
        return _normalise(data)


class LakeConfig(BaseModel):
    """Where a tenant's Parquet objects are stored. Without a bucket, it is the local lake."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: EnvTemplate | None = Field(None, description="Name of the bucket; empty: the local lake.")
    base_path: EnvTemplate | None = Field(
        None, description="The beginning of the keys of all objects; the tenant's id follows."
    )
    endpoint_url: EnvTemplate | None = Field(None, description="Default: S3_ENDPOINT_URL.")
    region: EnvTemplate | None = Field(None, description="Default: AWS_REGION.")
    access_key_id: EnvTemplate | None = Field(
        None,
        description="The tenant's own key for the bucket, as ${VAR} or ${secret:name#key}; default: the platform's.",
        examples=["${secret:lake#id}"],
    )
    secret_access_key: EnvTemplate | None = Field(
        None, description="The secret that belongs to `access_key_id`.", examples=["${secret:lake#key}"]
    )

    def templates(self) -> tuple[EnvTemplate, ...]:
        """Every part of the address that may name a variable. The keys are no part of the address."""
        parts = (self.bucket, self.base_path, self.endpoint_url, self.region)
        return tuple(part for part in parts if part is not None)

    @property
    def keys(self) -> tuple[EnvTemplate, EnvTemplate] | None:
        """The tenant's own keys; None: the platform's keys are used."""
        both = (self.access_key_id, self.secret_access_key)
        return both if both[0] is not None and both[1] is not None else None  # type: ignore[return-value]

    @model_validator(mode="after")
    def _check_keys(self) -> "LakeConfig":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("`access_key_id` and `secret_access_key` belong together: give both, or none")
        return self


class WarehouseConfig(Connection):
    """The warehouse that a tenant's rows go to."""

    type: Literal["duckdb", "postgres", "trino"] = Field("duckdb", description="duckdb: one file per tenant.")
    catalog: EnvTemplate | None = Field(None, description="Trino's catalog; default: TRINO_CATALOG.")
    http_scheme: EnvTemplate | None = Field(None, description="Of Trino: http or https; default: TRINO_HTTP_SCHEME.")
    iceberg: dict[str, EnvTemplate] = Field(
        {}, description="Where PyIceberg finds the tables of Trino's catalog: type, uri, warehouse, s3.endpoint, ..."
    )

    @field_validator("iceberg")
    @classmethod
    def _check_iceberg(cls, value: dict[str, EnvTemplate]) -> dict[str, EnvTemplate]:
        for name in value:
            if not _ICEBERG.fullmatch(name) or name.endswith("profile-name"):
                raise ValueError(f"`{name}` is no property of a catalog that a tenant can give (see docs/warehouse.md)")
        kind = value.get("type")
        if kind is not None and not kind.variables and kind.text not in _CATALOGS:
            raise placed_error("type", f"`type: {kind.text}` is no catalog", f"write one of {', '.join(_CATALOGS)}")
        return value

    def templates(self) -> tuple[EnvTemplate, ...]:
        """All used parts that may name a variable."""
        more = (self.catalog, self.http_scheme, *self.iceberg.values()) if self.type == "trino" else ()
        return (*super().templates(), *(part for part in more if part is not None))

    @model_validator(mode="after")
    def _check_trino(self) -> "WarehouseConfig":
        if self.type == "trino" and self.url is not None:
            remedy = "write `host`, `port`, `username`, `password` and `catalog`"
            raise placed_error("url", "a Trino has no `url`", remedy)
        if self.type != "trino" and (self.iceberg or self.http_scheme):
            key = "iceberg" if self.iceberg else "http_scheme"
            raise placed_error(key, f"`{key}` is only for Trino", "write `type: trino`, or leave it out")
        return self

    def resolve_iceberg(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the properties of PyIceberg's catalog with their secrets, to open it. They must never be shown."""
        found = {name: value.resolve(environ) for name, value in self.iceberg.items()}
        learn(*(value for name, value in found.items() if is_secret_key(name)))
        for value in found.values():
            if "://" in value:
                learn_url(value)
        return found

    @model_validator(mode="before")
    @classmethod
    def _accept_url(cls, data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
        return _normalise(data)


def _normalise(data: Any) -> Any:  # noqa: ANN401  whatever stands in the file
    """A text alone is the URL; `user` is `username`."""
    if isinstance(data, str):
        return {"url": data}
    if isinstance(data, dict) and "user" in data and "username" not in data:
        return {"username" if key == "user" else key: value for key, value in data.items()}
    return data
