"""Relationships between tables: rules `foreign_key` as the standard writes them beside the rules, and back.

Belongs here: `relationships` of a table and of a column. Not here: the rule itself, which stands in `quality` too.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etl.config.pipeline_config import StagedRule
from etl.odcs.columns import column_name
from etl.quality.rules import AnyRule, ForeignKey

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def column_relationships(column: str, rules: Iterable[StagedRule]) -> dict[str, Any]:
    """Return the key `relationships` of a column, or nothing."""
    found = [
        {"type": "foreignKey", "to": f"{rule.to}.{rule.referenced_columns[0]}"}
        for rule in _keys_of(rules)
        if rule.judged_columns == (column,) and _is_plain(rule)
    ]
    return {"relationships": found} if found else {}


def table_relationships(table: str, rules: Iterable[StagedRule], columns: Iterable[str]) -> dict[str, Any]:
    """Return the key `relationships` of a table, for keys of several columns, or nothing."""
    known = {*columns}
    found = [
        {
            "type": "foreignKey",
            "from": [f"{table}.{name}" for name in rule.judged_columns],
            "to": [f"{rule.to}.{name}" for name in rule.referenced_columns],
        }
        for rule in _keys_of(rules)
        if len(rule.judged_columns) > 1 and {*rule.judged_columns} <= known and _is_plain(rule, table)
    ]
    return {"relationships": found} if found else {}


def rules_of_relationships(
    table: Mapping[str, Any],
    columns: Mapping[int, Mapping[str, Any]],
    rules: Sequence[AnyRule],
    pipelines: Mapping[str, str],
    at: str,
    left: list[tuple[str, str]],
) -> list[AnyRule]:
    """Return rules for the relationships that no rule says yet.

    `columns` are by their places in the contract, `pipelines` are the names of pipelines by table.
    """
    said = {(each.judged_columns, each.to, each.referenced_columns) for each in rules if isinstance(each, ForeignKey)}
    places: list[tuple[str, object, object]] = []
    listed = [(f"{at}.relationships", table.get("relationships") or [])]
    listed += [
        (f"{at}.properties[{index}].relationships", column.get("relationships") or [])
        for index, column in columns.items()
    ]
    left += [
        (f"{place}[{number}].{key}", "a rule has no such key")
        for place, several in listed
        for number, each in enumerate(several)
        for key in each
        if key not in ("id", "type", "from", "to")
    ]
    for index, column in columns.items():
        for number, each in enumerate(column.get("relationships") or []):
            places.append((f"{at}.properties[{index}].relationships[{number}]", column_name(column), each.get("to")))
    for number, each in enumerate(table.get("relationships") or []):
        places.append((f"{at}.relationships[{number}]", each.get("from"), each.get("to")))
    made: list[AnyRule] = []
    for place, own, other in places:
        source, target = _split(own, qualified=not isinstance(own, str) or "." in str(own)), _split(other)
        if source is None or target is None or len(source[1]) != len(target[1]):
            left.append((place, f"`{other}` names no column of a table"))
        elif target[0] not in pipelines:
            left.append((place, f"`{target[0]}` is no pipeline of the tenant"))
        elif (source[1], pipelines[target[0]], target[1]) not in said:
            made.append(_rule(source[1], pipelines[target[0]], target[1]))
    return made


def _rule(columns: tuple[str, ...], to: str, to_columns: tuple[str, ...]) -> ForeignKey:
    if len(columns) == 1:
        return ForeignKey(column=columns[0], to=to, to_column=to_columns[0])
    return ForeignKey(columns=columns, to=to, to_columns=to_columns)


def _split(named: object, *, qualified: bool = True) -> tuple[str, tuple[str, ...]] | None:
    """Return the table and its columns of `table.column`, or of a list of these."""
    names = [str(each) for each in named] if isinstance(named, list) else [str(named)]
    if not qualified:
        return "", tuple(names)
    parts = [each.partition(".") for each in names]
    tables = {table for table, _, _ in parts}
    if len(tables) != 1 or not all(_NAME.fullmatch(table) and column for table, _, column in parts):
        return None
    return tables.pop(), tuple(column for _, _, column in parts)


def _keys_of(rules: Iterable[StagedRule]) -> list[ForeignKey]:
    return [each.rule for each in rules if isinstance(each.rule, ForeignKey)]


def _is_plain(rule: ForeignKey, *tables: str) -> bool:
    """Whether the standard's references can name the tables and columns, and whether the rule judges every row."""
    names = (rule.to, *rule.referenced_columns, *rule.judged_columns, *tables)
    return all(_NAME.fullmatch(each) for each in names) and rule.where is None and rule.severity == "error"
