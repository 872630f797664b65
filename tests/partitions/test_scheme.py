"""Keys, windows and completeness. The oracle is DuckDB's own arithmetic of time zones, never the code."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, strategies as st

from etl.partitions.keys import UNITS, Unit
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable, boundary, named_time

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Seoul", "Asia/Kolkata", "America/Havana", "Africa/Cairo",
    "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
MOMENTS = st.integers(1_262_304_000, 1_830_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
CALENDAR: tuple[Unit, ...] = ("day", "week", "month")
TICK = timedelta(microseconds=1)


def local_begin(unit: str, zone: str, moments: Sequence[datetime]) -> list[str]:
    """The first day of the unit that the clocks of a zone show at each moment, by the database."""
    values = ", ".join(f"({n}, TIMESTAMPTZ '{each:%Y-%m-%d %H:%M:%S.%f}+00')" for n, each in enumerate(moments))
    sql = f"""
        SELECT CAST(CAST(date_trunc('{unit}', timezone('{zone}', m.moment)) AS DATE) AS VARCHAR)
        FROM (VALUES {values}) AS m(n, moment) ORDER BY n
    """
    return [row[0] for row in duckdb.sql(sql).fetchall()]


@given(at=MOMENTS, unit=st.sampled_from(CALENDAR), zone=st.sampled_from(ZONES))
def test_a_window_holds_exactly_the_moments_of_its_unit_in_the_zone(at: datetime, unit: Unit, zone: str) -> None:
    scheme = TimeScheme(unit, boundary(unit, "2001-01-01", zone), None, zone)
    key = scheme.key_at(at)
    start, end = scheme.window(key)
    assert start <= at < end
    before, first, inside, last, after = local_begin(unit, zone, [start - TICK, start, at, end - TICK, end])
    assert before < first == inside == last < after
    assert scheme.complete_at(key) == end


@given(at=MOMENTS, zone=st.sampled_from(ZONES))
def test_the_hours_of_a_day_are_as_many_as_it_is_long(at: datetime, zone: str) -> None:
    """The length of the local day by the database, at whose full hours it is cut."""
    day = local_begin("day", zone, [at])[0]
    hours = TimeScheme("hour", boundary("hour", day, zone), None, zone)
    keys = hours.between(*hours.range(day, day))
    windows = [hours.window(key) for key in keys]
    assert len(set(keys)) == len(keys)
    assert all(end - start == timedelta(hours=1) for start, end in windows)
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    inside = local_begin("day", zone, [windows[0][0] - TICK, windows[0][0], windows[-1][1] - timedelta(minutes=61)])
    assert inside[0] < day == inside[1] == inside[2]
    assert local_begin("day", zone, [windows[-1][1]])[0] > day


@pytest.mark.parametrize(("day", "count"), [("2025-10-26", 25), ("2026-03-29", 23), ("2026-01-05", 24)])
def test_the_days_on_which_clocks_change(day: str, count: int) -> None:
    hours = TimeScheme("hour", boundary("hour", day, "Europe/Berlin"), None, "Europe/Berlin")
    assert hours.count(*hours.range(day, day)) == count


@given(at=MOMENTS, unit=st.sampled_from(UNITS), zone=st.sampled_from(ZONES), behind=st.integers(0, 5))
def test_what_is_complete_has_ended_and_nothing_more_has(at: datetime, unit: Unit, zone: str, behind: int) -> None:
    start = boundary(unit, "2009-06-01", zone)
    scheme = TimeScheme(unit, start, None, zone)
    newest = scheme.newest_complete(at)
    assert newest is not None
    end = scheme.window(newest)[1]
    assert end <= at < scheme.complete_at(scheme.key_at(at))
    assert scheme.key_at(end) == scheme.key_at(at)
    recent = TimeScheme(unit, scheme.key_at(at - timedelta(days=40)), None, zone)
    keys = recent.keys(at)
    assert recent.keys(at, behind=behind) == (keys[:-behind] if behind else keys)
    if keys:
        assert recent.count(str(keys[0]), str(keys[-1])) == len(keys)
        assert keys[-1] == newest


def test_an_end_that_is_over_is_not_shortened_by_what_may_still_come_late() -> None:
    days = TimeScheme("day", "2026-01-01", "2026-01-03")
    assert days.keys(datetime(2026, 1, 5, tzinfo=UTC), behind=1) == ("2026-01-01", "2026-01-02", "2026-01-03")
    assert days.keys(datetime(2026, 1, 4, tzinfo=UTC), behind=1) == ("2026-01-01", "2026-01-02")
    assert days.keys(datetime(2026, 1, 1, tzinfo=UTC)) == ()


@pytest.mark.parametrize(
    ("unit", "first", "last", "wanted"),
    [
        ("day", "2026-01", "2026-01", ("2026-01-01", "2026-01-31")),
        ("day", "2026-W02", "2026-W02", ("2026-01-05", "2026-01-11")),
        ("week", "2026-01-07", "2026-01-12", ("2026-W02-1", "2026-W03-1")),
        ("month", "2026-01-31", "2026-02-01", ("2026-01", "2026-02")),
        ("hour", "2026-01-05T06:00", "2026-01-05T07:00", ("2026-01-05T0500Z", "2026-01-05T0600Z")),
        ("hour", "2025-10-26T0000Z", "2025-10-26T01:00Z", ("2025-10-26T0000Z", "2025-10-26T0100Z")),
        ("hour", "2026-01-05", "2026-01-05", ("2026-01-04T2300Z", "2026-01-05T2200Z")),
    ],
)
def test_what_a_person_writes(unit: Unit, first: str, last: str, wanted: tuple[str, str]) -> None:
    scheme = TimeScheme(unit, boundary(unit, "2025-09-01", "Europe/Berlin"), None, "Europe/Berlin")
    assert scheme.range(first, last) == wanted


@pytest.mark.parametrize(
    "text", ["", "x", "emea", "20260105", "2026-02-30", "2026", "06:00", "2026-01-05 25:00", "9999-12-31"]
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-01-31"):
        TimeScheme("day", "2026-01-01").range(text, text)


@pytest.mark.parametrize(
    ("zone", "start", "text", "around"),
    [
        ("Europe/Berlin", "2026-01-05", "2026-01-05T01:30", "2026-01-05T0000Z"),
        ("Europe/Berlin", "2026-01-05", "2026-01-05T0030Z", "2026-01-05T0000Z"),
        ("Asia/Kolkata", "2026-01-05", "2026-01-05T0100Z", "2026-01-05T0030Z"),
        # After the change by thirty minutes the hours that began at full ones go on from the half hour.
        ("America/Caracas", "2016-04-30", "2016-05-02T06:00", "2016-05-02T0930Z"),
        ("Australia/Lord_Howe", "2026-04-04", "2026-04-06T06:00", "2026-04-05T1900Z"),
    ],
)
def test_a_time_at_which_no_hour_begins_is_refused(zone: str, start: str, text: str, around: str) -> None:
    hours = TimeScheme("hour", boundary("hour", start, zone), None, zone)
    for first, last in ((text, text), (start, text), (text, "2026-12-31")):
        with pytest.raises(ValueError, match=f"no hour begins at {text}: the hour around it is {around}"):
            hours.range(first, last)
    assert hours.range(around, around) == (around, around)


def test_the_order_of_a_list_is_that_of_its_author() -> None:
    regions = StaticKeys("region", ("emea", "apac", "amer"))
    assert regions.range("emea", "apac") == ("emea", "apac")
    assert regions.count("emea", "amer") == 3
    with pytest.raises(ValueError, match="stands before"):
        regions.range("amer", "emea")
    with pytest.raises(ValueError, match="no region `Emea`: there are emea, apac, amer"):
        regions.range("Emea", "apac")


def test_a_whole_table_is_one_object_without_a_key() -> None:
    whole = WholeTable()
    assert (whole.keys(datetime.now(UTC)), whole.has("2026-01-01"), whole.first) == ((None,), False, None)


@pytest.mark.parametrize(
    ("unit", "text", "said"),
    [
        ("week", "2026-01-06", "no week begins on 2026-01-06: the week around it begins on 2026-01-05"),
        ("month", "2026-01-06", "the month around it begins on 2026-01-01"),
        ("hour", "2026-01-06T06:10", "write a full hour of Asia/Kolkata"),
    ],
)
def test_a_start_that_is_on_no_boundary(unit: Unit, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        boundary(unit, text, "Asia/Kolkata")


def test_an_hour_is_sixty_minutes_wherever_it_is_named() -> None:
    begin, end = named_time("2026-03-29T02:30", "Europe/Berlin")  # the clocks do not show it
    assert (begin, end - begin) == (datetime(2026, 3, 29, 1, tzinfo=UTC), timedelta(hours=1))
    assert date(2026, 3, 29) == begin.date()
