"""What a key says by itself: its kind, its folder, its value in the warehouse, and the key after it."""

from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from hypothesis import given, strategies as st

from etl.partitions.keys import (
    UNITS,
    Unit,
    begin_of,
    column_type,
    column_value,
    folder_of,
    key_in,
    key_of,
    key_of_value,
    kind_of,
    moved,
)

DAYS = st.dates(date(1900, 1, 1), date(2100, 12, 31))
KEYS = {"hour": "2025-10-26T0100Z", "day": "2026-01-05", "week": "2026-W02-1", "month": "2026-01", "static": "emea"}


def key(unit: Unit, day: date) -> str:
    return key_of(unit, datetime(day.year, day.month, day.day, 13, 30, tzinfo=UTC) if unit == "hour" else day)


@pytest.mark.parametrize(("kind", "key"), KEYS.items())
def test_a_key_tells_its_kind_and_its_folder_gives_it_back(kind: str, key: str) -> None:
    assert kind_of(key) == kind
    folder = folder_of(key)
    assert key_in(folder) == key
    others = [f"{name}={key}" for name in ("dt", "hour", "week", "month", "key") if f"{name}={key}" != folder]
    assert [key_in(each) for each in others] == [None] * 4


def test_days_lie_where_they_lay_before() -> None:
    assert folder_of("2026-01-05") == "dt=2026-01-05"
    assert column_value("2026-01-05") == "CAST('2026-01-05' AS DATE)"


@pytest.mark.parametrize(
    "text",
    ["", "2026-1-5", "2026-02-30", "2026-W54-1", "2026-W02-2", "2026-W02", "2026-13", "2026-01-05T2460Z",
     "2026-01-05T0100", "a/b", "..", "a b", "a__b", "-a", "a-", "é", "a.b", "x" * 65, "2026-0", "2026-w1", "a\n"],
)  # fmt: skip
def test_what_is_no_key(text: str) -> None:
    assert kind_of(text) is None


@given(day=DAYS, unit=st.sampled_from(UNITS), count=st.integers(-400, 400))
def test_keys_go_forth_and_back_and_are_in_order_as_texts(day: date, unit: Unit, count: int) -> None:
    first = key(unit, day)
    other = moved(first, count)
    assert moved(other, -count) == first
    assert (first < other, first == other) == (count > 0, count == 0)


@given(day=DAYS, count=st.integers(-60, 60))
def test_weeks_and_months_are_those_of_the_database(day: date, count: int) -> None:
    """The oracle is DuckDB's calendar."""
    sql = f"""
        SELECT strftime(date_trunc('week', d) + INTERVAL ({count}) WEEK, '%G-W%V-%u'),
               strftime(date_trunc('month', d) + INTERVAL ({count}) MONTH, '%Y-%m'),
               CAST(date_trunc('week', d) AS DATE), CAST(date_trunc('month', d) AS DATE)
        FROM (SELECT DATE '{day}' AS d)
    """
    week, month, monday, first = duckdb.sql(sql).fetchall()[0]
    assert (moved(key("week", day), count), moved(key("month", day), count)) == (week, month)
    assert (begin_of(key("week", day)), begin_of(key("month", day))) == (monday, first)


@given(day=DAYS, unit=st.sampled_from(UNITS))
def test_the_partition_column_holds_the_key(day: date, unit: Unit) -> None:
    """The database's own value of the SQL is turned back into the key."""
    wanted = key(unit, day)
    value, kind = duckdb.sql(f"SELECT v, typeof(v) FROM (SELECT {column_value(wanted)} AS v)").fetchall()[0]
    assert kind == column_type(wanted)
    assert key_of_value(value, unit) == wanted


def test_hours_begin_at_another_minute_where_the_zone_does() -> None:
    assert moved("2026-01-05T2330Z", 1) == "2026-01-06T0030Z"
    assert begin_of("2026-01-05T2330Z") == datetime(2026, 1, 5, 23, 30, tzinfo=UTC) + timedelta(0)
