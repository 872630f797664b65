"""Reads the newest rows of a table and the time that all its rows span.

Belongs here: the two statements about one column of dates. Not here: the choice of the column (`dates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from etl.errors import SourceError
from etl.onboarding.cutting import TimeSpan
from etl.onboarding.limits import Limits
from etl.onboarding.moments import DateColumn
from etl.onboarding.rhythm import WINDOW_DAYS, counts_of
from etl.onboarding.sampling import TableSample, figures, selectable, with_newest

_PLACES = 4
"""Between the first and the newest rows, rows are read at so many places."""


@dataclass(frozen=True)
class Newest:
    """The sample with the newest rows, how many rows came on the last days, and the span of all rows."""

    sample: TableSample
    counts: Sequence[tuple[date, int]]
    """The last days that have rows, each with the number of its rows."""
    span: TimeSpan
    whole: bool
    """Whether all rows of each of these days were counted."""
    notes: tuple[str, ...] = ()


def newest_of(
    url: str, sample: TableSample, column: DateColumn, key: Sequence[str], timezone: str, limits: Limits
) -> Newest:
    """Add the newest rows, and rows from between, to the first rows of a large table, and ask for its time span.

    If the database does not answer in time, the figures are those of the sample, and a note says so.
    """
    known = TimeSpan(column.first, column.last, max(1, sample.rows))
    if sample.whole:
        return Newest(sample, counts_of(column.moments), known, whole=True)
    table = selectable(sample.table)
    chosen = table.c[column.name]
    try:
        ends = figures(url, sa.select(sa.func.min(chosen), sa.func.max(chosen)), limits)
        filled = sa.select(chosen).where(chosen.is_not(None)).order_by(chosen.desc()).limit(limits.rows)
        values = [row[0] for row in figures(url, filled, limits)]
        first, last = (local(each, column, timezone) for each in ends[0])
        oldest = as_moment(values[-1]) if values else None
        if first is None or last is None or oldest is None:
            return Newest(
                sample, counts_of(column.moments), known, whole=False, notes=("its dates could not be compared",)
            )
        longer = with_newest(url, sample, column.name, oldest, limits)
        if any(index.columns[:1] == (column.name,) for index in sample.table.indexes):
            for moment in _between(ends[0]):  # without an index, each of them would read the whole table
                part = replace(limits, rows=max(1, limits.rows // _PLACES))
                longer = with_newest(url, longer, column.name, moment, part)
    except SourceError as error:
        why = error.problem.splitlines()[0]
        note = f"first and last date are those of the {sample.frame.height:,} rows read, not of all: {why}"
        return Newest(sample, counts_of(column.moments), known, whole=False, notes=(note,))
    moments = pl.Series("moment", [local(each, column, timezone) for each in values], dtype=pl.Datetime("us"))
    found = Newest(
        _without_repeats(longer, key), counts_of(moments), TimeSpan(first, last, max(1, sample.rows)), whole=False
    )
    if len(found.counts) > WINDOW_DAYS:
        return found
    try:
        return replace(found, counts=_counted_days(url, table, column, values[0], timezone, limits), whole=True)
    except SourceError:  # the days of the newest rows are then all that is known
        return found


def _counted_days(
    url: str, table: sa.TableClause, column: DateColumn, last: object, timezone: str, limits: Limits
) -> list[tuple[date, int]]:
    """Count the rows of each of the last days, of a table of which the newest rows are of a few days only."""
    chosen: sa.ColumnElement[Any] = table.c[column.name]
    newest = as_moment(last)
    if newest is None:
        return []
    start = newest - timedelta(days=WINDOW_DAYS + 1)
    is_text = isinstance(last, str)
    bound = start.date().isoformat() if is_text else start if isinstance(last, datetime) else start.date()
    if isinstance(last, datetime) and last.tzinfo is not None:  # the session's days are those of UTC
        offset = last.astimezone(ZoneInfo(timezone)).utcoffset() or timedelta()
        day: sa.ColumnElement[Any] = sa.cast(chosen + sa.literal(offset, sa.Interval), sa.Date)
    else:
        day = sa.func.substr(chosen, 1, 10) if is_text else sa.cast(chosen, sa.Date)
    statement = sa.select(day, sa.func.count()).where(chosen >= bound).group_by(day)
    rows = [(as_moment(day), int(count)) for day, count in figures(url, statement, limits)]
    return sorted((day.date(), count) for day, count in rows if day is not None)[1:]  # the first day is not whole


def local(value: object, column: DateColumn, timezone: str) -> datetime | None:
    """Return a database's value as a wall-clock time of the zone; None if it is no date."""
    moment = as_moment(value)
    if moment is None or (moment.tzinfo is None and column.kind != "timestamptz"):
        return moment
    if moment.tzinfo is None:  # a session of MySQL gives moments in UTC, without saying so
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)


def as_moment(value: Any) -> datetime | None:  # noqa: ANN401  whatever a driver returns
    """Return a value as a moment, with a zone only if it has one; None if it is no date."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  a date has no zone
    try:
        return datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def _between(ends: Sequence[object]) -> list[datetime]:
    """Return moments spread between the first and the last one."""
    first, last = (as_moment(each) for each in ends)
    if first is None or last is None:
        return []
    return [first + (last - first) * number / (_PLACES + 1) for number in range(1, _PLACES + 1)]


def _without_repeats(sample: TableSample, key: Sequence[str]) -> TableSample:
    """Remove rows that are both among the first and among the newest ones."""
    names = [each for each in key if each in sample.frame.columns]
    names = names or [each.name for each in sample.frame if not each.dtype.is_nested()]
    return replace(sample, frame=sample.frame.unique(subset=names, keep="first", maintain_order=True))
