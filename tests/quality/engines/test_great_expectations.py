"""The Great Expectations engine: what it judges, what it refuses, and that it leaves no trace."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import check, get_engine, parse_rules
from tests.conformance import libraries

assert libraries  # imported for its effect
FRAME = pl.DataFrame(
    {"id": [1, 1, None, None], "f": [1.0, float("nan"), None, -1.0], "s": ["a", "secret", None, "b\n"]}
)


def only(frame: Any, rule: dict[str, Any], **arguments: Any) -> Any:
    (result,) = check(frame, [rule], engine="great_expectations", **arguments).results
    return result.status, result.failed_count, result.total_count


def refusal(rule: dict[str, Any], schema: Any = None) -> str | None:
    return get_engine("great_expectations").capabilities.refusal(parse_rules([rule])[0], schema)


def test_nulls_are_neither_bad_nor_duplicates() -> None:
    assert only(FRAME, {"column": "id", "type": "positive"}) == ("passed", 0, 2)
    assert only(FRAME, {"column": "id", "type": "unique"}) == ("failed", 2, 2)
    assert only(FRAME, {"columns": ["id", "s"], "type": "unique"}) == ("passed", 0, 2)


def test_nan_is_a_number_and_fails_ranges() -> None:
    assert only(FRAME, {"column": "f", "type": "not_null"}) == ("failed", 1, 4)
    assert only(FRAME, {"column": "f", "type": "in_range", "min": -5}) == ("failed", 1, 3)
    assert only(FRAME, {"column": "f", "type": "in_set", "values": [1, -1]}) == ("failed", 1, 3)


def test_whole_numbers_beside_nulls_stay_whole() -> None:
    frame = pl.DataFrame({"id": [2**53, 2**53 + 1, None]})
    assert only(frame, {"column": "id", "type": "unique"}) == ("passed", 0, 2)
    assert only(frame, {"column": "id", "type": "in_set", "values": [2**53 + 1]}) == ("failed", 1, 2)


def test_a_bound_that_the_library_would_round_is_refused() -> None:
    schema = pl.Schema({"id": pl.Int64, "at": pl.Datetime("ns"), "day": pl.Date})
    assert "rounds" in str(refusal({"column": "id", "type": "in_range", "max": 2**53}, schema))
    assert "rounds" in str(refusal({"column": "at", "type": "not_future"}, schema))
    assert refusal({"column": "id", "type": "in_range", "max": 2**53 - 1}, schema) is None
    assert refusal({"column": "day", "type": "not_future"}, schema) is None


@pytest.mark.parametrize(
    "pattern",
    ["^a$", "a|b", "^(ab)+$", r"^\$[0-9]{1,3}\.[0-9]*$", "[^a-z]", "^.{2,}?$", "é", r"[\]a]", r"^\d+$", r"^[\w.-]+@"],
)
def test_a_pattern_that_all_read_alike_is_judged(pattern: str) -> None:
    assert refusal({"column": "s", "type": "regex", "pattern": pattern}) is None
    rule = {"column": "s", "type": "regex", "pattern": pattern}
    frame = pl.DataFrame({"s": ["a", "b\n", "ab", "$12.5", "é", "", "a\n", "]"]})
    expected = check(frame, [rule], engine="polars").results[0]
    assert only(frame, rule) == (expected.status, expected.failed_count, expected.total_count)


@pytest.mark.parametrize(
    "pattern", [rf"^{cls}$" for cls in (r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"[^\w]", r"[\d\s-]", r"[^\W\d]")]
)
def test_classes_mean_the_same_characters_of_all_of_unicode(pattern: str) -> None:
    every = pl.DataFrame({"s": [chr(each) for each in range(0x110000) if not 0xD800 <= each < 0xE000]})
    good = every.filter(pl.col("s").str.contains(pattern))
    bad = every.filter(~pl.col("s").str.contains(pattern))
    rule = {"column": "s", "type": "regex", "pattern": pattern}
    assert 0 < good.height < every.height
    assert only(good, rule) == ("passed", 0, good.height)
    assert only(bad, rule) == ("failed", bad.height, bad.height)


@pytest.mark.parametrize(
    "pattern",
    [r"\bx", r"[\w--a]", "(?i)a", r"\p{L}", "[a&&b]", "[[:alpha:]]", r"\z", "a{1001}", "(?P<n>a)", "a*+"],
)
def test_a_pattern_that_python_may_read_otherwise_is_refused(pattern: str) -> None:
    try:
        parse_rules([{"column": "s", "type": "regex", "pattern": pattern}])
    except QualityError:
        return  # refused by the vocabulary itself
    assert "pandas may read this pattern differently" in str(
        refusal({"column": "s", "type": "regex", "pattern": pattern})
    )


def test_what_it_cannot_judge_exactly_is_known_beforehand_and_an_error_in_a_check() -> None:
    assert "not supported" in str(refusal({"type": "expression", "expression": "f > 0"}))
    assert "counts the whole table" in str(refusal({"type": "row_count", "min": 1, "where": "f > 0"}))
    assert "64 bits" in str(refusal({"column": "u", "type": "positive"}, pl.Schema({"u": pl.UInt64})))
    rules = [
        {"type": "expression", "expression": "f > 0"},
        {"type": "row_count", "exact": 4},
        {"type": "row_count", "exact": 4},
    ]
    assert [each.status for each in check(FRAME, rules, engine="great_expectations").results] == [
        "error",
        "passed",
        "passed",
    ]


def test_what_the_library_raises_is_an_error_of_that_rule_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("value 'secret' is odd")

    monkeypatch.setattr(pd.Series, "isin", broken)
    rules = [{"column": "s", "type": "in_set", "values": ["a"]}, {"column": "s", "type": "not_null"}]
    result = check(FRAME, rules, engine="great_expectations")
    assert [each.status for each in result.results] == ["error", "failed"]
    assert "Great Expectations could not judge it" in result.results[0].message
    assert "secret" not in result.results[0].message


def test_samples_show_only_columns_that_may_be_shown() -> None:
    (result,) = check(
        FRAME, [{"column": "s", "type": "length", "max": 2}], engine="great_expectations", key_columns=["id"]
    ).results
    assert result.sample == ({"id": 1},)


def test_it_writes_nothing_sends_nothing_and_shows_nothing(tmp_path: Path) -> None:
    code = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("something was sent")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import polars as pl
from etl.quality import check
result = check(pl.DataFrame({"x": [1, -1, None]}), [{"column": "x", "type": "positive"}], engine="great_expectations")
from great_expectations.data_context.data_context.context_factory import project_manager
kept = vars(project_manager).get("_ProjectManager__project")
print(result.results[0].failed_count, result.results[0].total_count, kept)
"""
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "1 2 None", "")
    assert [*tmp_path.rglob("*")] == []
