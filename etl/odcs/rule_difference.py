"""Compares the rules of two tables: which rule is gone, which allows more than before.

Belongs here: what "looser" means for each type of rule. Not here: the rest of a contract (`difference`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal

from etl.odcs.changes import ContractChange, breaking, harmless, unknown
from etl.odcs.columns import column_name
from etl.odcs.rules import NoRuleError, rule_of
from etl.quality.rules import AnyRule
from etl.quality.rules.fields import as_written

_SEVERITIES = ("info", "warning", "error")
_TEXTS = ("name", "description")
_BOUNDS = {"min": "low", "max": "high", "max_age_hours": "high"}


def rule_changes(at: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    """Yield the changes of the rules of a table and of its columns."""
    before, after = _rules(old), _rules(new)
    columns = {column_name(each) for each in new.get("properties") or []}
    for subject, (entry, rule) in before.items():
        place = f"{at}.{_label(subject)}"
        if subject not in after:
            if _of_a_column_that_is_gone(rule, columns):
                continue  # the column itself is named
            yield breaking(place, "the rule is gone")
        else:
            yield from _changed(place, (entry, rule), after[subject])
    for subject in after:
        if subject not in before:
            yield harmless(f"{at}.{_label(subject)}", "the rule is new")


Subject = tuple[str, tuple[str, ...], int]
_Known = tuple[Mapping[str, Any], AnyRule | None]


def _rules(table: Mapping[str, Any]) -> dict[Subject, _Known]:
    """Return the rules by what they judge; of several rules that judge the same, by their order."""
    entries: list[tuple[Mapping[str, Any], str | None]] = [(entry, None) for entry in table.get("quality") or []]
    for column in table.get("properties") or []:
        entries += [(entry, column_name(column)) for entry in column.get("quality") or []]
    found: dict[Subject, _Known] = {}
    counts: dict[tuple[str, tuple[str, ...]], int] = defaultdict(int)
    for entry, column in entries:
        try:
            rule: AnyRule | None = rule_of(entry, column)
        except NoRuleError:
            rule = None
        kind, judged = (rule.type, rule.judged_columns) if rule else _foreign(entry, column)
        found[kind, judged, counts[kind, judged]] = (entry, rule)
        counts[kind, judged] += 1
    return found


def _foreign(entry: Mapping[str, Any], column: str | None) -> tuple[str, tuple[str, ...]]:
    """Return what identifies an entry that is no rule of ours: its id or name, or its kind."""
    name = entry.get("id") or entry.get("name") or entry.get("metric") or entry.get("type") or "quality"
    return str(name), (column,) if column else ()


def _label(subject: Subject) -> str:
    kind, columns, number = subject
    return f"{kind}({', '.join(columns)})" + (f"#{number + 1}" if number else "")


def _of_a_column_that_is_gone(rule: AnyRule | None, columns: set[str]) -> bool:
    return rule is not None and bool(rule.judged_columns) and not {*rule.judged_columns} <= columns


def _changed(at: str, old: _Known, new: _Known) -> Iterator[ContractChange]:
    (old_entry, before), (new_entry, after) = old, new
    if before is None or after is None:
        ignored = {"description", "id", "businessImpact", "tags", "dimension"}
        if {k: v for k, v in old_entry.items() if k not in ignored} != {
            k: v for k, v in new_entry.items() if k not in ignored
        }:
            yield unknown(at, "the check has changed, and it is no rule that can be compared")
        return
    if _plain(before) == _plain(after):
        return
    told = _compared(before, after)
    if told["looser"]:
        yield breaking(at, f"the rule allows more: {'; '.join(told['looser'])}")
    if told["unordered"]:
        said = "; ".join(told["unordered"])
        yield breaking(at, f"the rule is another one; it cannot be put in order, and counts as a break: {said}")
    if told["tighter"]:
        yield harmless(at, f"the rule allows less: {'; '.join(told['tighter'])}")


def _plain(rule: AnyRule) -> dict[str, Any]:
    return rule.model_dump(exclude={*_TEXTS})


Order = Literal["looser", "tighter", "unordered"]


def _compared(old: AnyRule, new: AnyRule) -> dict[Order, list[str]]:
    """Return what is looser, what is tighter, and what cannot be put in order, each in words."""
    before, after = _plain(old), _plain(new)
    told: dict[Order, list[str]] = {"looser": [], "tighter": [], "unordered": []}
    for key in before:
        one, other = before[key], after.get(key)
        if one != other:
            told[_order(old.type, key, one, other)].append(f"{key} {_shown(one)} becomes {_shown(other)}")
    return told


def _order(kind: str, key: str, old: Any, new: Any) -> Order:  # noqa: ANN401  values of rules
    if key == "severity":
        return _of(_SEVERITIES.index(new) > _SEVERITIES.index(old))
    if key == "mostly":
        return _of((1.0 if new is None else new) > (1.0 if old is None else old))
    if key == "where" and (old is None or new is None):
        return _of(new is None)  # every row is judged
    if key in ("min_inclusive", "max_inclusive"):
        return _of(not new)
    if key == "strict":
        return _of(bool(new))
    if key == "values" and kind in ("in_set", "not_in_set"):
        before, after = {*map(str, old)}, {*map(str, new)}
        if before < after or after < before:
            return _of((after < before) == (kind == "in_set"))
        return "looser"  # a value that was not allowed is allowed
    if key in _BOUNDS:
        return _order_of_bounds(_BOUNDS[key], old, new)
    if key in ("exact", "version") and (old is None or new is None):
        return _of(old is None)
    return "unordered"


def _of(tighter: bool) -> Order:
    return "tighter" if tighter else "looser"


def _order_of_bounds(side: str, old: Any, new: Any) -> Order:  # noqa: ANN401  a number, a moment, a duration
    if old is None or new is None:
        return _of(old is None)
    try:
        return _of(bool(as_written(new) > as_written(old)) == (side == "low"))
    except TypeError:  # bounds of two kinds cannot be ordered
        return "unordered"


def _shown(value: Any) -> str:  # noqa: ANN401  values of rules
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    return "none" if value is None else str(value) if not isinstance(value, timedelta) else f"{value}"
