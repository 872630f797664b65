"""Engine objects by themselves: `check`, `profile`, `learn` and `with`, also of an engine that others write."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import etl.quality
from etl.errors import QualityError
from etl.quality import (
    Capabilities,
    CheckContext,
    CheckResult,
    CheckStatus,
    DataQualityEngine,
    EngineChain,
    EngineMethods,
    EngineReport,
    GreatExpectationsAdapter,
    GreatExpectationsEngine,
    Outcome,
    PanderaAdapter,
    PanderaEngine,
    PolarsEngine,
    TruthoundEngine,
    check,
    engine,
    get_engine,
)
from tests.conformance import libraries

assert libraries  # imported for its effect
ENGINES = [TruthoundEngine, PolarsEngine, PanderaEngine, GreatExpectationsEngine]
FRAME = pl.DataFrame({"id": [1, 2, None], "grade": ["a", "b", "a"]})
RULES = [{"column": "id", "type": "not_null"}, {"column": "grade", "type": "in_set", "values": ["a", "b"]}]


class Mine(EngineMethods):
    """All that an engine of one's own has to have."""

    name = "mine"
    capabilities = Capabilities(rules=frozenset({"not_null"}))

    def judge(self, data: Any, rules: Any, context: CheckContext) -> EngineReport:  # noqa: ARG002
        found = [Outcome(place, data[rule.column].null_count(), data.height) for place, rule in enumerate(rules)]
        return EngineReport(found, data.height)


class OfRelease02:
    """An engine that was written for release 0.2: it judges in `check`."""

    name = "old"
    capabilities = Capabilities(rules=frozenset({"not_null"}))

    def check(self, data: Any, rules: Any, context: CheckContext) -> EngineReport:
        return Mine().judge(data, rules, context)

    def profile(self, data: Any, columns: Any = None) -> Any:
        raise NotImplementedError

    def learn(self, data: Any, strictness: Any = "moderate") -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("make", ENGINES)
def test_an_engine_object_judges_as_check_does(make: Any, tmp_path: Path) -> None:
    FRAME.write_parquet(tmp_path / "data.parquet")
    with make() as made:
        assert isinstance(made, make)
        assert isinstance(made, DataQualityEngine)
        for data in (FRAME, FRAME.lazy(), tmp_path / "data.parquet"):
            result = made.check(data, RULES, key_columns=["grade"])
            assert isinstance(result, CheckResult)
            expected = check(data, RULES, engine=made.name, key_columns=["grade"])
            assert (result.results, result.engine) == (expected.results, made.name)
            assert [each.status for each in result.results] == ["failed", "passed"]
            assert result.results[0].sample == ({"grade": "a"},)


@pytest.mark.parametrize("make", ENGINES)
def test_an_engine_object_refuses_and_errs_as_check_does(make: Any) -> None:
    with make() as made:
        with pytest.raises(QualityError, match="there are no rules"):
            made.check(FRAME, [])
        with pytest.raises(QualityError, match="there are no rules"):
            made.check(FRAME)
        with pytest.raises(QualityError, match="there is no file"):
            made.check("nowhere.parquet", RULES)
        assert made.check(FRAME, [{"column": "gone", "type": "not_null"}]).status is CheckStatus.ERROR


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("strictness", ["strict", "moderate", "lenient"])
def test_each_engine_profiles_exactly_and_learns_what_it_judges(make: Any, strictness: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    frame = pl.concat([FRAME] * 20)
    frame.write_parquet(path)
    with make() as made:
        profile = made.profile(path)
        assert (profile.row_count, profile.columns["id"].null_count, profile.engine) == (60, 20, made.name)
        learned = made.learn(path, strictness)
        assert made.check(path, learned.rules).status is CheckStatus.PASSED
        assert learned.engine == made.name
        reference = PolarsEngine().learn(path, strictness).rules
        expected = [rule for rule in reference if made.capabilities.refusal(rule, frame.schema) is None]
        assert [*learned.rules] == expected, "one meaning in all engines"


def test_the_names_of_others_mean_the_same_engines() -> None:
    assert PanderaAdapter is PanderaEngine
    assert GreatExpectationsAdapter is GreatExpectationsEngine
    assert {"PanderaAdapter", "GreatExpectationsAdapter", "TruthoundEngine"} <= set(dir(etl.quality))


def test_an_engine_of_ones_own_needs_one_method() -> None:
    with Mine() as mine:
        result = mine.check(FRAME, RULES)
    assert [(each.status, each.failed_count) for each in result.results] == [("failed", 1), ("error", 0)]
    assert mine.profile(FRAME).row_count == 3
    assert {rule.type for rule in mine.learn(FRAME.drop_nulls()).rules} == {"not_null"}


def test_an_engine_is_left_also_when_the_block_raises() -> None:
    left = []

    class Held(Mine):
        def __exit__(self, *told: object) -> None:
            left.append(told[0])

    with pytest.raises(QualityError), Held() as held:
        held.check(FRAME, [])
    assert left == [QualityError]


@pytest.mark.parametrize("make", [Mine, OfRelease02])
def test_an_engine_by_entry_point_is_found_and_judges(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{make.name}-by-entry-point"
    entry = SimpleNamespace(name=name, load=lambda: make)
    monkeypatch.setattr(engine, "entry_points", lambda **_: [entry])
    result = check(FRAME, RULES, engine=name)
    assert [(each.status, each.failed_count) for each in result.results] == [("failed", 1), ("error", 0)]
    assert check(FRAME, RULES, engine=EngineChain([name, "polars"])).results[1].status == "passed"


@pytest.mark.parametrize("made", [object(), SimpleNamespace(name="x", capabilities=None), "no such engine", 3])
def test_what_is_no_engine_is_refused(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(QualityError, match=r"it is not an engine|there is no quality engine"):
        check(FRAME, RULES, engine=made)
    monkeypatch.setattr(engine, "entry_points", lambda **_: [SimpleNamespace(name="odd", load=lambda: lambda: made)])
    with pytest.raises(QualityError, match="`odd` is registered as a quality engine, but it is not an engine"):
        engine._load_engine.__wrapped__("odd")


def test_a_name_whose_library_is_missing_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pandera"] = None
from etl.errors import EtlError
try:
    from etl.quality import PanderaAdapter
except EtlError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "pip install 'tenant-etl[pandera]'"


def test_get_engine_returns_objects_as_they_are() -> None:
    mine = Mine()
    assert get_engine(mine) is mine
