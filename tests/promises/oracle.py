"""A slow second opinion on freshness: it walks through time minute by minute on the clocks of the zone, and remembers.

Shares nothing with `etl.promises.freshness` or `etl.partitions.cron`: no cron, no arithmetic on local times, no look back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


@dataclass
class Calendar:
    """What the clocks of one zone show in every minute of a span."""

    zone: str
    begin: datetime
    end: datetime
    shows: list[tuple[datetime, date, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        zone = ZoneInfo(self.zone)
        at = self.begin
        while at < self.end:
            local = at.astimezone(zone)
            self.shows.append((at, local.date(), local.hour * 60 + local.minute))
            at += MINUTE

    def begins(self) -> dict[date, datetime]:
        """The first minute of every day."""
        first: dict[date, datetime] = {}
        for at, day, _ in self.shows:
            first.setdefault(day, at)
        return first

    def deadlines(self, minute_of_day: int, wanted: Callable[[date], bool]) -> list[datetime]:
        """Per day the last minute that shows the time; if none does, the first that shows a later time."""
        exact: dict[date, datetime] = {}
        later: dict[date, datetime] = {}
        for at, day, shown in self.shows:
            if shown == minute_of_day:
                exact[day] = at
            elif shown > minute_of_day:
                later.setdefault(day, at)
        return sorted(exact.get(day, later[day]) for day in {*exact, *later} if wanted(day))


@dataclass
class Oracle:
    """What was published, what is due when; asks are answered in order of time."""

    deadlines: list[datetime]
    begins: dict[date, datetime]
    start: date
    end: date | None
    publishes: list[tuple[datetime, date | None]]
    typical: timedelta
    max_age: timedelta
    whole_table: bool = False

    def __post_init__(self) -> None:
        self.arrived: dict[date, datetime] = {}
        self.missing = self.broken_since = self.recovered = None
        self.fresh_at: datetime | None = None if self.whole_table else self.begins[self.start + timedelta(days=1)]
        self.gap_was_long = False
        self.since_deadline = False
        self.ever_published = self.ever_due = False
        events = [(at, 0, partition) for at, partition in self.publishes] + [(at, 1, None) for at in self.deadlines]
        self.events = sorted(events, key=lambda event: (event[0], event[1]))
        followed = [
            (self.begins[day + timedelta(days=1)], day) for day in self.begins if day + timedelta(days=1) in self.begins
        ]
        self.complete = [
            each for each in followed if self.start <= each[1] and (self.end is None or each[1] <= self.end)
        ]
        self.over = self.begins.get(self.end + timedelta(days=2)) if self.end else None

    def newest(self, at: datetime) -> date | None:
        return max((day for complete, day in self.complete if complete <= at), default=None)

    def advance(self, now: datetime) -> None:
        while self.events and self.events[0][0] <= now:
            at, kind, partition = self.events.pop(0)
            self.ever_published |= kind == 0
            if kind == 1:
                self._deadline(at)
            elif self.whole_table:
                self._publish_table(at)
            else:
                self._publish(at, partition)

    def _publish(self, at: datetime, partition: date) -> None:
        if at < self.begins[partition + timedelta(days=1)] or partition in self.arrived:
            return
        self.arrived[partition] = at
        if self.missing == partition:
            self.missing = self.broken_since = None
            self.recovered = at
        if partition == self.newest(at):
            self._fresh(at)

    def _publish_table(self, at: datetime) -> None:
        self.since_deadline = True
        if self.missing:
            self.missing = self.broken_since = None
            self.recovered = at
        self._fresh(at)

    def _fresh(self, at: datetime) -> None:
        self.gap_was_long = self.fresh_at is not None and at - self.fresh_at > self.max_age
        self.fresh_at = at

    def _deadline(self, at: datetime) -> None:
        self.recovered = None
        if self.whole_table:
            kept, self.since_deadline, due = self.since_deadline, False, "table"
        else:
            due = self.newest(at)
            if due is None or (self.over and at >= self.over):
                return
            kept = due in self.arrived
        self.ever_due = True
        if kept:
            self.missing = self.broken_since = None
        else:
            self.missing = due
            self.broken_since = self.broken_since or at

    def deadline_state(self, now: datetime) -> tuple[str, datetime | None]:
        if self.missing:
            return "broken", self.broken_since
        following = [at for at in self.deadlines if at > now and (self.over is None or at < self.over)]
        following = [at for at in following if self.whole_table or self.newest(at) is not None]
        if following:
            due = self.newest(following[0])
            there = self.since_deadline if self.whole_table else due in self.arrived
            possible = now if self.whole_table else max(now, self.begins[due + timedelta(days=1)])
            if not there and possible + self.typical > following[0]:
                return "at_risk", None
        if self.recovered:
            return "recovered", self.recovered
        known = self.ever_due or (self.ever_published and following)
        return "on_track" if known else "unmeasured", None

    def age_state(self, now: datetime) -> str:
        newest = None if self.whole_table else self.newest(now)
        kept = "on_track" if self.ever_published else "unmeasured"
        if not self.whole_table and newest is None:
            return kept
        if self.fresh_at is None:
            return "broken"
        over = self.end is not None and self.end in self.arrived
        if over:
            return "recovered" if self.gap_was_long and now - self.fresh_at <= self.max_age else "on_track"
        if now - self.fresh_at > self.max_age:
            return "broken"
        possible = now
        if not self.whole_table and newest in self.arrived:
            possible = self.begins[newest + timedelta(days=2)]
        if possible + self.typical > self.fresh_at + self.max_age:
            return "at_risk"
        return "recovered" if self.gap_was_long else kept


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)
