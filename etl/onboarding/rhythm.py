"""Measures on which days rows come, and whether they still come.

Belongs here: every day, working days, or no rhythm. Not here: the promise that is made of it (`promise`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal

import polars as pl

from etl.plural import counted

Kind = Literal["daily", "working days", "none", "ended", "unknown"]
WINDOW_DAYS = 56
_LEAST_DAYS = 14
_NEARLY_ALL = 0.95
_HARDLY_ANY = 0.1
_SATURDAY = 5
_ENDED_DAYS = 30
_ENDED_GAPS = 10


@dataclass(frozen=True)
class Rhythm:
    """How rows come, with the figures that show it."""

    kind: Kind
    why: str
    fewest: int = 0
    """The fewest rows of a day with rows, among the last weeks."""


def counts_of(moments: pl.Series) -> list[tuple[date, int]]:
    """Return each day that has rows with the number of its rows, in order."""
    counts = moments.dt.date().drop_nulls().value_counts(name="rows")
    return counts.sort(counts.columns[0]).rows()


def measure_rhythm(counts: Sequence[tuple[date, int]], now: datetime, *, truncated: bool) -> Rhythm:
    """Judge the last eight weeks of days with rows. `truncated`: of the first day, not all rows were counted."""
    past = [each for each in counts if each[0] <= now.date()][1 if truncated else 0 :]
    if not past:
        return Rhythm("unknown", "too few of its days were read")
    last = past[-1][0]
    gaps = [(after - before).days for (before, _), (after, _) in pairwise(past)]
    silent = (now.date() - last).days
    if silent > max(_ENDED_DAYS, _ENDED_GAPS * max(gaps[-WINDOW_DAYS:], default=1)):
        return Rhythm("ended", f"the newest row is of {last}, {silent:,} days ago")
    complete = past[:-1] if last == now.date() else past  # today is not over
    if not complete:
        return Rhythm("unknown", f"all rows are of {last}")
    recent = [each for each in complete if each[0] > complete[-1][0] - timedelta(days=WINDOW_DAYS)]
    first, end = recent[0][0], recent[-1][0]
    span = [first + timedelta(days=offset) for offset in range((end - first).days + 1)]
    if len(span) < _LEAST_DAYS:
        return Rhythm("unknown", f"only {counted(len(span), 'day')} of rows were seen")
    filled = {day for day, _ in recent}
    fewest = min(count for _, count in recent)
    share = len(filled) / len(span)
    if share >= _NEARLY_ALL:
        text = f"{len(filled)} of the last {len(span)} days have rows, at least {fewest:,}"
        return Rhythm("daily", text, fewest)
    working = [day for day in span if day.weekday() < _SATURDAY]
    weekend = [day for day in span if day.weekday() >= _SATURDAY]
    at_work = sum(day in filled for day in working)
    at_weekends = sum(day in filled for day in weekend)
    if at_work >= _NEARLY_ALL * len(working) and at_weekends <= _HARDLY_ANY * len(weekend):
        text = (
            f"{at_work} of the last {len(working)} working days have rows, {at_weekends} of {len(weekend)} at weekends"
        )
        return Rhythm("working days", text, fewest)
    return Rhythm("none", f"rows on {len(filled)} of the last {len(span)} days, in no rhythm")
