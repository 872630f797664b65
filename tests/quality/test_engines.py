# ruff: noqa: ARG002  the engines of these tests look at nothing
"""How engines are found, chained and compared; what the package imports."""

import os
import subprocess
import sys
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import (
    Capabilities,
    EngineChain,
    EngineMethods,
    EngineReport,
    Outcome,
    check,
    compare_engines,
    engine_names,
    get_engine,
)
from etl.quality.engine import BUILT_IN, DataQualityEngine
from etl.quality.engines.limits import CAPABILITIES
from tests.effort import calls

MOST_MODULES = 77
MOST_CALLS = 900  # of a check of six rules

FRAME = pl.DataFrame({"x": [1, 2, None]})
RULES = [{"column": "x", "type": "not_null"}, {"column": "x", "type": "positive"}]


class Only(EngineMethods):
    """An engine that knows one type of rule, and finds one failure."""

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self.capabilities = Capabilities(rules=frozenset({kind}))
        self.calls = 0

    def judge(self, data: Any, rules: Any, context: Any) -> Any:
        self.calls += 1
        return EngineReport([Outcome(position, 1, 3) for position, _ in enumerate(rules)], 3)


def test_engines_are_found_by_name() -> None:
    assert get_engine("polars").name == "polars"
    assert get_engine("polars") is get_engine("polars")
    assert isinstance(get_engine("polars"), DataQualityEngine)
    assert engine_names()[:4] == ("truthound", "polars", "great_expectations", "pandera")
    assert {*BUILT_IN} == {*CAPABILITIES}


def test_a_misspelt_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QualityError, match="did you mean `polars`"):
        check(FRAME, RULES, engine="polar")


def test_a_chain_gives_each_rule_to_the_first_engine_that_can() -> None:
    positive, not_null = Only("p", "positive"), Only("n", "not_null")
    chain = EngineChain([positive, not_null, "polars"])
    rules = [*RULES, {"column": "x", "type": "in_set", "values": [1, 2]}, RULES[1]]
    result = check(FRAME, rules, engine=chain)
    assert [(each.status, each.failed_count) for each in result.results] == [
        ("failed", 1),
        ("failed", 1),
        ("passed", 0),
        ("failed", 1),
    ]
    assert (positive.calls, not_null.calls) == (1, 1)
    assert result.engine == "p > n > polars"


def test_a_chain_says_why_nobody_can() -> None:
    result = check(FRAME, RULES, engine=EngineChain([Only("p", "positive")]))
    assert [each.status for each in result.results] == ["error", "failed"]
    assert (
        "p: rules of type not_null are not supported" in result.results[0].message
        or "not supported" in result.results[0].message
    )


def test_a_broken_engine_in_a_chain_spoils_only_its_own_rules() -> None:
    class Broken(Only):
        def judge(self, data: Any, rules: Any, context: Any) -> Any:
            raise RuntimeError("no")

    result = check(FRAME, RULES, engine=EngineChain([Broken("b", "positive"), "polars"]))
    assert [each.status for each in result.results] == ["failed", "error"]


def test_a_comparison_reports_every_differing_verdict() -> None:
    comparison = compare_engines(FRAME, RULES, ["polars", EngineChain([Only("p", "positive"), "polars"])])
    assert [each.check_name for each in comparison.differences] == ["positive__x"]
    assert "polars: passed, 0 of 2" in comparison.differences[0].describe()
    assert not comparison.agree
    assert compare_engines(FRAME, RULES, ["polars", EngineChain(["polars", Only("p", "positive")])]).agree
    with pytest.raises(QualityError):
        compare_engines(FRAME, RULES, ["polars"])


def test_a_rule_that_breaks_while_running_spoils_only_itself() -> None:
    frame = pl.DataFrame({"s": ["1", "x"], "n": [1, None]})
    rules = [
        {"column": "n", "type": "not_null"},
        {"type": "expression", "expression": "CAST(s AS INT) > 0"},
        {"column": "n", "type": "positive"},
    ]
    for data in (frame, frame.lazy()):
        result = check(data, rules, engine="polars")
        assert [each.status for each in result.results] == ["failed", "error", "passed"]
        assert result.row_count == 2


@pytest.mark.parametrize("engine", ["great_expectations", "pandera"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_condition_that_breaks_in_a_foreign_engine_spoils_only_its_rule(engine: str, *, lazy: bool) -> None:
    frame = pl.DataFrame({"s": ["1", "secret"], "n": [1, None]})
    rules = [
        {"column": "n", "type": "not_null"},
        {"column": "n", "type": "positive", "where": "CAST(s AS INT) > 0"},
        {"column": "n", "type": "unique", "where": "CAST(s AS INT) > 0"},
        {"column": "n", "type": "in_range", "min": 2},
    ]
    result = check(frame.lazy() if lazy else frame, rules, engine=engine, key_columns=["n"])
    assert [each.status for each in result.results] == ["failed", "error", "error", "failed"]
    assert [each.failed_count for each in result.results] == [1, 0, 0, 1]
    assert [each.sample for each in result.results] == [({"n": None},), (), (), ({"n": 1},)]
    assert result.row_count == 2
    assert "secret" not in result.describe()


@pytest.mark.parametrize(
    ("engine", "whole"),
    [
        ("polars", {"type": "row_count", "exact": 3}),
        ("great_expectations", {"type": "row_count", "exact": 3}),
        ("pandera", {"type": "column_exists", "column": "s"}),
    ],
)
def test_a_column_of_a_lazy_frame_that_breaks_spoils_only_rules_about_it(engine: str, whole: dict[str, Any]) -> None:
    frame = pl.LazyFrame({"s": ["1", "x", "3"], "n": [1, None, 2]}).with_columns(pl.col("s").cast(pl.Int64))
    rules = [{"column": "n", "type": "not_null"}, {"column": "s", "type": "positive"}, whole]
    result = check(frame, rules, engine=engine)
    assert [each.status for each in result.results] == ["failed", "error", "passed"]
    assert result.row_count == 3
    alone = check(frame, [whole], engine=engine)
    assert (alone.results[0].status, alone.row_count) == ("passed", 3)


def run(code: str, compiled: Any = None) -> Any:
    environment = os.environ | (
        {"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": ""} if compiled else {}
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout.split()


def test_importing_the_package_loads_no_engine_and_no_orchestrator() -> None:
    heavy = [
        "dagster",
        "prefect",
        "truthound",
        "great_expectations",
        "pandera",
        "pandas",
        "sqlglot",
        "duckdb",
        "etl.quality.engines.polars",
    ]
    names = "check, Rule, parse_rules, CheckResult, split, get_engine, EngineChain, DataQualityError"
    loaded = run(f"import sys; from etl.quality import {names}; print(*[m for m in {heavy!r} if m in sys.modules])")
    assert loaded == []
    assert run(f"import sys, etl.quality; print(*[m for m in {[*heavy, 'polars']!r} if m in sys.modules])") == []


def test_importing_the_package_loads_few_modules() -> None:
    code = "import sys, polars, pydantic; n = len(sys.modules); from etl.quality import check, parse_rules; print(len(sys.modules) - n)"
    assert int(run(code)[0]) < MOST_MODULES


def test_a_small_check_costs_little() -> None:
    frame = pl.DataFrame({"x": range(10), "s": list("abcdefghij")})
    rules = [
        {"column": "x", "type": "not_null"},
        {"column": "x", "type": "unique"},
        {"column": "s", "type": "length", "max": 3},
    ] * 2
    check(frame, rules, engine="polars")
    one = calls(lambda: check(frame, rules, engine="polars"))
    assert one < MOST_CALLS
    many = calls(lambda: check(pl.concat([frame] * 1000), rules, engine="polars"))
    assert many < 2 * one, "no Python for each row"
