"""What a tenant's file names and does not own: refused with its line when the file is read.

Belongs here: variables, secrets, dbt projects, files and owners that belong to another tenant or to the platform. Not
here: whose a variable is (`etl.secrets.ownership`), what the platform lends (`etl.platform`), the same refusal of
variables at the moment of use (`etl.secrets.namespace`), and opening files (`etl.source`).

A tenant reads database files below its own folder, the demo source of its own in the data folder, and what the platform
lists in `[tool.etl] file_sources`. A relative path begins at the project's folder. What counts is where a path leads
after `..` and symbolic links.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from etl.config.findings import ConfigFinding, Conflict, KeyPath
from etl.config.overrides import late_parts, visible
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Node
from etl.errors import ConfigError
from etl.platform import Platform
from etl.secrets.namespace import refusal
from etl.secrets.ownership import may_name
from etl.secrets.template import malformed, secrets_of, variables_of
from etl.settings import Settings
from etl.suggest import nearest

_NOT_RESOLVED = frozenset({"type", "on", "severity", "owners", "pipelines", "security"})
"""Keys of a notification that are no templates."""


_KEYS_OF_BUCKET = frozenset({"access_key_id", "secret_access_key"})
"""Keys of `storage` that are no part of an address."""


@dataclass(frozen=True)
class Project:
    """What surrounds a tenant: the other tenants, the platform, and the places."""

    settings: Settings
    platform: Platform
    tenants: tuple[str, ...]


def foreign_names(tree: Node, tenant: str, project: Project) -> Iterator[ConfigFinding]:
    """Yield variables below late keys that the tenant may not name, and secrets where no secret is allowed."""
    for place, part in late_parts(tree):
        for path, node in texts(part, place):
            yield from _of_text(path, node, tenant, project)


def _of_text(path: KeyPath, node: Node, tenant: str, project: Project) -> Iterator[ConfigFinding]:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    references = [*(name for name, _ in variables_of(node.text)), *secrets_of(node.text)]
    if path[0] == "notifications" and key in _NOT_RESOLVED and "${" in node.text.replace("$$", ""):
        yield visible(node, path)
        return
    if path[0] == "notifications" and (problem := malformed(node.text)):  # the other models check this themselves
        remedy = "write ${NAME} or ${secret:name#key}"
        yield ConfigFinding(path, problem, node.mark.line, node.mark.column, remedy=remedy)
    if path[0] == "storage" and key not in _KEYS_OF_BUCKET and any(each.startswith("secret:") for each in references):
        problem = f"`{key}` becomes part of addresses that people see and takes no secret"
        yield ConfigFinding(path, problem, node.mark.line, node.mark.column, allowed="a variable, or the value itself")
    for name, _ in variables_of(node.text):
        if not may_name(name, tenant, project.tenants, project.platform.shared_variables):
            problem, remedy = refusal(name, tenant, project.tenants)
            yield ConfigFinding(path, problem, node.mark.line, node.mark.column, allowed=remedy)


def texts(node: Node, path: KeyPath) -> Iterable[tuple[KeyPath, Node]]:
    """Every text below a node, with its path."""
    if isinstance(node.value, dict):
        for key, each in node.value.items():
            yield from texts(each, (*path, key))
    elif isinstance(node.value, list):
        for index, each in enumerate(node.value):
            yield from texts(each, (*path, index))
    elif isinstance(node.value, str):
        yield path, node


def foreign_things(config: TenantConfig, project: Project) -> Iterator[Conflict]:
    """Yield the dbt project, the files, the paths and the owners that the tenant may not name."""
    yield from _dbt_project(config, project)
    yield from _files(config, project)
    yield from _base_path(config)
    yield from _owners(config, project.platform)


def _dbt_project(config: TenantConfig, project: Project) -> Iterator[Conflict]:
    name = config.dbt.project
    if not config.dbt.enabled or name is None or name == config.id:
        return
    shared = project.platform.shared_dbt_projects
    if name not in shared:
        own = f"`{config.id}` (dbt_projects/{config.id})"
        lent = f", or a project that the platform shares: {', '.join(shared)}" if shared else ""
        yield Conflict(
            ("dbt", "project"),
            f"the dbt project `{name}` does not belong to tenant {config.id}",
            f"{own}{lent} ([tool.etl] shared_dbt_projects in pyproject.toml)",
        )


def _files(config: TenantConfig, project: Project) -> Iterator[Conflict]:
    """Files that the text itself names; one that a variable names is looked at when it is opened."""
    for key in ("source_database", "warehouse"):
        connection = getattr(config, key)
        if connection is None or any(each.variables or secrets_of(each.text) for each in connection.templates()):
            continue
        try:
            url = connection.resolve_url({})
        except ConfigError:
            continue  # its wrong syntax already has a finding
        dialect = url.partition("://")[0].partition("+")[0].lower()
        if dialect not in DIALECTS and (nearest(dialect, DIALECTS) or dialect.startswith("jdbc:")):
            continue  # a mistyped dialect already has a finding
        for path in named_files(url):
            if problem := refused_file(path, config.id, project.settings, project.platform):
                part = "url" if connection.url is not None else "database"
                yield Conflict((key, part), *problem)


def _base_path(config: TenantConfig) -> Iterator[Conflict]:
    base = config.storage.base_path
    if base is not None and not base.variables and (problem := refused_base_path(base.text)):
        yield Conflict(("storage", "base_path"), problem, "a path below the bucket, such as raw/acme")


def refused_base_path(text: str) -> str | None:
    """Return why a prefix in a bucket cannot be used, or None."""
    parts = text.strip("/").split("/")
    if any(part in (".", "..") for part in parts):
        return f"the path `{text}` leads elsewhere"
    if text.strip("/") and not all(parts):
        return f"the path `{text}` has an empty part"
    if any(not each.isprintable() or each in "\\?#%*" for each in text):
        return "the path holds a character that object stores read in different ways"
    return None


def _owners(config: TenantConfig, platform: Platform) -> Iterator[Conflict]:
    if not platform.owners:
        return
    allowed = (*platform.owners.get(config.id, ()), *platform.owners.get("*", ()))
    named: list[tuple[KeyPath, tuple[str, ...]]] = [(("owners",), config.owners)]
    for name, pipeline in config.assets.pipelines.items():
        named.append((("assets", "pipelines", name, "owners"), pipeline.owners))
    for index, target in enumerate(config.notifications):
        named.append((("notifications", index, "owners"), target.owners))
    for path, owners in named:
        for index, owner in enumerate(owners):
            if owner not in allowed:
                yield Conflict(
                    (*path, index),
                    f"the owner `{owner}` does not belong to tenant {config.id}",
                    f"{', '.join(allowed) or 'none'} ([tool.etl.owners] in pyproject.toml)",
                )


_SERVERS = frozenset({
    "postgresql", "postgres", "mysql", "mariadb", "oracle", "mssql", "trino", "presto", "snowflake", "redshift", "db2",
    "clickhouse", "clickhousedb", "bigquery", "databricks", "hive", "teradatasql", "cockroachdb", "vertica", "hana",
})  # fmt: skip
"""Dialects whose database is no file, with or without a host."""
DIALECTS = (_SERVERS | {"sqlite", "duckdb", "access", "firebird", "sybase", "exasol", "impala", "druid", "pinot"}) - {
    "postgres"
}
"""The dialects that SQLAlchemy and well-known packages bring; `postgres` is only a spelling of URLs."""
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
    remedy = (
        f"a file below tenants/{tenant}/, or in a folder that the platform lists: [tool.etl] file_sources"
        f" in pyproject.toml; or a file below {demo / tenant}/"
    )
    return f"the file `{path}` does not belong to tenant {tenant}", remedy


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
