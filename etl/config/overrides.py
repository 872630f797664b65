"""Merges the values of an environment into the tree of a file, and limits where variables may stand.

Belongs here: merging `environments:`, and which keys may name variables; both happen before the validation. Not here:
validating the result, and whether a tenant owns a variable (`ownership`).

The keys of KEYS_RESOLVED_IN_RUNS are resolved when a run opens a connection or sends a message, and `dbt: env` when a
run starts dbt. All other keys become visible in definitions, so that a variable or a secret in one of them is refused.
"""

from collections.abc import Iterator
from dataclasses import replace

from etl.config.findings import ConfigFinding, KeyPath
from etl.config.yaml_source import Node
from etl.secrets.in_clear import is_secret_key
from etl.secrets.template import literal_of, references_of, secrets_of

KEYS_RESOLVED_IN_RUNS = frozenset({"source_database", "storage", "warehouse", "notifications"})
DBT_ENV = ("dbt", "env")
_LATE_PATHS: tuple[tuple[str, ...], ...] = (*((key,) for key in sorted(KEYS_RESOLVED_IN_RUNS)), DBT_ENV)
_HIDDEN_ELSEWHERE = (
    "no secret, neither here nor in clear; the variable of a connection stands below `source_database`, `warehouse`,"
    " `storage` or `notifications`"
)
_PIPELINE_DEPTH = 3  # assets, pipelines, name


def is_late(path: KeyPath) -> bool:
    """Whether the texts at `path` stay templates until a run needs their values."""
    return path[:1] in _LATE_PATHS or path[:2] in _LATE_PATHS


def late_parts(tenant: Node) -> Iterator[tuple[KeyPath, Node]]:
    """Yield the parts of a tenant whose texts stay templates, with their paths."""
    for path in _LATE_PATHS:
        node: Node | None = tenant
        for key in path:
            node = _child(node, key) if node is not None else None
        if node is not None:
            yield path, node


def named_environments(tenant: Node) -> frozenset[str]:
    """Return the environments for which the tenant or one of its pipelines has values."""
    blocks = [_child(tenant, "environments"), *(_child(each, "environments") for each in _pipelines(tenant).values())]
    return frozenset(name for block in blocks if block and isinstance(block.value, dict) for name in block.value)


def for_environment(tenant: Node, environment: str) -> Node:
    """Return the tenant merged with the values of `environment`: first the tenant's values, then each pipeline's."""
    merged = _overlay(tenant, environment)
    pipelines = {name: _overlay(each, environment) for name, each in _pipelines(merged).items()}
    assets = _child(merged, "assets")
    block = _child(assets, "pipelines") if assets else None
    if assets is None or block is None or not pipelines:
        return merged
    return _with_child(merged, "assets", _with_child(assets, "pipelines", replace(block, value=pipelines)))


def nested_environments(tenant: Node) -> Iterator[ConfigFinding]:
    """Yield keys that the values of an environment cannot have: the id, and environments of their own."""
    block = _child(tenant, "environments")
    for name, values in block.value.items() if block is not None and isinstance(block.value, dict) else ():
        for key in ("environments", "id"):
            if _child(values, key) is not None:
                mark = values.keys[key]
                what = "has no effect" if key == "environments" else "would make it the file of another tenant"
                problem = f"`{key}` inside the values of `{name}` {what}"
                path = ("environments", name, key)
                yield ConfigFinding(path, problem, mark.line, mark.column, remedy="leave it out")


def literal(node: Node, findings: list[ConfigFinding], path: KeyPath = ()) -> Node:
    """Return the tree with `$$` as a dollar, except in late keys. A variable or secret in any other key is reported."""
    if is_late(path) or _is_overrides(path):
        return node
    if isinstance(node.value, dict):
        return replace(node, value={key: literal(each, findings, (*path, key)) for key, each in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[literal(each, findings, (*path, at)) for at, each in enumerate(node.value)])
    if isinstance(node.value, str) and "$" in node.value:
        return _plain(node, node.value, findings, path)
    return node


def _plain(node: Node, text: str, findings: list[ConfigFinding], path: KeyPath) -> Node:
    if "${" in text.replace("$$", ""):
        findings.append(visible(node, path))
        return node
    value = literal_of(text)
    return replace(node, value=value, text=value, source=text)


def visible(node: Node, path: KeyPath) -> ConfigFinding:
    """Return the finding of a variable or secret in a key whose value people see."""
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
    references = " and ".join(f"${{{name}}}" for name, _ in references_of(node.text)) or "`${`"
    itself = "the value itself; what differs per environment stands under `environments:`; $$ is a dollar"
    names = [key, *(name for name, _ in references_of(node.text))]
    is_hidden = key == "url" or bool(secrets_of(node.text)) or any(is_secret_key(name) for name in names)
    return ConfigFinding(
        path,
        f"`{key}` is shown to people and takes neither a variable nor a secret: {references}",
        node.mark.line,
        node.mark.column,
        allowed=_HIDDEN_ELSEWHERE if is_hidden else itself,
    )


def _is_overrides(path: KeyPath) -> bool:
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
