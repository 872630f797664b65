"""Which files a tenant's database URL may name.

Belongs here: finding the files in a URL, and judging them. Not here: opening them (`etl.source`).

A tenant reads database files below its own folder, the demo source of its own in the data folder, and what the platform
lists in `[tool.etl] file_sources`. A relative path begins at the project's folder. What counts is where a path leads
after `..` and symbolic links.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from etl.errors import ConfigError
from etl.platform import Platform
from etl.settings import Settings

_SERVERS = frozenset({
    "postgresql", "postgres", "mysql", "mariadb", "oracle", "mssql", "trino", "presto", "snowflake", "redshift", "db2",
    "clickhouse", "clickhousedb", "bigquery", "databricks", "hive", "teradatasql", "cockroachdb", "vertica", "hana",
})  # fmt: skip
"""Dialects whose database is no file, with or without a host."""
_OPTIONS = frozenset({
    "passfile", "sslkey", "sslcert", "servicefile", "read_default_file", "ssl_key", "ssl_cert", "database", "dbname",
})  # fmt: skip
"""Options that name a file with somebody's login. Certificates of authorities are public."""


def named_files(url: str) -> Iterator[str]:
    """The files that a URL names, as they stand there."""
    scheme, _, rest = url.partition("://")
    dialect = scheme.partition("+")[0].lower()
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query))
    if dialect not in _SERVERS:
        host, _, database = place.partition("/")
        path = unquote(place if host else database)
        if path.startswith("file:"):
            path = "/" + path.removeprefix("file:").lstrip("/") if path.startswith("file:/") else path[5:]
        if path and path != ":memory:":
            yield path
    for name in sorted(_OPTIONS & options.keys()):
        if dialect not in _SERVERS or name not in ("database", "dbname"):
            yield options[name]


def refused_file(path: str, tenant: str, settings: Settings, platform: Platform) -> tuple[str, str] | None:
    """Why `tenant` may not read the file, and the remedy; None: it may."""
    real = absolute(path, settings)
    demo = settings.demo_dir.resolve()
    folders = [
        settings.tenants_dir / tenant,
        demo / tenant,
        *(absolute(each, settings) for each in platform.file_sources),
    ]
    if any(real.is_relative_to(each.resolve()) for each in folders):
        return None
    if real.parent == demo and real.name.startswith(f"{tenant}."):
        return None
    return (
        f"the file `{path}` does not belong to tenant {tenant}",
        f"a file below tenants/{tenant}/, or in a folder that the platform lists: [tool.etl] file_sources",
    )


def absolute(path: str, settings: Settings) -> Path:
    """Where a path leads: relative ones begin at the project's folder, symbolic links are followed."""
    return (settings.project_dir / Path(path).expanduser()).resolve()


def checked_url(url: str, tenant: str, settings: Settings, platform: Platform) -> str:
    """The URL with its file as an absolute path. Raises ConfigError if a file is not the tenant's to read."""
    for path in named_files(url):
        if refused := refused_file(path, tenant, settings, platform):
            problem, remedy = refused
            raise ConfigError(f"tenant {tenant}: {problem}", remedy)
    scheme, _, rest = url.partition("://")
    place, mark, query = rest.partition("?")
    host, _, database = place.partition("/")
    path = unquote(place if host else database)
    if scheme.partition("+")[0].lower() != "sqlite" or not path:
        return url
    if path == ":memory:":
        return url
    if path.startswith("file:"):
        raise ConfigError(f"tenant {tenant}: a SQLite URL with `file:` is not read", "write sqlite:///folder/file.db")
    return f"{scheme}:///{quote(str(absolute(path, settings)), safe='/')}{mark}{query}"
