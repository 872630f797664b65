"""Silent passes 11 to 15, 17 and 18: how the library runs, compares and learns."""

import warnings
from typing import Any

import polars as pl
import pytest
import truthound
from truthound.drift import compare
from truthound.profiler import generate_suite, profile_dataframe
from truthound.validators.base import Validator

from etl.errors import QualityError
from etl.quality import check, get_engine
from etl.quality.engines.truthound import TruthoundEngine
from etl.quality.engines.truthound.library import ValidatorTask, library
from tests.quality.silent_passes.naive import make, naive, ours

ENGINE = TruthoundEngine()


def test_11_an_operator_that_does_not_exist() -> None:
    frame = pl.DataFrame({"a": [5], "b": [1]})
    arguments = {"column_a": "a", "column_b": "b"}
    assert naive(frame, make("column_pair", relationship="lt", **arguments))
    assert ours(frame, {"truthound": "column_pair", "relationship": "lt", **arguments}) == ["error"]
    assert ours(frame, {"truthound": "column_pair", "relationship": "<", **arguments}) == ["failed"]


def test_12_a_parent_table_that_does_not_exist() -> None:
    frame, parents = pl.DataFrame({"k": [9]}), pl.LazyFrame({"k": [1]})
    arguments = {"child_table": "data", "child_columns": ["k"], "parent_columns": ["k"]}
    assert naive(frame, make("foreign_key", parent_table="parentz", tables={"parents": parents}, **arguments))
    tables = {"parents": parents}
    assert ours(frame, {"type": "foreign_key", "column": "k", "to": "parentz", "to_column": "k"}, tables=tables) == [
        "error"
    ]
    assert ours(frame, {"type": "foreign_key", "column": "k", "to": "parents", "to_column": "k"}, tables=tables) == [
        "failed"
    ]
    assert ours(frame, {"truthound": "foreign_key", "parent_table": "parents", **arguments}, tables=tables) == ["error"]


def test_12_a_second_frame_is_judged_by_itself() -> None:
    parents = pl.LazyFrame({"k": [1]})
    reused = make(
        "foreign_key",
        child_table="data",
        child_columns=["k"],
        parent_table="p",
        parent_columns=["k"],
        tables={"p": parents},
    )
    good, bad = pl.DataFrame({"k": [1]}), pl.DataFrame({"k": [9]})
    assert not reused.validate(good.lazy())
    assert not reused.validate(bad.lazy()), "the library still looks at the first frame"
    rules: list[dict[str, Any]] = [
        {"type": "foreign_key", "column": "k", "to": "p", "to_column": "k"},
        {"truthound": "in_set", "columns": ["k"], "allowed_values": [1]},
        {"type": "in_set", "column": "k", "values": [1]},
    ]
    assert ours(good, *rules, tables={"p": parents}) == ["passed"] * 3
    assert ours(bad, *rules, tables={"p": parents}) == ["failed"] * 3


def test_12_a_reference_frame_of_an_earlier_run_is_not_reused() -> None:
    data = pl.DataFrame({"x": [float(each) for each in range(100)]})
    shifted = data.lazy().select(pl.col("x") + 1000)
    for validator in ({"truthound": "ks_test"}, {"truthound": "mean_drift", "threshold_abs": 1}):
        rule = {**validator, "column": "x", "reference_data": "before"}
        assert ours(data, rule, tables={"before": data.lazy()}) == ["passed"]
        assert ours(data, rule, tables={"before": shifted}) == ["failed"]


class Raises(Validator):  # type: ignore[misc]
    name = "raises"
    category = "test"

    def validate(self, lf: pl.LazyFrame) -> list[Any]:
        raise RuntimeError(f"broken by {lf.collect_schema()}")


def test_13_in_parallel_exceptions_and_one_of_two_of_a_name_are_lost() -> None:
    frame = pl.DataFrame({"a": [-1], "b": [1]})
    assert naive(frame, Raises(), make("positive", columns=["b"]), parallel=True)
    assert naive(frame, make("positive", columns=["a"]), make("positive", columns=["b"]), parallel=True)
    rules = [{"truthound": "positive", "columns": [each]} for each in ("a", "b")]
    assert ours(frame, *rules) == ["failed", "passed"]
    assert ours(frame, *reversed(rules)) == ["passed", "failed"]


def test_13_what_a_validator_raises_is_an_error_and_harms_no_other() -> None:
    def broken(lf: pl.LazyFrame) -> list[Any]:
        raise RuntimeError("a `secret` value")

    def panics(lf: pl.LazyFrame) -> list[Any]:
        raise pl.exceptions.PanicException("panic")

    tasks = [
        ValidatorTask("one", broken),
        ValidatorTask("two", panics),
        ValidatorTask("three", lambda _: [library().issue("three", 7)]),
    ]
    run = library().run(pl.LazyFrame({"a": [1]}), tasks)
    assert {*run.broken} == {"one", "two"}
    assert "secret" not in run.broken["one"]
    assert run.counts == {"three": 7}


def test_13_a_critical_failure_elsewhere_skips_nothing() -> None:
    frame = pl.DataFrame({"a": [None, None, None], "b": [-1, -1, 500]}, schema={"a": pl.Int64, "b": pl.Int64})
    rules = [{"truthound": "null", "columns": ["a"]}, {"truthound": "between", "columns": ["b"], "max_value": 10}]
    assert ours(frame, *rules, {"type": "in_range", "column": "b", "max": 10}) == ["failed"] * 3


@pytest.mark.parametrize(
    "rule",
    [
        {"truthound": "in_set", "columns": ["x"], "allowed_values": ["1"]},
        {"truthound": "query_returns_no_rows", "query": "SELECT * FROM nowhere"},
        {"truthound": "column_ratio", "columns": ["s", "x"], "min_value": 0},
        {"truthound": "geo_country", "lat_column": "x", "lon_column": "x", "country": "Atlantis"},
    ],
)
def test_14_what_breaks_on_the_way_is_an_error(rule: dict[str, Any]) -> None:
    # Push-down into a database drops exceptions; the engine has no such way, and every break comes back.
    assert ours(pl.DataFrame({"x": [1.5], "s": ["a"]}), rule) == ["error"]


def test_15_a_learned_schema_that_does_not_look() -> None:
    trained = pl.DataFrame({"t": [1, 2], "big": [2**60, 2**60 + 1]}).with_columns(
        t=pl.col("t").cast(pl.Datetime("us", "UTC"))
    )
    other = trained.with_columns(t=pl.col("t").dt.convert_time_zone("Asia/Seoul"))
    schema = truthound.learn(trained)
    assert naive(other, schema=schema), "the library does not look at the time zone"
    learned = ENGINE.learn(trained, "strict")
    assert check(trained, learned.rules).is_success
    failed = {each.check_name for each in check(other, learned.rules).results if each.status == "failed"}
    assert "dtype__t" in failed
    above = trained.with_columns(big=pl.col("big") + 1)
    assert schema.columns["big"].max_value == 2.0**60, "the library keeps bounds as floats"
    assert "in_range__big" in {
        each.check_name for each in check(above, learned.rules).results if each.status == "failed"
    }


def test_15_a_missing_column_is_noticed_on_an_empty_frame() -> None:
    learned = ENGINE.learn(pl.DataFrame({"a": [1, 2]}), "strict")
    empty = pl.DataFrame({"b": []}, schema={"b": pl.Int64})
    assert {each.status for each in check(empty, learned.rules).results} == {"error"}


@pytest.mark.parametrize(("before", "after"), [(["a", "b"], "z"), ([1, 2], 9)], ids=["text", "numbers"])
def test_17_a_category_that_is_all_new(before: list[Any], after: Any) -> None:
    base, now = pl.DataFrame({"c": before * 50}), pl.DataFrame({"c": [after] * 100})
    assert naive(now, make("chi_square_drift", column="c", reference_data=base.lazy()))
    assert ENGINE.compare_drift(base, now).drifted == ("c",)
    rule = {"truthound": "chi_square_drift", "column": "c", "reference_data": "base"}
    result = check(now, [rule], tables={"base": base.lazy()}).results[0]
    assert result.status == "error"
    assert "values that are all new pass" in result.message


@pytest.mark.parametrize("values", [[None] * 20, []], ids=["all null", "empty"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ks_test", {}),
        ("mean_drift", {"threshold_abs": 1}),
        ("wasserstein_drift", {"threshold": 1}),
        ("js_divergence", {}),
    ],
)
def test_17_drift_of_nothing(values: list[None], name: str, arguments: dict[str, int]) -> None:
    base, nothing = pl.DataFrame({"x": [1.0, 2.0] * 20}), pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    rule = {"truthound": name, "column": "x", "reference_data": "base", **arguments}
    assert ours(nothing, rule, tables={"base": base.lazy()}) == ["error"]
    assert ours(base, rule, tables={"base": nothing.lazy()}) == ["error"]


@pytest.mark.parametrize(
    ("name", "arguments", "before"),
    [
        ("psi", {}, "spread"),
        ("chi_square", {}, "spread"),
        ("mean_drift", {"threshold_pct": 1}, "zero"),
        ("variance_drift", {}, "zero"),
        ("quantile_drift", {}, "zero"),
        ("range_drift", {}, "zero"),
    ],
)
def test_17_values_that_are_all_new(name: str, arguments: dict[str, int], before: str) -> None:
    frames = {"spread": [float(each) for each in range(50)], "zero": [0.0] * 50}
    base, now = pl.DataFrame({"x": frames[before]}), pl.DataFrame({"x": [1000.0 + each for each in range(50)]})
    assert naive(now, make(name, column="x", reference_data=base.lazy(), **arguments))
    rule = {"truthound": name, "column": "x", "reference_data": "base", **arguments}
    assert ours(now, rule, tables={"base": base.lazy()}) == ["error"]
    assert ENGINE.compare_drift(base, now).drifted == ("x",)


@pytest.mark.parametrize("values", [[None] * 20, []], ids=["all null", "empty"])
def test_17_the_library_calls_nothing_unchanged(values: list[None]) -> None:
    base, nothing = pl.DataFrame({"x": [1.0, 2.0] * 20}), pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    assert not any(each.result.drifted for each in compare(base, nothing, columns=["x"]).columns)
    report = ENGINE.compare_drift(base, nothing)
    assert not report.is_stable
    assert report.columns[0].state == ("unknown" if not values else "drifted")


def test_17_nothing_compared_with_nothing() -> None:
    nothing = pl.DataFrame({"x": [None] * 20}, schema={"x": pl.Float64})
    assert not any(each.result.drifted for each in compare(nothing, nothing, columns=["x"]).columns)
    assert ENGINE.compare_drift(nothing, nothing).unknown == ("x",)


def test_17_a_misspelt_column_in_a_comparison() -> None:
    base, now = pl.DataFrame({"x": [1.0] * 20}), pl.DataFrame({"x": [9.0] * 20})
    assert not compare(base, now, columns=["typo"]).columns
    with pytest.raises(QualityError, match="no column `typo`"):
        ENGINE.compare_drift(base, now, ["typo"])


def test_17_values_that_became_null() -> None:
    base = pl.DataFrame({"x": [1.0, 2.0] * 100})
    now = pl.DataFrame({"x": [1.0, 2.0] * 50 + [None] * 100})
    assert not any(each.result.drifted for each in compare(base, now).columns)
    assert ENGINE.compare_drift(base, now).drifted == ("x",)


def test_18_learned_rules_have_only_arguments_that_are_judged() -> None:
    frame = pl.DataFrame({"n": [1, 2, 3] * 20, "s": ["a", "b", "c"] * 20})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suggested = {each.name: each.parameters for each in generate_suite(profile_dataframe(frame)).rules}
    worse = pl.DataFrame({"n": [99, None] * 30, "s": ["zzzz", None] * 30}, schema=frame.schema)
    assert naive(worse, make("range", columns=["n"], **suggested["range_n"])), "it has no such arguments"
    assert ours(worse, {"truthound": "range", "columns": ["n"], **suggested["range_n"]}) == ["error"]
    assert ours(worse, {"truthound": "empty_string", "columns": ["s"], **suggested["no_empty_string_s"]}) == ["error"]

    learned = get_engine("truthound").learn(frame, "strict").rules
    noticed = {each.check_name for each in check(worse, learned).results if each.status == "failed"}
    assert noticed == {f"{rule.type}__{rule.judged_columns[0]}" for rule in learned if rule.type != "dtype"}
