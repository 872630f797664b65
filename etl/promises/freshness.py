"""Judges whether the data that was due has arrived, with pure functions of the publishes and of a given moment.

Belongs here: judging a `FreshnessPromise`. Not here: other promises (`judge`), and reading a clock.

What is promised:
- A partition by time is complete when its day (hour, week, month) has ended in the zone of the partitions. At a
  deadline, the newest partition that is complete by then is due. The partition has arrived with its first good publish
  after it was complete; an early publish of half a day does not count. Neither an older nor a newer partition heals a
  missed deadline. The next deadline requires only its own partition. A publish exactly at the deadline is in time.
- The age for `max_age_hours` begins when the newest complete partition arrives. A publish of another partition does not
  end this age. An age of exactly the promised hours keeps the promise.
- A whole-table pipeline must publish between any two deadlines, and its age begins with its last publish.
- Keys of a list are never due, so only an age can be promised: the age of the key that was published longest ago. A key
  that was never published is as old as the promise.
- Nothing is due before the first partition is complete. After the last partition's deadline nothing new is due, but
  the state of that last promise stays until its partition arrives.
- A kept promise is at risk if the partition that is due next has not arrived, and a run of typical duration would end
  too late. That is the run at work on the partition; if there is none, or if it takes longer than usual, it is a run
  that would begin now. A promise that was kept late is recovered until the next deadline, or for the promised age.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

from etl.errors import EtlError
from etl.partitions.cron import Cron, deadlines_after, deadlines_back, parse_cron
from etl.partitions.keys import moved
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.sla.config import FreshnessPromise

HOUR = timedelta(hours=1)
LONGEST_STREAK = 1000  # deadlines that are examined to find out since when a promise is broken


class State(StrEnum):
    """The state of a promise."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    BROKEN = "broken"
    RECOVERED = "recovered"
    UNMEASURED = "unmeasured"
    """Nothing was measured or published yet that could keep or break the promise, so its state is not known."""


@dataclass(frozen=True, slots=True)
class Publish:
    """One successful publish of a partition, or of the whole table."""

    at: datetime
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class AtWork:
    """An unfinished run on a partition, or on the whole table."""

    since: datetime
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The known publishes of a pipeline. Publishes before `known_since` may be missing."""

    publishes: tuple[Publish, ...] = ()
    partitions: TimeScheme | StaticKeys | None = None
    """None for a whole table."""
    known_since: datetime | None = None
    at_work: tuple[AtWork, ...] = ()

    @property
    def times(self) -> TimeScheme | None:
        """The partitions, if they are by time."""
        return self.partitions if isinstance(self.partitions, TimeScheme) else None


@dataclass(frozen=True, slots=True)
class FreshnessVerdict:
    """The state of one freshness promise. `actual` and `threshold` are hours of delay, or of age."""

    promise: Literal["deadline", "max_age"]
    state: State
    message: str
    since: datetime | None = None
    partition: str | None = None
    due: datetime | None = None
    actual: float | None = None
    threshold: float | None = None


def typical_duration(durations: Sequence[timedelta]) -> timedelta | None:
    """The median of past durations; None if there are no past durations."""
    return timedelta(seconds=median(each.total_seconds() for each in durations)) if durations else None


def judge_deadline(
    promise: FreshnessPromise, published: PublishedKeys, now: datetime, typical: timedelta | None = None
) -> FreshnessVerdict | None:
    """Judge the deadline at `now`; None if no deadline is promised."""
    if promise.deadline is None:
        return None
    calendar = _Deadlines(promise, published, _aware(now))
    due, following = calendar.last_due(), calendar.next_due()
    arrived = None if due is None else calendar.arrival(due)
    if due is not None and arrived is None:
        return _broken_deadline(calendar, due, now)
    late = due is not None and arrived is not None and arrived > due
    lapses = calendar.next_after(arrived) if late and arrived is not None else None
    if following is not None and typical is not None and calendar.arrival(following) is None:
        partition = calendar.partition(following)
        if _expected(published, partition, now, typical) > following:
            what = calendar.describe(following)
            minutes = typical.total_seconds() / 60
            message = f"{what} is not there yet, and a run takes {minutes:.0f} min: it will be late"
            return _verdict(calendar, State.AT_RISK, message, following)
    if late and due is not None and arrived is not None and (lapses is None or now < lapses):
        hours = (arrived - due) / HOUR
        message = f"{calendar.describe(due)}; it arrived {hours:.1f} h late, at {calendar.local(arrived)}"
        return _verdict(calendar, State.RECOVERED, message, due, since=arrived, actual=hours)
    if following is not None:
        message = "kept" if due is not None else "nothing was due yet"
        state = State.ON_TRACK if due is not None or _ever_published(published, now) else State.UNMEASURED
        return _verdict(calendar, state, f"{message}; next: {calendar.describe(following)}", following)
    if due is None:
        return _verdict(calendar, State.UNMEASURED, "nothing was due, and nothing will be due", due)
    return _verdict(calendar, State.ON_TRACK, "the last partition is there; nothing more is due", due)


def judge_max_age(
    promise: FreshnessPromise, published: PublishedKeys, now: datetime, typical: timedelta | None = None
) -> FreshnessVerdict | None:
    """Judge the age at `now`; None if no age is promised."""
    if promise.max_age_hours is None:
        return None
    limit = timedelta(hours=promise.max_age_hours)
    moments = _fresh_moments(published, _aware(now))
    days = published.times
    newest = days.newest_complete(now) if days else None
    hours = promise.max_age_hours

    def verdict(
        state: State, message: str, since: datetime | None = None, age: float | None = None
    ) -> FreshnessVerdict:
        due = moments[-1] + limit if moments else None
        return FreshnessVerdict("max_age", state, message, since, newest, due, age, hours)

    if days and newest is None:
        state = State.ON_TRACK if _ever_published(published, now) else State.UNMEASURED
        return verdict(state, f"nothing is due before {days.start} is complete")
    if not moments:
        return verdict(State.BROKEN, f"never published; promised is an age of at most {hours:g} h")
    age = now - moments[-1]
    arrived = newest is not None and _arrival(published, newest, now) is not None
    over = bool(days and newest == days.end and arrived)
    what = f"the newest complete {days.word}, {newest}," if days and newest else _oldest_key(published, now)
    if age > limit and not over:
        message = f"{what} has not arrived, and nothing new for {age / HOUR:.1f} h; promised are {hours:g} h"
        return verdict(State.BROKEN, message, moments[-1] + limit, age / HOUR)
    if typical is not None and not over:
        awaited = moved(newest, 1) if newest and arrived else newest
        if _expected(published, awaited, now, typical) > moments[-1] + limit:
            message = f"{age / HOUR:.1f} h without news, and a run takes {typical.total_seconds() / 60:.0f} min"
            return verdict(State.AT_RISK, message, age=age / HOUR)
    if age <= limit and len(moments) > 1 and moments[-1] - moments[-2] > limit:
        gap = (moments[-1] - moments[-2]) / HOUR
        return verdict(
            State.RECOVERED, f"new data after {gap:.1f} h; promised are {hours:g} h", moments[-1], age / HOUR
        )
    message = "the last partition is there; nothing more is due" if over else f"{age / HOUR:.1f} h of {hours:g} h"
    if not _ever_published(published, now):
        return verdict(State.UNMEASURED, f"nothing was published yet; {message}", age=age / HOUR)
    return verdict(State.ON_TRACK, message, age=age / HOUR)


class _Deadlines:
    """The deadlines of one promise around one moment, and what was due at each deadline."""

    def __init__(self, promise: FreshnessPromise, published: PublishedKeys, now: datetime) -> None:
        self._published = published
        self._days = published.times
        self._cron: Cron = parse_cron(promise.deadline or "")
        self._zone = ZoneInfo(promise.timezone or (self._days.timezone if self._days else "UTC"))
        self._business_days = promise.business_days
        self._now = now
        self._first = min((each.at for each in published.publishes), default=now)

    def last_due(self) -> datetime | None:
        """The latest deadline at which something was due."""
        over = self._days.over_at if self._days else None
        until = min(self._now, over - timedelta(microseconds=1)) if over else self._now
        latest = next(iter(self._back(until)), None)
        return latest if latest is not None and self._promised(latest) else None

    def next_due(self) -> datetime | None:
        """The next deadline at which something will be due."""
        over = self._days.over_at if self._days else None
        begin = self._begin()
        after = self._now if begin is None else max(self._now, begin - timedelta(microseconds=1))
        following = self.next_after(after)
        return following if following is None or over is None or following < over else None

    def next_after(self, at: datetime) -> datetime | None:
        """The next moment that the cron names."""
        return next(iter(self._after(at)), None)

    def partition(self, deadline: datetime) -> str | None:
        """The partition due at `deadline`."""
        return self._days.newest_complete(deadline) if self._days else None

    def arrival(self, deadline: datetime) -> datetime | None:
        """When the partition or the publish that was due at `deadline` arrived."""
        partition = self.partition(deadline)
        if partition is not None:
            return _arrival(self._published, partition, self._now)
        previous = next(iter(self._back(deadline - timedelta(microseconds=1))), None)
        times = (each.at for each in self._published.publishes if each.at <= self._now)
        return min((at for at in times if previous is None or at > previous), default=None)

    def broken_since(self, deadline: datetime) -> datetime | None:
        """The deadline at which the breach that lasts at `deadline` began; None if the promise was never kept."""
        since = deadline
        for each in islice(self._back(deadline - timedelta(microseconds=1)), LONGEST_STREAK):
            if since < self._first:  # nothing was published before: the breach is as old as the promise
                begin = self._begin()
                return None if begin is None else self.next_after(begin - timedelta(microseconds=1))
            arrived = self.arrival(each)
            if not self._promised(each) or (arrived is not None and arrived <= since):
                break
            since = each
        return since

    def describe(self, deadline: datetime) -> str:
        """Describe for people what was due, and when."""
        partition = self.partition(deadline)
        return f"{partition or 'a new publish'} due {self.local(deadline)}"

    def local(self, at: datetime) -> str:
        """A moment in the time zone of the promise."""
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M %Z")

    def _begin(self) -> datetime | None:
        """The moment before which nothing is promised or nothing is known; None if there is no such moment."""
        begins = [self._days.complete_at(self._days.start)] if self._days else []
        begins += [self._published.known_since] if self._published.known_since else []
        return max(begins, default=None)

    def _promised(self, deadline: datetime) -> bool:
        begin = self._begin()
        return begin is None or deadline >= begin

    def _back(self, until: datetime) -> Iterable[datetime]:
        return deadlines_back(self._cron, self._zone, until, business_days=self._business_days)

    def _after(self, after: datetime) -> Iterable[datetime]:
        return deadlines_after(self._cron, self._zone, after, business_days=self._business_days)


def _broken_deadline(calendar: _Deadlines, due: datetime, now: datetime) -> FreshnessVerdict:
    hours = (now - due) / HOUR
    message = f"{calendar.describe(due)}; it is not there, {hours:.1f} h later"
    return _verdict(calendar, State.BROKEN, message, due, since=calendar.broken_since(due), actual=hours)


def _verdict(
    calendar: _Deadlines,
    state: State,
    message: str,
    due: datetime | None,
    *,
    since: datetime | None = None,
    actual: float | None = None,
) -> FreshnessVerdict:
    partition = None if due is None else calendar.partition(due)
    return FreshnessVerdict("deadline", state, message, since, partition, due, actual, threshold=0.0)


def _ever_published(published: PublishedKeys, now: datetime) -> bool:
    return any(each.at <= now for each in published.publishes)


def _arrival(published: PublishedKeys, partition: str, now: datetime) -> datetime | None:
    """The first good publish of a partition after it was complete."""
    scheme = published.times
    if scheme is None:
        return None
    complete = scheme.complete_at(partition)
    times = (each.at for each in published.publishes if each.partition == partition and complete <= each.at <= now)
    return min(times, default=None)


def _expected(published: PublishedKeys, partition: str | None, now: datetime, typical: timedelta) -> datetime:
    """When a partition, or the table, will probably arrive."""
    days = published.times
    complete = days.complete_at(partition) if days and partition else None
    ends = [
        each.since + typical
        for each in published.at_work
        if each.partition == partition and (complete is None or each.since >= complete)
    ]
    in_time = min((end for end in ends if end >= now), default=None)  # a run that takes longer than usual shows nothing
    return in_time or (now if complete is None else max(now, complete)) + typical


def _fresh_moments(published: PublishedKeys, now: datetime) -> list[datetime]:
    """The moments at which the data became as new as possible, in order; the first moment begins the age."""
    days = published.times
    begins = [days.complete_at(days.start)] if days else []
    begins += [published.known_since] if published.known_since else []
    moments = {each for each in [max(begins)] if each <= now} if begins else set()
    if isinstance(published.partitions, StaticKeys):
        last = _last_publishes(published.partitions, published, now)
        return sorted(moments) if None in last.values() else [min(at for at in last.values() if at)]
    if days is None:
        moments |= {each.at for each in published.publishes if each.at <= now}
        return sorted(moments)
    arrivals: dict[str, datetime] = {}
    for each in published.publishes:
        if each.partition is not None and days.complete_at(each.partition) <= each.at <= now:
            arrivals[each.partition] = min(each.at, arrivals.get(each.partition, each.at))
    moments |= {at for partition, at in arrivals.items() if days.newest_complete(at) == partition}
    return sorted(moments)


def _last_publishes(keys: StaticKeys, published: PublishedKeys, now: datetime) -> dict[str, datetime | None]:
    """When each key was published last."""
    return {
        key: max((each.at for each in published.publishes if each.partition == key and each.at <= now), default=None)
        for key in keys.values
    }


def _oldest_key(published: PublishedKeys, now: datetime) -> str:
    """Name the thing whose age is judged: the table, or the key that was published longest ago or never."""
    if not isinstance(published.partitions, StaticKeys):
        return "the table"
    last = _last_publishes(published.partitions, published, now)
    oldest = min(last, key=lambda key: at.timestamp() if (at := last[key]) else 0.0)
    return f"the {published.partitions.word} {oldest}"


def _aware(now: datetime) -> datetime:
    if now.tzinfo is None:
        raise EtlError("`now` has no time zone", "pass an aware datetime, such as datetime.now(UTC)")
    return now
