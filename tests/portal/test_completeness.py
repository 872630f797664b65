"""Whether a pipeline's data is complete, and to when: cases whose answers are known without the code."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.portal.completeness import KnownData, completeness, shown_keys
from etl.portal.made import Loads, Made
from etl.portal.page import Completeness
from etl.promises.freshness import AtWork, PublishedKeys, State
from etl.promises.judge import PipelineHistory, PipelineRun, PromiseVerdict
from etl.sla.config import AlertLevel

DAYS = TimeScheme("day", "2026-01-01", timezone="Asia/Seoul")
NOW = datetime(2026, 1, 10, 1, tzinfo=UTC)  # 10:00 in Seoul: the ninth has ended
HOUR = timedelta(hours=1)


def days(*numbers: int) -> set[str]:
    return {f"2026-01-{number:02}" for number in numbers}


def made(key: str, *, at: datetime = NOW - HOUR, rows: int = 7, rejected: int = 0) -> Made:
    return Made(1, key, at, "0123456789", rows, rejected, "v1")


def answer(published: Iterable[str] | None, scheme: Any = DAYS, now: datetime = NOW, **more: Any) -> Completeness:
    keys = None if published is None else set(published)
    facts = more.pop("made", {each: made(each) for each in keys or ()})
    return completeness(KnownData(scheme, getattr(scheme, "timezone", "UTC"), now, keys, made=facts, **more))


def verdict(state: State, **more: Any) -> PromiseVerdict:
    return PromiseVerdict("acme", "orders", "deadline", state, "said", AlertLevel.ERROR, **more)


def history(*runs: PipelineRun, at_work: tuple[AtWork, ...] = ()) -> PipelineHistory:
    return PipelineHistory("acme", "orders", PublishedKeys((), DAYS, None, at_work), runs)


def states(found: Completeness) -> dict[str, str]:
    return {each.key[-2:]: each.state for each in found.parts if each.state != "there"}


def test_every_ended_day_that_is_there_is_complete_to_the_last_one() -> None:
    found = answer(days(*range(1, 10)))
    assert (found.level, found.answer) == ("good", "Complete to the end of Friday, 9 January 2026.")
    assert (found.expected, found.there) == (9, 9)
    assert found.complete_to == datetime(2026, 1, 9, 15, tzinfo=UTC)  # midnight in Seoul
    assert found.complete_from == datetime(2025, 12, 31, 15, tzinfo=UTC)


def test_a_day_that_has_not_ended_is_not_expected() -> None:
    assert answer(days(*range(1, 10)), now=datetime(2026, 1, 10, 14, 59, tzinfo=UTC)).level == "good"
    late = answer(days(*range(1, 10)), now=datetime(2026, 1, 10, 15, 0, tzinfo=UTC))
    assert (late.expected, late.there) == (10, 9)


def test_a_gap_is_not_healed_by_later_days() -> None:
    found = answer(days(1, 2, 3, 5, 6, 7, 8, 9))
    assert found.level == "bad"
    assert found.answer == "Sun 4 Jan 2026 is missing."
    assert "From then on it is complete to the end of Friday, 9 January 2026." in found.detail
    assert states(found) == {"04": "missing"}


def test_many_gaps_are_counted_and_two_are_named() -> None:
    assert answer(days(1, 3, 5, 6, 7, 8, 9)).answer == "Fri 2 Jan 2026 and Sun 4 Jan 2026 are missing."
    assert answer(days(5, 6, 7, 8, 9)).answer == "4 days before Mon 5 Jan 2026 are not complete."


def test_nothing_published_is_unknown_and_with_a_broken_promise_bad() -> None:
    assert answer(()).level == "unknown"
    assert answer((), verdicts=[verdict(State.BROKEN)]).level == "bad"


def test_a_lake_that_cannot_be_read_is_unknown() -> None:
    found = answer(None)
    assert (found.level, found.parts) == ("unknown", ())


def test_before_the_first_day_has_ended_nothing_is_complete() -> None:
    found = answer((), now=datetime(2026, 1, 1, 3, tzinfo=UTC))
    assert found.level == "unknown"
    assert found.answer == "Nothing is due yet: the first day is Thu 1 Jan 2026."


def test_an_awaited_day_is_good_until_its_deadline_and_bad_after_it() -> None:
    there = days(*range(1, 9))
    due = verdict(State.ON_TRACK, due=NOW + HOUR, partition="2026-01-09")
    waiting = answer(there, verdicts=[due])
    assert (waiting.level, waiting.answer) == ("good", "Complete to the end of Thursday, 8 January 2026.")
    assert waiting.detail == "Fri 9 Jan 2026 is not there yet; due by 10 Jan 2026, 11:00 KST."
    assert states(waiting) == {"09": "expected"}
    broken = verdict(State.BROKEN, since=NOW - HOUR, partition="2026-01-09")
    late = answer(there, verdicts=[broken])
    assert (late.level, late.answer) == ("bad", "Late. Complete to the end of Thursday, 8 January 2026.")
    assert late.detail == "1 day is not there, late since 10 Jan 2026, 09:00 KST."
    assert states(late) == {"09": "late"}


def test_at_risk_is_a_notice() -> None:
    risk = verdict(State.AT_RISK, due=NOW + HOUR, partition="2026-01-09")
    assert answer(days(*range(1, 9)), verdicts=[risk]).level == "notice"


def test_without_a_promise_an_awaited_day_is_a_notice_and_an_old_one_is_missing() -> None:
    assert answer(days(*range(1, 9))).level == "notice"
    old = answer(days(*range(1, 7)))
    assert (old.level, old.answer) == ("bad", "Complete only to the end of Tuesday, 6 January 2026.")
    assert "3 days are not there; ended 2 days ago. Nothing is promised" in old.detail


def test_a_day_whose_newest_run_failed_is_not_complete_although_an_older_object_is_there() -> None:
    failed = PipelineRun("run", NOW - HOUR / 2, succeeded=False, partition="2026-01-09")
    found = answer(days(*range(1, 10)), history=history(failed))
    assert (found.level, states(found)) == ("bad", {"09": "failed"})
    assert found.answer == "Complete only to the end of Thursday, 8 January 2026."
    again = {each: made(each, at=NOW) for each in days(*range(1, 10))}
    assert answer(days(*range(1, 10)), history=history(failed), made=again).level == "good"


def test_a_load_that_is_not_known_is_unknown_and_an_older_version_is_bad() -> None:
    there = days(*range(1, 10))
    unknown = answer(there, loads=Loads(unknown=frozenset({"2026-01-09"})))
    assert (unknown.level, states(unknown)) == ("unknown", {"09": "not loaded"})
    assert "Complete to the end of Friday, 9" not in unknown.answer
    old = answer(there, loads=Loads(outdated=frozenset({"2026-01-09"})))
    assert (old.level, states(old)) == ("bad", {"09": "outdated"})


def test_an_old_version_before_what_is_shown_is_not_forgotten() -> None:
    long = TimeScheme("day", "2025-01-01", timezone="Asia/Seoul")
    keys = set(long.between("2025-01-01", "2026-01-09"))
    assert answer(keys, long).level == "good"
    found = answer(keys, long, loads=Loads(outdated=frozenset({"2025-02-01"})))
    assert found.level == "bad"
    assert found.answer == "1 day before Sun 2 Feb 2025 is not complete."


def test_days_without_a_row_are_there_and_never_only_good() -> None:
    keys = days(*range(1, 10))
    empty = {each: made(each, rows=0) for each in keys}
    found = answer(keys, made=empty)
    assert (found.level, found.detail) == ("notice", "Not one row is in it.")
    assert set(states(found).values()) == {"empty"}


def test_a_run_at_work_is_seen() -> None:
    at_work = (AtWork(NOW - HOUR, "2026-01-09"),)
    assert states(answer(days(*range(1, 9)), history=history(at_work=at_work))) == {"09": "at work"}


def test_a_whole_table_is_as_good_as_its_last_publish() -> None:
    assert answer((), WholeTable()).level == "unknown"
    found = answer({""}, WholeTable())
    assert (found.level, found.answer) == ("good", "Published at 10 Jan 2026, 00:00 UTC, 7 rows.")
    assert answer({""}, WholeTable(), made={}).level == "unknown"  # it is there, and nobody knows since when
    assert answer({""}, WholeTable(), verdicts=[verdict(State.BROKEN)]).level == "bad"


def test_every_key_of_a_list_has_to_be_there() -> None:
    keys = StaticKeys("region", ("EU", "US"))
    assert answer({"EU", "US"}, keys).level == "good"
    found = answer({"EU"}, keys)
    assert (found.level, found.answer) == ("bad", "1 of 2 are complete.")
    assert "US (missing)" in found.detail


@pytest.mark.parametrize(
    ("scheme", "now", "count", "last"),
    [
        (TimeScheme("hour", "2026-01-01T0000Z"), datetime(2026, 1, 1, 5, 1, tzinfo=UTC), 5, "2026-01-01T0400Z"),
        (TimeScheme("week", "2026-W01-1"), datetime(2026, 1, 19, tzinfo=UTC), 3, "2026-W03-1"),
        (TimeScheme("month", "2026-01"), datetime(2026, 3, 31, tzinfo=UTC), 2, "2026-02"),
    ],
)
def test_other_units_of_time(scheme: TimeScheme, now: datetime, count: int, last: str) -> None:
    keys = shown_keys(scheme, now)
    assert (len(keys), keys[-1]) == (count, last)
    assert answer(keys, scheme, now).level == "good"
    assert answer(keys[1:], scheme, now).level == "bad"
