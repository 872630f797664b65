"""When a deadline falls: five cron fields read as local times of a zone.

Belongs here: parsing a deadline's cron, and the moments it names. Not here: what is due at such a moment
(`freshness`), and nothing is scheduled by this (that is Dagster's work).

A field is read as Dagster reads it, so that a deadline and a schedule of one text mean one moment. Beside `*`, numbers,
names, ranges, lists and steps these are: `?` (any day), `L` (the last day of the month), `fri#2` (the second Friday),
`L5` (the last Friday), and a range that goes round the end, such as `fri-mon` or `22-2`. What Dagster accepts and
reads as something that nobody means is refused: `9-9` is every hour there, `H` and `R` are times drawn by chance.

Clock changes, decided as Dagster's schedules do it: a local time that is skipped means the first moment after the gap;
one that happens twice means the second time.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

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
SUNDAY_TOO = 7
LONGEST_PAUSE = timedelta(days=8 * 366)  # 29 February around a century that has none
_ITEM = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
_NTH = re.compile(r"(\w+)(?:-(\w+))?#([1-5])")
_LAST_WEEKDAY = re.compile(r"l([0-7])")
_OPEN_END = {"day of week": 6}  # `*/2` and `1/2` end with Saturday; only a range that is written out ends with 7
_ANY_DAY, _LAST = "?", "l"


@dataclass(frozen=True, slots=True, eq=False)  # known by its identity, as `parse_cron` reads each text once
class Cron:
    """The times of day and the days that five fields name."""

    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Both day fields are restricted: then a day that satisfies one of them counts, as in every cron."""
    last_day: bool = False
    """The last day of each month is one of its days."""
    nth: frozenset[tuple[int, int]] = frozenset()
    """Weekdays of a certain place in the month, such as the second Friday: (5, 2). Zero is the last one."""

    def names(self, day: date) -> bool:
        """Whether `day` is one of its days."""
        if day.month not in self.months:
            return False
        last = monthrange(day.year, day.month)[1]
        by_month = day.day in self.days or (self.last_day and day.day == last)
        weekday, place = day.isoweekday() % 7, (day.day + 6) // 7
        by_week = weekday in self.weekdays or (weekday, place) in self.nth
        by_week = by_week or ((weekday, 0) in self.nth and day.day + 7 > last)
        return by_month or by_week if self.either else by_month and by_week


@cache
def parse_cron(text: str) -> Cron:
    """Read five fields. Raises ValueError that says which field is wrong."""
    parts = ALIASES.get(text.lower(), text.lower()).split()
    if len(parts) != len(FIELDS):
        raise ValueError(f"`{text}` is no cron expression: it needs five fields, minute hour day month weekday")
    minutes, hours = (_values(part, *field) for part, field in zip(parts[:2], FIELDS, strict=False))
    days, last_day = _days_of_month(parts[2])
    months = _values(parts[3], *FIELDS[3])
    weekdays, nth = _days_of_week(parts[4])
    # Every value of a day field is no restriction only where the other field says `*`: as in Dagster's schedules.
    every_day = len(days) == FIELDS[2][2] and not last_day
    any_day = parts[2] in ("*", _ANY_DAY) or (every_day and "*" in parts[4])
    any_weekday = parts[4] in ("*", _ANY_DAY) or (len(weekdays) == len(WEEKDAYS) and "*" in parts[2])
    cron = Cron(
        times=tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)),
        days=days,
        months=months,
        weekdays=weekdays,
        either=not any_day and not any_weekday,
        last_day=last_day,
        nth=nth,
    )
    if nth and not any_day:
        raise ValueError(
            f"`{text}` has days of the month beside `{parts[4]}`, and Dagster would leave them out: write `*` for them"
        )
    leap_year = date(2024, 1, 1)
    february = months == {2} and days in ({30}, {31}) and not last_day  # Dagster refuses it beside weekdays too
    if february or not any(cron.names(leap_year + timedelta(days=n)) for n in range(366 * 8)):
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


def _days_of_month(text: str) -> tuple[frozenset[int], bool]:
    """The days by number, and whether the last one of each month counts too."""
    field = FIELDS[2]
    if text == _ANY_DAY:
        return _values("*", *field), False
    items = [f"{each[:-1]}{field[2]}" if each.endswith("-l") else each for each in text.split(",")]
    if "*" in items and len(items) > 1:
        raise ValueError(f"`{text}` is no {field[0]}: `*` stands alone")
    numbers = ",".join(each for each in items if each != _LAST)
    return _values(numbers, *field) if numbers else frozenset(), _LAST in items


def _days_of_week(text: str) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """The weekdays, and those of a certain place in the month. Sunday is 0."""
    field = FIELDS[4]
    if text == _ANY_DAY:
        return _values("*", *field), frozenset()
    nth: set[tuple[int, int]] = set()
    plain: list[str] = []
    for item in text.split(","):
        last = _LAST_WEEKDAY.fullmatch(item)
        placed = _NTH.fullmatch(item)
        if last is not None:
            nth.add((int(last[1]) % 7, 0))
        elif placed is not None:
            first, until, place = placed.groups()
            if until and not (first in WEEKDAYS and until in WEEKDAYS):
                raise ValueError(f"`{item}` is no day of week: write the days by name, such as mon-wed#{place}")
            days = _values(f"{first}-{until}" if until else first, *field)
            nth |= {(day % 7, int(place)) for day in days}
        else:
            plain.append(item)
    if nth and plain:
        raise ValueError(f"`{text}` mixes weekdays with those of a certain place in the month, which Dagster refuses")
    weekdays = _values(",".join(plain), *field) if plain else frozenset[int]()
    return frozenset(day % 7 for day in weekdays), frozenset(nth)


def _values(text: str, name: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None or (item == "*" and text != "*"):
            raise ValueError(f"`{item}` is no {name}{_hint(item)}")
        first, last, step = match.groups()
        open_end = _OPEN_END.get(name, high)
        if first == "*":
            if last:
                raise ValueError(f"`{item}` is no {name}")
            start, stop = low, open_end
        else:
            start = _number(first, name)
            stop = _number(last, name) if last else open_end if step else start
            if (last or step) and name == "day of week" and start == SUNDAY_TOO != stop:
                start = 0
        if not (low <= start <= high and low <= stop <= high) or (step and int(step) == 0):
            raise ValueError(f"`{item}` is no {name}: it goes from {low} to {high}")
        if start == stop and (last or step):
            raise ValueError(f"`{item}` is no {name}: Dagster reads it as all of them; write `{start}` or `*`")
        if start <= stop:
            values.update(range(start, stop + 1, int(step or 1)))
        elif step:
            raise ValueError(f"`{item}` is no {name}: a range that goes round the end has no steps; list the values")
        else:
            values.update((*range(start, open_end + 1), *range(low, stop + 1)))
    return frozenset(values)


def _hint(item: str) -> str:
    return ": `*` stands alone" if item == "*" else ""


def _number(text: str, name: str) -> int:
    names = {"month": MONTHS, "day of week": WEEKDAYS}.get(name, ())
    if text in names:
        return names.index(text) + (1 if name == "month" else 0)
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"`{text}` is no {name}")
    return int(text)


def _cron_text(value: str) -> str:
    parse_cron(value)
    return value


CronText = Annotated[str, AfterValidator(_cron_text)]
