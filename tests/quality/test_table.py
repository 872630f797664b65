# ruff: noqa: DTZ001  moments without a zone are part of what is tested
"""Rules about the table as a whole: (status, what was measured)."""

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl.quality import check

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def judge(data: Any, dtype: Any = None, /, **rule: Any) -> Any:
    frame = data if isinstance(data, pl.DataFrame) else pl.DataFrame({"x": pl.Series(data, dtype=dtype, strict=False)})
    rule = rule if rule["type"] == "row_count" else {"column": "x", **rule}
    eager = check(frame, [rule], engine="polars", now=NOW).results[0]
    lazy = check(frame.lazy(), [rule], engine="polars", now=NOW).results[0]
    assert eager == lazy
    return eager


def test_row_count_judges_emptiness() -> None:
    empty = pl.DataFrame(schema={"x": pl.Int64})
    assert judge(empty, type="row_count", min=1).status == "failed"
    assert judge([1, 2], type="row_count", exact=2).actual == 2
    assert judge([1, 2], type="row_count", max=1).status == "failed"
    assert judge([1, 2, None], type="row_count", exact=1, where="x > 1").status == "passed"


@pytest.mark.parametrize(
    ("dtype", "names", "others"),
    [
        (pl.Int64, ["Int64", "int64", "i64", "integer", "int", "bigint", "number"], ["Int32", "unsigned", "float"]),
        (pl.UInt8, ["UInt8", "unsigned", "integer"], ["Int8", "string"]),
        (pl.Float32, ["Float32", "float", "f32"], ["double"]),
        (pl.String, ["String", "str", "utf8", "text"], ["categorical", "binary"]),
        (pl.Boolean, ["Boolean", "bool"], ["integer"]),
        (pl.Date, ["Date", "date"], ["datetime"]),
        (pl.Datetime("us", "UTC"), ["datetime", "Datetime('us', 'UTC')", "datetime[us, UTC]"],
         ["Datetime('us')", "Datetime('ns', 'UTC')", "Datetime('us', 'Asia/Seoul')"]),
        (pl.Decimal(10, 2), ["decimal", "Decimal(10, 2)", "number"], ["Decimal(10, 3)", "float"]),
        (pl.List(pl.Int64), ["list", "List(Int64)"], ["List(String)", "struct"]),
        (pl.Duration("ms"), ["duration", "Duration('ms')"], ["Duration('us')"]),
        (pl.Enum(["a"]), ["categorical", "enum"], ["string"]),
    ],
)  # fmt: skip
def test_dtype_tells_types_apart(dtype: Any, names: list[str], others: list[str]) -> None:
    frame = pl.DataFrame(schema={"x": dtype})
    for name in names:
        assert judge(frame, type="dtype", dtype=name).status == "passed", name
    for name in others:
        assert judge(frame, type="dtype", dtype=name).status == "failed", name


def test_column_exists_fails_where_others_are_errors() -> None:
    assert judge([1], type="column_exists").status == "passed"
    result = check(
        pl.DataFrame({"y": [1]}),
        [{"column": "x", "type": "column_exists"}, {"column": "x", "type": "dtype", "dtype": "int"}],
        engine="polars",
    )
    assert [each.status for each in result.results] == ["failed", "error"]


def test_recency_is_not_healed_by_a_row_from_the_future() -> None:
    old, fresh, future = (NOW - timedelta(hours=hours) for hours in (30, 20, -5))
    assert judge([old, fresh], type="recency", max_age_hours=26).status == "passed"
    assert judge([old, future], type="recency", max_age_hours=26).status == "failed"
    assert judge([old, future], type="recency", max_age_hours=26).actual.startswith("2026-02-28T06")
    assert judge([None], pl.Datetime("us", "UTC"), type="recency", max_age_hours=26).status == "failed"
    assert judge(pl.DataFrame(schema={"x": pl.Date}), type="recency", max_age_hours=26).status == "failed"


def test_recency_of_dates_and_of_moments_without_a_zone() -> None:
    assert judge([date(2026, 2, 28)], type="recency", max_age_hours=24).status == "passed"
    assert judge([date(2026, 2, 27)], type="recency", max_age_hours=24).status == "failed"
    seoul = [datetime(2026, 3, 1, 20)]  # 11:00 UTC
    assert judge(seoul, type="recency", max_age_hours=2, timezone="Asia/Seoul").status == "passed"
    assert judge(seoul, type="recency", max_age_hours=2).status == "failed"


@pytest.mark.parametrize(
    ("values", "rule", "expected"),
    [
        ([1, 2, 2, 3], {}, (0, 4)),
        ([1, 2, 2, 3], {"strict": True}, (1, 4)),
        ([3, None, 1], {}, (1, 2)),
        ([None, 1, None], {"strict": True}, (0, 1)),
        ([3, 2, 1], {"direction": "decreasing", "strict": True}, (0, 3)),
        ([1.0, math.nan, 2.0, 1.5], {}, (2, 4)),
        ([5, 1, 2, 3], {}, (1, 4)),
        ([], {}, (0, 0)),
    ],
)
def test_monotonic_compares_with_the_value_before(values: Any, rule: Any, expected: Any) -> None:
    result = judge(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)}), type="monotonic", **rule)
    assert (result.failed_count, result.total_count) == expected


def test_monotonic_of_unsigned_numbers_does_not_wrap_around() -> None:
    assert judge([5, 3], pl.UInt8, type="monotonic").failed_count == 1


def test_mean_and_sum_of_integers_and_decimals_are_exact() -> None:
    big = [2**63 - 1, 2**63 - 1]
    assert judge(big, pl.Int64, type="sum_between", min=2**64 - 2, max=2**64 - 2).status == "passed"
    assert judge([2**53, 2**53 + 1], pl.Int64, type="mean_between", max=2**53).status == "failed"
    cents = [Decimal("0.10")] * 3
    assert judge(cents, pl.Decimal(10, 2), type="sum_between", min=0.3, max=0.3).status == "passed"
    assert judge([1, 2, 2], pl.Int8, type="mean_between", max=Decimal("1.6666666666666667")).status == "passed"
    assert judge([1, 2, 2], pl.Int8, type="mean_between", max=Decimal("1.6666666666666666")).status == "failed"


def test_mean_and_sum_with_nan_fail_and_over_nothing_pass() -> None:
    assert judge([1.0, math.nan], type="mean_between", min=0).status == "failed"
    assert judge([1.0, math.nan], type="sum_between", max=10).status == "failed"
    nothing = judge([None], pl.Float64, type="sum_between", min=1)
    assert (nothing.status, nothing.total_count) == ("passed", 0)
    assert "no value" in nothing.message


def test_a_sum_that_may_not_fit_is_an_error() -> None:
    huge = [Decimal(10**37)] * 30
    assert judge(huge, pl.Decimal(38, 0), type="sum_between", min=0).status == "error"
    assert judge([1], pl.Int128, type="sum_between", min=0).status == "error"
    assert judge(["1"], type="mean_between", min=0).status == "error"


def test_a_bound_beyond_every_float_is_compared_and_not_an_error() -> None:
    for kind in ("mean_between", "sum_between"):
        assert judge([1.0, 2.0], type=kind, max=10**400).status == "passed"
        assert judge([1.0, 2.0], type=kind, min=10**400).status == "failed"
        assert judge([1.0, math.inf], type=kind, max=10**400).status == "failed"
