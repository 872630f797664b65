"""Decides how a table is divided into partitions, by its volume and the time that it spans.

Belongs here: whole, or by day, week or month, and the first partition. Not here: which column has the dates (`dates`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.partitions.keys import Unit

_ROWS_OF_A_DAY, _ROWS_OF_A_WEEK = 5, 1
_FAR_BACK_DAYS = 3_650


@dataclass(frozen=True)
class TimeSpan:
    """The time that the rows of a table span, and how many rows a day of it has on average."""

    first: datetime
    last: datetime
    rows: int

    @property
    def days(self) -> int:
        """The number of days from the first to the last one, both included."""
        return (self.last.date() - self.first.date()).days + 1

    @property
    def rows_a_day(self) -> float:
        """The average over all days, with those that have no row."""
        return self.rows / self.days


@dataclass(frozen=True)
class UnitChoice:
    """The unit of the partitions and the reason."""

    by: Unit
    why: str


def cut(span: TimeSpan) -> UnitChoice:
    """Return the smallest unit whose partitions are not nearly empty: each of them is a file and a load."""
    rate = f"{span.rows:,} rows over {span.days:,} days, {span.rows_a_day:,.1f} a day"
    if span.rows_a_day >= _ROWS_OF_A_DAY:
        return UnitChoice("day", rate)
    if span.rows_a_day >= _ROWS_OF_A_WEEK:
        return UnitChoice("week", f"{rate}; a week is loaded when it is over, `by: day` is sooner")
    return UnitChoice("month", f"{rate}; a month is loaded when it is over, `by: day` is sooner")


def first_key(by: Unit, moment: datetime) -> str:
    """Return the key of the partition that has the moment, as `start` and `end` are written."""
    day = moment.date()
    if by == "month":
        return f"{day:%Y-%m}"
    return (day - timedelta(days=day.weekday()) if by == "week" else day).isoformat()


def is_far_back(first: datetime, usual: datetime) -> bool:
    """Whether the first moment stands apart: more than ten years before nearly all others."""
    return usual - first > timedelta(days=_FAR_BACK_DAYS)
