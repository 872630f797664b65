"""What listeners hear of a check, and that no listener can change a verdict."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import QualityError
from etl.quality import CheckEnded, CheckListener, CheckStarted, CheckStatus, RuleJudged, check

FRAME = pl.DataFrame({"id": [1, 2, 2], "secret": ["hidden-a", "hidden-b", None]})
RULES = [
    {"column": "id", "type": "unique"},
    {"column": "secret", "type": "not_null", "severity": "warning"},
    {"column": "id", "type": "positive"},
    {"column": "gone", "type": "not_null"},
]


class Heard:
    """Keeps each event."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def check_started(self, event: CheckStarted) -> None:
        self.events.append(event)

    def rule_judged(self, event: RuleJudged) -> None:
        self.events.append(event)

    def check_ended(self, event: CheckEnded) -> None:
        self.events.append(event)


class Broken(Heard):
    """Raises at every moment."""

    def check_started(self, event: Any) -> None:  # noqa: ARG002
        raise RuntimeError("out of order")

    rule_judged = check_ended = check_started  # type: ignore[assignment]


def hear(*arguments: Any, **options: Any) -> list[Any]:
    heard = Heard()
    check(*arguments, listeners=[heard], **options)
    return heard.events


def test_a_check_is_heard_from_start_to_end() -> None:
    started, *rules, ended = hear(FRAME, RULES, engine="polars")
    assert (started.engine, started.rule_count) == ("polars", 4)
    assert {each.check_id for each in (started, *rules, ended)} == {started.check_id}
    assert [(each.check_name, each.rule_type, each.severity, each.status) for each in rules] == [
        ("unique__id", "unique", "error", "failed"),
        ("not_null__secret", "not_null", "warning", "failed"),
        ("positive__id", "positive", "error", "passed"),
        ("not_null__gone", "not_null", "error", "error"),
    ]
    assert [(each.failed_count, each.total_count) for each in rules] == [(2, 3), (1, 3), (0, 3), (0, 0)]
    assert [bool(each.reason) for each in rules] == [False, False, False, True]
    assert (ended.status, ended.passed_count, ended.failed_count, ended.warning_count, ended.error_count) == (
        CheckStatus.ERROR,
        1,
        1,
        1,
        1,
    )
    assert (ended.row_count, ended.raised) == (3, None)
    assert ended.seconds > 0


def test_two_checks_have_two_ids() -> None:
    heard = Heard()
    for _ in range(2):
        check(FRAME, RULES, engine="polars", listeners=[heard])
    assert len({each.check_id for each in heard.events}) == 2


def test_no_event_has_a_value_of_a_row() -> None:
    events = hear(FRAME, RULES, engine="polars", key_columns=["secret"])
    assert "hidden-" not in str([asdict(each) for each in events])


@pytest.mark.parametrize(
    ("data", "rules", "options"),
    [
        (FRAME, [], {}),
        (FRAME, [{"type": "unheard of"}], {}),
        (FRAME, RULES, {"engine": "polar"}),
        (Path("no such file.parquet"), RULES, {}),
        (FRAME, RULES, {"timeout": -1}),
    ],
    ids=["no rules", "no such rule", "no such engine", "no such file", "no time"],
)
def test_a_check_that_raises_ends_too(data: Any, rules: Any, options: Any) -> None:
    heard = Heard()
    with pytest.raises(QualityError) as raised:
        check(data, rules, listeners=[heard], **({"engine": "polars"} | options))
    started, ended = heard.events
    assert (started.check_id, ended.status) == (ended.check_id, CheckStatus.ERROR)
    assert ended.raised == raised.value.problem


def test_a_check_that_takes_too_long_ends_as_an_error() -> None:
    slow = pl.LazyFrame({"id": [1]}).with_columns(pl.col("id").map_elements(lambda _: pause(), return_dtype=pl.Int64))
    *rules, ended = hear(slow, [{"column": "id", "type": "positive"}], engine="polars", timeout=0.05)[1:]
    assert (ended.status, ended.error_count, [each.status for each in rules]) == (CheckStatus.ERROR, 1, ["error"])


def pause() -> int:
    import time

    time.sleep(0.5)
    return 1


def test_a_listener_that_raises_changes_no_verdict_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard()
    with caplog.at_level(logging.WARNING):
        told = check(FRAME, RULES, engine="polars", listeners=[Broken(), heard])
    bare = check(FRAME, RULES, engine="polars")
    assert (told.results, told.status, told.row_count) == (bare.results, bare.status, bare.row_count)
    assert len(heard.events) == 6, "the next listener hears everything"
    assert caplog.records[0].getMessage() == ("the listener Broken raised at check_started: RuntimeError: out of order")
    assert len(caplog.records) == 6


def test_a_listener_that_raises_hides_no_error_of_the_check() -> None:
    with pytest.raises(QualityError, match="there are no rules"):
        check(FRAME, [], engine="polars", listeners=[Broken()])


def test_what_is_no_listener_is_refused_before_anything_is_judged() -> None:
    with pytest.raises(QualityError, match="dict is no listener"):
        check(FRAME, RULES, engine="polars", listeners=[{}])  # type: ignore[list-item]
    assert isinstance(Heard(), CheckListener)
