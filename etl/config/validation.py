"""Validates a tree and makes the model; every problem has its place in the file.

Belongs here: turning pydantic's errors into findings. Not here: rules across values (`cross_checks`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from itertools import islice
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from etl.config.findings import ConfigFinding, KeyPath, shorten
from etl.config.keys_from_elsewhere import from_elsewhere
from etl.config.model_keys import allowed_keys, below
from etl.config.overrides import is_late
from etl.config.remedies import (
    BOUNDS,
    FILLED,
    bound_of,
    missing_key,
    missing_type,
    remedy_of,
    suggested_cron,
    wrong_kind,
)
from etl.config.sections import section_of
from etl.config.tenant_config import TenantConfig
from etl.config.words_from_elsewhere import word_from_elsewhere
from etl.config.yaml_source import Node, find, text_at, to_data
from etl.notify.targets import SECRET_FIELDS
from etl.quality.rules import RULE_TYPES
from etl.secrets.in_clear import is_secret_key
from etl.suggest import nearest

_ALLOWED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "a text; write quotes around it",
    "date_type": "a date YYYY-MM-DD",
    "date_parsing": "a date YYYY-MM-DD",
    "date_from_datetime_parsing": "a date YYYY-MM-DD",
    "date_from_datetime_inexact": "a date YYYY-MM-DD, without a time",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_PASSES = 4
_IN_ASSETS = 2
_SUGGESTED = re.compile(r"; did you mean `([^`]+)`\?$")
FINDINGS_LIMIT = 200  # nobody reads more findings, and each suggestion costs time


def validate(tree: Node) -> tuple[TenantConfig | None, list[ConfigFinding]]:
    """Return the model, or all problems. A number or date becomes a text where a text is expected."""
    data = to_data(tree)
    for _ in range(_PASSES):
        try:
            return TenantConfig.model_validate(data), []
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=True)
        adapted = 0
        for detail in details:
            adapted += _adapt(data, tree, detail)
        if not adapted:
            break
    return None, _findings(tree, data, details)


def validate_rest(tree: Node, wrong: Iterable[KeyPath]) -> TenantConfig | None:
    """Return the model without the wrong values, for further checks. A list with a wrong item is left out entirely."""
    paths = list(wrong)
    for _ in range(_PASSES):
        # a mapping that lacks a key is left out as a whole
        gone = [path if find(tree, path)[0] is not None else path[:-1] for path in paths]
        for path in gone:
            tree = _without(tree, path)
        config, findings = validate(tree)
        if config is not None:
            return config
        paths = [each.path for each in findings]
    return None


def placed(finding: ConfigFinding, tree: Node) -> ConfigFinding:
    """Return the finding with the line and column of its path."""
    node, mark = find(tree, finding.path)
    place = node.mark if node is not None and not isinstance(node.value, dict | list) and node.text else mark
    return replace(finding, line=place.line, column=place.column)


def _without(node: Node, path: KeyPath) -> Node:
    if not path or not isinstance(node.value, dict) or path[0] not in node.value:
        return node
    key = str(path[0])
    child = node.value[key]
    if len(path) > 1 and isinstance(child.value, dict):
        values = {**node.value, key: _without(child, path[1:])}
    else:
        values = {name: each for name, each in node.value.items() if name != key}
    return Node(values, node.mark, keys=node.keys, size=node.size, depth=node.depth)


def _adapt(data: Any, tree: Node, detail: ErrorDetails) -> bool:  # noqa: ANN401  what the YAML says
    """Change the value of `detail` if the file can be read in another way; return whether it was changed."""
    path = _path(data, detail["loc"])
    parent, key = _at(data, path[:-1]), path[-1] if path else None
    if key is not None and (node := find(tree, path)[0]) is not None:
        value = parent[key]
        if detail["type"] == "string_type" and isinstance(value, int | float | date) and not isinstance(value, bool):
            parent[key] = node.text
            return True
        if value is None and isinstance(parent, dict) and key in allowed_keys(TenantConfig, path[:-1]):
            del parent[key]
            return True
    return False


def _findings(tree: Node, data: Any, details: Iterable[ErrorDetails]) -> list[ConfigFinding]:  # noqa: ANN401
    findings: dict[tuple[KeyPath, str], ConfigFinding] = {}
    absent: dict[KeyPath, ConfigFinding] = {}
    for detail in islice(details, FINDINGS_LIMIT):
        finding = _finding(tree, data, detail)
        if finding is not None:
            findings.setdefault((finding.path, finding.problem), finding)
        if finding is not None and detail["type"] == "missing":
            absent[finding.path] = finding
    meant = {(*each.path[:-1], each.meant) for each in findings.values() if each.meant}
    wrong_keys = {each.path for each in findings.values() if "is not a valid" in each.problem}
    return [
        each
        for each in findings.values()
        # a key that is missing because it was mistyped, and the value of a key that is wrong itself
        if not (absent.get(each.path) is each and each.path in meant)
        and not (each.path in wrong_keys and "is not a valid" not in each.problem)
    ]


def _finding(tree: Node, data: Any, detail: ErrorDetails) -> ConfigFinding | None:  # noqa: ANN401
    kind, context = detail["type"], detail.get("ctx", {})
    path = _path(data, detail["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(tree, path, detail["loc"])
    if kind == "missing":
        key = str(detail["loc"][-1])
        bare = ConfigFinding((*path, key), f"`{key}` is missing", remedy=missing_key(path, key))
        return placed(bare, tree)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(tree, path, kind, context)
    if detail["loc"][-1:] == ("[key]",):
        return _wrong_key(tree, path, detail)
    node, _ = find(tree, path)
    if node is None and kind == "identifier" and path[-1:] != ("name",):
        return None  # the value comes from a name that already has a finding
    return placed(_wrong_value(path, node, detail), tree)


def _wrong_value(path: KeyPath, node: Node | None, detail: ErrorDetails) -> ConfigFinding:
    """Return the finding of a value that its key does not take, without its place."""
    kind, context = detail["type"], detail.get("ctx", {})
    named = f" for `{path[-1]}`" if path and isinstance(path[-1], str) else ""
    found = _found(node, path)
    text = node.text if node is not None else ""
    if kind in ("literal_error", "enum"):
        allowed = str(context.get("expected", "")).replace("'", "")
        choices = allowed.replace(" or ", ", ").split(", ")
        close = word_from_elsewhere(path, text) or nearest(text, choices) or ""
        return ConfigFinding(path, f"wrong value{named}", found=found, allowed=allowed, suggestion=close)
    if kind == "identifier":
        is_name = path[-1:] == ("name",)
        found = found or f"`{shorten(str(path[-2] if is_name else path[-1]))}`"
        if is_name and node is not None:
            remedy = "the name is the key of the pipeline: leave `name` out; a text for people is `description`"
            return ConfigFinding(path, f"not a valid {context['kind']}", found=found, remedy=remedy)
        return ConfigFinding(
            path,
            f"not a valid {context['kind']}",
            found=found,
            allowed=context["allowed"],
            suggestion=context.get("suggestion", ""),
            remedy=context.get("remedy", ""),
        )
    if kind in BOUNDS:
        allowed, remedy = bound_of(kind, context, node)
        remedy = FILLED.get(str(path[-1]), remedy) if kind == "string_too_short" else remedy
        return ConfigFinding(path, f"wrong value{named}", found=found, allowed=allowed, remedy=remedy)
    if kind == "placed":  # a mistake of a whole mapping that is about one of its keys
        at = (*path, str(context["key"]))
        return ConfigFinding(at, context["problem"], allowed=context.get("allowed", ""), remedy=context["remedy"])
    if kind == "string_pattern_mismatch":
        return ConfigFinding(path, f"wrong value{named}: it is blank", remedy=FILLED.get(str(path[-1]), "write a text"))
    if allowed := _ALLOWED.get(kind, ""):
        remedy = wrong_kind(kind, path, node)
        return ConfigFinding(path, f"wrong value{named}", found=found, allowed=allowed, remedy=remedy)
    message, suggestion = _message(detail)
    if "`" not in message and named:
        message = f"wrong value{named}: {message}"
    if path[-1:] in (("cron",), ("deadline",)):
        suggestion = suggestion or suggested_cron(text)
    return ConfigFinding(
        path,
        message,
        found="" if found == "a mapping" else found,
        allowed=str(context.get("allowed", "")),
        suggestion=suggestion or str(context.get("suggestion", "")),
        remedy="" if suggestion else remedy_of(message, path),
    )


def _unknown_key(tree: Node, path: KeyPath, location: tuple[int | str, ...]) -> ConfigFinding:
    key = str(location[-1])
    keys = allowed_keys(TenantConfig, location[:-1])
    mark = find(tree, path)[1]
    bare = ConfigFinding(path, f"unknown key `{shorten(key)}`", mark.line, mark.column)
    deeper = below(TenantConfig, location[:-1], key)
    if deeper is not None:
        return replace(bare, remedy=f"it belongs below `{'.'.join(deeper)}`", meant=deeper[0])
    if (known := from_elsewhere(path[:-1], key)) is not None:
        return replace(bare, remedy=known.answer, meant=known.to[0] if known.to else "")
    if len(path) == 1 and (_same(key, "tenant") or _same(key, "tenants") or key == text_at(tree, "id")):
        remedy = "write the keys of the tenant below `tenant:`"
        return replace(bare, remedy=remedy, suggestion="tenant", meant="tenant")
    if len(path) == _IN_ASSETS and path[0] == "assets" and not nearest(key, keys):
        return replace(bare, remedy=f"pipelines stand below `assets: {{pipelines: {{{shorten(key)}: ...}}}}`")
    close = nearest("".join(each for each in key if each.isprintable()), keys) or ""
    remedy = (
        "there is an invisible character in the key; write it again"
        if not key.isprintable() or key != key.strip()
        else ""
    )
    if not close and ":" in key:
        remedy = f"write a blank behind the colon: `{shorten(key.replace(':', ': ', 1))}`"
    return replace(bare, allowed=", ".join(sorted(keys)), suggestion=close, meant=close, remedy=remedy)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other


def _wrong_key(tree: Node, path: KeyPath, detail: ErrorDetails) -> ConfigFinding:
    """Return the finding of a key that users choose, but that breaks the pattern for such keys."""
    key, mark, context = str(path[-1]), find(tree, path)[1], detail.get("ctx", {})
    expected = str(context.get("expected", "")).replace("'", "")
    allowed = str(context.get("allowed", expected))
    problem = (
        f"`{shorten(key)}` is not a valid {context['kind']}" if "kind" in context else f"unknown key `{shorten(key)}`"
    )
    close = str(context.get("suggestion", "")) or word_from_elsewhere((*path[:-1], ""), key)
    close = close or nearest(key, expected.replace(" or ", ", ").split(", ")) or ""
    remedy = str(context.get("remedy", ""))
    if not remedy and ":" in key:
        close, remedy = "", f"write a blank behind the colon: `{shorten(key.replace(':', ': ', 1))}`"
    return ConfigFinding(path, problem, mark.line, mark.column, allowed=allowed, suggestion=close, remedy=remedy)


def _wrong_tag(tree: Node, path: KeyPath, kind: str, context: Mapping[str, Any]) -> ConfigFinding:
    """Return the finding of a rule or a notification of an unknown type."""
    discriminator = str(context.get("discriminator", "type")).strip("'()")
    at = (*path, discriminator)
    tags = [each.strip(" '") for each in str(context.get("expected_tags", "")).split(",") if each.strip()]
    if kind == "union_tag_not_found":
        tags = tags or list(RULE_TYPES if section_of(path) == "rule" else SECRET_FIELDS)
        remedy = missing_type(path, find(tree, path)[0], tuple(tags))
        bare = ConfigFinding(path, f"`{discriminator}` is missing", allowed=", ".join(tags), remedy=remedy)
        return placed(replace(bare, allowed="") if remedy else bare, tree)
    tag = str(context.get("tag", ""))
    close = word_from_elsewhere(at, tag) or nearest(tag, tags) or ""
    return placed(
        ConfigFinding(at, f"unknown {discriminator} `{shorten(tag)}`", allowed=", ".join(tags), suggestion=close), tree
    )


def _message(detail: ErrorDetails) -> tuple[str, str]:
    """Return the sentence of a model, and the name that it suggests."""
    text = detail["msg"].removeprefix("Value error, ")
    text = text.replace("Input should be", "should be").replace("Input should", "should")
    if match := _SUGGESTED.search(text):
        return text[: match.start()], match[1]
    return text, ""


def _found(node: Node | None, path: KeyPath) -> str:
    """Describe the value at the place in a word; a value that could be a secret is never shown."""
    if node is None:
        return ""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    if is_late(path) or "environments" in path or any(is_secret_key(part) for part in path):
        return "a text" if isinstance(node.value, str) else f"a {type(node.value).__name__}"
    return f"`{shorten(node.source or node.text)}`"


def _path(data: Any, location: Iterable[str | int]) -> KeyPath:  # noqa: ANN401  what the YAML says
    """Return the file's keys for a location of pydantic, without the names of models and of unions' branches."""
    path: list[str | int] = []
    for part in location:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        by_name = isinstance(data, dict) and part in data
        if by_name and part == "rule" and not isinstance(data["rule"], dict):
            continue  # the name of the model's field, and a key that stands for `type` elsewhere
        if in_list or by_name:
            data = data[part]
            path.append(part)
        elif part == "name" and path[:2] == ["assets", "pipelines"]:
            path.append(part)  # filled in from the key of the pipeline
    return tuple(path)


def _at(data: Any, path: KeyPath) -> Any:  # noqa: ANN401  what the YAML says
    for part in path:
        data = data[part]
    return data
