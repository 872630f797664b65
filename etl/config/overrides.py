"""What differs per environment, and what stands in environment variables, applied to the tree of a file.

Belongs here: merging `environments:` and interpolating, both before anything is validated. Does not: deciding whether
the result is right.
"""

from collections.abc import Mapping
from dataclasses import replace

from etl.config.env_template import interpolate, malformed, missing_variables, variables_of
from etl.config.findings import Finding, Path
from etl.config.yaml_source import Node, resolve_plain

LATE_KEYS = frozenset({"source_database", "storage", "warehouse", "notifications"})
_PIPELINE_DEPTH = 3  # assets, pipelines, name


def is_late(path: Path) -> bool:
    """Whether the texts at `path` stay templates until a run needs them."""
    return bool(path) and path[0] in LATE_KEYS


def named_environments(tenant: Node) -> frozenset[str]:
    """Every environment for which the tenant or one of its pipelines says something."""
    blocks = [_child(tenant, "environments"), *(_child(each, "environments") for each in _pipelines(tenant).values())]
    return frozenset(name for block in blocks if block and isinstance(block.value, dict) for name in block.value)


def for_environment(tenant: Node, environment: str) -> Node:
    """The tenant with the values of `environment` laid over it, first its own, then those of each pipeline."""
    merged = _overlay(tenant, environment)
    pipelines = {name: _overlay(each, environment) for name, each in _pipelines(merged).items()}
    assets = _child(merged, "assets")
    block = _child(assets, "pipelines") if assets else None
    if assets is None or block is None or not pipelines:
        return merged
    return _with_child(merged, "assets", _with_child(assets, "pipelines", replace(block, value=pipelines)))


def interpolated(node: Node, environ: Mapping[str, str], findings: list[Finding], path: Path = ()) -> Node:
    """The tree with its variables resolved, but for what is late. What cannot be resolved is reported and left."""
    if is_late(path) or _is_overrides(path):
        return node
    if isinstance(node.value, dict):
        children = {key: interpolated(each, environ, findings, (*path, key)) for key, each in node.value.items()}
        return replace(node, value=children)
    if isinstance(node.value, list):
        items = [interpolated(each, environ, findings, (*path, index)) for index, each in enumerate(node.value)]
        return replace(node, value=items)
    if isinstance(node.value, str) and "$" in node.value:
        return _resolved(node, node.value, environ, findings, path)
    return node


def _resolved(node: Node, text: str, environ: Mapping[str, str], findings: list[Finding], path: Path) -> Node:
    problem = malformed(text)
    if missing := missing_variables(text, environ):
        problem = f"the environment variable {' and '.join(missing)} is not set and has no default"
    if problem:
        findings.append(Finding(path, problem, node.mark.line, node.mark.column))
        return node
    value = interpolate(text, environ)
    typed = resolve_plain(value) if node.plain and value and variables_of(text) else value
    return replace(node, value=typed, text=value, source=text)


def _is_overrides(path: Path) -> bool:
    in_pipeline = len(path) == _PIPELINE_DEPTH + 1 and path[:2] == ("assets", "pipelines")
    return path[-1:] == ("environments",) and (len(path) == 1 or in_pipeline)


def _overlay(node: Node, environment: str) -> Node:
    block = _child(node, "environments")
    values = _child(block, environment) if block else None
    return _merge(node, values) if values is not None and isinstance(values.value, dict) else node


def _merge(under: Node, over: Node) -> Node:
    if not isinstance(under.value, dict) or not isinstance(over.value, dict):
        return over
    values = dict(under.value)
    for key, node in over.value.items():
        values[key] = _merge(values[key], node) if key in values else node
    return replace(under, value=values, keys={**under.keys, **over.keys})


def _pipelines(tenant: Node) -> dict[str, Node]:
    assets = _child(tenant, "assets")
    block = _child(assets, "pipelines") if assets else None
    return block.value if block and isinstance(block.value, dict) else {}


def _child(node: Node, key: str) -> Node | None:
    return node.value.get(key) if isinstance(node.value, dict) else None


def _with_child(node: Node, key: str, child: Node) -> Node:
    return replace(node, value={**node.value, key: child}) if isinstance(node.value, dict) else node
