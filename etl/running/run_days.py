"""Which days a job runs where its assets do not all have the same days: one run for each span that they share.

Belongs here: cutting a range of days so that within a run every asset has every day; the days that all assets have.
Does not: the days of one pipeline (`partitions`), launching (`etl.cli.runs`), when a schedule runs
(`schedule_factory`).

Dagster's runs name their days once for all their assets, and refuse a day that one of the assets does not have.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dagster import (
    AssetKey,
    DailyPartitionsDefinition,
    PartitionsDefinition,
    TimeWindowPartitionsDefinition,
    partition_loading_context,
)

from etl.errors import EtlError

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

PartitionsOf = Mapping[AssetKey, PartitionsDefinition | None]

_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """Days that follow each other, and the assets that have all of them.

    `first` and `last` are None for a run of whole tables only. `is_all` says that `keys` are all assets of the job.
    """

    first: date | None
    last: date | None
    keys: frozenset[AssetKey]
    is_all: bool

    @property
    def tags(self) -> dict[str, str]:
        """The tags with which a run says that it is about these days."""
        if self.first is None or self.last is None:
            return {}
        if self.first == self.last:
            return {PARTITION: self.first.isoformat()}
        return {RANGE_START: self.first.isoformat(), RANGE_END: self.last.isoformat()}

    @property
    def days(self) -> int:
        """How many days these are; 0 for whole tables."""
        return (self.last - self.first).days + 1 if self.first and self.last else 0

    @property
    def selection(self) -> list[AssetKey]:
        """What a run of the job has to select; empty for the whole job."""
        return [] if self.is_all else sorted(self.keys)

    def __str__(self) -> str:
        if self.first is None:
            return "whole tables"
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def daily_sets(partitions: PartitionsOf) -> set[TimeWindowPartitionsDefinition]:
    """The different sets of days of some assets."""
    return {each for each in partitions.values() if isinstance(each, TimeWindowPartitionsDefinition)}


def bounds(definition: TimeWindowPartitionsDefinition, at: datetime | None = None) -> tuple[date, date] | None:
    """The first and the newest complete day at a moment (default: now); None before the first one is complete."""
    with partition_loading_context(effective_dt=at):
        first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
    return (date.fromisoformat(first), date.fromisoformat(last)) if first and last else None


def newest_days(partitions: PartitionsOf, at: datetime | None = None) -> tuple[date, date] | None:
    """The newest complete day: two days where it has come in one time zone and not yet in another."""
    found = [each[1] for each in (bounds(days, at) for days in daily_sets(partitions)) if each]
    if not found:
        return None
    newest = max(found)
    return min(each for each in found if each >= newest - _ONE_DAY), newest


def day_for(partitions: PartitionsOf) -> date | None:
    """The day for a run that names none: the newest complete one. None for whole tables.

    Raises an error if the assets have no such day in common: one run cannot give each of them a day of its own.
    """
    newest = newest_days(partitions)
    if newest is None:
        return None
    for definition in daily_sets(partitions):
        found = bounds(definition)
        if found is None or not found[0] <= newest[0] <= found[1]:
            own = f"from {found[0]} to {found[1]}" if found else "none that is complete yet"
            raise EtlError(
                f"the run names no day, and its assets do not all have {newest[0]}: the days of some are {own}",
                "start it with `etl run`, or select a job whose assets have the same days, or name a day that all have",
            )
    return newest[0]


def spans(partitions: PartitionsOf, first: date, last: date, at: datetime | None = None) -> list[Span]:
    """The runs that do the days from `first` to `last`, each asset the days that it has; whole tables in the last."""
    known = {definition: bounds(definition, at) for definition in daily_sets(partitions)}
    own = {
        definition: (max(first, found[0]), min(last, found[1]))
        for definition, found in known.items()
        if found and found[0] <= last and found[1] >= first
    }
    edges = sorted({each[0] for each in own.values()} | {each[1] + _ONE_DAY for each in own.values()})
    whole = {key for key, definition in partitions.items() if definition is None}
    found_spans: list[Span] = []
    for start, stop in itertools.pairwise(edges):
        present = {each for each, (begin, end) in own.items() if begin <= start <= end}
        keys = {key for key, definition in partitions.items() if definition in present}
        if keys:
            found_spans.append(_span(partitions, start, stop - _ONE_DAY, keys))
    if found_spans:
        newest = found_spans[-1]
        found_spans[-1] = _span(partitions, newest.first, newest.last, newest.keys | whole)
    return found_spans


def _span(partitions: PartitionsOf, first: date | None, last: date | None, keys: Iterable[AssetKey]) -> Span:
    chosen = frozenset(keys)
    return Span(first, last, chosen, is_all=len(chosen) == len(partitions))


def common_days(partitions: PartitionsOf) -> DailyPartitionsDefinition | None:
    """The days that all daily assets have, which are the partitions of their job; None if there are none."""
    definitions = daily_sets(partitions)
    start = max(each.start.date() for each in definitions)
    ends = [each.end.date() for each in definitions if each.end]
    if ends and min(ends) <= start:
        return None
    # Where a day ends last, it is complete for all.
    latest = min(definitions, key=lambda each: (each.start.utcoffset() or timedelta(0), each.timezone))
    return DailyPartitionsDefinition(
        start_date=start.isoformat(), end_date=min(ends).isoformat() if ends else None, timezone=latest.timezone
    )
