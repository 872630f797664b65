"""Writes moments, partitions and numbers as people read them. Every time names its zone.

Belongs here: the words. Not here: where they stand on the page (`render`).
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from etl.partitions.keys import begin_of, kind_of, moved
from etl.plural import counted

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, and marks that turn the direction of the text around them."""


def visible(text: str) -> str:
    """Return a text of a person without control characters and without marks that turn the direction of text."""
    return _UNSEEN.sub("", text)


def zone_label(at: datetime, zone: str) -> str:
    """Return how the zone is called at a moment: KST, CEST, or UTC+05:30 where it has no letters."""
    local = at.astimezone(ZoneInfo(zone))
    name = local.tzname() or ""
    if name.isalpha():
        return name
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def clock(at: datetime, zone: str) -> str:
    """Return `09:14 KST`."""
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M} {zone_label(at, zone)}"


def short_moment(at: datetime, zone: str) -> str:
    """Return `5 Jan, 09:14 KST`, with the year if it is not the present one."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{short_day(local.date())}, {clock(at, zone)}"


def long_moment(at: datetime, zone: str) -> str:
    """Return `09:14 KST on Monday, 5 January 2026`."""
    return f"{clock(at, zone)} on {long_day(at.astimezone(ZoneInfo(zone)).date())}"


def later_moment(at: datetime, before: datetime, zone: str) -> str:
    """Return a moment after another one: `10:00 KST`, with the day if it is another day."""
    local = ZoneInfo(zone)
    is_same = at.astimezone(local).date() == before.astimezone(local).date()
    return clock(at, zone) if is_same else long_moment(at, zone)


def long_day(day: date) -> str:
    """Return `Monday, 5 January 2026`."""
    return f"{_WEEKDAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day(day: date) -> str:
    """Return `5 Jan 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"


def month_name(day: date) -> str:
    """Return `Jan`."""
    return _MONTHS[day.month - 1][:3]


def partition(key: str, zone: str) -> str:
    """Return the partition in a few words: `Sun 4 Jan 2026`, `4 Jan 2026, 13:00 KST`, `week of 29 Dec 2025`, `EU`."""
    match kind_of(key) if key else None:
        case None:
            return key or "the whole table"
        case "day":
            day = begin_of(key)
            return f"{_WEEKDAYS[day.weekday()][:3]} {short_day(day)}"
        case "hour":
            at = begin_of(key)
            return short_moment(at, zone) if isinstance(at, datetime) else key
        case "week":
            return f"week of {short_day(begin_of(key))}"
        case "month":
            day = begin_of(key)
            return f"{_MONTHS[day.month - 1]} {day.year}"
        case _:
            return key


def end_of(key: str, zone: str) -> str:
    """Return the end of a partition by time in words: `the end of Sunday, 4 January 2026`."""
    match kind_of(key):
        case "day":
            return f"the end of {long_day(begin_of(key))}"
        case "hour":
            following = begin_of(moved(key, 1))
            return long_moment(following, zone) if isinstance(following, datetime) else key
        case "week":
            return f"the end of the week of {long_day(begin_of(key))}"
        case "month":
            day = begin_of(key)
            return f"the end of {_MONTHS[day.month - 1]} {day.year}"
        case _:
            return key


def last_day_before(at: datetime, zone: str) -> str:
    """Return the end of data at a moment in words; a midnight is the end of the day before."""
    local = at.astimezone(ZoneInfo(zone))
    before = (at - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
    if before.date() != local.date():
        return f"the end of {long_day(before.date())}"
    return long_moment(at, zone)


def number(value: float) -> str:
    """Return a number with separated thousands; of a fraction, two digits."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage. A share that is not whole is never rounded up to 100 %."""
    if share is None:
        return "not known"
    text = f"{share:.1%}"
    return "99.9%" if text == "100.0%" and share < 1 else text.replace(".0%", "%")


def span(duration: timedelta) -> str:
    """Return a duration in its largest units: `3 h 20 min`, `2 days`."""
    minutes = int(duration.total_seconds() // 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return counted(minutes // (24 * 60), "day")


def iso(at: datetime) -> str:
    """Return a moment for a machine."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
