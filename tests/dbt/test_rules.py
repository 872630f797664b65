"""Rules become dbt tests and come back as the same rules; what cannot is named, never dropped."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from etl.config import load_tenant
from etl.dbt.rules import from_schema, to_schema
from etl.quality.rules import parse_rules
from etl.settings import load_settings
from tests.tiny_project import make_project

RULES: list[dict[str, Any]] = [
    {"type": "not_null", "column": "order_id"},
    {"type": "unique", "columns": ["order_id", "name"], "severity": "warning", "mostly": 0.9},
    {"type": "regex", "column": "name", "pattern": "^이름 [0-9]+$", "name": "named", "description": "as the till prints it"},
    {"type": "in_range", "column": "amount", "min": 0, "max": 99.5, "max_inclusive": False, "where": "order_id > 0"},
    {"type": "in_set", "column": "order_id", "values": [1, 2], "severity": "info", "mostly": 0.1},
    {"type": "foreign_key", "column": "order_id", "to": "orders", "to_column": "order_id"},
    {"type": "compare_columns", "left": "amount", "operator": "<=", "right": "order_id"},
    {"type": "row_count", "min": 1, "stage": "extract"},
    {"type": "expression", "expression": "amount >= 0"},
]  # fmt: skip


def schema_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: list[dict[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    project = make_project(tmp_path, {"assets": {"pipelines": {"orders": {"quality": {"rules": rules}}}}})
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    schema, left = to_schema(load_tenant("acme", load_settings()), ["orders"], "stg_")
    return yaml.safe_load(yaml.safe_dump(schema, allow_unicode=True)), left


def without_stage(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in rule.items() if key != "stage"} for rule in rules]


def test_there_and_back_gives_the_same_rules_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema, left = schema_of(tmp_path, monkeypatch, RULES)
    assert left == []
    back, unknown = from_schema(schema, "stg_")
    assert unknown == []
    assert parse_rules(without_stage(back["orders"])) == parse_rules(without_stage(RULES))
    assert [rule.get("stage") for rule in back["orders"]] == [rule.get("stage") for rule in RULES]


def test_each_rule_is_the_test_of_its_name_with_dbts_own_severity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, _ = schema_of(tmp_path, monkeypatch, RULES)
    (model,) = schema["models"]
    assert model["name"] == "stg_orders"
    tests = model["data_tests"]
    assert tests[0] == {"quality.dq_not_null": {"arguments": {"column": "order_id"}}}
    assert tests[1]["quality.dq_unique"]["config"] == {"severity": "warn"}
    assert tests[4]["quality.data_quality_check"]["arguments"]["rules"][0]["severity"] == "info"
    assert tests[5]["quality.dq_foreign_key"]["arguments"]["to"] == "ref('stg_orders')"


def test_rules_that_sql_cannot_judge_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [{"type": "monotonic", "column": "order_id"}, {"type": "positive", "column": "amount"}]
    schema, left = schema_of(tmp_path, monkeypatch, rules)
    assert len(schema["models"][0]["data_tests"]) == 1
    assert len(left) == 1
    assert "order_by" in left[0]


def test_dbts_own_tests_are_rules_and_any_other_is_named() -> None:
    schema = yaml.safe_load("""
        models:
          - name: stg_orders
            columns:
              - name: order_id
                tests:
                  - not_null
                  - unique: {config: {severity: warn, where: "order_id > 0"}}
                  - accepted_values: {arguments: {values: [1, 2]}}
                  - relationships: {to: ref('stg_items'), field: item_id}
                  - somebody.elses_test
    """)
    rules, left = from_schema(schema, "stg_")
    assert rules == {
        "orders": [
            {"type": "not_null", "column": "order_id"},
            {"type": "unique", "column": "order_id", "severity": "warning", "where": "order_id > 0"},
            {"type": "in_set", "column": "order_id", "values": [1, 2]},
            {"type": "foreign_key", "column": "order_id", "to": "items", "to_column": "item_id"},
        ]
    }
    assert left == ["stg_orders: somebody.elses_test"]


@pytest.mark.parametrize(
    "settings", ["error_if: '> 10'", "warn_if: '> 10'", "enabled: false", "limit: 5", "fail_calc: max(n)"]
)
def test_a_test_that_dbt_judges_by_more_than_its_rule_is_named_and_becomes_no_rule(settings: str) -> None:
    test = f"{{not_null: {{config: {{{settings}}}}}}}"
    schema = yaml.safe_load(f"models: [{{name: stg_orders, columns: [{{name: id, data_tests: [{test}]}}]}}]")
    assert from_schema(schema, "stg_") == ({}, ["stg_orders: not_null"])


def test_a_severity_is_read_in_either_case() -> None:
    schema = yaml.safe_load(
        "models: [{name: a, columns: [{name: id, tests: [{not_null: {config: {severity: WARN}}}]}]}]"
    )
    rules, _ = from_schema(schema, "stg_")
    assert rules == {"a": [{"type": "not_null", "column": "id", "severity": "warning"}]}
