"""Describes a rule in words: its type, its columns and its arguments.

Belongs here: the words. Not here: the name of a check, which may have only safe characters (`fields.safe_name`).
"""

from etl.quality.rules.fields import RuleFields

LONGEST_LIST = 10
LONGEST_VALUE = 120


def wording(rule: RuleFields) -> str:
    """Return the rule in words, such as ``in_range of `qty` (min 0, max 150, where status = 'new')``."""
    plain = rule.to_dict()
    kind = str(plain.get("type", ""))
    if kind == "truthound":
        kind = f"truthound {plain['validator']}"
    columns = ", ".join(f"`{each}`" for each in rule.judged_columns)
    asked = arguments(rule)
    return kind + (f" of {columns}" if columns else "") + (f" ({', '.join(asked)})" if asked else "")


def arguments(rule: RuleFields) -> list[str]:
    """Return the rule's arguments in words; arguments that have their default value are left out."""
    plain = rule.to_dict()
    own = dict(plain.get("args", {})) if plain.get("type") == "truthound" else plain
    left_out = {"type", "column", "columns", "name", "description", "severity", "validator", "args", "mostly", "where"}
    found = [f"{key} {_value(value)}" for key, value in own.items() if key not in left_out]
    return found + [f"{key} {_value(plain[key])}" for key in ("mostly", "where") if plain.get(key) is not None]


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(_value(each) for each in value[:LONGEST_LIST])
        more = f" and {len(value) - LONGEST_LIST} more" if len(value) > LONGEST_LIST else ""
        return f"[{shown}{more}]"
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."
