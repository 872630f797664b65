"""The data with known verdicts: computed by the oracle, complete, and able to notice an engine that is wrong."""

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from etl.errors import EtlError
from etl.quality import EngineReport, PolarsEngine
from etl.quality.rules import RULE_TYPES
from etl.quality.testing import KnownCase, KnownVerdict, differences, known_cases
from etl.quality.testing.cases import FOLDER, FORMAT, judged_types
from tests.conformance import kit, libraries

assert libraries  # imported for its effect
TYPES = set(RULE_TYPES) - {"truthound"}


def test_the_files_are_what_the_oracle_computes_now() -> None:
    index, frames = kit.contents()
    assert (FOLDER / "cases.json").read_text(encoding="utf-8") == kit.text(index), "python -m tests.conformance.kit"
    assert {path.stem for path in FOLDER.glob("*.parquet")} == {*frames}
    for name, frame in frames.items():
        kept = pl.read_parquet(FOLDER / f"{name}.parquet")
        assert kept.schema == frame.schema, name
        assert kept.equals(frame), name


def test_every_type_of_rule_meets_every_kind_of_data() -> None:
    cases = {case.name: case for case in known_cases()}
    assert {"clean", "dirty", "null", "nan", "empty", "unicode", "missing_column", "wrong_dtype"} <= {*cases}
    for name, case in cases.items():
        met = {rule.type for rule in case.rules}
        assert met >= (TYPES if name != "wrong_dtype" else TYPES - {"row_count", "expression"}), name


def test_every_type_of_rule_passes_fails_and_errs_somewhere() -> None:
    seen = {
        (rule.type, each.status) for case in known_cases() for rule, each in zip(case.rules, case.expected, strict=True)
    }
    assert {(kind, status) for kind in TYPES for status in ("passed", "failed")} <= seen
    assert {kind for kind, status in seen if status == "error"} >= TYPES - {"column_exists"}


def test_all_rules_about_a_missing_column_are_errors_but_the_one_that_looks_for_it() -> None:
    (case,) = [each for each in known_cases() if each.name == "missing_column"]
    said = {rule.type: each.status for rule, each in zip(case.rules, case.expected, strict=True)}
    assert {kind for kind, status in said.items() if status != "error"} == {"column_exists"}
    assert said["column_exists"] == "failed"


class OneMore(PolarsEngine):
    """Counts one row too many for one type of rule."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def judge(self, data: Any, rules: Any, context: Any) -> EngineReport:
        report = super().judge(data, rules, context)
        outcomes = [
            replace(each, total=each.total + 1) if rules[each.position].type == self.kind and not each.error else each
            for each in report.outcomes
        ]
        return EngineReport(outcomes, report.row_count)


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_an_engine_that_is_wrong_by_one_is_noticed_for_every_type_of_rule(kind: str) -> None:
    found = [line for case in known_cases() for line in differences(OneMore(kind), case)]
    assert found
    assert all(f"'type': '{kind}'" in line for line in found)


def test_a_known_verdict_that_is_wrong_is_a_difference() -> None:
    case = known_cases()[0]
    verdict = KnownVerdict("passed", 0, 10**6)
    wrong: KnownCase = replace(case, expected=(verdict, *case.expected[1:]))
    (line,) = differences("polars", wrong)
    assert "is passed (0 of 1000000), not " in line


def test_what_an_engine_judges_is_known() -> None:
    assert judged_types("polars", known_cases()) == TYPES
    assert judged_types("pandera", known_cases()) < TYPES


def test_files_of_a_later_release_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.quality.testing.cases.FORMAT", FORMAT - 1)
    with pytest.raises(EtlError, match="the file of known verdicts has format"):
        known_cases.__wrapped__()
