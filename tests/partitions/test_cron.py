"""When a deadline falls, also when the clocks change."""

import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string
from dagster._vendored.croniter.croniter import CroniterBadDateError
from hypothesis import given, settings, strategies as st

from etl.partitions.cron import day_start, deadlines_after, deadlines_back, moment, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")


def text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("zone", "day", "at", "utc"),
    [
        ("Europe/Berlin", date(2026, 3, 28), time(2, 30), "2026-03-28 01:30"),
        ("Europe/Berlin", date(2026, 3, 29), time(2, 30), "2026-03-29 01:00"),  # skipped: when the gap ends
        ("Europe/Berlin", date(2026, 3, 29), time(2, 0), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 3, 29), time(3, 0), "2026-03-29 01:00"),
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), "2026-10-25 01:30"),  # twice: the second time
        ("Europe/Berlin", date(2026, 10, 25), time(3, 0), "2026-10-25 02:00"),
        ("America/New_York", date(2026, 3, 8), time(2, 15), "2026-03-08 07:00"),
        ("America/New_York", date(2026, 11, 1), time(1, 15), "2026-11-01 06:15"),
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 10), "2026-10-03 15:30"),
        ("Asia/Seoul", date(2026, 3, 29), time(9, 0), "2026-03-29 00:00"),
    ],
)
def test_a_local_time_is_one_moment(zone: str, day: date, at: time, utc: str) -> None:
    assert text(moment(ZoneInfo(zone), day, at)) == utc


@pytest.mark.parametrize(
    ("zone", "day", "utc"),
    [
        ("America/Havana", date(2026, 3, 8), "2026-03-08 05:00"),  # midnight is skipped
        ("America/Havana", date(2026, 11, 1), "2026-11-01 04:00"),  # midnight comes twice
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24 22:00"),
    ],
)
def test_a_day_begins_once(zone: str, day: date, utc: str) -> None:
    assert text(day_start(ZoneInfo(zone), day)) == utc


CRONS = [
    "0 9 * * *",
    "30 2 * * *",
    "*/20 1-3 * * *",
    "15 6 * * mon-fri",
    "0 0 1 * *",
    "0 12 13 * 5",
    "5 4 * jan,mar-nov/2 *",
]
CRONS += [
    "0 9 L * *",
    "0 9 15,L * *",
    "0 9 25-L * *",
    "0 9 ? * MON",
    "0 9 1 JAN-MAR ?",
    "0 9 * * FRI#2",
    "0 9 * * 1#1,3#5",
    "0 9 * * L5",
]
CRONS += [
    "0 9 * * mon-wed#3",
    "0 9 * * fri-mon",
    "0 22-2 * * *",
    "0 9 28-3 * *",
    "0 9 * nov-feb *",
    "0 9 1-31 * mon",
    "0 9 1-31 * */2",
    "0 9 L,2-1 * */3",
]
CRONS += [
    "0 9 L * mon",
    "0 9 * * 1/2",
    "0 9 * * 5-7",
    "0 9 * * 0-7/2",
    "0 9 * * 7-3",
    "@WEEKLY",
    "@midnight",
    "@hourly",
    "@yearly",
]
CRONS += ["@daily", "0 9 29 2 *", "10,50 */6 * * 0", "0 9 * * 7", "0 3 */10 * 1"]


@pytest.mark.parametrize("cron", CRONS)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_deadlines_fall_when_a_schedule_of_the_same_text_ticks(cron: str, zone: str) -> None:
    start = datetime(2026, 2, 1, tzinfo=UTC)
    expected = []
    for each in islice(cron_string_iterator(start.timestamp(), cron, zone), 400):
        if each.timestamp() > start.timestamp():
            expected.append(text(each))
    mine = [text(each) for each in islice(deadlines_after(parse_cron(cron), ZoneInfo(zone), start), len(expected))]
    if cron != "*/20 1-3 * * *":
        assert mine == list(dict.fromkeys(expected))[: len(mine)]
    else:  # a schedule ticks in both of two equal hours, a deadline falls once
        assert set(mine) <= set(expected) | {"2026-03-29 01:00", "2026-03-08 07:00"}


ITEMS = {
    "minute": st.integers(0, 59).map(str),
    "hour": st.integers(0, 23).map(str),
    "day": st.integers(1, 31).map(str),
    "month": st.integers(1, 12).map(str) | st.sampled_from(["jan", "FEB", "Dec"]),
    "weekday": st.integers(0, 7).map(str) | st.sampled_from(["sun", "MON", "Fri"]),
}
SPECIAL = {
    "day": st.sampled_from(["?", "L", "l", "20-L"]),
    "weekday": st.sampled_from(["?", "fri#1", "3#5", "L2", "L7", "sat-tue#2", "mon#6"]),
}


def fields(name: str) -> st.SearchStrategy[str]:
    """One field: what people write in it, and what they write wrongly."""
    one = ITEMS[name]
    step = st.integers(1, 9)
    item = st.one_of(
        one,
        st.tuples(one, one).map("-".join),
        st.tuples(one, one, step).map(lambda parts: "{}-{}/{}".format(*parts)),
        st.tuples(one, step).map(lambda parts: "{}/{}".format(*parts)),
        step.map("*/{}".format),
        SPECIAL.get(name, one),
    )
    return st.just("*") | st.lists(item, min_size=1, max_size=3).map(",".join)


@given(st.tuples(*map(fields, ITEMS)).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_what_is_accepted_is_what_a_schedule_accepts_and_means_the_same(cron: str) -> None:
    try:
        mine = parse_cron(cron)
    except ValueError:
        return  # which of Dagster's expressions are refused, the list below says
    assert is_valid_cron_string(cron)
    start = datetime(2026, 1, 15, 12, tzinfo=UTC)
    found = list(islice(deadlines_after(mine, ZoneInfo("UTC"), start), 12))
    try:
        ticks = [each for each in islice(cron_string_iterator(start.timestamp(), cron, "UTC"), 13) if each > start]
    except CroniterBadDateError:  # Dagster looks for a last tick too, and gives up where it is years ago
        return
    assert [each.timestamp() for each in ticks[: len(found)]] == [each.timestamp() for each in found[: len(ticks)]]
    assert found


def test_looking_back_sees_what_looking_ahead_saw() -> None:
    cron = parse_cron("10,40 */5 * * 1-5")
    begin, dice = datetime(2026, 3, 20, tzinfo=UTC), random.Random(5)
    ahead = list(islice(deadlines_after(cron, BERLIN, begin), 200))
    for _ in range(50):
        now = begin + timedelta(minutes=dice.randint(0, 20000))
        before = [each for each in ahead if each <= now]
        back = list(islice(deadlines_back(cron, BERLIN, now), len(before)))
        assert back == before[::-1]


def test_a_deadline_is_at_its_moment_not_after_it() -> None:
    cron, nine = parse_cron("0 9 * * *"), datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert next(deadlines_back(cron, ZoneInfo("UTC"), nine)) == nine
    assert next(deadlines_after(cron, ZoneInfo("UTC"), nine)) == nine + timedelta(days=1)


def test_weekends_are_left_out_of_business_days() -> None:
    friday = datetime(2026, 1, 2, 9, tzinfo=UTC)
    found = deadlines_after(parse_cron("0 9 * * *"), ZoneInfo("UTC"), friday, business_days=True)
    assert [each.day for each in islice(found, 3)] == [5, 6, 7]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("", "five fields"),
        ("0 9 * *", "five fields"),
        ("0 9 * * * *", "five fields"),
        ("60 9 * * *", "`60` is no minute"),
        ("0 9 0 * *", "`0` is no day of month"),
        ("0 9 * 13 *", "no month"),
        ("0 9 * * 8", "no day of week"),
        ("0 9 * * moon", "`moon` is no day of week"),
        ("5-1/2 9 * * *", "list the values"),
        ("0 9-9 * * *", "Dagster reads it as all of them; write `9`"),
        ("0 9 31/2 * *", "Dagster reads it as all of them; write `31`"),
        ("0 9 * * 0,*", "`\\*` stands alone"),
        ("0 9 L,* * *", "`\\*` stands alone"),
        ("? 9 * * *", "`\\?` is no minute"),
        ("L 9 * * *", "`l` is no minute"),
        ("0 9 ?,1 * *", "`\\?` is no day of month"),
        ("0 9 * * fri#6", "`fri#6` is no day of week"),
        ("0 9 * * 1-5#2", "`1-5#2` is no day of week"),
        ("0 9 * * fri#2,mon", "mixes weekdays"),
        ("0 9 1 * fri#2", "would leave them out"),
        ("0 9 15W * *", "`15w` is no day of month"),
        ("R 9 * * *", "`r` is no minute"),
        ("H 9 * * *", "`h` is no minute"),
        ("@reboot", "five fields"),
        (" @daily", "five fields"),
        ("0 9 30 2 1", "never comes"),
        ("*/0 9 * * *", "no minute"),
        ("-1 9 * * *", "no minute"),
        ("*-5 9 * * *", "no minute"),
        ("0 9 31 4 *", "never comes"),
    ],
)
def test_a_text_that_is_no_cron_is_refused_with_the_field(wrong: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_cron(wrong)
