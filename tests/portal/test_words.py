"""Moments, partitions and numbers in words."""

from datetime import UTC, datetime, timedelta

import pytest

from etl.portal import words

AT = datetime(2026, 1, 5, 0, 14, tzinfo=UTC)


def test_every_moment_names_its_zone() -> None:
    assert words.short_moment(AT, "Asia/Seoul") == "5 Jan 2026, 09:14 KST"
    assert words.long_moment(AT, "Asia/Kolkata") == "05:44 IST on Monday, 5 January 2026"
    assert words.clock(AT, "America/Sao_Paulo") == "21:14 UTC-03:00"
    assert words.clock(AT, "Asia/Kathmandu") == "05:59 UTC+05:45"
    assert words.iso(AT) == "2026-01-05T00:14:00Z"
    assert words.later_moment(AT + timedelta(hours=1), AT, "UTC") == "01:14 UTC"
    assert words.later_moment(AT + timedelta(days=1), AT, "UTC") == "00:14 UTC on Tuesday, 6 January 2026"


@pytest.mark.parametrize(
    ("key", "short", "end"),
    [
        ("2026-01-04", "Sun 4 Jan 2026", "the end of Sunday, 4 January 2026"),
        ("2026-01-04T0400Z", "4 Jan 2026, 13:00 KST", "14:00 KST on Sunday, 4 January 2026"),
        ("2026-W01-1", "week of 29 Dec 2025", "the end of the week of Monday, 29 December 2025"),
        ("2026-01", "January 2026", "the end of January 2026"),
        ("EU", "EU", "EU"),
    ],
)
def test_partitions(key: str, short: str, end: str) -> None:
    assert (words.partition(key, "Asia/Seoul"), words.end_of(key, "Asia/Seoul")) == (short, end)


def test_a_midnight_is_the_end_of_the_day_before() -> None:
    midnight = datetime(2026, 1, 5, 15, tzinfo=UTC)
    assert words.last_day_before(midnight, "Asia/Seoul") == "the end of Monday, 5 January 2026"
    assert words.last_day_before(midnight, "UTC") == "15:00 UTC on Monday, 5 January 2026"


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert [words.percent(each) for each in (1.0, 0.9999, 0.5, 0.123, None)] == [
        "100%", "99.9%", "50%", "12.3%", "not known",
    ]  # fmt: skip


def test_what_cannot_be_seen_is_taken_out_of_a_text() -> None:
    assert words.visible("a\u202eb\u2066c\u200fd\x00e\x1b[0m") == "abcde[0m"
    assert words.visible("café 이름 🙂\n") == "café 이름 🙂\n"


def test_numbers_and_spans() -> None:
    assert [words.number(1234567), words.number(0.5)] == [
        "1,234,567", "0.50",
    ]  # fmt: skip
    assert [words.span(timedelta(minutes=each)) for each in (5, 90, 120, 3000)] == [
        "5 min",
        "1 h 30 min",
        "2 h",
        "2 days",
    ]
