"""Cases whose answer was worked out by hand; they hold the engines and the oracle alike."""

# ruff: noqa: DTZ001  moments without a zone are cases too

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

NOW = datetime(2026, 1, 15, 3, 4, 5, 678901, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
TABLES = {"parts": pl.DataFrame({"id": [1, 2, None], "code": ["a", "b", None]})}


@dataclass(frozen=True)
class Case:
    name: str
    frame: pl.DataFrame
    rule: dict[str, Any]
    status: str
    failed: int = 0
    total: int = 0


def case(
    name: str, values: Any, rule: dict[str, Any], status: str, failed: int = 0, total: int = 0, *, dtype: Any = None
) -> Case:
    frame = pl.DataFrame(values) if isinstance(values, dict) else pl.DataFrame({"x": pl.Series(values, dtype=dtype)})
    needs_column = rule["type"] not in ("row_count", "expression", "compare_columns") and not {
        "column",
        "columns",
    } & set(rule)
    return Case(name, frame, ({"column": "x"} if needs_column else {}) | rule, status, failed, total)


CASES = (
    # clean, dirty, null, all null, empty, one row
    case("all good", [1, 2, 3], {"type": "positive"}, "passed", 0, 3),
    case("some bad", [1, 0, -3], {"type": "positive"}, "failed", 2, 3),
    case("a null is no value", [1, None, -3], {"type": "positive"}, "failed", 1, 2),
    case("only not_null judges nulls", [1, None, 3], {"type": "not_null"}, "failed", 1, 3),
    case("all null, value rule", [None, None], {"type": "in_range", "min": 0}, "passed", 0, 0, dtype=pl.Int64),
    case("all null, not_null", [None, None], {"type": "not_null"}, "failed", 2, 2, dtype=pl.Int64),
    case("all null, unique", [None, None], {"type": "unique"}, "passed", 0, 0, dtype=pl.Int64),
    case("all null, sum", [None], {"type": "sum_between", "min": 1}, "passed", 0, 0, dtype=pl.Int64),
    case("empty, value rule", [], {"type": "length", "min": 1}, "passed", 0, 0, dtype=pl.String),
    case("empty, not_null", [], {"type": "not_null"}, "passed", 0, 0, dtype=pl.Int64),
    case("empty, row_count", [], {"type": "row_count", "min": 1}, "failed", 1, 1, dtype=pl.Int64),
    case("empty, recency", [], {"type": "recency", "max_age_hours": 1}, "failed", 1, 1, dtype=pl.Datetime("us")),
    case("one row, unique", [7], {"type": "unique"}, "passed", 0, 1),
    case("one row, monotonic", [7], {"type": "monotonic", "strict": True}, "passed", 0, 1),
    # floats of 32 bits hold another 0.1 than those of 64
    case("narrow floats in a set", [0.1, 0.2, 0.3], {"type": "in_set", "values": [0.1, 0.2]}, "failed", 1, 3, dtype=pl.Float32),
    case("a narrow float on its bound", [0.1], {"type": "in_range", "max": 0.1}, "passed", 0, 1, dtype=pl.Float32),
    case("a narrow float on an open bound", [0.1], {"type": "in_range", "min": 0.1, "min_inclusive": False}, "failed", 1, 1, dtype=pl.Float32),
    case("a narrow float below a tiny bound", [0.0], {"type": "in_range", "min": 5e-324}, "failed", 1, 1, dtype=pl.Float32),
    case("a narrow float beyond every one", [INF], {"type": "in_range", "max": 1e300}, "failed", 1, 1, dtype=pl.Float32),
    # missing column, wrong type, wrong argument
    case("missing column", [1], {"type": "not_null", "column": "y"}, "error"),
    case("missing column of a pair", {"x": [1]}, {"type": "compare_columns", "left": "x", "operator": "<", "right": "y"}, "error"),
    case("missing column in where", [1], {"type": "positive", "where": "y > 0"}, "error"),
    case("a column that may be missing", [1], {"type": "column_exists", "column": "y"}, "failed", 1, 1),
    case("text is not a number", ["1", "2"], {"type": "positive"}, "error"),
    case("a number is not text", [1, 2], {"type": "regex", "pattern": "1"}, "error"),
    case("a number has no format", [1], {"type": "email"}, "error"),
    case("a truth value is not a number", [True], {"type": "non_negative"}, "error"),
    case("a date is not a moment's now", [1], {"type": "not_future"}, "error"),
    case("a zone beside a column without", [datetime(2026, 1, 1)], {"type": "in_range", "min": NOW}, "error"),
    case("a list is no key", [[1], [1]], {"type": "unique"}, "error"),
    case("unknown table", [1], {"type": "foreign_key", "to": "nobody"}, "error"),
    # NaN, infinities
    case("NaN fails a minimum", [1.0, NAN], {"type": "in_range", "min": 0}, "failed", 1, 2),
    case("NaN fails a maximum", [1.0, NAN], {"type": "in_range", "max": 5}, "failed", 1, 2),
    case("NaN is not positive", [1.0, NAN, None], {"type": "positive"}, "failed", 1, 2),
    case("NaN is not null", [1.0, NAN, None], {"type": "not_null"}, "failed", 1, 3),
    case("NaN is in no set", [1.0, NAN], {"type": "in_set", "values": [1]}, "failed", 1, 2),
    case("NaN is out of every set", [1.0, NAN], {"type": "not_in_set", "values": [2]}, "passed", 0, 2),
    case("NaN makes a mean fail", [1.0, NAN], {"type": "mean_between", "min": 0}, "failed", 1, 1),
    case("infinity is positive", [INF, -INF], {"type": "positive"}, "failed", 1, 2),
    case("infinity has a range", [INF, -INF, 0.0], {"type": "in_range", "max": INF}, "passed", 0, 3),
    case("NaN compares with nothing", {"x": [NAN, 1.0], "y": [1.0, 1.0]}, {"type": "compare_columns", "left": "x", "operator": "!=", "right": "y"}, "failed", 2, 2),
    case("null beside NaN", {"x": [NAN], "y": pl.Series([None], dtype=pl.Float64)}, {"type": "compare_columns", "left": "x", "operator": "<", "right": "y"}, "passed", 0, 0),
    # zero with a sign, beside NaN and null
    case("zero with a sign is in a set of zero", [-0.0, NAN, None], {"type": "in_set", "values": [0]}, "failed", 1, 2),
    case("zero with a sign is out of no set of zero", [-0.0, NAN, None], {"type": "not_in_set", "values": [0, 1]}, "failed", 1, 2),
    case("a set of zero with a sign", [0.0, NAN, None], {"type": "not_in_set", "values": [-0.0]}, "failed", 1, 2),
    case("narrow zero with a sign", [-0.0, NAN, None], {"type": "not_in_set", "values": [0]}, "failed", 1, 2, dtype=pl.Float32),
    case("zero with a sign is at a bound of zero", [-0.0, NAN, None], {"type": "in_range", "min": 0, "max": 0}, "failed", 1, 2),
    case("zero with a sign is not positive", [-0.0, NAN, None], {"type": "positive"}, "failed", 2, 2),
    case("zero with a sign is not negative", [-0.0, NAN, None], {"type": "non_negative"}, "failed", 1, 2),
    case("zero has no sign beside NaN and null", [0.0, -0.0, NAN, NAN, None], {"type": "unique"}, "failed", 4, 4),
    # duplicates with nulls
    case("nulls are not equal", [1, None, None, 2], {"type": "unique"}, "passed", 0, 2),
    case("every row of a group is bad", [1, 1, 1, 2, None], {"type": "unique"}, "failed", 3, 4),
    case("a key with a null is not judged", {"x": [1, 1, 1, 1], "y": ["a", "a", None, None]}, {"type": "unique", "columns": ["x", "y"]}, "failed", 2, 2),
    case("unique among the chosen", {"x": [1, 1, 1], "y": [0, 1, 1]}, {"type": "unique", "column": "x", "where": "y = 1"}, "failed", 2, 2),
    case("zero has no sign", [0.0, -0.0], {"type": "unique"}, "failed", 2, 2),
    # unicode and text
    case("characters, not bytes", ["한국어", "e\u0301", "🤦🏼"], {"type": "length", "exact": 2}, "failed", 1, 3),
    case("forms are different texts", ["é", "e\u0301"], {"type": "unique"}, "passed", 0, 2),
    case("forms are different members", ["é", "e\u0301"], {"type": "in_set", "values": ["é"]}, "failed", 1, 2),
    case("a category is its text", ["a", "b"], {"type": "in_set", "values": ["a"]}, "failed", 1, 2, dtype=pl.Categorical),
    case("an empty text is a value", ["", "a"], {"type": "length", "min": 1}, "failed", 1, 2),
    case("an empty text is no address", ["", " ", "a@b.co"], {"type": "email"}, "failed", 2, 3),
    case("a pattern matches anywhere", ["pineapple", "b"], {"type": "regex", "pattern": "apple"}, "failed", 1, 2),
    case("an alternative is not anchored", ["apple", "b"], {"type": "regex", "pattern": "^a|b$"}, "passed", 0, 2),
    case("the end is the very end", ["a", "a\n"], {"type": "regex", "pattern": "^a$"}, "failed", 1, 2),
    case("a dollar sign is a character", ["5$", "5"], {"type": "regex", "pattern": r"^[0-9]\$$"}, "failed", 1, 2),
    # boundaries
    case("both bounds belong", [0, 10, 11], {"type": "in_range", "min": 0, "max": 10}, "failed", 1, 3),
    case("bounds that do not belong", [0, 5, 10], {"type": "in_range", "min": 0, "max": 10, "min_inclusive": False, "max_inclusive": False}, "failed", 2, 3),
    case("beyond 53 bits", [2**53, 2**53 + 1], {"type": "in_range", "max": 2**53}, "failed", 1, 2),
    case("a set beyond 53 bits", [2**53, 2**53 + 1], {"type": "in_set", "values": [2**53 + 1]}, "failed", 1, 2),
    case("an integer beside a float", {"x": [2**53 + 1], "y": [2.0**53]}, {"type": "compare_columns", "left": "x", "operator": "==", "right": "y"}, "failed", 1, 1),
    case("a bound outside the type", [1, 127], {"type": "in_range", "max": 300}, "passed", 0, 2, dtype=pl.Int8),
    case("unsigned below zero", [0, 2**64 - 1], {"type": "in_range", "min": -1}, "passed", 0, 2, dtype=pl.UInt64),
    case("a sum beyond 64 bits", [2**63 - 1, 2**63 - 1], {"type": "sum_between", "min": 2**64 - 2, "max": 2**64 - 2}, "passed", 0, 1),
    # time
    case("a microsecond ahead", [NOW.replace(tzinfo=None), NOW.replace(tzinfo=None) + timedelta(microseconds=1)], {"type": "not_future"}, "failed", 1, 2),
    case("later today is the future", [datetime(2026, 1, 15, 3, 4, 6)], {"type": "not_future"}, "failed", 1, 1),
    case("whose clock", [datetime(2026, 1, 15, 12, 0)], {"type": "not_future", "timezone": "Asia/Seoul"}, "passed", 0, 1),
    case("whose today", [date(2026, 1, 15)], {"type": "not_future", "timezone": "America/New_York"}, "failed", 1, 1),
    case("a date is today's all day", [date(2026, 1, 15)], {"type": "not_past", "timezone": "Asia/Seoul"}, "passed", 0, 1),
    case("a bound without a zone is in the column's", [datetime(2026, 1, 14, 15, tzinfo=UTC)], {"type": "in_range", "min": datetime(2026, 1, 15)}, "passed", 0, 1, dtype=pl.Datetime("us", "Asia/Seoul")),
    case("a date is its midnight", [datetime(2026, 1, 15, 0, 0, 1)], {"type": "in_range", "max": date(2026, 1, 15)}, "failed", 1, 1),
    case("the future is not recent", [datetime(2026, 1, 16), datetime(2026, 1, 1)], {"type": "recency", "max_age_hours": 24}, "failed", 1, 1),
    case("a time of day", [time(9), time(8, 59, 59)], {"type": "in_range", "min": time(9)}, "failed", 1, 2),
    # decimals
    case("cents are exact", [Decimal("0.10"), Decimal("0.11")], {"type": "in_range", "max": Decimal("0.1")}, "failed", 1, 2, dtype=pl.Decimal(12, 2)),
    case("a tenth is a tenth", [Decimal("0.10")], {"type": "in_set", "values": [0.1]}, "passed", 0, 1, dtype=pl.Decimal(12, 2)),
    case("a sum of decimals", [Decimal("0.10")] * 3, {"type": "sum_between", "max": Decimal("0.3")}, "passed", 0, 1, dtype=pl.Decimal(12, 2)),
    case("a mean of decimals", [Decimal("0.10"), Decimal("0.20")], {"type": "mean_between", "min": Decimal("0.15"), "max": 0.15}, "passed", 0, 1, dtype=pl.Decimal(12, 2)),
    # where and mostly
    case("only where it is TRUE", {"x": [-1, -1, 1], "y": [1, None, 1]}, {"type": "positive", "column": "x", "where": "y = 1"}, "failed", 1, 2),
    case("where chooses nothing", {"x": [-1], "y": [0]}, {"type": "positive", "column": "x", "where": "y = 1"}, "passed", 0, 0),
    case("not_null among the chosen", {"x": [None, None, 1], "y": [1, 0, 1]}, {"type": "not_null", "column": "x", "where": "y = 1"}, "failed", 1, 2),
    case("exactly mostly", [1] * 9 + [-1], {"type": "positive", "mostly": 0.9}, "passed", 1, 10),
    case("just below mostly", [1] * 8 + [-1, -1], {"type": "positive", "mostly": 0.9}, "failed", 2, 10),
    case("mostly of what applies", [1, -1, None, None], {"type": "positive", "mostly": 0.75}, "failed", 1, 2),
    # keys, order, conditions
    case("a key that exists nowhere", [1, 3, None], {"type": "foreign_key", "to": "parts", "to_column": "id"}, "failed", 1, 2),
    case("a fall in the order", [1, 3, None, 2], {"type": "monotonic"}, "failed", 1, 3),
    case("equal is not strictly more", [1, 1, 2], {"type": "monotonic", "strict": True}, "failed", 1, 3),
    case("a NaN has no place in an order", [1.0, NAN, 0.5], {"type": "monotonic"}, "failed", 2, 3),
    case("a condition over null", {"x": [1, None, -1]}, {"type": "expression", "expression": "x > 0"}, "failed", 1, 2),
    case("a condition that says what null means", {"x": [1, None, -1]}, {"type": "expression", "expression": "x IS NOT NULL AND x > 0"}, "failed", 2, 3),
)  # fmt: skip
