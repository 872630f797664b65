"""Each rule and each type is written into a contract in a way from which the same rule or type is read."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given, settings, strategies as st

from etl.odcs.rules import NoRuleError, quality_entry, rule_of
from etl.odcs.types import column_type, contract_type, is_wider, physical_type
from etl.quality.rules import RULE_TYPES, AnyRule, parse_rules

EXAMPLES = {name: yaml.safe_load(model.doc.example) for name, model in RULE_TYPES.items()}
MORE: list[dict[str, Any]] = [
    {"type": "row_count", "max": 5},
    {"type": "row_count", "exact": 5},
    {"type": "row_count", "min": 2, "max": 2},
    {"type": "row_count", "min": 2, "max": 3},
    {"type": "unique", "column": "a"},
    {"type": "unique", "columns": ["a"]},
    {"type": "not_null", "columns": ["a", "b"]},
    {"type": "in_set", "column": "a", "values": [1, True, "x"]},
    {"type": "in_set", "column": "a", "values": ["2026-01-01", 0.5]},
    {"type": "in_range", "column": "a", "min": "2026-01-01", "max_inclusive": False},
    {"type": "in_range", "column": "a", "max": "PT1H"},
    {"type": "regex", "column": "a", "pattern": "^[$]x{2}\\$$"},
]
RULES = [*EXAMPLES.values(), *MORE]


def rule(raw: dict[str, Any]) -> AnyRule:
    (made,) = parse_rules([raw])
    return made


@pytest.mark.parametrize("raw", RULES, ids=str)
def test_a_rule_is_imported_as_the_same_rule(
    raw: dict[str, Any], keeps_the_standard: Callable[[Any], list[str]]
) -> None:
    plain = rule(raw)
    texts = st.none() | st.text("ab $é", min_size=1, max_size=5)
    more: dict[str, st.SearchStrategy[Any]] = {
        "severity": st.sampled_from(["error", "warning", "info"]),
        "name": texts,
        "description": texts,
        "mostly": st.sampled_from([None, 0.98, 1]) if plain.takes_mostly else st.none(),
        "where": st.sampled_from([None, "a > 1"]) if plain.takes_where else st.none(),
    }

    @settings(max_examples=6, deadline=None)
    @given(st.fixed_dictionaries(more))
    def holds(changes: dict[str, Any]) -> None:
        written = rule({**raw, **{key: value for key, value in changes.items() if value is not None}})
        at = getattr(written, "column", None)
        entry = quality_entry(written, "check", at)
        read = rule_of(entry, at)
        assert read.to_dict() == written.to_dict()
        assert read.check_name == written.check_name
        table: dict[str, Any] = {"name": "t", "quality": [entry]}
        if at is not None:
            table = {"name": "t", "properties": [{"name": at, "quality": [entry]}]}
        head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
        assert keeps_the_standard({**head, "schema": [table]}) == []

    holds()


@pytest.mark.parametrize(
    ("entry", "at", "made"),
    [
        ({"metric": "nullValues", "mustBe": 0}, "a", {"type": "not_null", "column": "a"}),
        (
            {"metric": "nullValues", "mustBeLessOrEqualTo": 2, "unit": "percent"},
            "a",
            {"type": "not_null", "column": "a", "mostly": 0.98},
        ),
        ({"metric": "missingValues", "mustBeLessThan": 1}, "a", {"type": "not_null", "column": "a"}),
        ({"rule": "duplicateValues", "mustBe": 0}, "a", {"type": "unique", "column": "a"}),
        ({"metric": "rowCount", "mustBeGreaterThan": 9}, None, {"type": "row_count", "min": 10}),
        ({"metric": "rowCount", "mustBeBetween": [1, 2]}, None, {"type": "row_count", "min": 1, "max": 2}),
    ],
)
def test_metrics_of_others_become_rules(entry: dict[str, Any], at: str | None, made: dict[str, Any]) -> None:
    assert rule_of(entry, at) == rule(made)


@pytest.mark.parametrize(
    ("entry", "at", "said"),
    [
        ({"type": "text", "description": "x"}, "a", "a sentence"),
        ({"type": "sql", "query": "SELECT 1", "mustBe": 1}, "a", "SQL query"),
        ({"type": "custom", "engine": "soda", "implementation": "x"}, "a", "engine `soda`"),
        ({"type": "custom", "engine": "tenant-etl", "implementation": "x"}, "a", "no rule with keys"),
        ({"type": "custom", "engine": "tenant-etl", "implementation": {"type": "is_good"}}, "a", "no rule type"),
        ({"metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"}, "a", "no counterpart"),
        ({"metric": "nullValues", "mustBe": 5}, "a", "no counterpart"),
        ({"metric": "nullValues", "mustNotBe": 5}, "a", "no counterpart"),
        ({"metric": "nullValues", "mustBe": 0}, None, "belongs to a column"),
        ({"metric": "missingValues", "arguments": {"missingValues": ["N/A"]}, "mustBe": 0}, "a", "count as missing"),
        ({"metric": "rowCount", "mustBe": 1.5}, None, "no whole number"),
        ({"metric": "nullValues", "mustBe": 0, "severity": "critical"}, "a", "severity `critical`"),
    ],
)
def test_what_means_something_else_is_no_rule(entry: dict[str, Any], at: str | None, said: str) -> None:
    with pytest.raises(NoRuleError, match=said):
        rule_of(entry, at)


TYPES = [
    pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(),
    pl.Float32(), pl.Float64(), pl.String(), pl.Boolean(), pl.Date(), pl.Time(), pl.Binary(), pl.Decimal(12, 2),
    pl.Decimal(38, 0), pl.Datetime("us"), pl.Datetime("ms"), pl.Datetime("us", "Asia/Seoul"), pl.List(pl.Int64()),
    pl.List(pl.List(pl.String())), pl.List(pl.Datetime("us", "UTC")),
]  # fmt: skip


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_type_is_read_back_and_is_then_written_in_the_same_way(
    dtype: pl.DataType, keeps_the_standard: Callable[[Any], list[str]]
) -> None:
    assert column_type(contract_type(dtype, "duckdb").keys()) == dtype
    for dialect in ("duckdb", "postgres", "trino"):
        keys = contract_type(dtype, dialect).keys()
        read = column_type(keys)
        assert read is not None, keys
        assert contract_type(read, dialect).keys() == keys
        head = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active"}
        table = {"name": "t", "properties": [{"name": "a", **keys}]}
        assert keeps_the_standard({**head, "schema": [table]}) == []


def test_names_of_databases_are_known() -> None:
    named = {
        "varchar(18)": pl.String(),
        "character varying(5)": pl.String(),
        "int": pl.Int32(),
        "int8": pl.Int64(),
        "NUMERIC(10)": pl.Decimal(10, 0),
        "numeric(10, 2)": pl.Decimal(10, 2),
        "double precision": pl.Float64(),
        "timestamptz": pl.Datetime("us", "UTC"),
        "timestamp(3) with time zone": pl.Datetime("us", "UTC"),
        "bigint[]": pl.List(pl.Int64()),
        "array<string>": pl.List(pl.String()),
    }
    assert {name: physical_type(name) for name in named} == named
    assert physical_type("geometry") is None
    assert column_type({"logicalType": "string", "physicalType": "int"}) is None  # they contradict each other


def test_a_wider_type_holds_all_old_values_and_more() -> None:
    assert is_wider(pl.Int32(), pl.Int64())
    assert is_wider(pl.Decimal(10, 2), pl.Decimal(12, 2))
    assert is_wider(pl.Decimal(10, 2), pl.Decimal(12, 4))
    assert not is_wider(pl.Decimal(10, 2), pl.Decimal(10, 4))
    assert not is_wider(pl.Int64(), pl.Int32())
    assert not is_wider(pl.Int64(), pl.Int64())
    assert not is_wider(pl.Int64(), pl.Float64())
    assert not is_wider(pl.Int64(), pl.UInt64())
