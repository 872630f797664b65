"""Reads the newest rows of a table and the time that all its rows span.

Belongs here: the two statements about one column of dates. Not here: the choice of the column (`dates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from etl.errors import SourceError
from etl.onboarding.cutting import Span
from etl.onboarding.limits import Limits
from etl.onboarding.moments import DateColumn
from etl.onboarding.sampling import Sample, figures, selectable, with_newest


@dataclass(frozen=True)
class Newest:
    """The sample with the newest rows, their moments, and the span of all rows."""

    sample: Sample
    moments: pl.Series
    span: Span
    whole: bool
    """Whether `moments` has the moments of all rows."""
    notes: tuple[str, ...] = ()


def newest_of(
    url: str, sample: Sample, column: DateColumn, key: Sequence[str], timezone: str, limits: Limits
) -> Newest:
    """Add the newest rows to a sample of a large table, and ask for the first and the last moment.

    If the database does not answer in time, the figures are those of the sample, and a note says so.
    """
    known = Span(column.first, column.last, max(1, sample.rows))
    if sample.whole:
        return Newest(sample, column.moments, known, whole=True)
    table = selectable(sample.table)
    chosen = table.c[column.name]
    try:
        ends = figures(url, sa.select(sa.func.min(chosen), sa.func.max(chosen)), limits)
        filled = sa.select(chosen).where(chosen.is_not(None)).order_by(chosen.desc()).limit(limits.rows)
        values = [row[0] for row in figures(url, filled, limits)]
        first, last = (local(each, timezone) for each in ends[0])
        oldest = as_moment(values[-1]) if values else None
        if first is None or last is None or oldest is None:
            return Newest(sample, column.moments, known, whole=False, notes=("its dates could not be compared",))
        longer = with_newest(url, sample, column.name, oldest, limits)
    except SourceError as error:
        why = error.problem.splitlines()[0]
        note = f"first and last date are those of the {sample.frame.height:,} rows read, not of all: {why}"
        return Newest(sample, column.moments, known, whole=False, notes=(note,))
    moments = pl.Series("moment", [local(each, timezone) for each in values], dtype=pl.Datetime("us"))
    return Newest(_without_repeats(longer, key), moments, Span(first, last, max(1, sample.rows)), whole=False)


def local(value: object, timezone: str) -> datetime | None:
    """Return a database's value as a wall-clock time of the zone; None if it is no date."""
    moment = as_moment(value)
    if moment is None or moment.tzinfo is None:
        return moment
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


def _without_repeats(sample: Sample, key: Sequence[str]) -> Sample:
    """Remove rows that are both among the first and among the newest ones."""
    names = [each for each in key if each in sample.frame.columns]
    names = names or [each.name for each in sample.frame if not each.dtype.is_nested()]
    return replace(sample, frame=sample.frame.unique(subset=names, keep="first", maintain_order=True))
