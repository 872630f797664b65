"""Turns `tenants/<id>/config.yaml` into `TenantConfig`: read, merge, validate, and check what the tenant owns.

Belongs here: the order of these steps, and the one error that lists all their findings. Not here: the steps.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from etl.config.connection_checks import connection_findings
from etl.config.cross_checks import conflicts
from etl.config.findings import ConfigFinding, Conflict, KeyPath, in_order
from etl.config.life import FILE, read_life_file
from etl.config.overrides import (
    for_environment,
    late_parts,
    literal,
    named_environments,
    nested_environments,
)
from etl.config.ownership import Project, foreign_names, foreign_things, texts
from etl.config.pipeline_config import PipelineConfig
from etl.config.secrets import secrets_in_clear
from etl.config.tenant_config import Origin, TenantConfig, fingerprint
from etl.config.tenant_loader import TRANSFORMS, inspect_transform, transform_path
from etl.config.validation import FINDINGS_LIMIT, placed, validate, validate_rest
from etl.config.yaml_source import SIZE_LIMIT, Mark, Node, marks, parse, text_at
from etl.config.yaml_word import yaml_word
from etl.errors import ConfigError
from etl.platform import platform_of
from etl.plural import counted
from etl.secrets.ownership import may_name
from etl.secrets.template import variables_of
from etl.settings import Settings, load_settings
from etl.suggest import nearest

CONFIG_FILE = "config.yaml"
_PIPELINE = 3  # the length of the path assets, pipelines, name


def load_tenant(
    tenant_id: str, settings: Settings | None = None, environ: Mapping[str, str] | None = None
) -> TenantConfig:
    """Return the configuration of one tenant for this environment. Raises one ConfigError that lists all problems."""
    settings = settings or load_settings()
    path = _config_path(tenant_id, settings)
    return load_text(tenant_id, _read(path), path, settings, environ)


def load_text(
    tenant_id: str, raw: bytes, path: Path, settings: Settings, environ: Mapping[str, str] | None = None
) -> TenantConfig:
    """Return the configuration that the text of a file gives if it stands at `path`. Raises ConfigError as above."""
    environ = os.environ if environ is None else environ
    project = Project(settings, platform_of(settings.project_dir, environ), list_tenants(settings))
    document = parse(raw)
    findings = list(document.findings)
    tenant = _tenant(document.root, tenant_id, findings) if document.root else None
    config: TenantConfig | None = None
    if tenant is not None:
        findings += secrets_in_clear(tenant)
        findings += connection_findings(tenant, is_whole=not document.findings)
        findings += nested_environments(tenant)
        merged, config, wrong = _judge(tenant, project, settings.environment)
        places = {(each.line, each.column) for each in findings if not each.path or each.path == ("id",)}
        findings += [each for each in wrong if (each.line, each.column) not in places]
        findings += _late(merged, config, project, environ)
        findings += _elsewhere(tenant, project, findings)
        findings += _transforms(path.parent, merged, config) if config else []
    elif not findings:
        findings.append(
            ConfigFinding((), "the file is empty", allowed=f"at least `tenant: {{id: {yaml_word(tenant_id)}}}`")
        )
    if findings or config is None:
        raise _error(tenant_id, _shown(path, settings), findings)
    life = read_life_file(path.with_name(FILE))
    if life is not None and life.state != "active":
        config = config.model_copy(update={"enabled": False})
    return config.with_origin(
        Origin(
            life=life if life is not None and life.state != "active" else None,
            path=path,
            environment=settings.environment,
            config_hash=fingerprint(config),
            places={(): tenant.mark if tenant else Mark(), **dict(marks(merged))},
            tenants=project.tenants,
            platform=project.platform,
            data_dir=settings.data_dir,
        )
    )


def unread_tenant(tenant_id: str, path: Path, settings: Settings) -> TenantConfig:
    """Return a configuration that says nothing but the id, for the removal of a tenant whose file cannot be read."""
    return TenantConfig(id=tenant_id).with_origin(
        Origin(
            life=read_life_file(path.with_name(FILE)),
            path=path,
            environment=settings.environment,
            config_hash="",
            places={(): Mark()},
            tenants=list_tenants(settings),
            platform=platform_of(settings.project_dir, os.environ),
            data_dir=settings.data_dir,
        )
    )


def written_tenant(raw: bytes, tenant_id: str) -> dict[str, object] | None:
    """Return what a tenant's file says, as mappings, lists and texts, valid or not; None if it is no YAML."""
    document = parse(raw)
    tenant = _tenant(document.root, tenant_id, []) if document.root and not document.findings else None
    if tenant is None or not isinstance(tenant.value, dict):
        return None
    return {key: _plain(each) for key, each in tenant.value.items()}


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {key: _plain(each) for key, each in node.value.items()}
    return [_plain(each) for each in node.value] if isinstance(node.value, list) else node.text


def list_tenants(settings: Settings | None = None) -> tuple[str, ...]:
    """Return the tenants of this project: folders with a config.yaml whose names do not begin with `_` or `.`."""
    folder = (settings or load_settings()).tenants_dir
    if (listed := _listed.get()) is not None and listed[0] == folder:
        return listed[1]
    found = (each.parent.name for each in folder.glob(f"*/{CONFIG_FILE}"))
    return tuple(sorted(name for name in found if not name.startswith(("_", "."))))


_listed: ContextVar[tuple[Path, tuple[str, ...]] | None] = ContextVar("_listed", default=None)


@contextmanager
def tenants_listed_once(settings: Settings) -> Iterator[tuple[str, ...]]:
    """List the tenants once for all that is done in the block, such as loading each of them."""
    every = list_tenants(settings)
    token = _listed.set((settings.tenants_dir, every))
    try:
        yield every
    finally:
        _listed.reset(token)


class ConfigLoader:
    """The same functions under the name that the guide uses."""

    load_tenant = staticmethod(load_tenant)
    list_tenants = staticmethod(list_tenants)


def _config_path(tenant_id: str, settings: Settings) -> Path:
    path = settings.tenants_dir / tenant_id / CONFIG_FILE
    known = list_tenants(settings)
    if tenant_id not in known and not (tenant_id.startswith("_") and tenant_id.isidentifier() and path.is_file()):
        close = nearest(tenant_id, known)
        hint = f"did you mean `{close}`?" if close else f"tenants here: {', '.join(known) or 'none'}"
        folder = settings.tenants_dir / tenant_id
        missing = f"{CONFIG_FILE} is missing in" if folder.is_dir() else "there is no folder"
        name = tenant_id if tenant_id.isidentifier() else repr(tenant_id[:60])
        raise ConfigError(
            f"there is no tenant `{name}`: {missing} {_shown(settings.tenants_dir, settings)}/{name}", hint
        )
    return path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SIZE_LIMIT + 1)  # one byte above the limit shows that the file is too large
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "check the file and its permissions") from error


def _tenant(root: Node, folder: str, findings: list[ConfigFinding]) -> Node | None:
    """Return the tenant's mapping: below the key `tenant`, beside it, or the whole file, without the keys `x-...`."""
    if not isinstance(root.value, dict):
        what = "nothing" if root.value is None else "a list" if isinstance(root.value, list) else "a single value"
        allowed = f"keys, such as `tenant: {{id: {yaml_word(folder)}}}`"
        findings.append(ConfigFinding((), "the file holds no mapping", root.mark.line, root.mark.column, what, allowed))
        return None
    values = {key: node for key, node in root.value.items() if not key.startswith("x-")}
    keys = dict(root.keys)
    inner = values.pop("tenant", None)
    if inner is not None and not isinstance(inner.value, dict):
        mark = keys["tenant"]
        findings.append(
            ConfigFinding(
                (), "`tenant` is no mapping", mark.line, mark.column, allowed=f"{{id: {yaml_word(folder)}, ...}}"
            )
        )
        return None
    for key, node in inner.value.items() if inner is not None and isinstance(inner.value, dict) else ():
        if key in values and inner is not None:
            mark = inner.keys[key]
            problem = f"`{key}` stands both inside and beside `tenant`"
            findings.append(ConfigFinding((key,), problem, mark.line, mark.column, allowed="one of the two places"))
        values[key], keys[key] = node, inner.keys[key] if inner else root.mark
    written = values.setdefault("id", Node(folder, root.mark, folder))
    keys.setdefault("id", root.mark)
    if not folder.startswith("_") and written.text != folder:
        problem = "`id` differs from the folder's name"
        place = written.mark
        findings.append(
            ConfigFinding(("id",), problem, place.line, place.column, _quoted(written), suggestion=yaml_word(folder))
        )
    start = root.keys.get("tenant", root.mark)
    return Node(values, start, keys=keys, size=root.size, depth=root.depth)


def _judge(tenant: Node, project: Project, environment: str) -> tuple[Node, TenantConfig | None, list[ConfigFinding]]:
    """Return the merged tree, the model if the tree is valid, and the problems."""
    findings: list[ConfigFinding] = []
    tree = literal(for_environment(tenant, environment), findings)
    unresolved = {each.path for each in findings}
    config, wrong = validate(tree)
    findings += [each for each in wrong if each.path not in unresolved]
    owner = text_at(tree, "id")
    findings += [each for each in foreign_names(tree, owner, project) if each not in findings]
    judged = config
    if config is None and len(findings) < FINDINGS_LIMIT:
        judged = validate_rest(tree, [each.path for each in findings])
    if judged is not None:
        found = [*conflicts(judged, project.platform.conventions.groups), *foreign_things(judged, project)]
        findings += [_as_finding(each, tree) for each in found if not _explained(each, findings)]
    return tree, config, findings


def _as_finding(conflict: Conflict, tree: Node) -> ConfigFinding:
    bare = ConfigFinding(
        conflict.path,
        conflict.problem,
        allowed=conflict.allowed,
        suggestion=conflict.suggestion,
        remedy=conflict.remedy,
    )
    return placed(bare, tree)


def _explained(conflict: Conflict, findings: Iterable[ConfigFinding]) -> bool:
    """Whether another mistake in the same pipeline may be the cause, such as a mistyped `source_table`."""
    for finding in findings:
        same = finding.path[:_PIPELINE] == conflict.path[:_PIPELINE]
        named = {finding.suggestion, finding.meant, *finding.path[_PIPELINE - 1 :]}
        if same and (named & conflict.about or not conflict.about):
            return True
        if len(finding.path) < len(conflict.path) and finding.path[:1] == ("dbt",) and "dbt" in conflict.about:
            return True
    return False


def _late(tree: Node, config: TenantConfig | None, project: Project, environ: Mapping[str, str]) -> list[ConfigFinding]:
    """Return findings about variables of connections that are not set. In dev, the demo source is read instead."""
    environment = project.settings.environment
    if not isinstance(tree.value, dict) or (config is not None and not config.enabled) or environment == "dev":
        return []
    findings: list[ConfigFinding] = []
    owner, shared = text_at(tree, "id"), project.platform.shared_variables
    for place, part in late_parts(tree):
        for path, node in texts(part, place):
            own = [each for each in variables_of(node.text) if may_name(each[0], owner, project.tenants, shared)]
            unset = dict.fromkeys(name for name, default in own if default is None and not environ.get(name))
            if unset:
                problem = f"the environment variable {' and '.join(unset)} is not set and has no default"
                if place == ("source_database",):
                    problem += f" (DAGSTER_ENVIRONMENT={environment}; in dev the demo source would be read instead)"
                findings.append(ConfigFinding(path, problem, node.mark.line, node.mark.column))
    if config is not None and config.pipelines and config.source_database is None:
        problem = f"`source_database` is missing; only dev has a demo source, this is {environment}"
        findings.append(ConfigFinding(("source_database",), problem, tree.mark.line, tree.mark.column))
    return findings


def _transforms(folder: Path, tree: Node, config: TenantConfig) -> list[ConfigFinding]:
    """Return findings about transforms that are missing or cannot be called. The transforms are not run for this."""
    findings: list[ConfigFinding] = []
    at: KeyPath
    for name, pipeline in config.pipelines.items():
        inputs = tuple(dict.fromkeys(pipeline.transfer_inputs))
        wrong = inspect_transform(folder, name, inputs) if pipeline.has_transfer else None
        if _is_forgotten(folder, name, pipeline):
            at = ("assets", "pipelines", name)
            problem = f"{TRANSFORMS}/{name}.py is written, but `has_transfer` is not, so that nothing runs it"
            remedy = "write `has_transfer: true`, or `false` to keep the file for later"
            findings.append(placed(ConfigFinding(at, problem, remedy=remedy), tree))
        if wrong is not None:
            place = f"{wrong.path.relative_to(folder)}:{wrong.line}"
            at = ("assets", "pipelines", name, "has_transfer")
            findings.append(
                placed(ConfigFinding(at, f"the transform {place} {wrong.problem}", remedy=wrong.hint), tree)
            )
    return findings


def _is_forgotten(folder: Path, name: str, pipeline: PipelineConfig) -> bool:
    """Whether the tenant has a transform of this name that no environment switches on or off."""
    written = "has_transfer" in pipeline.model_fields_set
    elsewhere = any("has_transfer" in values for values in pipeline.environments.values())
    return not written and not elsewhere and transform_path(folder, name).is_file()


def _elsewhere(tenant: Node, project: Project, known: list[ConfigFinding]) -> list[ConfigFinding]:
    """Return problems in the file's other environments, so that they are found before a deployment."""
    seen = {(each.line, each.column) for each in known}
    findings: list[ConfigFinding] = []
    for environment in sorted(named_environments(tenant) - {project.settings.environment}):
        for each in _judge(tenant, project, environment)[2]:
            if (each.line, each.column) not in seen:
                seen.add((each.line, each.column))
                problem = f"in environment {environment}: {each.problem}"
                findings.append(
                    ConfigFinding(each.path, problem, each.line, each.column, each.found, each.allowed, each.suggestion)
                )
    return findings


def _quoted(node: Node) -> str:
    return f"`{node.text[:60]}`" if not isinstance(node.value, dict | list) else "no text"


def _shown(path: Path, settings: Settings) -> str:
    return str(path.relative_to(settings.project_dir)) if path.is_relative_to(settings.project_dir) else str(path)


def _error(tenant_id: str, file: str, findings: Iterable[ConfigFinding]) -> ConfigError:
    ordered = in_order(findings)
    problems = [each.render(file) for each in ordered[:FINDINGS_LIMIT]]
    count = counted(len(ordered), "problem")
    if len(ordered) > FINDINGS_LIMIT:
        count += f", of which these are the first {FINDINGS_LIMIT}"
    return ConfigError(
        f"the configuration of tenant `{tenant_id}` has {count}",
        f"correct {file}; docs/yaml-reference.md lists every key",
        problems=problems,
    )
