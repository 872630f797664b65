"""An engine that answers what it is told."""

import polars as pl
import pytest

from etl.quality import CheckStatus, check
from etl.quality.testing import Answer, ScriptedEngine

FRAME = pl.DataFrame({"id": [1, 2], "qty": [1, 2]})
RULES = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "unique"},
    {"column": "qty", "type": "positive"},
]


def test_it_answers_what_it_was_told() -> None:
    engine = ScriptedEngine({"not_null__id": (0, 2), "unique__id": (2, 2), "positive__qty": "the disk is full"})
    with engine:
        result = engine.check(FRAME, RULES)
    assert [(each.status, each.failed_count, each.total_count) for each in result.results] == [
        ("passed", 0, 2),
        ("failed", 2, 2),
        ("error", 0, 0),
    ]
    assert result.results[2].message == "the disk is full"
    assert (result.engine, result.row_count, result.status) == ("scripted", 2, CheckStatus.ERROR)
    assert engine.judged == [("not_null__id", "unique__id", "positive__qty")]


def test_it_is_never_green_about_what_it_was_not_told() -> None:
    result = check(FRAME, RULES, engine=ScriptedEngine({"unique__id": (0, 2)}, name="mine"))
    assert [each.status for each in result.results] == ["error", "passed", "error"]
    assert result.results[0].message == "this engine was told nothing about not_null__id"
    assert result.engine == "mine"


def test_it_raises_what_it_was_told() -> None:
    result = check(FRAME, RULES, engine=ScriptedEngine({"unique__id": ConnectionError("no route")}))
    assert [each.status for each in result.results] == ["error"] * 3
    assert "ConnectionError: no route" in result.results[0].message


def test_mostly_and_severity_are_judged_by_check_as_for_every_engine() -> None:
    rules = [RULES[0] | {"mostly": 0.5}, RULES[1] | {"severity": "warning"}]
    result = check(FRAME, rules, engine=ScriptedEngine({"not_null__id": (1, 2), "unique__id": (1, 2)}))
    assert [each.status for each in result.results] == ["passed", "failed"]
    assert result.status is CheckStatus.WARNING


@pytest.mark.parametrize("answer", [(3, 2), (-1, 2)])
def test_impossible_answers_are_errors(answer: Answer) -> None:
    result = check(FRAME, RULES[:1], engine=ScriptedEngine({"not_null__id": answer}))
    assert "impossible counts" in result.results[0].message
