"""What a tenant's file names and does not own: refused with its line when the file is read.

Belongs here: variables, secrets, dbt projects, files and owners that belong to another tenant or to the platform. Not
here: whose a variable is (`etl.secrets.ownership`), what the platform lends (`etl.platform`), and the same refusals at
the moment of use (`etl.secrets.namespace`, `etl.config.file_sources`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etl.config.file_sources import named_files, refused_file
from etl.config.findings import ConfigFinding, Conflict, Path
from etl.config.overrides import LATE_KEYS, visible
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import Node
from etl.errors import ConfigError
from etl.platform import Platform
from etl.secrets.namespace import refusal
from etl.secrets.ownership import may_name
from etl.secrets.template import malformed, secrets_of, variables_of
from etl.settings import Settings

_NOT_RESOLVED = frozenset({"type", "on", "severity", "owners", "pipelines", "security"})
"""Keys of a notification that are no templates."""


@dataclass(frozen=True)
class Project:
    """What surrounds a tenant: the other tenants, the platform, and the places."""

    settings: Settings
    platform: Platform
    tenants: tuple[str, ...]


def foreign_names(tree: Node, tenant: str, project: Project) -> Iterator[ConfigFinding]:
    """Each variable below the late keys that the tenant may not name, and each secret where none may stand."""
    if not isinstance(tree.value, dict):
        return
    for key in sorted(LATE_KEYS & tree.value.keys()):
        for path, node in texts(tree.value[key], (key,)):
            yield from _of_text(path, node, tenant, project)


def _of_text(path: Path, node: Node, tenant: str, project: Project) -> Iterator[ConfigFinding]:
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    references = [*(name for name, _ in variables_of(node.text)), *secrets_of(node.text)]
    if path[0] == "notifications" and key in _NOT_RESOLVED and "${" in node.text.replace("$$", ""):
        yield visible(node, path)
        return
    if path[0] == "notifications" and (problem := malformed(node.text)):  # the other models look themselves
        yield ConfigFinding(path, problem, node.mark.line, node.mark.column)
    if path[0] == "storage" and any(each.startswith("secret:") for each in references):
        problem = f"`{key}` becomes part of addresses that people see and takes no secret"
        yield ConfigFinding(path, problem, node.mark.line, node.mark.column, allowed="a variable, or the value itself")
    for name, _ in variables_of(node.text):
        if not may_name(name, tenant, project.tenants, project.platform.shared_variables):
            problem, remedy = refusal(name, tenant, project.tenants)
            yield ConfigFinding(path, problem, node.mark.line, node.mark.column, allowed=remedy)


def texts(node: Node, path: Path) -> Iterable[tuple[Path, Node]]:
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
    """The dbt project, the files, the paths and the owners that are not the tenant's to name."""
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
            continue  # its syntax has a finding of its own
        for path in named_files(url):
            if problem := refused_file(path, config.id, project.settings, project.platform):
                yield Conflict((key,), *problem)


def _base_path(config: TenantConfig) -> Iterator[Conflict]:
    base = config.storage.base_path
    if base is not None and not base.variables and (problem := refused_base_path(base.text)):
        yield Conflict(("storage", "base_path"), problem, "a path below the bucket, such as raw/acme")


def refused_base_path(text: str) -> str | None:
    """Why a prefix in a bucket cannot be used, if so."""
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
    named: list[tuple[Path, tuple[str, ...]]] = [(("owners",), config.owners)]
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
