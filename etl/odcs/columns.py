"""The rules that follow from one column of a contract: its type, `required`, `unique`, its options, its quality.

Belongs here: one property. Not here: the pipeline around it (`importing`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.odcs.rules import NoRuleError, rule_of, unused_keys
from etl.odcs.types import column_type
from etl.quality.rules import AnyRule, NotNull, Unique, parse_rules
from etl.quality.rules.dtypes import dtype_name

_USED = {
    "id",
    "name",
    "physicalName",
    "logicalType",
    "physicalType",
    "logicalTypeOptions",
    "items",
    "primaryKey",
    "primaryKeyPosition",
    "required",
    "unique",
    "partitioned",
    "partitionKeyPosition",
    "classification",
    "quality",
    "relationships",
}
_FAMILIES = {
    "string": "string",
    "date": "date",
    "timestamp": "datetime",
    "time": "time",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "array": "list",
    "object": "struct",
}
_FORMATS: dict[str, dict[str, Any]] = {
    "email": {"type": "email"},
    "uuid": {"type": "uuid"},
    "uri": {"type": "url"},
    "ipv4": {"type": "ip_address", "version": 4},
    "ipv6": {"type": "ip_address", "version": 6},
}
_USUAL: dict[str, object] = {
    "primaryKey": False,
    "required": False,
    "unique": False,
    "partitioned": False,
    "criticalDataElement": False,
}
"""Values that say nothing, because they are the standard's defaults."""


def column_name(keys: Mapping[str, Any]) -> str:
    """Return the column's name in the data."""
    return str(keys.get("physicalName") or keys["name"])


def rules_of_column(keys: Mapping[str, Any], at: str, left: list[tuple[str, str]]) -> list[AnyRule]:
    """Return the rules of a column. What has no counterpart is added to `left`."""
    name = column_name(keys)
    left += [
        (f"{at}.{key}", "no key of a pipeline has this meaning")
        for key, value in keys.items()
        if key not in _USED and value not in (None, [], _USUAL.get(key))
    ]
    if name != keys["name"]:
        left.append((f"{at}.name", f"`{keys['name']}` is the column `{name}`"))
    rules = _of_type(keys, name, at, left)
    stated: list[AnyRule] = []
    for index, entry in enumerate(keys.get("quality") or []):
        stated += taken_rule(entry, name, f"{at}.quality[{index}]", left)
    if keys.get("required") and not any(_is_strict(each, NotNull) for each in stated):
        rules.append(NotNull(column=name))
    if keys.get("unique") and not any(_is_strict(each, Unique) for each in stated):
        rules.append(Unique(column=name))
    return [*rules, *stated]


def taken_rule(entry: Mapping[str, Any], column: str | None, at: str, left: list[tuple[str, str]]) -> list[AnyRule]:
    """Return the rule of an entry, or nothing. What has no counterpart is added to `left`."""
    try:
        rule = rule_of(entry, column)
    except NoRuleError as error:
        left.append((at, str(error)))
        return []
    left += [(f"{at}.{key}", "a rule has no such key") for key in unused_keys(entry)]
    return [rule]


def _is_strict(rule: AnyRule, kind: type[NotNull] | type[Unique]) -> bool:
    return isinstance(rule, kind) and rule.mostly is None and rule.where is None and rule.severity == "error"


def _of_type(keys: Mapping[str, Any], name: str, at: str, left: list[tuple[str, str]]) -> list[AnyRule]:
    """Return the rules about the type, and about values as the options of the type limit them."""
    dtype = column_type(keys)
    logical = keys.get("logicalType")
    made: list[dict[str, Any]] = []
    if dtype is not None:
        made.append({"type": "dtype", "dtype": dtype_name(dtype)})
    elif logical in _FAMILIES:
        made.append({"type": "dtype", "dtype": _FAMILIES[str(logical)]})
    if dtype is None and keys.get("physicalType"):
        left.append(
            (f"{at}.physicalType", f"`{keys['physicalType']}` is not known as a type of {logical or 'a column'}")
        )
    options = dict(keys.get("logicalTypeOptions") or {})
    if isinstance(dtype, pl.Datetime) and (dtype.time_zone or not options.get("timezone")):
        options.pop("timezone", None)
        options.pop("defaultTimezone", None)
    made += _of_options(options, f"{at}.logicalTypeOptions", left)
    rules: list[AnyRule] = []
    for each in made:
        try:
            rules += parse_rules([{"column": name, **each}])
        except QualityError as error:
            left.append((f"{at}.logicalTypeOptions", error.problem.splitlines()[-1].strip(" -")))
    return rules


def _of_options(options: dict[str, Any], at: str, left: list[tuple[str, str]]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    length = {own: options.pop(key) for key, own in (("minLength", "min"), ("maxLength", "max")) if key in options}
    if length:
        made.append({"type": "length", **length})
    if "pattern" in options:
        made.append({"type": "regex", "pattern": options.pop("pattern")})
    if options.get("format") in _FORMATS:
        made.append(dict(_FORMATS[options.pop("format")]))
    bounds: dict[str, Any] = {}
    for key, own in (("minimum", "min"), ("exclusiveMinimum", "min"), ("maximum", "max"), ("exclusiveMaximum", "max")):
        if key in options and own not in bounds:
            bounds[own] = options.pop(key)
            if key.startswith("exclusive"):
                bounds[f"{own}_inclusive"] = False
    if bounds:
        made.append({"type": "in_range", **bounds})
    left += [(f"{at}.{key}", "no rule has this meaning") for key in options]
    return made
