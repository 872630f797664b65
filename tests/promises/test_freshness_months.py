"""Simulated months with every kind of trouble: the verdicts equal those of the slow oracle, hour by hour."""

import random
from datetime import date, datetime, timedelta
from functools import cache

import pytest

from etl.partitions.scheme import TimeScheme
from etl.promises.freshness import Publish, PublishedKeys, judge_deadline, judge_max_age
from etl.sla.config import FreshnessPromise
from tests.promises.oracle import Calendar, Oracle, utc

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TYPICAL = timedelta(minutes=40)
SPANS = {  # each holds a clock change of the zones in it
    "spring 2026": (utc(2026, 3, 1), utc(2026, 4, 12)),
    "autumn 2026": (utc(2026, 10, 4), utc(2026, 11, 12)),
}
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Seoul", "America/Havana", "Australia/Lord_Howe"]


@cache
def calendar(zone: str, span: str) -> Calendar:
    begin, end = SPANS[span]
    return Calendar(zone, begin - 2 * DAY, end + 6 * DAY)


def trouble(dice: random.Random, day: date, complete: datetime, deadline: datetime) -> list[tuple[datetime, date]]:
    """When the partition of one day is published: in time, late, never, twice, half, exactly at the deadline."""
    in_time = complete + (deadline - complete) * dice.random()
    late = deadline + timedelta(minutes=dice.randint(1, 4000))
    early = complete - timedelta(minutes=dice.randint(1, 900))
    return dice.choice(
        [
            [(in_time, day)],
            [(in_time, day)],
            [(in_time, day)],
            [(late, day)],
            [],
            [(in_time, day), (in_time + 3 * HOUR, day)],
            [(early, day)],
            [(early, day), (late, day)],
            [(deadline, day)],
            [(deadline + timedelta(microseconds=1), day)],
            [(in_time, day - dice.randint(2, 9) * DAY)],  # the due one is forgotten, an old one filled
        ]
    )


def moments(begin: datetime, end: datetime, deadlines: list[datetime]) -> list[datetime]:
    hours = [begin + n * HOUR for n in range(int((end - begin) / HOUR))]
    tick = timedelta(microseconds=1)
    return sorted({*hours, *(at + d for at in deadlines if begin < at < end for d in (-tick, 0 * tick, tick))})


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", [1, 2])
def test_daily_partitions_are_judged_as_the_oracle_judges_them(zone: str, span: str, seed: int) -> None:
    dice = random.Random(f"{zone} {span} {seed}")
    begin, end = SPANS[span]
    clocks = calendar(zone, span)
    begins = clocks.begins()
    hour, minute = dice.choice([(2, 30), (0, 0), (1, 30), (9, 0), (23, 45), (3, 0), (0, 30), (2, 0)])
    business_days = dice.random() < 0.4
    deadlines = clocks.deadlines(hour * 60 + minute, lambda day: not business_days or day.weekday() < 5)
    start = begin.date() + dice.randint(0, 5) * DAY
    last = end.date() - 10 * DAY if dice.random() < 0.4 else None
    days = [start + n * DAY for n in range((end.date() - start).days)]
    publishes = []
    for day in days:
        due = next(at for at in deadlines if at >= begins[day + DAY])
        publishes += trouble(dice, day, begins[day + DAY], due)
    publishes = sorted((at, day) for at, day in publishes if start <= day and (last is None or day <= last))
    hours = dice.choice([20, 26, 30, 49])

    oracle = Oracle(deadlines, begins, start, last, publishes, TYPICAL, timedelta(hours=hours))
    promise = FreshnessPromise(deadline=f"{minute} {hour} * * *", max_age_hours=hours, business_days=business_days)
    scheme = TimeScheme("day", str(start), str(last) if last else None, zone)
    published = PublishedKeys(tuple(Publish(at, str(day)) for at, day in publishes), scheme)
    seen = set()
    for now in moments(begin, end, deadlines):
        oracle.advance(now)
        by_deadline = judge_deadline(promise, published, now, TYPICAL)
        by_age = judge_max_age(promise, published, now, TYPICAL)
        state, since = oracle.deadline_state(now)
        assert (now, by_deadline.state, by_deadline.since) == (now, state, since), by_deadline.message
        assert (now, by_age.state) == (now, oracle.age_state(now)), by_age.message
        seen.add(by_deadline.state)
    assert "broken" in seen


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("zone", ZONES)
def test_whole_tables_are_judged_as_the_oracle_judges_them(zone: str, span: str) -> None:
    dice = random.Random(f"{zone} {span}")
    begin, end = SPANS[span]
    clocks = calendar(zone, span)
    hour, minute = dice.choice([(2, 30), (1, 30), (9, 0)])
    deadlines = clocks.deadlines(hour * 60 + minute, lambda _: True)
    publishes: list[tuple[datetime, date | None]] = []
    for due in deadlines:
        publishes += dice.choice([[(due - dice.random() * DAY, None)], [], [(due, None)], [(due + HOUR, None)]])
    publishes.sort(key=lambda each: each[0])
    oracle = Oracle(deadlines, clocks.begins(), begin.date(), None, publishes, TYPICAL, 26 * HOUR, whole_table=True)
    promise = FreshnessPromise(deadline=f"{minute} {hour} * * *", timezone=zone, max_age_hours=26)
    published = PublishedKeys(tuple(Publish(at) for at, _ in publishes))
    first = deadlines[3]  # the oracle knows no deadline before its calendar begins
    seen = set()
    for now in moments(begin, end, deadlines):
        oracle.advance(now)
        if now < first:
            continue
        by_deadline = judge_deadline(promise, published, now, TYPICAL)
        by_age = judge_max_age(promise, published, now, TYPICAL)
        assert (now, by_deadline.state) == (now, oracle.deadline_state(now)[0]), by_deadline.message
        assert (now, by_age.state) == (now, oracle.age_state(now)), by_age.message
        seen.add(by_deadline.state)
    assert seen == {"on_track", "at_risk", "broken", "recovered"}
