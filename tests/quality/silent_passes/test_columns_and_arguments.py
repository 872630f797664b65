"""Silent passes 1 to 4 and 16: what the library does not look at, it passes."""

import polars as pl
import pytest

from etl.quality import RuleError, check, parse_rules
from tests.quality.silent_passes.naive import make, naive, ours

BAD = pl.DataFrame({"n": [-5, 200, None], "s": ["", "x" * 50, None]})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("not_null", {}),
        ("between", {"min_value": 0, "max_value": 10}),
        ("positive", {}),
        ("non_negative", {}),
        ("in_set", {"allowed_values": [1]}),
        ("not_in_set", {"forbidden_values": [-5]}),
        ("length", {"max_length": 3}),
        ("sum_between", {"min_value": 1000}),
        ("completeness_ratio", {"min_ratio": 1.0}),
    ],
)
def test_01_a_column_that_does_not_exist(name: str, arguments: dict[str, object]) -> None:
    assert naive(BAD, make(name, columns=["gone"], **arguments))
    assert ours(BAD, {"truthound": name, "columns": ["gone"], **arguments}) == ["error"]


@pytest.mark.parametrize("kind", ["not_null", "unique", "positive", "in_set", "regex", "length", "not_future", "email"])
def test_01_a_column_that_does_not_exist_in_a_rule_of_the_vocabulary(kind: str) -> None:
    extra = {"in_set": {"values": [1]}, "regex": {"pattern": "a"}, "length": {"max": 1}}.get(kind, {})
    result = check(BAD, [{"type": kind, "column": "gone", **extra}]).results[0]
    assert result.status == "error"
    assert "`gone` does not exist" in result.message


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("n", [1, 2], dtype=pl.Int64).cast(pl.Decimal(10, 2)),
        pl.Series("n", [1, 2], dtype=pl.Int128),
        pl.Series("n", ["a", "b"]),
        pl.Series("n", [True, False]),
        pl.Series("n", [1, 2], dtype=pl.Int32).cast(pl.Date),
    ],
    ids=lambda each: str(each.dtype),
)
@pytest.mark.parametrize("name", ["between", "positive", "min_between", "outlier"])
def test_02_a_column_of_a_type_that_is_dropped(column: pl.Series, name: str) -> None:
    arguments = {"between": {"min_value": 100}, "min_between": {"min_value": 100}}.get(name, {})
    frame = pl.DataFrame([column])
    assert naive(frame, make(name, columns=["n"], **arguments))
    result = check(frame, [{"truthound": name, "columns": ["n"], **arguments}]).results[0]
    assert result.status == "error"
    assert "skips the column `n`" in result.message


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Binary, pl.Int64])
def test_02_a_text_validator_on_something_else(dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"s": ["5000"]}).select(pl.col("s").cast(dtype))
    assert naive(frame, make("length", max_length=1, columns=["s"]))
    assert ours(frame, {"truthound": "length", "columns": ["s"], "max_length": 1}) == ["error"]
    assert ours(frame, {"type": "length", "column": "s", "max": 1}) == (
        ["failed"] if dtype is pl.Categorical else ["error"]
    )


def test_02_the_vocabulary_judges_what_the_library_drops() -> None:
    frame = BAD.select(n=pl.col("n").cast(pl.Decimal(10, 2)))
    assert (
        ours(frame, {"type": "in_range", "column": "n", "min": 0}, {"type": "positive", "column": "n"})
        == ["failed"] * 2
    )


@pytest.mark.parametrize(
    ("name", "wrong", "nearest"),
    [
        ("between", {"min": 0, "max": 10}, "`min_value`"),
        ("length", {"max": 3}, "`max_length`"),
        ("row_count", {"min_rows": 100}, "`min_count`"),
    ],
)
def test_03_an_argument_that_does_not_exist(name: str, wrong: dict[str, int], nearest: str) -> None:
    columns = {} if name == "row_count" else {"columns": [{"between": "n", "length": "s"}[name]]}
    assert naive(BAD, make(name, **columns, **wrong))
    result = check(BAD, [{"truthound": name, **columns, **wrong}]).results[0]
    assert result.status == "error"
    assert f"did you mean {nearest}?" in result.message


def test_03_an_argument_that_does_not_exist_in_a_rule_of_the_vocabulary() -> None:
    with pytest.raises(RuleError, match=r"rule 1 \(in_range\): it has no argument `minimum`; did you mean `min`"):
        parse_rules([{"type": "in_range", "column": "n", "minimum": 0}])


def test_03_an_empty_list_of_columns() -> None:
    numbers = pl.DataFrame({"s": ["-1"]})
    assert naive(numbers, make("positive", columns=[]))
    assert ours(numbers, {"truthound": "positive", "columns": []}) == ["error"]
    assert ours(numbers, {"truthound": "positive"}) == ["error"]
    for name, extra in (("column_coexistence", {}), ("column_sum", {"min_value": 5})):
        result = check(numbers, [{"truthound": name, "columns": [], **extra}]).results[0]
        assert result.status == "error"
        assert "`columns` is empty" in result.message


def test_03_bounds_that_are_not_given() -> None:
    assert naive(BAD, make("between", columns=["n"]))
    assert ours(BAD, {"truthound": "between", "columns": ["n"]}) == ["error"]


def test_04_unique_with_a_null() -> None:
    frame = pl.DataFrame({"k": [1, 1, None, 2]})
    assert naive(frame, make("unique", columns=["k"]))
    assert ours(frame, {"type": "unique", "column": "k"}) == ["failed"]
    assert ours(frame, {"truthound": "unique", "columns": ["k"]}) == ["error"]


def test_16_excluded_columns_and_a_least_severity() -> None:
    frame = pl.DataFrame({"n": [1.0] * 99 + [None]})
    assert not naive(frame, make("null", columns=["n"]))
    assert naive(frame, make("null", columns=["n"]), exclude_columns=["n"])
    assert naive(frame, make("null", columns=["n"]), min_severity="critical")
    assert ours(frame, {"truthound": "null", "columns": ["n"], "exclude_columns": ["n"]}) == ["error"]
    assert ours(frame, {"truthound": "null", "columns": ["n"], "min_severity": "critical"}) == ["error"]
    # The library's severity plays no part: one row in a hundred is a failure like any other.
    assert ours(frame, {"truthound": "null", "columns": ["n"]}) == ["failed"]
