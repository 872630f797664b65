"""When a deadline falls: five cron fields read as local times of a zone.

Belongs here: parsing a deadline's cron, and the moments it names. Does not: what is due at such a moment
(`freshness`), and nothing is scheduled by this (that is Dagster's work).

Clock changes, decided as Dagster's schedules do it, so that a deadline and a schedule of one text mean one moment:
a local time that is skipped means the first moment after the gap; one that happens twice means the second time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SATURDAY = 5
LONGEST_PAUSE = timedelta(days=8 * 366)  # 29 February around a century that has none
_ITEM = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")


@dataclass(frozen=True, slots=True, eq=False)  # known by its identity, as `parse_cron` reads each text once
class Cron:
    """The times of day and the days that five fields name."""

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Both day fields are restricted: then a day that satisfies one of them counts, as in every cron."""

    def names(self, day: date) -> bool:
        """Whether `day` is one of its days."""
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_month or by_week if self.either else by_month and by_week


@cache
def parse_cron(text: str) -> Cron:
    """Read five fields. Raises ValueError that says which field is wrong."""
    parts = ALIASES.get(text.strip().lower(), text).split()
    if len(parts) != len(FIELDS):
        raise ValueError(f"`{text}` is no cron expression: it needs five fields, minute hour day month weekday")
    minutes, hours, days, months, weekdays = (_values(part, *field) for part, field in zip(parts, FIELDS, strict=True))
    cron = Cron(
        times=tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either=parts[2] != "*" and parts[4] != "*",
    )
    leap_year = date(2024, 1, 1)
    if not any(cron.names(leap_year + timedelta(days=n)) for n in range(366 * 8)):
        raise ValueError(f"`{text}` names a day that never comes")
    return cron


def deadlines_back(cron: Cron, zone: ZoneInfo, until: datetime, *, business_days: bool = False) -> Iterator[datetime]:
    """The deadlines at or before `until`, the latest first, in UTC."""
    last = until + timedelta(microseconds=1)
    for day in _days(until.astimezone(zone).date() + timedelta(days=1), -1):
        for each in reversed(_moments(cron, zone, day, business_days)):
            if each < last:
                last = each
                yield each


def deadlines_after(cron: Cron, zone: ZoneInfo, after: datetime, *, business_days: bool = False) -> Iterator[datetime]:
    """The deadlines later than `after`, the earliest first, in UTC."""
    last = after
    for day in _days(after.astimezone(zone).date() - timedelta(days=1), +1):
        for each in _moments(cron, zone, day, business_days):
            if each > last:
                last = each
                yield each


def moment(zone: ZoneInfo, day: date, at: time) -> datetime:
    """The moment, in UTC, at which the clocks of `zone` show `at` on `day`, as the module says for clock changes."""
    local = datetime.combine(day, at)
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first <= second:
        return second  # the usual moment, or the second of two
    return _change(zone, second, first)


@lru_cache(maxsize=4096)
def day_start(zone: ZoneInfo, day: date) -> datetime:
    """The moment, in UTC, at which `day` begins in `zone`: the first midnight, or the end of the gap it fell into."""
    midnight = datetime.combine(day, time())
    first = midnight.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return first if first <= second else _change(zone, second, first)


@lru_cache(maxsize=4096)  # pipelines share their deadlines, and a tick asks for the same few days again and again
def _moments(cron: Cron, zone: ZoneInfo, day: date, business_days: bool) -> tuple[datetime, ...]:
    if not cron.names(day) or (business_days and day.weekday() >= SATURDAY):
        return ()
    return tuple(moment(zone, day, at) for at in cron.times)


def _days(start: date, step: int) -> Iterator[date]:
    for n in range(LONGEST_PAUSE.days):
        yield start + timedelta(days=step * n)


@cache
def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second at which the offset changes between two moments of UTC."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old = before.astimezone(zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _values(text: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"`{item}` is no {name}")
        first, last, step = match.groups()
        if first == "*":
            if last:
                raise ValueError(f"`{item}` is no {name}")
            start, stop = low, min(high, 6) if name == "day of week" else high
        else:
            start = _number(first, name)
            stop = _number(last, name) if last else high if step else start
        if not low <= start <= stop <= high or step == "0":
            raise ValueError(f"`{item}` is no {name}: it goes from {low} to {high}")
        values.update(range(start, stop + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, name: str) -> int:
    names = {"month": MONTHS, "day of week": WEEKDAYS}.get(name, ())
    if text.lower() in names:
        return names.index(text.lower()) + (1 if name == "month" else 0)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"`{text}` is no {name}")
    return int(text)
