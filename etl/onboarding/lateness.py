"""Measures how long after its own date a row of a table comes or changes.

Belongs here: the number of earlier days that each run reads again, and what it was measured by. Not here: the choice of
the date column (`dates`).

No column says when a row was written. Two things tell about it: a key that the database counts up is given in the order
of writing, so that a row with a later key and an earlier date came late; and another date of the same row, such as the
day of shipping, says when the row was changed again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from etl.onboarding.dates import DateChoice
from etl.onboarding.moments import DateColumn
from etl.onboarding.sampling import TableSample

MOST_DAYS = 31
"""Rows that come later than this are left to a back-fill: every run would read so many days again."""
_QUANTILE = 0.999
_DAY_MS = 86_400_000
_OUT_OF_ORDER = 0.2
_LATER_ROWS = 0.9


@dataclass(frozen=True)
class Lateness:
    """How many earlier days a run reads again, and why."""

    days: int
    why: str


def measure_lateness(
    sample: TableSample, choice: DateChoice, dates: Mapping[str, DateColumn], key: tuple[str, ...]
) -> Lateness:
    """Return the days within which nearly all rows have come and were changed."""
    column = choice.column
    if column is None:
        return Lateness(0, "")
    if choice.moves:
        return Lateness(1, "a changed row gets a new date; 1 for changes that were under way at midnight")
    found = [each for each in (_by_key(sample, column, key), _by_later_dates(column, dates)) if each is not None]
    if not found:
        return Lateness(1, "a guess: neither a counted key nor a later date tells how late rows come")
    return max(found, key=lambda each: each.days)


def _by_key(sample: TableSample, column: DateColumn, key: tuple[str, ...]) -> Lateness | None:
    """Compare the order of a counted key with the order of the dates."""
    if len(key) != 1 or key[0] not in sample.frame.columns or not sample.frame[key[0]].dtype.is_integer():
        return None
    ordered = pl.DataFrame({"key": sample.frame[key[0]], "moment": column.moments}).drop_nulls().sort("key")
    days = ordered["moment"].dt.truncate("1d")
    behind = (days.cum_max() - days).dt.total_milliseconds() // _DAY_MS
    late = int((behind > 0).sum())
    if late > _OUT_OF_ORDER * ordered.height:
        return None  # the key is not counted up as rows come
    if not late:
        return Lateness(1, f"in the order of `{key[0]}` no row came after its day; 1 for what is written at midnight")
    return _lateness(behind, f"in the order of `{key[0]}`", ordered.height)


def _by_later_dates(column: DateColumn, dates: Mapping[str, DateColumn]) -> Lateness | None:
    """Compare with the dates that are filled later, such as the day of shipping: the row changes on that day."""
    found: list[Lateness] = []
    for other in dates.values():
        if other.name == column.name or not other.empty:
            continue  # a date that every row has was known when the row came
        days = (other.moments - column.moments).drop_nulls().dt.total_milliseconds() // _DAY_MS
        if len(days) and int((days >= 0).sum()) >= _LATER_ROWS * len(days):
            found.append(_lateness(days.clip(0), f"rows change until `{other.name}`", len(column.moments)))
    return max(found, key=lambda each: each.days, default=None)


def _lateness(days: pl.Series, how: str, rows: int) -> Lateness:
    quantile = days.quantile(_QUANTILE, interpolation="higher")
    most = int(str(days.max()))
    needed = max(1, math.ceil(quantile or 0))
    if needed <= MOST_DAYS:
        return Lateness(
            needed, f"{how}, 99.9 % of {rows:,} rows are complete within {needed} d, the last after {most} d"
        )
    beyond = int((days > MOST_DAYS).sum()) / max(1, len(days))
    text = f"{how}, {beyond:.1%} of {rows:,} rows later than {MOST_DAYS} d (the last after {most} d): back-fill those"
    return Lateness(MOST_DAYS, text)
