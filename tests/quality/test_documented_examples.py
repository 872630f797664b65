"""Every example of a rule in the documents is judged: it passes on good data and fails on bad data.

An example that does not load, that an engine refuses, or that passes whatever it sees helps nobody.
"""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from etl.quality import check, parse_rules
from etl.quality.engines.limits import CAPABILITIES
from etl.quality.rules import RULE_TYPES, AnyRule
from tests.conformance import libraries
from tests.installation import REPOSITORY

assert libraries  # imported for its effect
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "tenants").glob("*/config.yaml")]
)
SCHEMA = REPOSITORY / "tenants" / "tenant.schema.json"
MAPPING = re.compile(r"""\{(?:[^{}"']|"(?:\\.|[^"\\])*"|'[^']*')*\}""", re.DOTALL)
# `{column: ..., type: ...}` with a placeholder is the shape of a rule, and no example.
PLACEHOLDER = re.compile(r"\.\.\.|<\w+>")


def mappings(text: str) -> Iterator[dict[str, Any]]:
    """Every mapping of the text, in YAML or in Python."""
    for found in MAPPING.findall(text):
        for read in (ast.literal_eval, yaml.safe_load):
            try:
                value = read(found)
            except (ValueError, SyntaxError, yaml.YAMLError):
                continue
            if isinstance(value, dict):
                yield value
                break


def is_rule(value: dict[str, Any]) -> bool:
    named = value.get("type") in RULE_TYPES or "truthound" in value
    is_target = "host" in value  # a notification of the type `email`
    return named and not is_target and not PLACEHOLDER.search(str(value))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def examples() -> dict[str, dict[str, Any]]:
    found = {}
    for path in DOCUMENTS:
        for each in mappings(path.read_text(encoding="utf-8")):
            if is_rule(each):
                each.pop("stage", None)
                found.setdefault(json.dumps(each, default=str), each)
    for text in strings(json.loads(SCHEMA.read_text(encoding="utf-8"))):
        for each in mappings(text):
            if is_rule(each):
                each.pop("stage", None)
                found.setdefault(json.dumps(each, default=str), each)
    for model in RULE_TYPES.values():
        (rule,) = mappings(model.doc.example)
        found.setdefault(json.dumps(rule, default=str), rule)
    return found


EXAMPLES = examples()
TABLE = pl.DataFrame({"code": ["a", "b"], "product_code": ["a", "b"], "lot_id": ["a", "b"], "id": ["a", "b"]})
TEXTS = {
    "email": ("a.b@c.example", "no address"),
    "url": ("https://a.example/x", "no url"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123"),
    "ip_address": ("10.0.0.1", "10.0.0.256"),
}
PATTERNS = {
    "^P-[0-9]{4}$": ("P-1234", "P-12"),
    r"^[\w\.-]+@[\w\.-]+\.[a-zA-Z]{2,}$": ("a.b@c.example", "no address"),
    r"^[\w\.-]+@[\w\.-]+\.\w+$": ("a.b@c.example", "no address"),
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$": TEXTS["uuid"],
    "^[0-9]{6}$": ("123456", "12345"),
    "^[0-9]{10}$": ("1234567890", "12345"),
    "^LOT[0-9]{6}$": ("LOT123456", "LOT1"),
    "^[EW][0-9]{3}$": ("E123", "X123"),
}


def data_for(rule: AnyRule) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that keep the rule, and rows that break it, worked out from the documentation of the rule's type."""
    columns = list(rule.judged_columns)
    column = columns[0] if columns else "x"
    match rule.type:
        case "not_null":
            good = pl.DataFrame({each: ["a", "b"] for each in columns})
            return good, good.with_columns(pl.lit(None, dtype=pl.String).alias(column))
        case "unique":
            return pl.DataFrame({each: ["a", "b"] for each in columns}), pl.DataFrame(
                {each: ["a", "a"] for each in columns}
            )
        case "regex":
            texts = PATTERNS[rule.pattern]
        case "email" | "url" | "uuid" | "ip_address":
            texts = TEXTS[rule.type]
        case "length":
            texts = ("a" * (rule.exact or rule.min or 1), "a" * ((rule.exact or rule.max or 98) + 1))
        case "in_range":
            if isinstance(rule.min, int | float) or isinstance(rule.max, int | float):
                inside = rule.min if rule.min is not None else rule.max
                outside = rule.min - 1 if rule.min is not None else rule.max + 1
                return pl.DataFrame({column: [inside] * 20}), pl.DataFrame({column: [outside] * 20})
            inside = rule.min or rule.max
            return pl.DataFrame({column: [inside]}), pl.DataFrame({column: [inside + timedelta(days=40_000)]})
        case "in_set" | "not_in_set":
            values = list(rule.values)
            another = max(values) + 1 if isinstance(values[0], int) else "something else"
            one, other = pl.DataFrame({column: values}), pl.DataFrame({column: [another]})
            return (one, other) if rule.type == "in_set" else (other, one)
        case "not_future" | "not_past":
            past, future = NOW.replace(tzinfo=None) - timedelta(days=9), NOW.replace(tzinfo=None) + timedelta(days=9)
            frames = pl.DataFrame({column: [past]}), pl.DataFrame({column: [future]})
            return frames if rule.type == "not_future" else frames[::-1]
        case "recency":
            old = NOW.replace(tzinfo=None) - timedelta(hours=rule.max_age_hours + 24)
            return pl.DataFrame({column: [NOW.replace(tzinfo=None)]}), pl.DataFrame({column: [old]})
        case "positive" | "non_negative":
            return pl.DataFrame({column: [1]}), pl.DataFrame({column: [-1]})
        case "foreign_key":
            return pl.DataFrame({each: ["a"] for each in columns}), pl.DataFrame({each: ["z"] for each in columns})
        case "dtype":
            return pl.DataFrame({column: [1]}), pl.DataFrame({column: [b"1"]})
        case "column_exists":
            return pl.DataFrame({rule.column: [1]}), pl.DataFrame({"another": [1]})
        case "row_count":
            least = rule.min if rule.min is not None else rule.exact if rule.exact is not None else 0
            most = rule.max if rule.max is not None else rule.exact
            bad = least - 1 if least else int(most or 0) + 1
            return pl.DataFrame({"x": range(least)}), pl.DataFrame({"x": range(bad)})
        case "monotonic":
            return pl.DataFrame({column: [1, 2, 3]}), pl.DataFrame({column: [1, 3, 2]})
        case "mean_between" | "sum_between":
            inside = rule.min if rule.min is not None else rule.max
            outside = rule.min - 1 if rule.min is not None else rule.max + 1
            return pl.DataFrame({column: [float(inside)]}), pl.DataFrame({column: [float(outside)]})
        case "compare_columns":
            return pl.DataFrame({rule.left: [1], rule.right: [2]}), pl.DataFrame({rule.left: [2], rule.right: [1]})
        case "expression":
            values = dict(enumerate(columns))
            return pl.DataFrame({c: [n] for n, c in values.items()}), pl.DataFrame({c: [-n] for n, c in values.items()})
        case "truthound":
            good = pl.DataFrame({column: [10, 11, 12, 13, 12, 11] * 20})
            return good, pl.concat([good, pl.DataFrame({column: [100_000]})])
    return pl.DataFrame({column: [texts[0]]}), pl.DataFrame({column: [texts[1]]})


@pytest.mark.parametrize("raw", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_an_example_passes_on_good_data_and_fails_on_bad_data(raw: dict[str, Any]) -> None:
    (rule,) = parse_rules([{key: value for key, value in raw.items() if key not in ("where", "mostly")}])
    good, bad = data_for(rule)
    tables = {"products": TABLE.lazy(), "lots": TABLE.lazy(), "orders": TABLE.lazy()}
    judged = []
    for engine, capabilities in CAPABILITIES.items():
        if capabilities.refusal(rule, good.schema) is None and rule.type in capabilities.rules:
            found = [check(each, [rule], engine=engine, now=NOW, tables=tables).results[0] for each in (good, bad)]
            assert [each.status for each in found] == ["passed", "failed"], (engine, [each.message for each in found])
            judged.append(engine)
    assert "truthound" in judged


def test_every_rule_type_has_an_example_and_most_stand_in_a_page() -> None:
    types = {parse_rules([each])[0].type for each in EXAMPLES.values()}
    assert types == set(RULE_TYPES)
    page = (REPOSITORY / "docs" / "quality-rules.md").read_text(encoding="utf-8")
    assert {parse_rules([each])[0].type for each in mappings(page) if is_rule(each)} == set(RULE_TYPES)


def test_an_example_that_does_not_exist_would_be_seen() -> None:
    (rule,) = parse_rules([{"truthound": "outlier_iqr", "column": "qty"}])
    assert "no validator `outlier_iqr`" in str(CAPABILITIES["truthound"].refusal(rule))
    assert check(pl.DataFrame({"qty": [1]}), [rule]).results[0].status == "error"


def test_documents_are_found() -> None:
    assert Path(REPOSITORY / "docs" / "quality-rules.md") in DOCUMENTS
    assert len(EXAMPLES) > 40
