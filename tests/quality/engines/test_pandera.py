"""The Pandera engine: what it judges, what it refuses, and that nothing turns it off."""

import subprocess
import sys
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from etl.quality import check, get_engine, parse_rules
from tests.conformance import libraries

FRAME = pl.DataFrame({"id": [1, 1, None, None], "f": [1.0, float("nan"), None, -1.0], "s": ["a", "secret", None, "b"]})


def only(frame: Any, rule: dict[str, Any], **arguments: Any) -> Any:
    (result,) = check(frame, [rule], engine="pandera", **arguments).results
    return result.status, result.failed_count, result.total_count


def test_nulls_are_neither_bad_nor_duplicates() -> None:
    assert only(FRAME, {"column": "id", "type": "positive"}) == ("passed", 0, 2)
    assert only(FRAME, {"column": "id", "type": "unique"}) == ("failed", 2, 2)
    assert only(FRAME.with_columns(id=pl.Series([1, 2, None, None])), {"column": "id", "type": "unique"}) == (
        "passed",
        0,
        2,
    )


def test_nan_is_a_number_and_fails_ranges() -> None:
    assert only(FRAME, {"column": "f", "type": "not_null"}) == ("failed", 1, 4)
    assert only(FRAME, {"column": "f", "type": "in_range", "min": -5}) == ("failed", 1, 3)


def test_a_lazy_frame_is_judged_too() -> None:
    assert only(FRAME.lazy(), {"column": "s", "type": "regex", "pattern": "^[ab]$"}) == ("failed", 1, 3)


def test_no_configuration_turns_it_off() -> None:
    from pandera.config import ValidationDepth, config_context

    with config_context(validation_enabled=False, validation_depth=ValidationDepth.SCHEMA_ONLY):
        assert only(FRAME, {"column": "f", "type": "positive"}) == ("failed", 2, 3)
    code = (
        "import polars as pl; from etl.quality import check; "
        "r = check(pl.DataFrame({'x': [-1]}), [{'column': 'x', 'type': 'positive'}], engine='pandera'); print(r.status)"
    )
    environment = {"PANDERA_VALIDATION_ENABLED": "False", "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "failed"


def test_what_it_cannot_judge_exactly_is_known_beforehand_and_an_error_in_a_check() -> None:
    capabilities = get_engine("pandera").capabilities
    (rule, family, exact) = parse_rules(
        [
            {"type": "expression", "expression": "f > 0"},
            {"type": "dtype", "column": "id", "dtype": "number"},
            {"type": "dtype", "column": "id", "dtype": "Int64"},
        ]
    )
    assert "not supported" in str(capabilities.refusal(rule))
    assert "no type that means exactly `number`" in str(capabilities.refusal(family))
    assert capabilities.refusal(exact) is None
    result = check(FRAME, [rule, exact], engine="pandera")
    assert [each.status for each in result.results] == ["error", "passed"]
    assert "the engine pandera cannot judge it" in result.results[0].message


def test_type_and_presence_are_judged_by_the_schema() -> None:
    assert only(FRAME, {"column": "id", "type": "dtype", "dtype": "string"}) == ("failed", 1, 1)
    assert only(FRAME, {"column": "no", "type": "column_exists"}) == ("failed", 1, 1)
    assert only(FRAME.clear(), {"column": "id", "type": "column_exists"}) == ("passed", 0, 1)


def test_what_the_library_raises_is_an_error_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("value 'secret' is odd")

    monkeypatch.setattr(libraries.pandera.polars.DataFrameSchema, "validate", broken)
    (result,) = check(FRAME, [{"column": "s", "type": "length", "max": 1}], engine="pandera").results
    assert result.status == "error"
    assert "RuntimeError" in result.message
    assert "secret" not in result.message


def test_a_check_that_breaks_inside_the_library_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from pandera.backends.polars.checks import PolarsCheckBackend

    def broken(*_: Any, **__: Any) -> Any:
        raise pl.exceptions.ComputeError("conversion of 'secret' failed")

    monkeypatch.setattr(PolarsCheckBackend, "apply", broken)
    result = check(
        FRAME, [{"column": "s", "type": "length", "max": 1}, {"column": "s", "type": "not_null"}], engine="pandera"
    )
    assert [each.status for each in result.results] == ["error", "failed"]
    assert "secret" not in result.results[0].message


def test_samples_show_only_columns_that_may_be_shown() -> None:
    rules = [{"column": "s", "type": "length", "max": 1}]
    (result,) = check(FRAME, rules, engine="pandera", key_columns=["id"]).results
    assert result.sample == ({"id": 1},)
    assert check(FRAME, rules, engine="pandera").results[0].sample == ()


WIDE = {
    "u": pl.Series([1, 2**127, 2**127, 1], dtype=pl.UInt128),
    "i": pl.Series([1, -(2**100), -(2**100), None], dtype=pl.Int128),
    "l": pl.Series([1, 2**64 - 1, 2**64 - 1, None], dtype=pl.UInt64),
    "d": pl.Series([Decimal(1), Decimal(10**37), Decimal(10**37), None], dtype=pl.Decimal(38, 0)),
    "b": [b"\xff", b"\xff", b"a", None],
    "f": [1.0, 2.0, None, 3.0],
}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"column": "u", "type": "unique"}, ("failed", 4, 4)),
        ({"column": "i", "type": "unique"}, ("failed", 2, 3)),
        ({"column": "l", "type": "unique"}, ("failed", 2, 3)),
        ({"columns": ["d", "i"], "type": "unique"}, ("failed", 2, 3)),
        ({"column": "i", "type": "in_set", "values": [1]}, ("failed", 2, 3)),
        ({"column": "f", "type": "in_set", "values": [1, 10**400]}, ("failed", 2, 3)),
        ({"column": "f", "type": "not_in_set", "values": [1, 2**53 + 1]}, ("failed", 1, 3)),
        ({"column": "u", "type": "not_null"}, ("passed", 0, 4)),
    ],
)
def test_wide_numbers_are_judged_exactly(rule: dict[str, Any], found: Any) -> None:
    frame = pl.DataFrame(WIDE)
    assert only(frame, rule) == found
    result = check(frame, [rule], engine="polars").results[0]
    assert (result.status, result.failed_count, result.total_count) == found


@pytest.mark.parametrize(
    "rule",
    [
        {"column": "b", "type": "unique"},
        {"column": "u", "type": "positive"},
        {"column": "u", "type": "in_set", "values": [1]},
        {"column": "i", "type": "in_set", "values": [1, 2**100]},
    ],
)
def test_what_the_library_cannot_hold_is_refused_beforehand_and_spoils_no_other_rule(rule: dict[str, Any]) -> None:
    results = check(pl.DataFrame(WIDE), [rule, {"column": "f", "type": "positive"}], engine="pandera").results
    assert [each.status for each in results] == ["error", "passed"]
    assert "the engine pandera cannot judge it" in results[0].message
