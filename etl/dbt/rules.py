"""Turns a tenant's rules into tests of a dbt `schema.yml` (package `quality`), and such tests into rules.

Belongs here: both directions, as plain data. Not here: what a rule means (`etl.quality`, `dbt_projects/quality`).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from etl.config.pipeline_config import StagedRule
from etl.config.tenant_config import TenantConfig
from etl.quality.rules import RULE_TYPES, parse_rules

Plain = dict[str, Any]

_NO_SQL = {
    "truthound": "it exists only in that library",
    "monotonic": "rows of a table have no order; write the test by hand with `order_by`",
}
# Settings of dbt that a rule cannot express. A test with such a setting means something else than the rule.
_CHANGES_THE_VERDICT = {"warn_if", "error_if", "fail_calc", "limit"}
_REF = re.compile(r"""^ref\(\s*['"](?P<model>\w+)['"]\s*\)$""")


def to_schema(config: TenantConfig, pipelines: Sequence[str], prefix: str) -> tuple[Plain, list[str]]:
    """Return a `schema.yml` with a model `<prefix><pipeline>` per pipeline, and the rules that SQL cannot judge."""
    models, left = [], []
    for name in pipelines:
        tests = []
        for staged in config.pipelines[name].quality.rules:
            reason = _NO_SQL.get(staged.rule.type)
            if reason:
                left.append(f"{name}: {staged.rule.check_name}: {reason}")
            else:
                tests.append(_test(staged, config, prefix))
        models.append({"name": f"{prefix}{name}", "data_tests": tests})
    return {"version": 2, "models": models}, left


def from_schema(schema: Mapping[str, Any], prefix: str) -> tuple[dict[str, list[Plain]], list[str]]:
    """Return the rules of all models, seeds, snapshots and source tables by pipeline, and the tests without a rule."""
    rules: dict[str, list[Plain]] = {}
    left: list[str] = []
    for table in _tables(schema):
        name = str(table["name"]).removeprefix(prefix)
        for column, test in _tests(table):
            found = _rules(test, column, prefix)
            if found is None:
                left.append(f"{table['name']}: {test if isinstance(test, str) else next(iter(test))}")
            else:
                rules.setdefault(name, []).extend(found)
    for found_rules in rules.values():
        parse_rules([{key: value for key, value in each.items() if key != "stage"} for each in found_rules])
    return rules, left


def _test(staged: StagedRule, config: TenantConfig, prefix: str) -> Plain:
    rule = staged.rule.to_dict()
    kind, severity = rule.pop("type"), rule.pop("severity", "error")
    if kind == "foreign_key" and rule["to"] in config.pipelines:
        rule["to"] = f"ref('{prefix}{rule['to']}')"
    settings: Plain = {"meta": {"stage": staged.stage}} if staged.stage else {}
    described = {key: rule.pop(key) for key in ("name", "description") if key in rule}
    if severity == "info":  # dbt has no third severity; only the test of many rules has
        rules = [{"type": kind, **rule, "severity": "info"}]
        return {"quality.data_quality_check": _with(described, {"rules": rules}, settings)}
    if severity == "warning":
        settings["severity"] = "warn"
    return {f"quality.dq_{kind}": _with(described, rule, settings)}


def _with(described: Plain, arguments: Plain, settings: Plain) -> Plain:
    found = dict(described)
    if arguments:
        found["arguments"] = arguments
    if settings:
        found["config"] = settings
    return found


def _tables(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("models", "seeds", "snapshots"):
        yield from schema.get(kind) or ()
    for source in schema.get("sources") or ():
        yield from source.get("tables") or ()


def _tests(table: Mapping[str, Any]) -> Iterator[tuple[str | None, Any]]:
    """Yield the tests of a table, each with its column or None; dbt's key is `tests` or `data_tests`."""
    for column in table.get("columns") or ():
        for test in [*(column.get("data_tests") or ()), *(column.get("tests") or ())]:
            yield column["name"], test
    for test in [*(table.get("data_tests") or ()), *(table.get("tests") or ())]:
        yield None, test


def _rules(test: Any, column: str | None, prefix: str) -> list[Plain] | None:  # noqa: ANN401  whatever stands in the file
    name, body = (test, {}) if isinstance(test, str) else next(iter(test.items()))
    body = dict(body or {})
    settings: Plain = dict(body.pop("config", None) or {})
    described = {key: body.pop(key) for key in ("name", "description") if key in body}
    if _CHANGES_THE_VERDICT & (settings.keys() | body.keys()) or settings.get("enabled", True) is False:
        return None
    severity = str(body.pop("severity", None) or settings.get("severity") or "error").lower()
    arguments: Plain = {**body.pop("arguments", {}), **body}
    where = settings.get("where")
    meta: Plain = dict(settings.get("meta") or {})
    common = described | ({"severity": "warning"} if severity == "warn" else {}) | ({"where": where} if where else {})
    common |= {"stage": meta["stage"]} if "stage" in meta else {}
    short = name.removeprefix("quality.")
    if short == "data_quality_check":
        return [_cleaned({**_at(column, each), **common, **each}, prefix) for each in arguments["rules"]]
    if short.removeprefix("dq_") in RULE_TYPES and short.startswith("dq_"):
        kind = short.removeprefix("dq_")
        return [_cleaned({**_at(column, {"type": kind, **arguments}), **arguments, "type": kind, **common}, prefix)]
    if short in _DBT_TESTS and column:
        return [_cleaned({**_DBT_TESTS[short](column, arguments), **common}, prefix)]
    return None


_DBT_TESTS: Mapping[str, Callable[[str, Plain], Plain]] = {
    "not_null": lambda column, _: {"type": "not_null", "column": column},
    "unique": lambda column, _: {"type": "unique", "column": column},
    "accepted_values": lambda column, given: {"type": "in_set", "column": column, "values": given["values"]},
    "relationships": lambda column, given: {
        "type": "foreign_key",
        "column": column,
        "to": given["to"],
        "to_column": given["field"],
    },
}


def _at(column: str | None, rule: Plain) -> Plain:
    """Add the column of a test to its rule, if the rule takes a column and does not name one."""
    if column is None or "columns" in rule or "column" not in RULE_TYPES[rule["type"]].model_fields:
        return {}
    return {"column": column}


def _cleaned(rule: Plain, prefix: str) -> Plain:
    found = _REF.match(str(rule.get("to", "")))
    return {**rule, "to": found["model"].removeprefix(prefix)} if found else rule
