# ruff: noqa: DTZ001  moments without a zone are part of what is tested
"""What each rule means, on data picked by hand: (bad, judged) per rule."""

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl.quality import check

NOW = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=UTC)


def judge(values: Any, dtype: Any = None, /, *, tables: Any = None, **rule: Any) -> Any:
    frame = (
        values
        if isinstance(values, pl.DataFrame)
        else pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})
    )
    rule = rule if "columns" in rule or rule["type"] in {"expression", "compare_columns"} else {"column": "x", **rule}
    eager = check(frame, [rule], engine="polars", now=NOW, tables=tables).results[0]
    lazy = check(frame.lazy(), [rule], engine="polars", now=NOW, tables=tables).results[0]
    assert (eager.status, eager.failed_count, eager.total_count) == (lazy.status, lazy.failed_count, lazy.total_count)
    assert eager.status != "error", eager.message
    return eager.failed_count, eager.total_count


def refused(values: Any, dtype: Any = None, /, **rule: Any) -> Any:
    frame = (
        values
        if isinstance(values, pl.DataFrame)
        else pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})
    )
    rule = {"column": "x", **rule} if rule["type"] not in {"expression", "compare_columns"} else rule
    result = check(frame, [rule], engine="polars", now=NOW).results[0]
    assert result.status == "error"
    assert (result.failed_count, result.total_count) == (0, 0)
    return result.message


def test_not_null_judges_all_rows_and_nan_is_no_null() -> None:
    assert judge([1.0, None, math.nan], type="not_null") == (1, 3)
    assert judge(pl.DataFrame({"a": [1, None, 3], "b": [None, None, 1]}), columns=["a", "b"], type="not_null") == (2, 3)


def test_unique_rejects_all_rows_of_a_duplicated_key_and_ignores_nulls() -> None:
    assert judge([1, 1, 1, 2, None, None], type="unique") == (3, 4)
    assert judge([math.nan, math.nan, 0.0, -0.0, None], type="unique") == (4, 4)
    frame = pl.DataFrame({"a": [1, 1, 1, None, None], "b": ["x", "x", None, "x", "x"]})
    assert judge(frame, columns=["a", "b"], type="unique") == (2, 2)


def test_unique_among_chosen_rows_looks_at_those_only() -> None:
    frame = pl.DataFrame({"x": [1, 1, 2, 2], "live": [True, False, True, True]})
    assert judge(frame, type="unique", where="live") == (2, 3)


def test_regex_searches_and_anchors_only_where_the_pattern_says_so() -> None:
    assert judge(["apple", "a", "b", "", None], type="regex", pattern="^a|b$") == (1, 4)
    assert judge(["xax", "x"], type="regex", pattern="a") == (1, 2)
    assert judge(["a\n", "a"], type="regex", pattern="^a$") == (1, 2)
    assert judge(["", " "], type="regex", pattern=r"^\S+$") == (2, 2)
    assert judge(["a", "b", None], pl.Categorical, type="regex", pattern="a") == (1, 2)
    assert "judges text" in refused([1, 2], type="regex", pattern="1")


@pytest.mark.parametrize(
    ("values", "dtype", "rule", "expected"),
    [
        ([0, 10, 11, -1, None], pl.Int64, {"min": 0, "max": 10}, (2, 4)),
        ([0, 10], pl.Int64, {"min": 0, "max": 10, "min_inclusive": False, "max_inclusive": False}, (2, 2)),
        ([0, 1, 2], pl.UInt8, {"min": -5, "max": 300}, (0, 3)),
        ([0, 255], pl.UInt8, {"min": 255.5}, (2, 2)),
        ([1, 2, 3], pl.Int8, {"min": 1.5}, (1, 3)),
        ([2**53, 2**53 + 1], pl.Int64, {"max": float(2**53)}, (1, 2)),
        ([2**63 - 1], pl.Int64, {"max": 2**63 - 2}, (1, 1)),
        ([2**64 - 1, 0], pl.UInt64, {"max": 2**63}, (1, 2)),
        ([2**100, -(2**100)], pl.Int128, {"min": -(2**100) + 1}, (1, 2)),
        ([0.1, math.nan, math.inf, -math.inf, None], pl.Float64, {"min": 0}, (2, 4)),
        ([0.1, math.nan, math.inf, -math.inf], pl.Float64, {"max": 0.1}, (2, 4)),
        ([float(2**53), float(2**53 + 2)], pl.Float64, {"max": 2**53 + 1}, (1, 2)),
        ([float(2**53), float(2**53 + 2)], pl.Float64, {"min": 2**53 + 1}, (1, 2)),
        ([1.7e308, math.inf], pl.Float64, {"max": 10**400}, (1, 2)),
        ([Decimal("0.10"), Decimal("0.11"), Decimal("0.09")], pl.Decimal(10, 2), {"min": 0.1}, (1, 3)),
        ([Decimal("0.10"), Decimal("0.11")], pl.Decimal(10, 2), {"min": "0.105"}, (1, 2)),
        ([date(2026, 1, 1), date(2026, 2, 1)], pl.Date, {"max": "2026-01-31"}, (1, 2)),
        ([datetime(2026, 1, 31), datetime(2026, 1, 31, 0, 0, 1)], pl.Datetime("ms"), {"max": "2026-01-31"}, (1, 2)),
        ([datetime(2026, 1, 31, 9)], pl.Datetime("ns"), {"min": datetime(2026, 1, 31, 9, 0, 0, 1)}, (1, 1)),
        ([time(9), time(10)], pl.Time, {"min": "09:30:00"}, (1, 2)),
        ([timedelta(1), timedelta(2)], pl.Duration("ms"), {"max": timedelta(1, microseconds=1)}, (1, 2)),
    ],
)
def test_in_range_is_exact_for_every_type(values: Any, dtype: Any, rule: Any, expected: Any) -> None:
    assert judge(values, dtype, type="in_range", **rule) == expected


def test_a_bound_without_a_zone_is_in_the_zone_of_the_column() -> None:
    moments = pl.Series([datetime(2026, 1, 1, 0, tzinfo=UTC), datetime(2025, 12, 31, 14, tzinfo=UTC)])
    frame = pl.DataFrame({"x": moments.dt.convert_time_zone("Asia/Seoul")})
    assert judge(frame, type="in_range", min="2026-01-01") == (1, 2)
    assert judge(frame, type="in_range", min="2026-01-01T00:00:00+00:00") == (1, 2)
    assert "time zone" in refused([datetime(2026, 1, 1)], type="in_range", min="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("dtype", [pl.String, pl.Boolean, pl.Categorical, pl.List(pl.Int64), pl.Binary])
def test_in_range_refuses_what_has_no_range(dtype: Any) -> None:
    assert "judges numbers" in refused([None], dtype, type="in_range", min=0)


def test_in_range_refuses_bounds_of_another_kind() -> None:
    assert "not a date" in refused([date(2026, 1, 1)], type="in_range", min=1)
    assert "not a number" in refused([1], type="in_range", min="2026-01-01")


@pytest.mark.parametrize(
    ("values", "dtype", "allowed", "expected"),
    [
        (["a", "A", "", None], pl.String, ["a"], (2, 3)),
        (["a", "b", None], pl.Categorical, ["a", "zzz"], (1, 2)),
        (["a", "b", None], pl.Enum(["a", "b"]), ["a", "zzz"], (1, 2)),
        (["\u00e9", "e\u0301"], pl.String, ["\u00e9"], (1, 2)),
        ([1, 2, 3], pl.Int8, [1, 2.0, 2.5, 300], (1, 3)),
        ([2**53 + 1], pl.Int64, [float(2**53)], (1, 1)),
        ([2**64 - 1], pl.UInt64, [2**64 - 1], (0, 1)),
        ([2**100], pl.Int128, [2**100], (0, 1)),
        ([0.1, math.nan, -0.0, None], pl.Float64, [0.1, 0], (1, 3)),
        ([1.0, 2.0], pl.Float64, [1], (1, 2)),
        ([Decimal("1.50"), Decimal("1.51")], pl.Decimal(10, 2), [1.5], (1, 2)),
        ([True, False, None], pl.Boolean, [True], (1, 2)),
        ([date(2026, 1, 1), date(2026, 1, 2)], pl.Date, ["2026-01-01"], (1, 2)),
    ],
)
def test_in_set_means_exactly_equal(values: Any, dtype: Any, allowed: Any, expected: Any) -> None:
    assert judge(values, dtype, type="in_set", values=allowed) == expected
    bad, judged = judge(values, dtype, type="not_in_set", values=allowed)
    assert (judged - bad, judged) == expected


def test_in_set_refuses_values_of_another_kind() -> None:
    assert "not text" in refused(["1"], type="in_set", values=[1])
    assert "not a number" in refused([1], type="in_set", values=["one"])
    assert "not a number" in refused([1], type="in_set", values=[True])
    assert "true or false" in refused([True], type="in_set", values=[1])


def test_not_future_judges_to_the_columns_precision() -> None:
    later = [NOW.replace(tzinfo=None), NOW.replace(tzinfo=None) + timedelta(microseconds=1), None]
    assert judge(later, pl.Datetime("us"), type="not_future") == (1, 2)
    assert judge([NOW, NOW + timedelta(seconds=1)], pl.Datetime("us", "UTC"), type="not_future") == (1, 2)
    assert judge(later[:2], pl.Datetime("us"), type="not_past") == (0, 2)
    assert judge([NOW.replace(microsecond=0)], pl.Datetime("ms", "UTC"), type="not_past") == (0, 1)
    assert judge([date(2026, 3, 1), date(2026, 3, 2)], type="not_future") == (1, 2)
    assert judge([date(2026, 2, 28), date(2026, 3, 1)], type="not_past") == (1, 2)


def test_not_future_asks_whose_today() -> None:
    # 12:00 UTC is the first of March everywhere but east of +12.
    assert judge([date(2026, 3, 2)], type="not_future") == (1, 1)
    assert judge([date(2026, 3, 2)], type="not_future", timezone="Pacific/Kiritimati") == (0, 1)
    assert judge([datetime(2026, 3, 1, 20)], type="not_future", timezone="Asia/Seoul") == (0, 1)
    assert "judges dates" in refused(["2026-01-01"], type="not_future")


def test_length_counts_characters() -> None:
    assert judge(["", "한국", "👍🏽", None], type="length", min=1, max=2) == (1, 3)
    assert judge(["ab", "abc"], type="length", exact=2) == (1, 2)
    assert judge(["ab", "abc"], type="length", min=3) == (1, 2)


def test_positive_and_non_negative() -> None:
    assert judge([1.0, 0.0, -0.0, -1.0, math.nan, math.inf, None], type="positive") == (4, 6)
    assert judge([1.0, 0.0, -0.0, -1.0, math.nan, math.inf, None], type="non_negative") == (2, 6)
    assert judge([0, 1], pl.UInt8, type="non_negative") == (0, 2)
    assert judge([Decimal("0.00"), Decimal("0.01")], type="positive") == (1, 2)
    assert judge([timedelta(0), timedelta(1)], type="positive") == (1, 2)
    assert "judges numbers" in refused([date(2026, 1, 1)], type="positive")
    assert "judges numbers" in refused(["1"], type="positive")


def test_foreign_key_looks_into_the_other_table() -> None:
    parents = {"products": pl.LazyFrame({"code": ["a", "b", "b", None], "site": [1, 1, 2, 1]})}
    assert judge(["a", "zz", None], type="foreign_key", to="products", to_column="code", tables=parents) == (1, 2)
    frame = pl.DataFrame({"p": ["a", "a", "b", None], "s": [1, 2, 2, 1]}, schema_overrides={"s": pl.UInt8})
    both = {"columns": ["p", "s"], "to": "products", "to_columns": ["code", "site"]}
    assert judge(frame, type="foreign_key", tables=parents, **both) == (1, 3)
    empty = {"products": pl.LazyFrame(schema={"code": pl.String})}
    assert judge(["a"], type="foreign_key", to="products", to_column="code", tables=empty) == (1, 1)


def test_foreign_key_compares_large_integers_exactly() -> None:
    parents = {"t": pl.LazyFrame({"x": pl.Series([2**63 + 1], dtype=pl.UInt64)})}
    assert judge([2**63 + 1, 2**63], pl.Int128, type="foreign_key", to="t", tables=parents) == (1, 2)


def test_a_foreign_key_that_cannot_be_judged_is_an_error() -> None:
    tables = {"products": pl.LazyFrame({"code": ["a"]})}
    rule = {"column": "x", "type": "foreign_key", "to": "product", "to_column": "code"}
    frame = pl.DataFrame({"x": ["a"]})
    for changed, part in [
        ({}, "did you mean `products`"),
        ({"to": "products", "to_column": "kode"}, "did you mean `code`"),
    ]:
        result = check(frame, [rule | changed], engine="polars", tables=tables).results[0]
        assert result.status == "error"
        assert part in result.message
    result = check(pl.DataFrame({"x": [1]}), [rule | {"to": "products"}], engine="polars", tables=tables).results[0]
    assert result.status == "error"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("email", ["a@b.co", "a.b+c@x-y.example.com", "이@한국.한국", "a@xn--p1ai.xn--p1ai"],
         ["", " ", "a@b", "a b@c.de", "a@b..co", ".a@b.co", "a.@b.co", "a@-b.co", "a@b.c", "a@b.co ", "a@b.co\n", "@b.co"]),
        ("url", ["http://a.bc", "HTTPS://a.bc:80/x?y=1#z", "ftp://u:p@a.bc/", "http://127.0.0.1/", "http://[::1]:80/", "http://localhost"],
         ["", "a.bc", "http://", "http:///x", "http://a b", "mailto:a@b.co", "http://a.bc/ x", "http://-a.bc", "http://[::1"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000", "00000000-0000-0000-0000-000000000000"],
         ["", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}", "123e4567-e89b-12d3-a456-42661417400g"]),
        ("ip_address", ["0.0.0.0", "255.255.255.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "fe80::1", "1:2:3:4:5:6:7::"],
         ["", "256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4/8", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "g::", "1:2:3:4:5:6:7:8::"]),
    ],
)  # fmt: skip
def test_formats(kind: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert judge([text], type=kind) == (0, 1), text
    for text in bad:
        assert judge([text], type=kind) == (1, 1), text
    assert judge([None], pl.String, type=kind) == (0, 0)
    assert "judges text" in refused([1], type=kind)


def test_ip_addresses_agree_with_the_standard_library() -> None:
    import ipaddress
    import random

    random.seed(7)
    pieces = ["", "0", "1", "ffff", "12345", "g", "1.2.3.4", "256.0.0.1"]
    texts = sorted({":".join(random.choices(pieces, k=random.randint(2, 9))) for _ in range(3000)})

    def legal(text: str) -> Any:
        try:
            return ipaddress.ip_address(text) is not None
        except ValueError:
            return False

    frame = pl.DataFrame({"x": texts})
    from etl.quality.regex import IP

    found = frame.select(pl.col("x").str.contains(IP))["x"].to_list()
    assert [text for text, ok in zip(texts, found, strict=True) if ok != legal(text)] == []
    assert any(found)


def test_ip_versions_are_told_apart() -> None:
    assert judge(["1.2.3.4", "::1"], type="ip_address", version=4) == (1, 2)
    assert judge(["1.2.3.4", "::1"], type="ip_address", version=6) == (1, 2)


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        (([1, 2, None], pl.Int64), "<", ([2, 2, 1], pl.Int8), (1, 2)),
        (([2**63], pl.UInt64), ">", ([2**63 - 1], pl.Int64), (0, 1)),
        (([2**53 + 1], pl.Int64), "==", ([float(2**53)], pl.Float64), (1, 1)),
        (([2**53 + 1], pl.Int64), "!=", ([float(2**53)], pl.Float64), (0, 1)),
        (([1, 1, 2], pl.Int64), "<", ([1.5, math.nan, math.inf], pl.Float64), (1, 3)),
        (([1, 2], pl.Int64), ">=", ([1.5, 1.5], pl.Float64), (1, 2)),
        (([1.5], pl.Float64), "<=", ([1], pl.Int64), (1, 1)),
        (([math.nan, 1.0], pl.Float64), "!=", ([1.0, 2.0], pl.Float64), (1, 2)),
        (([Decimal("1.50")], pl.Decimal(10, 2)), "==", ([Decimal("1.500")], pl.Decimal(12, 3)), (0, 1)),
        (([Decimal("1.50")], pl.Decimal(10, 2)), ">", ([1], pl.Int64), (0, 1)),
        ((["a", "b"], pl.String), "<", (["b", "a"], pl.Categorical), (1, 2)),
        (([True, False], pl.Boolean), "==", ([True, True], pl.Boolean), (1, 2)),
        (([date(2026, 1, 1)], pl.Date), "<", ([datetime(2026, 1, 1, 0, 0, 1)], pl.Datetime("ns")), (0, 1)),
        (([datetime(2026, 1, 1)], pl.Datetime("ms")), "==", ([datetime(2026, 1, 1)], pl.Datetime("ns")), (0, 1)),
    ],
)
def test_compare_columns_is_exact_across_types(left: Any, operator: str, right: Any, expected: Any) -> None:
    frame = pl.DataFrame({"a": pl.Series(left[0], dtype=left[1]), "b": pl.Series(right[0], dtype=right[1])})
    assert judge(frame, type="compare_columns", left="a", operator=operator, right="b") == expected


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pl.Int64, pl.String),
        (pl.Decimal(10, 2), pl.Float64),
        (pl.Datetime("us"), pl.Datetime("us", "UTC")),
        (pl.Date, pl.Int64),
        (pl.List(pl.Int64), pl.List(pl.Int64)),
        (pl.Int128, pl.Float64),
    ],
)
def test_compare_columns_refuses_what_it_cannot_compare_exactly(left: Any, right: Any) -> None:
    frame = pl.DataFrame(schema={"a": left, "b": right})
    assert "compare" in refused(frame, type="compare_columns", left="a", operator="<", right="b")


def test_expression_judges_only_where_the_condition_is_true_or_false() -> None:
    frame = pl.DataFrame({"a": [1, 2, None, 4], "b": [2, 1, 1, None]})
    assert judge(frame, type="expression", expression="a <= b") == (1, 2)
    assert judge(frame, type="expression", expression="a <= b OR b IS NULL", where="a > 1") == (1, 2)


def test_where_keeps_only_rows_for_which_it_is_true() -> None:
    frame = pl.DataFrame({"x": [None, None, 1, None], "s": ["a", None, "a", "b"]})
    assert judge(frame, type="not_null", where="s = 'a'") == (1, 2)
    assert judge(frame, type="positive", where="s = 'a'") == (0, 1)


def test_an_empty_frame_passes_over_nothing_and_says_so() -> None:
    frame = pl.DataFrame(schema={"x": pl.Int64})
    for rule in ({"type": "not_null"}, {"type": "unique"}, {"type": "positive"}, {"type": "in_set", "values": [1]}):
        result = check(frame, [{"column": "x", **rule}], engine="polars").results[0]
        assert (result.status, result.total_count) == ("passed", 0)
        assert "0 rows" in result.message


def test_object_columns_and_missing_columns_are_errors() -> None:
    assert "no rule can judge" in refused(pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)}), type="not_null")
    assert "did you mean `lot_id`" in refused(pl.DataFrame({"lot_id": [1]}), type="not_null", column="lotid")
    assert "part of a key" in refused([[1]], type="unique")


@pytest.mark.parametrize("name", ["^a.*$", "*"])
def test_a_column_whose_name_is_a_pattern_is_not_taken_for_the_columns_it_matches(name: str) -> None:
    frame = pl.DataFrame({name: [None, None], "a1": [1, 2]}, schema={name: pl.Int64, "a1": pl.Int64})
    rules = [{"column": name, "type": "not_null"}, {"column": "a1", "type": "in_range", "max": 1}]
    refused, other = check(frame, rules, key_columns=[name, "a1"]).results
    assert refused.status == "error"
    assert "as a pattern" in refused.message
    assert (other.status, other.sample) == ("failed", ({"a1": 2},))
