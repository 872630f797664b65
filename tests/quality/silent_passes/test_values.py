"""Silent passes 5 to 10: values that the library does not judge, or judges in part."""

# ruff: noqa: DTZ001  moments without a zone are part of what is tested
import math
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from etl.quality import RuleError, check, parse_rules
from tests.quality.silent_passes.naive import make, naive, ours

NAN = pl.DataFrame({"x": [1.0, math.nan], "y": [2.0, 3.0]})


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [
        ("between", {"columns": ["x"], "min_value": 0}, {"type": "in_range", "column": "x", "min": 0}),
        ("positive", {"columns": ["x"]}, {"type": "positive", "column": "x"}),
        ("non_negative", {"columns": ["x"]}, {"type": "non_negative", "column": "x"}),
        ("mean_between", {"columns": ["x"], "min_value": 0}, {"type": "mean_between", "column": "x", "min": 0}),
    ],
)
def test_05_nan(name: str, arguments: dict[str, object], rule: dict[str, object]) -> None:
    assert naive(NAN, make(name, **arguments))
    assert ours(NAN, rule) == ["failed"]
    assert ours(NAN, {"truthound": name, **arguments}) == ["error"]


def test_05_nan_in_a_comparison_of_columns() -> None:
    assert naive(NAN, make("column_comparison", columns=["x", "y"], operator="!="))
    rule = {"type": "compare_columns", "left": "y", "operator": "<=", "right": "x"}
    assert ours(NAN.tail(1), rule) == ["failed"]
    assert ours(NAN, {"truthound": "column_comparison", "columns": ["x", "y"], "operator": "!="}) == ["error"]


@pytest.mark.parametrize(("pattern", "bad"), [("a|b", "apple"), (r"\d+\$", "5$ and more"), ("a+", ""), ("a+", "  ")])
def test_06_a_pattern_that_is_rewritten(pattern: str, bad: str) -> None:
    frame = pl.DataFrame({"s": [bad]})
    assert naive(frame, make("regex", pattern=pattern, columns=["s"]))
    assert ours(frame, {"type": "regex", "column": "s", "pattern": f"^(?:{pattern})$"}) == ["failed"]
    assert ours(frame, {"truthound": "regex", "columns": ["s"], "pattern": pattern}) == ["error"]
    assert ours(frame, {"truthound": "regex_list", "columns": ["s"], "patterns": [pattern]}) == ["error"]


@pytest.mark.parametrize("kind", ["email", "url", "uuid", "ip_address"])
def test_06_blank_text_in_a_format(kind: str) -> None:
    frame = pl.DataFrame({"s": [" "]})
    assert naive(frame, make(kind, columns=["s"]))
    assert ours(frame, {"type": kind, "column": "s"}) == ["failed"]
    assert ours(frame, {"truthound": kind, "columns": ["s"]}) == ["error"]


def test_06_empty_text_among_letters_and_digits() -> None:
    frame = pl.DataFrame({"s": ["a1", ""]})
    assert naive(frame, make("alphanumeric", columns=["s"]))
    assert ours(frame, {"truthound": "alphanumeric", "columns": ["s"]}) == ["error"]


@pytest.mark.parametrize("name", ["luhn", "iban", "isbn", "swift", "korean_rrn", "japanese_postal_code"])
def test_06_blank_text_in_a_business_rule(name: str) -> None:
    frame = pl.DataFrame({"s": [" "]})
    assert naive(frame, make(name, column="s"))
    assert ours(frame, {"truthound": name, "column": "s"}) == ["error"]


def _mostly_bad_after_the_head() -> pl.DataFrame:
    head = ["a1"] * 9_800 + ["!"] * 200
    return pl.DataFrame({"s": head + ["!"] * 50_000})


def test_07_a_count_extrapolated_from_the_head() -> None:
    frame = _mostly_bad_after_the_head()
    issues = make("like_pattern", columns=["s"], pattern="a%").validate(frame.lazy())
    assert sum(issue.count for issue in issues) == 1_200, "it says 2 % of all rows, as in the head"
    result = check(frame, [{"truthound": "like_pattern", "columns": ["s"], "pattern": "a%"}]).results[0]
    assert (result.status, result.failed_count, result.total_count) == ("failed", 50_200, 60_000)


def test_07_a_frame_that_is_mostly_bad_passes_with_mostly() -> None:
    frame = _mostly_bad_after_the_head()
    assert naive(frame, make("regex", pattern="a1", columns=["s"], mostly=0.9))
    rule = {"type": "regex", "column": "s", "pattern": "^a1$", "mostly": 0.9}
    result = check(frame, [rule]).results[0]
    assert (result.status, result.failed_count) == ("failed", 50_200)
    with pytest.raises(RuleError, match="`mostly` has no meaning for truthound"):
        parse_rules([{"truthound": "alphanumeric", "columns": ["s"], "mostly": 0.9}])


def test_08_a_null_between_two_values_hides_a_drop() -> None:
    frame = pl.DataFrame({"n": [3, None, 1]})
    assert naive(frame, make("increasing", columns=["n"]))
    assert ours(frame, {"type": "monotonic", "column": "n"}) == ["failed"]
    assert ours(frame, {"truthound": "increasing", "columns": ["n"]}) == ["error"]


def test_08_strict_counts_one_too_few() -> None:
    frame = pl.DataFrame({"n": [1, 1]})
    assert naive(frame, make("increasing", columns=["n"], strict=True))
    rule = {"type": "monotonic", "column": "n", "strict": True}
    assert check(frame, [rule]).results[0].failed_count == 1
    assert ours(frame, {"truthound": "increasing", "columns": ["n"], "strict": True}) == ["error"]


def test_09_a_time_later_today() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    frame = pl.DataFrame({"t": [datetime.combine(now.date(), datetime.max.time())]})
    assert naive(frame, make("future_date", columns=["t"]))
    moment = datetime.combine(now.date(), datetime.min.time(), tzinfo=UTC)
    assert ours(frame, {"type": "not_future", "column": "t"}, now=moment) == ["failed"]
    assert ours(frame, {"truthound": "future_date", "columns": ["t"]}) == ["error"]


def test_09_a_bound_within_a_day() -> None:
    frame = pl.DataFrame({"t": [datetime(2026, 1, 1, 23, 0)]})
    arguments = {"max_date": date(2026, 1, 1)}
    assert naive(frame, make("date_between", columns=["t"], **arguments))
    assert ours(frame, {"type": "in_range", "column": "t", "max": datetime(2026, 1, 1, 12)}) == ["failed"]
    assert ours(frame, {"truthound": "date_between", "columns": ["t"], "max_date": "2026-01-01"}) == ["error"]


def test_09_a_row_in_the_future_hides_stale_data() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    frame = pl.DataFrame({"t": [datetime(2020, 1, 1), datetime.now(UTC).replace(tzinfo=None) + timedelta(days=999)]})
    assert naive(frame, make("recent_data", column="t", max_age_hours=1))
    assert ours(frame, {"type": "recency", "column": "t", "max_age_hours": 1}, now=now) == ["failed"]
    assert ours(frame, {"truthound": "recent_data", "column": "t", "max_age_hours": 1}) == ["error"]


@pytest.mark.parametrize("name", ["Int64", "i64", "boolean"])
def test_10_a_type_that_the_library_does_not_know(name: str) -> None:
    frame = pl.DataFrame({"s": ["text"]})
    assert naive(frame, make("column_type", expected_types={"s": name}))
    assert ours(frame, {"type": "dtype", "column": "s", "dtype": name}) == ["failed"]
    assert ours(frame, {"truthound": "column_type", "expected_types": {"s": name}}) == ["error"]


def test_10_a_type_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RuleError, match="is not a data type"):
        parse_rules([{"type": "dtype", "column": "s", "dtype": "integr"}])
