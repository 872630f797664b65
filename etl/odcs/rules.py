"""Quality rules as a contract writes them, in both directions, so that an exported rule is imported as the same rule.

Belongs here: one rule. A metric of the standard is used where it means exactly the same; every other rule is written as
`type: custom` of our own engine, with the rule as its implementation. Not here: where a rule stands in the contract
(`exporting`), which rules follow from `required` and `unique` (`importing`).
"""

from collections.abc import Mapping
from typing import Any

from etl.errors import QualityError
from etl.quality.rules import AnyRule, InSet, NotNull, Regex, RowCount, Unique, parse_rules

ENGINE = "tenant-etl"
_DIMENSIONS = {
    "not_null": "completeness",
    "unique": "uniqueness",
    "row_count": "coverage",
    "foreign_key": "consistency",
    "compare_columns": "consistency",
    "monotonic": "consistency",
    "recency": "timeliness",
    "not_future": "timeliness",
    "not_past": "timeliness",
    "in_range": "accuracy",
    "positive": "accuracy",
    "non_negative": "accuracy",
    "mean_between": "accuracy",
    "sum_between": "accuracy",
}
_READ = ("id", "type", "name", "description", "dimension", "severity")
_READ_OF_METRIC = ("metric", "rule", "arguments", "unit")
_READ_OF_OWN = ("engine", "implementation")
_OPERATORS = (
    "mustBe",
    "mustBeGreaterOrEqualTo",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustBeGreaterThan",
    "mustBeLessThan",
)
_NO_NUMBER = "its limit is no whole number"


class NoRuleError(Exception):
    """An entry of a contract that is no rule of the vocabulary; the text says why."""


def quality_entry(rule: AnyRule, check_name: str, at_column: str | None) -> dict[str, Any]:
    """Return the entry of a rule. `at_column` is the property below which it will stand; None: below the table."""
    entry: dict[str, Any] = {"id": check_name}
    if rule.name is not None:
        entry["name"] = rule.name
    if rule.description is not None:
        entry["description"] = rule.description
    entry["dimension"] = _DIMENSIONS.get(rule.type, "conformity")
    entry["severity"] = rule.severity
    metric = _metric(rule, at_column)
    if metric is not None:
        return entry | {"type": "library"} | metric
    implementation = rule.to_dict()
    for key in ("name", "description", "severity"):
        implementation.pop(key, None)
    ordered = {"type": implementation.pop("type"), **implementation}
    return entry | {"type": "custom", "engine": ENGINE, "implementation": ordered}


def unused_keys(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of an entry that were not read, although it became a rule."""
    own = entry.get("type") == "custom"
    read = {*_READ, *(_READ_OF_OWN if own else (*_READ_OF_METRIC, *_OPERATORS))}
    if "metric" in entry or own:
        read.discard("rule")
    unread = [key for key, value in entry.items() if key not in read and value not in (None, [], {}, "")]
    if entry.get("metric") == "rowCount":
        rows = ("rows", None)
        unread += [key for key in ("arguments", "unit") if entry.get(key) and entry.get(key) not in rows]
    return tuple(unread)


def rule_of(entry: Mapping[str, Any], at_column: str | None) -> AnyRule:
    """Return the rule of an entry. Raises NoRuleError with the reason if there is no rule of exactly this meaning."""
    kind = entry.get("type") or ("library" if "metric" in entry or "rule" in entry else None)
    if kind == "custom" and entry.get("engine") == ENGINE:
        return _own_rule(entry)
    if kind == "library":
        return _library_rule(entry, at_column)
    reasons = {
        "text": "a sentence for people is no rule; write one with `etl rules`",
        "sql": "an SQL query of a database is no rule; `type: expression` takes a condition over the columns of a row",
        "custom": f"it is a rule of the engine `{entry.get('engine')}`",
    }
    raise NoRuleError(reasons.get(str(kind), f"there is no quality of type `{kind}`"))


def _metric(rule: AnyRule, at_column: str | None) -> dict[str, Any] | None:
    """Return the metric of the standard that means the same as the rule, or None."""
    if rule.mostly is not None or rule.where is not None:
        return None
    if isinstance(rule, NotNull) and rule.column is not None and rule.column == at_column:
        return {"metric": "nullValues", "mustBe": 0}
    if isinstance(rule, Unique):
        if rule.column is not None and rule.column == at_column:
            return {"metric": "duplicateValues", "mustBe": 0}
        if rule.columns and at_column is None:
            return {"metric": "duplicateValues", "arguments": {"properties": list(rule.columns)}, "mustBe": 0}
    if isinstance(rule, Regex) and rule.column == at_column:
        return {"metric": "invalidValues", "arguments": {"pattern": rule.pattern}, "mustBe": 0}
    plain = isinstance(rule, InSet) and all(type(each) in (str, int, bool) for each in rule.values)
    if plain and isinstance(rule, InSet) and rule.column == at_column:
        return {"metric": "invalidValues", "arguments": {"validValues": list(rule.values)}, "mustBe": 0}
    if isinstance(rule, RowCount) and at_column is None and (rule.min is None or rule.min != rule.max):
        return {"metric": "rowCount", **_limits(rule)}
    return None


def _limits(rule: RowCount) -> dict[str, Any]:
    if rule.exact is not None:
        return {"mustBe": rule.exact}
    if rule.min is not None and rule.max is not None:
        return {"mustBeBetween": [rule.min, rule.max]}
    return {"mustBeGreaterOrEqualTo": rule.min} if rule.min is not None else {"mustBeLessOrEqualTo": rule.max}


def _own_rule(entry: Mapping[str, Any]) -> AnyRule:
    implementation = entry.get("implementation")
    if not isinstance(implementation, Mapping):
        raise NoRuleError("its `implementation` is no rule with keys and values")
    return _parsed({**implementation, **_shared(entry)})


def _library_rule(entry: Mapping[str, Any], at_column: str | None) -> AnyRule:
    metric = entry.get("metric") or entry.get("rule")
    arguments = entry.get("arguments") or {}
    operators = {key: entry[key] for key in entry if key.startswith(("mustBe", "mustNot"))}
    if len(operators) != 1 or (operator := next(iter(operators))) not in _OPERATORS:
        raise NoRuleError(f"`{', '.join(operators) or 'no limit'}` has no counterpart")
    limit = operators[operator]
    if metric == "rowCount" and at_column is None:
        return _parsed({"type": "row_count", **_row_limits(operator, limit), **_shared(entry)})
    rule = _rule_of_column(str(metric), arguments, at_column)
    return _parsed({**rule, **_tolerance(operator, limit, str(entry.get("unit") or "rows")), **_shared(entry)})


def _rule_of_column(metric: str, arguments: Mapping[str, Any], at_column: str | None) -> dict[str, Any]:
    if metric == "duplicateValues" and at_column is None:
        names = arguments.get("properties")
        if not isinstance(names, list) or not names:
            raise NoRuleError("`duplicateValues` of a table needs `arguments: {properties: [...]}`")
        return {"type": "unique", "columns": names}
    if at_column is None:
        raise NoRuleError(f"`{metric}` belongs to a column")
    if metric in ("nullValues", "missingValues"):
        if metric == "missingValues" and arguments.get("missingValues") not in (None, [None]):
            raise NoRuleError("values that count as missing have no counterpart; `not_in_set` judges values")
        return {"type": "not_null", "column": at_column}
    if metric == "duplicateValues":
        return {"type": "unique", "column": at_column}
    if metric == "invalidValues" and {*arguments} == {"validValues"}:
        return {"type": "in_set", "column": at_column, "values": arguments["validValues"]}
    if metric == "invalidValues" and {*arguments} == {"pattern"}:
        return {"type": "regex", "column": at_column, "pattern": arguments["pattern"]}
    raise NoRuleError(f"the metric `{metric}` with {', '.join(arguments) or 'no arguments'} has no counterpart")


def _row_limits(operator: str, limit: object) -> dict[str, Any]:
    if operator == "mustBeBetween" and isinstance(limit, list) and all(type(each) is int for each in limit):
        return {"min": limit[0], "max": limit[1]}
    if type(limit) is not int:
        raise NoRuleError(_NO_NUMBER)
    return {
        "mustBe": {"exact": limit},
        "mustBeGreaterOrEqualTo": {"min": limit},
        "mustBeGreaterThan": {"min": limit + 1},
        "mustBeLessOrEqualTo": {"max": limit},
        "mustBeLessThan": {"max": limit - 1},
    }[operator]


def _tolerance(operator: str, limit: object, unit: str) -> dict[str, Any]:
    """Return the share of rows that has to be good. A number of rows as the limit has no counterpart, except none."""
    if limit == 0 and operator in ("mustBe", "mustBeLessOrEqualTo"):
        return {}
    if operator == "mustBeLessThan" and limit == 1 and unit == "rows":
        return {}
    if unit == "percent" and operator == "mustBeLessOrEqualTo" and isinstance(limit, int | float) and 0 < limit < 100:  # noqa: PLR2004
        return {"mostly": round(1 - limit / 100, 12)}
    raise NoRuleError(f"`{operator}: {limit}` {unit} has no counterpart; `mostly` is a share of the rows")


def _shared(entry: Mapping[str, Any]) -> dict[str, Any]:
    shared = {key: entry[key] for key in ("name", "description", "severity") if entry.get(key) is not None}
    if shared.get("severity", "error") not in ("error", "warning", "info"):
        raise NoRuleError(f"there is no severity `{shared['severity']}`; write error, warning or info")
    return shared


def _parsed(rule: Mapping[str, Any]) -> AnyRule:
    try:
        (parsed,) = parse_rules([rule])
    except QualityError as error:
        raise NoRuleError(error.problem.splitlines()[-1].strip(" -")) from None
    return parsed
