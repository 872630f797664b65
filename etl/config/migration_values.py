"""What becomes of a value when its key moves: the form that the new place takes.

Belongs here: pure functions of values and keys. Not here: walking a file (`migration`).
"""

import re
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from etl.config.commented import own_keys
from etl.config.findings import KeyPath
from etl.config.keys_from_elsewhere import Elsewhere
from etl.config.model_keys import allowed_keys
from etl.config.tenant_config import TenantConfig
from etl.config.words_from_elsewhere import word_from_elsewhere

PIPELINES: KeyPath = ("assets", "pipelines")
_WHOLE = 100
_JINJA = re.compile(r"\{\{\s*(?:env_var\(\s*)?['\"]?(?:env\.|var\.value\.)?([A-Z][A-Z0-9_]+)['\"]?\s*\)?\s*\}\}")
_SHELL = re.compile(r"(?<!\$)\$([A-Z][A-Z0-9_]+)\b")
_KEYED = ("primary_key", "primary_keys", "unique_key", "merge_key", "key_columns")


def keys_at(path: KeyPath) -> tuple[str, ...]:
    """Return the keys that belong into the mapping at `path`."""
    return allowed_keys(TenantConfig, path)


def in_one_line(items: list[Any]) -> CommentedSeq:
    """Return a list that is written in one line."""
    made = CommentedSeq(items)
    made.fa.set_flow_style()
    return made


def only_names(value: Any) -> CommentedSeq | None:  # noqa: ANN401  whatever stands in the file
    """Return the names of a list of mappings, such as of columns with their types; None for any other value."""
    if not isinstance(value, CommentedSeq) or not value:
        return None
    names = [each.get("name") if isinstance(each, CommentedMap) else None for each in value]
    return in_one_line(names) if all(names) else None


def same_letters(key: str, known: tuple[str, ...]) -> str:
    """Return the key that differs only in capitals, hyphens and underscores."""
    plain = re.sub(r"[\W_]", "", key).lower()
    return next((each for each in known if each.replace("_", "") == plain), "")


def fits(known: Elsewhere, value: Any) -> bool:  # noqa: ANN401  whatever stands in the file
    """Whether the value has the form that its new place takes, as far as the key tells it."""
    if known.change == "mode":
        return isinstance(value, str)
    if known.change == "not":
        return isinstance(value, bool)
    if known.to == ("has_transfer",):
        return isinstance(value, bool)
    if known.to == ("date_column",) or known.change == "table":
        return isinstance(value, str)
    return True


def moved_to(known: Elsewhere, value: Any, mapping: CommentedMap) -> list[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    """Return where the value goes, and as what. `mapping` is what stands around it."""
    if known.change == "not":
        return [(known.to, not value)]
    if known.change == "list" and not isinstance(value, CommentedSeq):
        return [(known.to, in_one_line([value]))]
    if known.change == "mode" and value == "incremental" and any(key in mapping for key in _KEYED):
        return [(known.to, "upsert")]
    if known.change == "mode":
        return [(known.to, word_from_elsewhere((*PIPELINES, "", "trino_output", "mode"), value) or value)]
    if known.change == "table" and "." in value and "{" not in value:
        schema, _, table = value.rpartition(".")
        return [((*known.to[:-1], "target_schema"), schema), (known.to, table)]
    return [(known.to, value)]


def share_from_percent(value: Any) -> float | None:  # noqa: ANN401  whatever stands in the file
    """Return the share that a number in per cent is, or None for a number that is a share already."""
    text = str(value).strip().removesuffix("%").strip()
    is_number = re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None and not isinstance(value, bool)
    return float(text) / _WHOLE if is_number and 1 < float(text) <= _WHOLE else None


def value_at(mapping: CommentedMap, path: tuple[str, ...]) -> Any:  # noqa: ANN401  whatever stands in the file
    """Return what stands below `path`, or None."""
    found: Any = mapping
    for part in path:
        found = found.get(part) if isinstance(found, CommentedMap) else None
    return found


def items_of(node: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401  whatever stands in the file
    """Return the keys or places of a mapping or a list with their values; nothing for a single value."""
    if isinstance(node, CommentedMap):
        return [(key, node[key]) for key in own_keys(node)]
    return list(enumerate(node)) if isinstance(node, CommentedSeq) else []


def spelled_here(value: str) -> str:
    """Return the text with its variables as `${NAME}`, for those of a shell and of Jinja."""
    return _SHELL.sub(r"${\1}", _JINJA.sub(r"${\1}", value))
