"""Single cases of freshness, each of which somebody once got wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl.errors import EtlError
from etl.partitions.scheme import TimeScheme
from etl.promises.freshness import (
    AtWork,
    Publish,
    PublishedKeys,
    State,
    judge_deadline,
    judge_max_age,
    typical_duration,
)
from etl.sla.config import FreshnessPromise

SEOUL = "Asia/Seoul"
NINE = FreshnessPromise(deadline="0 9 * * *", max_age_hours=26)
DAYS = TimeScheme("day", "2026-01-01", None, SEOUL)
TICK = timedelta(microseconds=1)


def at(day: int, hour: float, month: int = 1) -> datetime:
    """A moment on the clocks of Seoul."""
    return datetime(2026, month, 1, tzinfo=UTC) + timedelta(days=day - 1, hours=hour - 9)


def data(*publishes: tuple[int, datetime], days: TimeScheme | None = DAYS) -> PublishedKeys:
    return PublishedKeys(tuple(Publish(when, f"2026-01-{day:02}") for day, when in publishes), days)


GOOD = [(day, at(day + 1, 6)) for day in range(1, 5)]


def test_the_partition_of_yesterday_is_due_today_even_if_nothing_ran() -> None:
    before = judge_deadline(NINE, data(*GOOD), at(6, 9) - TICK)
    due = judge_deadline(NINE, data(*GOOD), at(6, 9))
    assert before is not None
    assert due is not None
    assert (before.state, before.partition, before.due) == (State.ON_TRACK, "2026-01-05", at(6, 9))
    assert (due.state, due.partition, due.since) == (State.BROKEN, "2026-01-05", at(6, 9))
    assert due.message == "2026-01-05 due 2026-01-06 09:00 KST; it is not there, 0.0 h later"


def test_a_publish_exactly_at_the_deadline_is_in_time_and_one_tick_later_is_not() -> None:
    exact = judge_deadline(NINE, data(*GOOD, (5, at(6, 9))), at(6, 10))
    late = judge_deadline(NINE, data(*GOOD, (5, at(6, 9) + TICK)), at(6, 10))
    assert exact is not None
    assert late is not None
    assert (exact.state, late.state) == (State.ON_TRACK, State.RECOVERED)


def test_filling_an_older_partition_heals_nothing() -> None:
    old = data(*GOOD, (2, at(6, 10)), (4, at(6, 11)))
    verdicts = [judge_deadline(NINE, old, at(6, 12)), judge_max_age(NINE, old, at(6, 12))]
    assert [each and each.state for each in verdicts] == [State.BROKEN, State.BROKEN]


def test_the_due_partition_heals_when_it_arrives_late() -> None:
    late = data(*GOOD, (5, at(6, 12)))
    found = judge_deadline(NINE, late, at(6, 12))
    assert found is not None
    assert (found.state, found.since, found.actual) == (State.RECOVERED, at(6, 12), 3.0)
    after = judge_deadline(NINE, late, at(7, 9))
    assert after is not None
    assert (after.state, after.since) == (State.BROKEN, at(7, 9))


def test_half_a_day_published_early_is_not_the_day() -> None:
    found = judge_deadline(NINE, data(*GOOD, (5, at(5, 23))), at(6, 9))
    assert found is not None
    assert found.state is State.BROKEN


def test_a_newer_partition_does_not_stand_for_the_missing_one_but_keeps_the_next_deadline() -> None:
    skipped = data(*GOOD, (6, at(7, 6)))
    states = [judge_deadline(NINE, skipped, when) for when in (at(7, 8), at(7, 9))]
    assert [each and each.state for each in states] == [State.BROKEN, State.ON_TRACK]


def test_a_breach_is_as_old_as_its_first_missed_deadline() -> None:
    found = judge_deadline(NINE, data(*GOOD), at(20, 12))
    never = judge_deadline(NINE, data(), at(20, 12))
    assert found is not None
    assert never is not None
    assert found.since == at(6, 9)
    assert never.since == at(2, 9), "the first day is due on the second"


@pytest.mark.parametrize("before", [[], GOOD])
def test_a_partition_that_arrives_with_the_next_deadline_ends_its_own_breach(
    before: list[tuple[int, datetime]],
) -> None:
    found = judge_deadline(NINE, data(*before, (5, at(7, 9))), at(7, 12))
    assert found is not None
    assert (found.partition, found.since) == ("2026-01-06", at(7, 9))


def test_a_breach_older_than_what_is_known_is_dated_from_where_knowledge_begins() -> None:
    known = PublishedKeys((), DAYS, known_since=at(10, 0))
    found = judge_deadline(NINE, known, at(20, 12))
    assert found is not None
    assert found.since == at(10, 9)


def test_nothing_is_due_before_the_first_partition_is_complete() -> None:
    for when in (at(1, 0), at(1, 12), at(2, 0) - TICK):
        for judge in (judge_deadline, judge_max_age):
            found = judge(NINE, data(), when)
            assert found is not None
            assert found.state is State.UNMEASURED, "nothing was published yet, so nothing is on track"
            early = judge(NINE, PublishedKeys((Publish(when, "2026-01-01"),), DAYS), when)
            assert early is not None
            assert early.state is State.ON_TRACK


def test_after_the_last_partition_nothing_new_is_due() -> None:
    ended = TimeScheme("day", "2026-01-01", "2026-01-04", SEOUL)
    for when in (at(5, 10), at(6, 10), at(30, 10), at(1, 0, month=12)):
        for judge in (judge_deadline, judge_max_age):
            found = judge(NINE, data(*GOOD, days=ended), when)
            assert found is not None
            assert found.state is State.ON_TRACK


def test_a_last_partition_that_never_came_stays_a_broken_promise() -> None:
    ended = TimeScheme("day", "2026-01-01", "2026-01-05", SEOUL)
    for when in (at(6, 10), at(8, 10), at(1, 0, month=12)):
        found = judge_deadline(NINE, data(*GOOD, days=ended), when)
        assert found is not None
        assert (found.state, found.partition, found.since) == (State.BROKEN, "2026-01-05", at(6, 9))
    late = judge_deadline(NINE, data(*GOOD, (5, at(20, 1)), days=ended), at(20, 2))
    assert late is not None
    assert late.state is State.RECOVERED


def test_a_run_that_begins_now_and_takes_too_long_puts_the_promise_at_risk() -> None:
    typical = typical_duration([timedelta(minutes=m) for m in (1, 30, 500)])
    assert typical == timedelta(minutes=30)
    states = [judge_deadline(NINE, data(*GOOD), when, typical) for when in (at(5, 23), at(6, 8.5), at(6, 8.5) + TICK)]
    assert [each and each.state for each in states] == [State.ON_TRACK, State.ON_TRACK, State.AT_RISK]
    assert typical_duration([]) is None


MINUTES = 1 / 60


@pytest.mark.parametrize(
    ("since", "partition", "now", "state"),
    [
        (8 + 20 * MINUTES, 5, 8 + 40 * MINUTES, State.ON_TRACK),
        (8 + 30 * MINUTES, 5, 8 + 59 * MINUTES, State.ON_TRACK),  # ends at nine, which is in time
        (8 + 31 * MINUTES, 5, 8 + 40 * MINUTES, State.AT_RISK),
        (8 + 5 * MINUTES, 5, 8 + 40 * MINUTES, State.AT_RISK),  # takes longer than usual: nobody knows how long
        (8 + 20 * MINUTES, 4, 8 + 40 * MINUTES, State.AT_RISK),  # works on another day
        (9, 5, 8 + 40 * MINUTES, State.AT_RISK),  # none has begun
    ],
)
def test_a_run_that_is_at_work_and_ends_in_time_is_no_risk(
    since: float, partition: int, now: float, state: State
) -> None:
    working = () if since > now else (AtWork(at(6, since), f"2026-01-{partition:02}"),)
    published = replace(data(*GOOD), at_work=working)
    age = FreshnessPromise(max_age_hours=27)  # the last day arrived at six: at nine it is exceeded too
    for judge, promise in ((judge_deadline, NINE), (judge_max_age, age)):
        found = judge(promise, published, at(6, now), timedelta(minutes=30))
        assert found is not None
        assert found.state is state


def test_a_run_that_began_before_the_day_was_over_does_not_make_it() -> None:
    promise = FreshnessPromise(deadline="30 0 * * *")
    good = ((3, at(4, 0.4)), (4, at(5, 0.4)))
    for hour, state in ((23.9, State.AT_RISK), (24, State.ON_TRACK)):
        published = replace(data(*good), at_work=(AtWork(at(5, hour), "2026-01-05"),))
        found = judge_deadline(promise, published, at(6, 10 * MINUTES), timedelta(minutes=30))
        assert found is not None
        assert found.state is state


def test_a_table_on_which_a_run_is_at_work_is_no_risk() -> None:
    promise = FreshnessPromise(deadline="0 9 * * *", timezone=SEOUL)
    for working, state in (((), State.AT_RISK), ((AtWork(at(6, 8.4)),), State.ON_TRACK)):
        table = PublishedKeys((Publish(at(5, 8)),), at_work=working)
        found = judge_deadline(promise, table, at(6, 8.75), timedelta(minutes=30))
        assert found is not None
        assert found.state is state


def test_a_partition_that_cannot_be_complete_in_time_is_at_risk_the_day_before() -> None:
    early = FreshnessPromise(deadline="10 0 * * *")
    found = judge_deadline(early, data((1, at(2, 0.1)), (2, at(3, 0.1))), at(3, 12), timedelta(minutes=20))
    assert found is not None
    assert found.state is State.AT_RISK


def test_saturday_and_sunday_owe_nothing_on_business_days() -> None:
    promise = FreshnessPromise(deadline="0 9 * * *", business_days=True)
    week = data((1, at(2, 6)))  # Thursday's partition, for Friday 2 January
    states = [judge_deadline(promise, week, at(day, 12)) for day in (2, 3, 4, 5)]
    assert [each and each.state for each in states] == [State.ON_TRACK] * 3 + [State.BROKEN]
    assert states[3] is not None
    assert states[3].partition == "2026-01-04", "Monday asks for Sunday"


def test_a_deadline_may_stand_on_other_clocks_than_the_partitions() -> None:
    promise = FreshnessPromise(deadline="0 23 * * *", timezone="UTC")  # 08:00 of the next day in Seoul
    found = judge_deadline(promise, data(*GOOD), at(6, 12))
    assert found is not None
    assert (found.partition, found.due) == ("2026-01-05", at(6, 8))


def test_two_deadlines_a_day_ask_for_the_same_partition() -> None:
    promise = FreshnessPromise(deadline="0 9,17 * * *")
    late = data(*GOOD, (5, at(6, 12)))
    states = [judge_deadline(promise, late, at(6, hour)) for hour in (9, 12, 17)]
    assert [each and each.state for each in states] == [State.BROKEN, State.RECOVERED, State.ON_TRACK]


def test_the_age_is_kept_until_it_is_exceeded() -> None:
    last = at(5, 6)
    states = [judge_max_age(NINE, data(*GOOD), last + timedelta(hours=26) + d) for d in (timedelta(), TICK)]
    assert [each and each.state for each in states] == [State.ON_TRACK, State.BROKEN]
    assert states[1] is not None
    assert states[1].since == last + timedelta(hours=26)


def test_running_the_same_partition_again_does_not_make_it_younger() -> None:
    again = data(*GOOD, (4, at(5, 20)))
    found = judge_max_age(NINE, again, at(6, 9))
    assert found is not None
    assert (found.state, found.actual) == (State.BROKEN, 27.0)


def test_a_whole_table_owes_a_publish_between_two_deadlines() -> None:
    table = PublishedKeys((Publish(at(5, 10)),))
    promise = FreshnessPromise(deadline="0 9 * * *", timezone=SEOUL)
    states = [judge_deadline(promise, table, when) for when in (at(6, 9), at(7, 9))]
    assert [each and each.state for each in states] == [State.ON_TRACK, State.BROKEN]


def test_a_whole_table_that_was_never_published_breaks_both_promises() -> None:
    promise = FreshnessPromise(deadline="0 9 * * *", max_age_hours=26)
    for judge in (judge_deadline, judge_max_age):
        found = judge(promise, PublishedKeys(), at(6, 9))
        assert found is not None
        assert (found.state, found.since) == (State.BROKEN, None)
        new = judge(promise, PublishedKeys(known_since=at(6, 0)), at(6, 8))
        assert new is not None
        assert new.state is State.UNMEASURED, "a pipeline that is new owes nothing yet"


def test_what_is_not_promised_is_not_judged() -> None:
    assert judge_deadline(FreshnessPromise(max_age_hours=1), data(), at(6, 9)) is None
    assert judge_max_age(FreshnessPromise(deadline="0 9 * * *"), data(), at(6, 9)) is None


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(EtlError, match="no time zone"):
        judge_deadline(NINE, data(), datetime(2026, 1, 1))  # noqa: DTZ001


def test_what_happens_later_changes_no_verdict() -> None:
    future = data(*GOOD, (5, at(6, 12)))
    found = judge_deadline(NINE, future, at(6, 11))
    assert found is not None
    assert found.state is State.BROKEN
