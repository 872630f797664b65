import json
import math
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from etl.quality import RuleError, check, get_engine, parse_rules
from etl.quality.engines.truthound.catalogue import Known, find
from etl.quality.engines.truthound.named import _COUNTS_ROWS
from etl.quality.engines.truthound.refused import REFUSED

ENGINE = get_engine("truthound")
TEXTS = ["abc", "ABC", "", " ", "a b", "x1", None, '{"a": 1}', "2026-01-31", "longer than ten"]
NUMBERS = [-5.0, -0.5, 0.0, 1.0, 89.5, 120.0, 200.0, None, 3.0, 4.0]


def judged(data: Any, rule: dict[str, Any], **arguments: Any) -> Any:
    return check(data, [rule], **arguments).results[0]


def reads(text: str, format_: str) -> bool:
    try:
        datetime.strptime(text, format_)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


ORACLES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "between": ("x", {"min_value": 0, "max_value": 100}, lambda v: 0 <= v <= 100),
    "date_format": ("s", {"format": "%Y-%m-%d"}, lambda v: reads(v, "%Y-%m-%d")),
    "empty_string": ("s", {}, lambda v: v != ""),
    "finite": ("f", {}, math.isfinite),
    "in_set": ("s", {"allowed_values": ["abc", ""]}, lambda v: v in ("abc", "")),
    "json_parseable": ("s", {}, is_json),
    "latitude": ("x", {"column": "x"}, lambda v: -90 <= v <= 90),
    "length": ("s", {"min_length": 2, "max_length": 5}, lambda v: 2 <= len(v) <= 5),
    "like_pattern": ("s", {"pattern": "a%"}, lambda v: v.startswith("a")),
    "longitude": ("x", {"column": "x"}, lambda v: -180 <= v <= 180),
    "non_negative": ("x", {}, lambda v: v >= 0),
    "not_in_set": ("s", {"forbidden_values": ["abc"]}, lambda v: v != "abc"),
    "not_like_pattern": ("s", {"pattern": "a%"}, lambda v: not v.startswith("a")),
    "not_nan": ("f", {}, lambda v: not math.isnan(v)),
    "not_null": ("x", {}, None),
    "null": ("x", {}, None),
    "positive": ("x", {}, lambda v: v > 0),
    "whitespace_only": ("s", {}, lambda v: v.strip() != ""),
}


def test_every_validator_whose_counts_are_taken_over_has_an_oracle() -> None:
    assert {*ORACLES} == _COUNTS_ROWS


@pytest.mark.parametrize("name", sorted(ORACLES))
@pytest.mark.parametrize("times", [1, 7000], ids=["short", "long enough to be sampled"])
def test_counts_are_exact(name: str, times: int) -> None:
    column, arguments, good = ORACLES[name]
    frame = pl.DataFrame({"s": TEXTS, "x": NUMBERS, "f": [math.nan, math.inf, 1.0, None, 0.0] * 2})
    rule = {"truthound": name, **({} if "column" in arguments else {"columns": [column]}), **arguments}
    result = judged(pl.concat([frame] * times), rule)
    values = frame[column].to_list()
    bad = sum(v is None for v in values) if good is None else sum(v is not None and not good(v) for v in values)
    total = len(values) if good is None else sum(v is not None for v in values)
    assert bad, "the data have to show something"
    assert (result.status, result.failed_count, result.total_count) == ("failed", bad * times, total * times), result


@pytest.mark.parametrize("name", sorted(ORACLES))
def test_what_is_good_passes(name: str) -> None:
    column, arguments, good = ORACLES[name]
    values = {"s": TEXTS, "x": NUMBERS, "f": [math.nan, math.inf, 1.0, None, 0.0]}[column]
    kept = [value for value in values if value is not None and (good is None or good(value))]
    rule = {"truthound": name, **({} if "column" in arguments else {"columns": [column]}), **arguments}
    result = judged(pl.DataFrame({column: kept}), rule)
    assert (result.status, result.failed_count, result.total_count) == ("passed", 0, len(kept)), result


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"truthound": "betwen"}, "did you mean `between`?"),
        ({"truthound": "between", "columns": ["a"], "min_val": 1}, "did you mean `min_value`?"),
        ({"truthound": "between", "columns": ["a"], "min_value": "low"}, "`min_value`: Input should be a valid number"),
        ({"truthound": "between", "columns": ["a"], "min_value": True}, "true and false are no value"),
        ({"truthound": "between", "columns": ["a"]}, "passes everything without one of"),
        ({"truthound": "entropy", "column": "a"}, "passes everything without one of"),
        ({"truthound": "cardinality", "column": "a", "include_nulls": True}, "passes everything without one of"),
        ({"truthound": "mean_drift", "column": "a", "reference_data": "r"}, "passes everything without one of"),
        (
            {"truthound": "multi_column_calculation", "left_column": "a", "operator": "+", "right_column": "b"},
            "passes everything without one of `equals_column`, `equals_value`",
        ),
        (
            {"truthound": "distribution_shape", "column": "a", "expected_shape": "power_low"},
            "did you mean `power_law`?",
        ),
        ({"truthound": "between", "min_value": 1}, "name the columns"),
        ({"truthound": "latitude"}, "needs the argument `column`"),
        ({"truthound": "regex", "pattern": "a", "columns": ["a"]}, "use the rule `regex`"),
        ({"truthound": "custom_expression", "filter_expr": "a > 1"}, "use the rule `expression`"),
        ({"truthound": "query_returns_no_rows", "query": "SELECT 1"}, "use the rule `expression`"),
        ({"truthound": "trend", "timestamp_column": "t", "value_column": "v", "expected_direction": "upp"}, "no `upp`"),
        ({"truthound": "lof", "columns": ["a"], "sample_size": 5}, "which rows are judged"),
        ({"truthound": "mean_drift", "column": "a", "reference_data": "r", "threshold_pct": 5}, "use `threshold_abs`"),
        ({"truthound": "ks_test", "column": "a", "reference_data": 5}, "is the name of a table"),
        ({"truthound": "json_schema", "schema": {}, "column": "a", "columns": ["a"]}, "would ignore one of the two"),
    ],
)
def test_what_is_written_wrong_is_refused_without_data(rule: dict[str, Any], problem: str) -> None:
    refusal = ENGINE.capabilities.refusal(parse_rules([rule])[0])
    assert refusal is not None
    assert problem in refusal


def test_a_common_field_that_means_nothing_is_refused() -> None:
    with pytest.raises(RuleError, match="`where` has no meaning for truthound"):
        parse_rules([{"truthound": "between", "columns": ["a"], "min_value": 1, "where": "a > 1"}])


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_every_refusal_says_what_to_use(name: str) -> None:
    problem = find(name)
    assert isinstance(problem, str)
    assert "; use " in problem


def test_every_refused_name_exists() -> None:
    from truthound.validators.registry import registry

    assert {*REFUSED} <= {*registry.list_all()}


def test_columns_named_by_any_argument_have_to_exist() -> None:
    frame = pl.DataFrame({"lat": [1.0], "lon": [2.0]})
    result = judged(frame, {"truthound": "coordinate", "lat_column": "lat", "lon_column": "lng"})
    assert result.status == "error"
    assert "the column `lng` does not exist; did you mean `lon`?" in result.message


@pytest.mark.parametrize(
    "data", [pl.Series("x", [True, False]), pl.Series("x", ["1"]), pl.Series("x", [date(2026, 1, 1)])]
)
def test_what_judges_numbers_judges_nothing_else(data: pl.Series) -> None:
    frame = pl.DataFrame([data])
    assert judged(frame, {"truthound": "iqr_anomaly", "column": "x"}).status == "error"
    assert judged(frame, {"truthound": "latitude", "column": "x"}).status == "error"


def test_dates_have_to_be_dates() -> None:
    frame = pl.DataFrame({"a": ["2026-01-02"], "b": ["2026-01-01"], "d": [date(2026, 1, 2)], "e": [date(2026, 1, 1)]})
    assert judged(frame, {"truthound": "date_order", "first_column": "a", "second_column": "b"}).status == "error"
    assert judged(frame, {"truthound": "date_order", "first_column": "d", "second_column": "e"}).status == "failed"
    assert judged(frame, {"truthound": "date_order", "first_column": "e", "second_column": "d"}).status == "passed"


def test_too_few_rows_for_a_verdict() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 1e9]})
    result = judged(frame, {"truthound": "iqr_anomaly", "column": "x"})
    assert result.status == "error"
    assert "always passes with fewer than 10" in result.message


def test_an_outlier_is_found() -> None:
    frame = pl.DataFrame({"x": [float(each % 7) for each in range(100)]})
    rule = {"truthound": "iqr_anomaly", "column": "x", "max_anomaly_ratio": 0.0}
    assert judged(frame, rule).status == "passed"
    assert judged(pl.concat([frame, pl.DataFrame({"x": [1e6]})]), rule).status == "failed"


def test_an_empty_frame_is_nothing_to_judge() -> None:
    empty = pl.DataFrame(schema={"x": pl.Float64, "s": pl.String})
    result = judged(empty, {"truthound": "between", "columns": ["x"], "min_value": 0})
    assert (result.status, result.total_count) == ("passed", 0)
    assert "no row to judge" in result.message
    assert judged(empty, {"truthound": "table_not_empty"}).status == "failed"
    assert judged(empty, {"truthound": "row_count", "min_count": 1}).status == "failed"


def test_other_tables_come_by_name() -> None:
    frame, other = pl.DataFrame({"x": [1, 2]}), pl.LazyFrame({"x": [1, 2, 3]})
    rule = {"truthound": "cross_table_row_count", "reference_data": "orders"}
    assert judged(frame, rule, tables={"orders": other.head(2)}).status == "passed"
    assert judged(frame, rule, tables={"orders": other}).status == "failed"
    missing = judged(frame, rule, tables={"order": other})
    assert missing.status == "error"
    assert "there is no table `orders`; did you mean `order`?" in missing.message


def test_the_other_table_needs_the_column() -> None:
    frame = pl.DataFrame({"x": [1.0] * 20})
    result = judged(
        frame, {"truthound": "ks_test", "column": "x", "reference_data": "t"}, tables={"t": pl.LazyFrame({"y": [1.0]})}
    )
    assert result.status == "error"
    assert "the other table has no column `x`" in result.message


def test_a_moment_is_read_from_text() -> None:
    at = [datetime(2026, 1, 1) + timedelta(hours=each) for each in range(48)]  # noqa: DTZ001
    frame = pl.DataFrame({"t": at})
    rule = {"truthound": "timeseries_date_range", "timestamp_column": "t", "required_end": "2026-01-02T00:00:00"}
    assert judged(frame, rule).status == "passed"
    assert judged(frame, rule | {"required_end": "2026-02-01T00:00:00"}).status == "failed"


def test_two_of_one_name_are_kept_apart() -> None:
    frame = pl.DataFrame({"a": [1, 500], "b": [1, 2]})
    rules = [{"truthound": "between", "columns": [each], "max_value": 10} for each in ("b", "a", "b")]
    assert [each.status for each in check(frame, rules).results] == ["passed", "failed", "passed"]


def test_several_columns_in_one_rule_give_one_verdict_that_names_them() -> None:
    frame = pl.DataFrame({"a": [1, 500], "b": [-900, 2000], "c": [1, 1]})
    result = judged(frame, {"truthound": "between", "columns": ["a", "b", "c"], "min_value": 0, "max_value": 10})
    assert (result.status, result.failed_count, result.total_count) == ("failed", 1, 1)
    assert "a: " in result.message
    assert "b: " in result.message
    assert "500" not in result.message


def test_the_message_of_a_failure_shows_no_value() -> None:
    frame = pl.DataFrame({"card": ["4111-secret"], "k": ["secret"]})
    rules = [
        {"truthound": "luhn", "column": "card"},
        {"truthound": "distinct_values_in_set", "column": "k", "allowed_values": ["a"]},
    ]
    result = check(frame, rules)
    assert [each.status for each in result.results] == ["failed", "failed"]
    assert "secret" not in json.dumps(result.to_dict())


def test_the_catalogue_is_most_of_the_library() -> None:
    usable = [
        name
        for name in ("between", "luhn", "ks_test", "trend", "column_sum", "entropy")
        if isinstance(find(name), Known)
    ]
    assert len(usable) == 6


def test_an_infinite_bound_survives_strict_json() -> None:
    frame = pl.DataFrame({"a": [1.0, 5.0]})
    (rule,) = parse_rules([{"truthound": "between", "columns": ["a"], "min_value": 2, "max_value": math.inf}])
    (read,) = parse_rules([json.loads(json.dumps(rule.to_dict(), allow_nan=False))])
    first, again = (check(frame, [each]).results[0] for each in (rule, read))
    assert first.status == "failed"
    assert (again.status, again.failed_count, again.message) == (first.status, first.failed_count, first.message)
