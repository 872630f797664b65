"""Divides a pipeline into partitions: by a unit of time, by a list of keys, or not at all.

Belongs here: `PartitionScheme` and its implementations: keys, windows, completeness, order. Not here: reading a key's
text (`keys`), Dagster's definitions (`etl.running.partition_definitions`), SQL.

A window contains its begin and not its end. Days, weeks and months begin at midnight in the scheme's zone, so a day can
have 23 or 25 hours. Hours follow each other in steps of sixty minutes from `start`, a full hour of the zone, so that no
hour occurs twice or is missing. If the clock changes by thirty minutes, later hours begin at half past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from etl.partitions.cron import day_start, moment
from etl.partitions.keys import Unit, begin_of, key_of, kind_of, moved

FIRST_YEAR, LAST_YEAR = 1000, 9000
"""Outside of these years Python cannot calculate with time zones."""
_TICK = timedelta(microseconds=1)
EXAMPLES: dict[Unit, str] = {
    "hour": "2026-01-31T13:00, or a day",
    "day": "2026-01-31",
    "week": "2026-W05, or a day",
    "month": "2026-01",
}


class PartitionScheme(Protocol):
    """The protocol of a way to divide rows into partitions."""

    @property
    def kind(self) -> Literal["hour", "day", "week", "month", "static", "whole"]:
        """The kind of the scheme."""

    @property
    def word(self) -> str:
        """The word for one partition in messages: day, hour, region."""

    @property
    def first(self) -> str | None:
        """The first key; None for a whole table."""

    def keys(self, at: datetime, *, behind: int = 0) -> Sequence[str | None]:
        """Return the keys that are complete at a moment, in order, without the newest `behind` keys."""

    def has(self, key: str) -> bool:
        """Whether the scheme has this key, complete or not."""

    def range(self, first: str, last: str) -> tuple[str, str]:
        """Return the first and last key that two texts of a person mean. The ValueError says what can be written."""

    def count(self, first: str, last: str) -> int:
        """Return the number of keys from `first` to `last`."""

    def comparable(self, key: str) -> Sequence[str]:
        """Return earlier keys that should have about as many rows."""


@dataclass(frozen=True, slots=True)
class WholeTable:
    """A pipeline without partitions: one object has all rows."""

    @property
    def kind(self) -> Literal["whole"]:
        """The kind of the scheme."""
        return "whole"

    @property
    def word(self) -> str:
        """The word for it in messages."""
        return "table"

    @property
    def first(self) -> None:
        """None, because there are no keys."""
        return

    def keys(self, at: datetime, *, behind: int = 0) -> Sequence[str | None]:  # noqa: ARG002  the protocol's
        """Return None for the table itself, at any time."""
        return (None,)

    def has(self, key: str) -> bool:  # noqa: ARG002  the protocol's
        """Return False, because there are no keys."""
        return False

    def range(self, first: str, last: str) -> tuple[str, str]:
        """Raise ValueError, because there are no keys."""
        raise ValueError(f"a whole table has no partition {first if first == last else f'{first} to {last}'}")

    def count(self, first: str, last: str) -> int:  # noqa: ARG002  the protocol's
        """Return 0, because there are no keys."""
        return 0

    def comparable(self, key: str) -> Sequence[str]:  # noqa: ARG002  the protocol's
        """Return nothing, because there are no keys."""
        return ()


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """Keys from a list, in its order: values of a column, or of the parameter `:partition`. All are always complete."""

    by: str
    values: tuple[str, ...]

    @property
    def kind(self) -> Literal["static"]:
        """The kind of the scheme."""
        return "static"

    @property
    def word(self) -> str:
        """The name of the column."""
        return self.by

    @property
    def first(self) -> str:
        """The first key of the list."""
        return self.values[0]

    def keys(self, at: datetime, *, behind: int = 0) -> Sequence[str | None]:  # noqa: ARG002  the protocol's
        """Return all keys, at any time."""
        return self.values

    def has(self, key: str) -> bool:
        """Whether the key is in the list."""
        return key in self.values

    def range(self, first: str, last: str) -> tuple[str, str]:
        """Return both keys. Raises ValueError if one is not in the list, or if they are not in its order."""
        for key in (first, last):
            if key not in self.values:
                raise ValueError(f"no {self.by} `{key}`: there are {', '.join(self.values)}")
        if self.values.index(first) > self.values.index(last):
            raise ValueError(f"`{last}` stands before `{first}` in the list {', '.join(self.values)}")
        return first, last

    def count(self, first: str, last: str) -> int:
        """Return the number of keys from `first` to `last`."""
        return self.values.index(last) - self.values.index(first) + 1

    def comparable(self, key: str) -> Sequence[str]:  # noqa: ARG002  the protocol's
        """Return nothing, because the keys of a list need not have similar numbers of rows."""
        return ()


@dataclass(frozen=True, slots=True)
class TimeScheme:
    """Every hour, day, week or month from the key `start` to the key `end`, both included, in the zone `timezone`."""

    unit: Unit
    start: str
    end: str | None = None
    timezone: str = "UTC"

    @property
    def kind(self) -> Unit:
        """The unit."""
        return self.unit

    @property
    def word(self) -> str:
        """The unit."""
        return self.unit

    @property
    def first(self) -> str:
        """The first key."""
        return self.start

    def window(self, key: str) -> tuple[datetime, datetime]:
        """Return when the partition begins, and when the next partition begins, in UTC."""
        return _begin_in(self.timezone, key), _begin_in(self.timezone, moved(key, 1))

    def complete_at(self, key: str) -> datetime:
        """Return when the partition is complete: when the next partition begins."""
        return _begin_in(self.timezone, moved(key, 1))

    def key_at(self, at: datetime) -> str:
        """Return the key of the partition that contains a moment, even if the key is before `start` or after `end`."""
        if self.unit != "hour":
            return key_of(self.unit, at.astimezone(ZoneInfo(self.timezone)).date())
        past_full = timedelta(minutes=int(self.start[13:15]))
        full = (at.astimezone(UTC) - past_full).replace(minute=0, second=0, microsecond=0)
        return key_of("hour", full + past_full)

    def newest_complete(self, at: datetime, *, behind: int = 0) -> str | None:
        """Return the newest key that is complete at a moment, or the key `behind` steps before it; None if none is."""
        key = moved(self.key_at(at), -1 - behind)
        if self.end is not None and key > self.end:
            key = self.end
        return key if key >= self.start else None

    def keys(self, at: datetime, *, behind: int = 0) -> Sequence[str | None]:
        """Return all keys from the first one to the newest complete one."""
        newest = self.newest_complete(at, behind=behind)
        return () if newest is None else self.between(self.start, newest)

    def between(self, first: str, last: str) -> tuple[str, ...]:
        """Return the keys from `first` to `last`, both included."""
        found, key = [], first
        while key <= last:
            found.append(key)
            key = moved(key, 1)
        return tuple(found)

    def count(self, first: str, last: str) -> int:
        """Return the number of keys from `first` to `last`."""
        begin, end = begin_of(first), begin_of(last)
        if self.unit == "month":
            return (end.year - begin.year) * 12 + end.month - begin.month + 1
        steps = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
        return (end - begin) // steps[self.unit] + 1

    def has(self, key: str) -> bool:
        """Whether the key is one from the first to the last key."""
        within = self.start <= key and (self.end is None or key <= self.end)
        return within and kind_of(key) == self.unit and self._aligned(key)

    @property
    def over_at(self) -> datetime | None:
        """The moment after which no new key becomes due; None without `end`."""
        return None if self.end is None else self.complete_at(moved(self.end, 1))

    def comparable(self, key: str) -> Sequence[str]:
        """Return the same weekday (and hour) of the last four weeks, or the last four weeks or months."""
        step = {"hour": 7 * 24, "day": 7, "week": 1, "month": 1}[self.unit]
        return [moved(key, -step * count) for count in range(1, 5)]

    def range(self, first: str, last: str) -> tuple[str, str]:
        """Return the first and last key of the time that two texts name: a date, an hour, a week, a month."""
        begin, end = self._named(first)[0], self._named(last)[1]
        if end <= begin:
            raise ValueError(f"{last} is before {first}")
        return self.key_at(begin), self.key_at(end - _TICK)

    def _aligned(self, key: str) -> bool:
        return self.unit != "hour" or key[13:15] == self.start[13:15]

    def _named(self, text: str) -> tuple[datetime, datetime]:
        try:
            begin, end = named_time(text, self.timezone)
        except (ValueError, OverflowError):
            raise ValueError(f"`{text}` is no {self.unit}: write it as {EXAMPLES[self.unit]}") from None
        around = self.key_at(begin)
        if self.unit == "hour" and end - begin == timedelta(hours=1) and begin_of(around) != begin:
            raise ValueError(f"no hour begins at {text}: the hour around it is {around}")
        return begin, end


def complete_range(schemes: Iterable[PartitionScheme], at: datetime) -> tuple[str, str] | None:
    """Return two texts that mean all complete partitions by time of these schemes; None if no partition is complete.

    They are keys if all schemes have the same unit, and else the first and the last day of all partitions.
    """
    timed = [each for each in schemes if isinstance(each, TimeScheme)]
    found = [(each.start, last) for each in timed if (last := each.newest_complete(at)) is not None]
    if not found:
        return None
    if len({kind_of(first) for first, _ in found}) > 1:
        found = [(f"{begin_of(first)!s:.10}", _last_day(last)) for first, last in found]
    return min(first for first, _ in found), max(last for _, last in found)


def _last_day(key: str) -> str:
    """Return the last day of a partition; of an hour, the day after, which contains it in every zone."""
    if kind_of(key) == "hour":
        return f"{begin_of(key) + timedelta(days=1)!s:.10}"
    return str(begin_of(moved(key, 1)) - timedelta(days=1))


@lru_cache(maxsize=4096)
def _begin_in(timezone: str, key: str) -> datetime:
    begin = begin_of(key)
    return begin if isinstance(begin, datetime) else day_start(ZoneInfo(timezone), begin)


def named_time(text: str, timezone: str) -> tuple[datetime, datetime]:
    """Return when the hour, day, week or month in a person's text begins and ends. Raises ValueError for other texts.

    A time of day without an offset is a local time of `timezone`. If clocks show it twice, the second one is meant.
    """
    zone = ZoneInfo(timezone)
    written = f"{text}-1" if len(text) == len("2026-W05") and text[4:6] == "-W" else text
    kind = kind_of(written)
    if kind in ("day", "week", "month"):
        return day_start(zone, begin_of(written)), day_start(zone, begin_of(moved(written, 1)))
    at = begin_of(written) if kind == "hour" else datetime.fromisoformat(written)
    if not isinstance(at, datetime) or len(written) <= len("2026-01-31"):
        raise ValueError(text)
    at = at.astimezone(UTC) if at.tzinfo else moment(zone, at.date(), at.time())
    return at, at + timedelta(hours=1)


def boundary(unit: Unit, text: str, timezone: str, *, is_last: bool = False) -> str:
    """Return the key that `start` or `end` of the YAML means. Raises ValueError if no partition begins or ends then."""
    year = text[:4]
    if year.isdecimal() and not FIRST_YEAR <= int(year) <= LAST_YEAR:
        raise ValueError(f"`{text}` is too far away: the years {FIRST_YEAR} to {LAST_YEAR} can be partitioned")
    try:
        begin, end = named_time(text, timezone)
    except (ValueError, OverflowError):
        raise ValueError(f"`{text}` is no {unit}: write it as {EXAMPLES[unit]}") from None
    local = begin.astimezone(ZoneInfo(timezone))
    if unit == "hour" and local.time().replace(hour=0) != time():
        raise ValueError(f"no hour begins at {text}: write a full hour of {timezone}")
    scheme = TimeScheme(unit, key_of("hour", begin) if unit == "hour" else text, timezone=timezone)
    key = scheme.key_at(end - _TICK if is_last else begin)
    begins, ends = scheme.window(key)
    if begins != begin and not (is_last and ends == end):
        raise ValueError(f"no {unit} begins on {text}: the {unit} around it begins on {begin_of(key)}")
    return key
