"""What holds for all data: counts add up over parts, and order changes nothing."""

import math
import operator
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from etl.quality import check, parse_rules, split
from etl.quality.expressions.exact import compare_columns, compare_literal

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "i": st.none() | st.integers(-3, 3),
            "f": st.none() | st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, math.nan, math.inf, -math.inf]),
            "s": st.none() | st.text("ab é", max_size=3),
            "k": st.integers(0, 9),
        }
    ),
    max_size=30,
)
SCHEMA = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "k": pl.Int32}
LOCAL = parse_rules(
    [
        {"column": "i", "type": "not_null"},
        {"column": "i", "type": "in_range", "min": -1, "max": 2},
        {"column": "f", "type": "non_negative", "where": "i > 0 OR s = 'a'"},
        {"column": "f", "type": "in_set", "values": [0, 0.5]},
        {"column": "s", "type": "length", "min": 1},
        {"column": "s", "type": "regex", "pattern": "^a"},
        {"column": "s", "type": "not_in_set", "values": ["a", ""]},
        {"type": "compare_columns", "left": "i", "operator": "<=", "right": "f"},
        {"type": "expression", "expression": "i + k > 2 OR s LIKE 'a%'"},
        {"column": "k", "type": "foreign_key", "to": "t"},
    ]
)
GLOBAL = parse_rules(
    [
        {"column": "i", "type": "unique"},
        {"columns": ["i", "s"], "type": "unique", "where": "k > 3"},
        {"type": "row_count", "min": 3},
        {"column": "i", "type": "sum_between", "min": 0},
        {"column": "k", "type": "mean_between", "min": 2, "max": 5},
    ]
)
TABLES = {"t": pl.LazyFrame({"k": [1, 2, 3]}, schema={"k": pl.Int64})}
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def frame_of(rows: list[dict[str, Any]]) -> Any:
    return pl.DataFrame(rows, schema=SCHEMA)


def counts(frame: Any, rules: Any) -> Any:
    return [
        (each.failed_count, each.total_count) for each in check(frame, rules, engine="polars", tables=TABLES).results
    ]


@FAST
@given(ROWS, st.integers(0, 30))
def test_counts_of_two_parts_add_up_to_those_of_the_whole(rows: list[dict[str, Any]], at: int) -> None:
    frame = frame_of(rows)
    parts = zip(counts(frame[:at], LOCAL), counts(frame[at:], LOCAL), strict=True)
    assert [(a[0] + b[0], a[1] + b[1]) for a, b in parts] == counts(frame, LOCAL)


@FAST
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_rules_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    rules = [*LOCAL, *GLOBAL]
    expected = dict(zip(rules, counts(frame_of(rows), rules), strict=True))
    random.shuffle(rows)
    random.shuffle(rules)
    assert dict(zip(rules, counts(frame_of(rows), rules), strict=True)) == expected


@FAST
@given(ROWS)
def test_a_lazy_frame_gives_the_counts_of_the_frame(rows: list[dict[str, Any]]) -> None:
    rules = [*LOCAL, *GLOBAL]
    assert counts(frame_of(rows).lazy(), rules) == counts(frame_of(rows), rules)


@settings(FAST, max_examples=25)
@given(ROWS)
def test_a_split_loses_nothing_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("split")
    frame = frame_of(rows).with_row_index()
    result = split(frame, [*LOCAL, *GLOBAL], folder / "good", folder / "bad", tables=TABLES)
    good, bad = (pl.read_parquet(folder / name) for name in ("good", "bad"))
    assert result.read == frame.height
    assert pl.concat([good, bad.select(frame.columns)]).sort("index").equals(frame)


INTEGERS = st.one_of(st.integers(-3, 3), st.integers(2**53 - 3, 2**53 + 3), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.one_of(st.floats(), st.integers(-3, 3).map(float), st.integers(2**53 - 4, 2**53 + 4).map(float))
OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def exactly(one: Any, name: str, other: Any) -> Any:
    if any(isinstance(each, float) and math.isnan(each) for each in (one, other)):
        return False
    infinite = [each for each in (one, other) if isinstance(each, float) and math.isinf(each)]
    return OPERATORS[name](one, other) if infinite else OPERATORS[name](Fraction(one), Fraction(other))


@settings(FAST, max_examples=300)
@given(INTEGERS, FLOATS, st.sampled_from([*OPERATORS]))
def test_an_integer_compares_with_a_float_exactly(integer: Any, floating: Any, name: str) -> None:
    frame = pl.DataFrame({"i": [integer], "f": [floating]}, schema={"i": pl.Int64, "f": pl.Float64})
    expr = compare_columns(pl.col("i"), pl.Int64(), name, pl.col("f"), pl.Float64())
    assert frame.select(expr).item() is exactly(integer, name, floating)


@settings(FAST, max_examples=300)
@given(FLOATS, st.one_of(st.integers(-(2**70), 2**70), INTEGERS, st.just(10**400)), st.sampled_from([*OPERATORS]))
def test_a_float_column_compares_with_any_integer_exactly(value: Any, bound: Any, name: str) -> None:
    frame = pl.DataFrame({"f": [value]}, schema={"f": pl.Float64})
    found = frame.select(compare_literal(pl.col("f"), pl.Float64(), name, bound)).item()
    assert found is exactly(value, name, bound)


@settings(FAST, max_examples=300)
@given(INTEGERS, st.decimals(allow_nan=False, allow_infinity=False, places=3) | INTEGERS, st.sampled_from([*OPERATORS]))
def test_an_integer_column_compares_with_any_number_exactly(value: Any, bound: Any, name: str) -> None:
    frame = pl.DataFrame({"i": [value]}, schema={"i": pl.Int64})
    found = frame.select(compare_literal(pl.col("i"), pl.Int64(), name, bound)).item()
    assert found is exactly(value, name, bound)
