# ruff: noqa: DTZ001  moments without a zone are part of what is tested
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
import yaml

from etl.quality import check
from etl.quality.rules import (
    ROW_RULES,
    RULE_TYPES,
    InRange,
    NotNull,
    RuleError,
    Truthound,
    Unique,
    check_names,
    describe_rules,
    parse_rules,
    rule_json_schema,
)


def problems(*raw: Any) -> Any:
    with pytest.raises(RuleError) as refused:
        parse_rules(list(raw))
    return refused.value.problems


def test_the_dicts_of_the_specifications_are_rules() -> None:
    rules = parse_rules(
        [
            {"column": "user_id", "type": "not_null"},
            {"column": "user_id", "type": "unique"},
            {"column": "email", "type": "regex", "pattern": r"^[\w\.-]+@[\w\.-]+\.[a-zA-Z]{2,}$"},
            {"column": "age", "type": "in_range", "min": 0, "max": 150},
            {"column": "status", "type": "in_set", "values": ["active", "inactive"]},
            {"column": "created_at", "type": "not_future"},
        ]
    )
    assert [rule.type for rule in rules] == ["not_null", "unique", "regex", "in_range", "in_set", "not_future"]
    assert rules[3] == InRange(column="age", min=0, max=150)


def test_every_rule_has_an_example_that_parses_to_its_own_type() -> None:
    for kind, model in RULE_TYPES.items():
        (rule,) = parse_rules([yaml.safe_load(model.doc.example)])
        assert rule.type == kind


def test_every_rule_survives_a_round_trip_through_json() -> None:
    for model in RULE_TYPES.values():
        (rule,) = parse_rules([yaml.safe_load(model.doc.example) | {"severity": "warning", "description": "why"}])
        assert parse_rules([json.loads(json.dumps(rule.to_dict()))]) == (rule,)


@pytest.mark.parametrize(
    "bound",
    [
        1,
        1.5,
        Decimal("1.50"),
        date(2026, 1, 31),
        datetime(2026, 1, 31, 9, 30),
        time(9, 30),
        timedelta(seconds=1.5),
        -math.inf,
    ],
)
def test_bounds_keep_their_kind_through_json(bound: Any) -> None:
    rule = InRange(column="x", min=bound)
    assert parse_rules([json.loads(json.dumps(rule.to_dict(), allow_nan=False))]) == (rule,)


def test_an_unknown_type_is_refused_with_position_and_nearest_name() -> None:
    assert problems({"column": "a", "type": "not_null"}, {"column": "a", "type": "uniqe"}) == (
        "rule 2: there is no rule type `uniqe`; did you mean `unique`?",
    )


def test_an_unknown_argument_is_refused_with_the_nearest_name() -> None:
    (problem,) = problems({"column": "a", "type": "in_range", "minimum": 1})
    assert problem == "rule 1 (in_range): it has no argument `minimum`; did you mean `min`?"


def test_all_problems_are_listed_at_once() -> None:
    assert len(problems({"type": "nope"}, {"type": "regex", "column": "a"}, 5, {"column": "a"})) == 4


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({"type": "in_range", "column": "a"}, "needs `min`, `max` or both"),
        ({"type": "in_range", "column": "a", "min": 2, "max": 1}, "no value can pass"),
        ({"type": "in_range", "column": "a", "min": 2, "max": "2026-01-01"}, "different kinds"),
        ({"type": "in_range", "column": "a", "min": True}, "truth value"),
        ({"type": "in_range", "column": "a", "min": float("nan")}, "NaN"),
        ({"type": "in_range", "column": "a", "min": "soon"}, "not a number"),
        ({"type": "in_set", "column": "a", "values": []}, "at least 1"),
        ({"type": "in_set", "column": "a", "values": [None]}, "not_null"),
        ({"type": "length", "column": "a"}, "needs `min`"),
        ({"type": "length", "column": "a", "min": -1}, "greater than or equal to 0"),
        ({"type": "length", "column": "a", "exact": 1, "min": 1}, "not both"),
        ({"type": "row_count", "min": 5, "max": 1}, "nothing can pass"),
        ({"type": "row_count", "min": 1, "mostly": 0.9}, "`mostly` has no meaning"),
        ({"type": "dtype", "column": "a", "dtype": "int46"}, "did you mean `Int64`"),
        ({"type": "dtype", "column": "a", "dtype": "Int64", "where": "a > 1"}, "`where` has no meaning"),
        ({"type": "unique"}, "name either `column` or `columns`"),
        ({"type": "unique", "column": "a", "columns": ["b"]}, "name either"),
        ({"type": "unique", "columns": ["a", "a"]}, "twice"),
        ({"type": "foreign_key", "columns": ["a", "b"], "to": "t", "to_columns": ["x"]}, "number of columns"),
        ({"type": "compare_columns", "left": "a", "operator": "=<", "right": "b"}, "operator"),
        ({"type": "not_null", "column": "a", "mostly": 1.5}, "less than or equal to 1"),
        ({"type": "not_null", "column": "a", "severity": "fatal"}, "severity"),
        ({"type": "not_future", "column": "a", "timezone": "Asia/Soul"}, "not a time zone"),
        ({"type": "recency", "column": "a", "max_age_hours": float("inf")}, "max_age_hours"),
        ({"type": "expression", "expression": "a >"}, "not SQL"),
        ({"type": "not_null", "column": "a", "where": "a IN (SELECT 1)"}, "query is not allowed"),
    ],
)
def test_bad_arguments_are_refused(raw: Any, part: str) -> None:
    problem = problems(raw)[0]
    assert part in problem
    assert problem.startswith(f"rule 1 ({raw['type']})")


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        ("ab(?=c)", "character 3"),
        ("(?<!a)b", "character 1"),
        (r"(a)\1", "back-references"),
        (r"a\Z", r"write \z"),
        ("a(b", "unclosed group at character 2"),
        ("[a", "unclosed character class at character 1"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_its_place(pattern: str, part: str) -> None:
    (problem,) = problems({"type": "regex", "column": "a", "pattern": pattern})
    assert part in problem


@pytest.mark.parametrize("pattern", [r"(?<year>\d{4})", r"\\1", r"(a|b)+", r"\p{Hangul}", r"(?i)x", r"[(?=]"])
def test_a_pattern_that_works_is_accepted(pattern: str) -> None:
    parse_rules([{"type": "regex", "column": "a", "pattern": pattern}])


def test_truthound_rules_can_be_written_short() -> None:
    short, long = parse_rules(
        [
            {"truthound": "outlier_iqr", "column": "qty", "k": 3, "severity": "warning"},
            {"type": "truthound", "validator": "outlier_iqr", "args": {"column": "qty", "k": 3}, "severity": "warning"},
        ]
    )
    assert short == long == Truthound(validator="outlier_iqr", args={"column": "qty", "k": 3}, severity="warning")
    assert hash(short) == hash(long)
    assert short.columns_needed == ("qty",)
    assert short.check_name == "truthound__outlier_iqr__qty"


def test_columns_needed_include_those_of_the_condition() -> None:
    (rule,) = parse_rules([{"columns": ["a", "b"], "type": "unique", "where": "status = 'ok' AND a > 1"}])
    assert rule.columns_needed == ("a", "b", "status")


def test_check_names_are_safe_and_different() -> None:
    rules = parse_rules(
        [
            {"columns": ["lot_id", "process_step"], "type": "unique"},
            {"column": "수량", "type": "not_null"},
            {"column": "이름", "type": "not_null"},
            {"column": "a", "type": "not_null"},
            {"column": "a", "type": "not_null", "where": "b > 1"},
            {"column": "a", "type": "not_null", "name": "not_null__a_2"},
            {"type": "row_count", "min": 1, "name": "not empty!"},
        ]
    )
    names = check_names(rules)
    assert names[0] == "unique__lot_id_process_step"
    assert names[3] == "not_null__a"
    assert len(set(names)) == len(names)
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)


def test_a_rule_is_frozen_and_hashable() -> None:
    rule = NotNull(column="a")
    with pytest.raises(ValueError, match="frozen"):
        rule.column = "b"
    assert {rule, NotNull(column="a")} == {rule}


def test_rules_that_are_objects_already_pass_through() -> None:
    rule = Unique(column="a")
    assert parse_rules([rule]) == (rule,)


def test_a_single_mapping_is_not_a_list_of_rules() -> None:
    with pytest.raises(RuleError, match="list of mappings"):
        parse_rules({"column": "a", "type": "not_null"})


def test_every_rule_documents_itself() -> None:
    for each in describe_rules():
        assert each["summary"], each["type"]
        assert each["judges"]
        assert each["null"]
        assert each["nan"]
        assert each["empty"]
        assert each["example"]
        assert each["level"] == ("row" if RULE_TYPES[each["type"]] in ROW_RULES else "table")


def test_the_json_schema_knows_every_rule_and_its_arguments() -> None:
    schema = rule_json_schema()
    assert {entry["properties"]["type"]["const"] for entry in schema["$defs"].values() if "properties" in entry} >= set(
        RULE_TYPES
    )
    in_range = schema["$defs"]["InRange"]
    assert in_range["additionalProperties"] is False
    assert set(in_range["required"]) == {"type", "column"}


def test_a_type_that_is_no_text_is_refused() -> None:
    assert problems({"column": "a", "type": ["not_null"]})[0].startswith("rule 1: there is no rule type `['not_null']`")


def test_another_letter_case_is_the_nearest_name() -> None:
    assert problems({"column": "a", "type": "NOT_NULL"}) == (
        "rule 1: there is no rule type `NOT_NULL`; did you mean `not_null`?",
    )


@pytest.mark.parametrize(
    ("text", "meaning"), [("PT1H30M", timedelta(minutes=90)), ("-P1D", timedelta(days=-1)), ("PT0S", timedelta(0))]
)
def test_a_duration_is_written_as_in_iso_8601(text: str, meaning: timedelta) -> None:
    assert parse_rules([{"column": "x", "type": "in_range", "min": text}]) == (InRange(column="x", min=meaning),)
    frame = pl.DataFrame({"x": [meaning, meaning + timedelta(microseconds=1), None]})
    rules = [{"column": "x", "type": "in_range", "max": text}, {"column": "x", "type": "in_set", "values": [text]}]
    assert [(each.failed_count, each.total_count) for each in check(frame, rules).results] == [(1, 2)] * 2


@pytest.mark.parametrize("text", ["P", "PX", "1 day", "PT1"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert "a duration (PT1H30M)" in problems({"column": "x", "type": "in_range", "min": text})[0]
