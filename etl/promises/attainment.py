"""Computes in which share of a month the promises were kept.

Belongs here: shares, the error budget and the worst days, from state intervals. Not here: how they look (`report`).

The share is a share of time: of all the time in which a promise of the pipeline was watched, the part in which it was
not broken. The error budget is the broken time that the objective allows. An overspent budget is negative.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from etl.errors import EtlError
from etl.partitions.cron import day_start
from etl.promises.freshness import State
from etl.promises.state_log import StateInterval

OBJECTIVE = 0.99
WORST_DAYS = 3


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one pipeline, in hours of promises: two promises that are watched all day are 48 hours."""

    day: date
    watched_hours: float
    broken_hours: float

    @property
    def broken_share(self) -> float:
        """The share of the watched time in which promises were broken; 0.0 if nothing was watched."""
        return self.broken_hours / self.watched_hours if self.watched_hours else 0.0


@dataclass(frozen=True, slots=True)
class Attainment:
    """One pipeline in one month."""

    tenant: str
    pipeline: str
    month: date
    objective: float
    breaches: int
    days: tuple[Day, ...]

    @property
    def watched_hours(self) -> float:
        """For how long promises were watched."""
        return sum(each.watched_hours for each in self.days)

    @property
    def broken_hours(self) -> float:
        """For how long promises were broken."""
        return sum(each.broken_hours for each in self.days)

    @property
    def kept_share(self) -> float | None:
        """The share of the watched time in which promises were kept; None if nothing was watched."""
        return 1 - self.broken_hours / self.watched_hours if self.watched_hours else None

    @property
    def budget_left(self) -> float | None:
        """The share of the error budget that is left; 1.0 is the whole budget, a negative share is overspent."""
        if not self.watched_hours:
            return None
        return 1 - self.broken_hours / (self.watched_hours * (1 - self.objective))

    @property
    def worst_days(self) -> tuple[Day, ...]:
        """The days with the longest breaches; the worst day is first."""
        broken = [each for each in self.days if each.broken_hours > 0]
        return tuple(sorted(broken, key=lambda each: (-each.broken_hours, each.day))[:WORST_DAYS])


def month_bounds(month: date, timezone: str = "UTC") -> tuple[datetime, datetime]:
    """Return the first moment of the month of `month`, and the first moment of the next month."""
    first = month.replace(day=1)
    zone = ZoneInfo(timezone)
    return day_start(zone, first), day_start(zone, (first + timedelta(days=32)).replace(day=1))


def attain(
    intervals: Iterable[StateInterval], month: date, *, timezone: str = "UTC", objective: float = OBJECTIVE
) -> tuple[Attainment, ...]:
    """Return the attainment of every pipeline that was watched in the month of `month`, by tenant and name."""
    if not 0 < objective < 1:
        raise EtlError(f"the objective is {objective}", "set it between 0 and 1; 0.99 allows one hour in a hundred")
    begin, end = month_bounds(month, timezone)
    pipelines: dict[tuple[str, str], list[StateInterval]] = {}
    for each in intervals:
        if each.begin < end and each.end > begin and each.state is not State.UNMEASURED:
            pipelines.setdefault((each.tenant, each.pipeline), []).append(each)
    first = month.replace(day=1)
    return tuple(
        Attainment(
            tenant=tenant,
            pipeline=pipeline,
            month=first,
            objective=objective,
            breaches=sum(each.state is State.BROKEN and each.begin >= begin for each in found),
            days=_days(found, first, begin, end, ZoneInfo(timezone)),
        )
        for (tenant, pipeline), found in sorted(pipelines.items())
    )


def _days(
    intervals: list[StateInterval], first: date, begin: datetime, end: datetime, zone: ZoneInfo
) -> tuple[Day, ...]:
    days: list[Day] = []
    day, at = first, begin
    while at < end:
        following = day_start(zone, day + timedelta(days=1))
        watched = sum((_overlap(each, at, following) for each in intervals), timedelta())
        broken = sum((_overlap(each, at, following) for each in intervals if each.state is State.BROKEN), timedelta())
        days.append(Day(day, watched / timedelta(hours=1), broken / timedelta(hours=1)))
        day, at = day + timedelta(days=1), following
    return tuple(days)


def _overlap(interval: StateInterval, begin: datetime, end: datetime) -> timedelta:
    return max(min(interval.end, end) - max(interval.begin, begin), timedelta())
