"""Divides the partitions of a job into runs if its assets have different partitions: one run for each common span.

Belongs here: dividing ranges so that within a run every asset has every key; the keys that all assets have.
Not here: the partitions of one pipeline (`etl.partitions`), launching (`etl.cli.runs`), when a schedule runs
(`schedule_factory`).

A run of Dagster has the same partitions for all its assets, and Dagster refuses a key that one of the assets does not
have. So assets of one unit of time share runs for their common keys; each other unit, and each list of keys, has
separate runs.
"""

import itertools
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster import AssetKey, PartitionsDefinition, TimeWindowPartitionsDefinition, partition_loading_context

from etl.errors import EtlError
from etl.partitions.keys import kind_of, moved
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.running.partition_definitions import definition_of, scheme_of

PARTITION = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

Definition = PartitionsDefinition[str]
PartitionsOf = Mapping[AssetKey, PartitionsDefinition | None]
Range = tuple[str, str]
Ranges = Mapping[Definition, Range]
"""The first and the last requested key of each definition. No key is requested of a definition that is missing here."""
RangesOf = Mapping[AssetKey, Range]
SchemesOf = Mapping[AssetKey, Collection[TimeScheme | StaticKeys]]
"""The scheme of each asset; several schemes if the asset is made of pipelines of different time zones."""


@dataclass(frozen=True)
class Span:
    """Consecutive partitions, and the assets that have all of them.

    `first` and `last` are None for a run of whole tables only. `is_all` says that `keys` are all assets of the job.
    """

    first: str | None
    last: str | None
    keys: frozenset[AssetKey]
    is_all: bool
    size: int = 0
    """The number of partitions; 0 for whole tables."""

    @property
    def tags(self) -> dict[str, str]:
        """The tags that give these partitions to a run."""
        if self.first is None or self.last is None:
            return {}
        if self.first == self.last:
            return {PARTITION: self.first}
        return {RANGE_START: self.first, RANGE_END: self.last}

    @property
    def word(self) -> str:
        """The word for one partition; `day` for whole tables."""
        kind = kind_of(self.first or "")
        return "key" if kind == "static" else kind or "day"

    @property
    def selection(self) -> list[AssetKey]:
        """The assets that a run of the job must select; empty for the whole job."""
        return [] if self.is_all else sorted(self.keys)

    def __str__(self) -> str:
        if self.first is None:
            return "whole tables"
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def partition_sets(partitions: PartitionsOf) -> set[Definition]:
    """Return the different sets of partitions of some assets."""
    return {each for each in partitions.values() if each is not None and scheme_of(each) is not None}


def bounds(definition: Definition, at: datetime | None = None) -> Range | None:
    """Return the first and the newest complete key at a moment (default: now); None before the first is complete."""
    if not isinstance(definition, TimeWindowPartitionsDefinition):
        keys = definition.get_partition_keys()
        return (keys[0], keys[-1]) if keys else None
    with partition_loading_context(effective_dt=at):
        first, last = definition.get_first_partition_key(), definition.get_last_partition_key()
    return (first, last) if first and last else None


def alike(definitions: Iterable[Definition]) -> list[list[Definition]]:
    """Group the definitions whose keys can be in one run: those of one unit of time. The smallest unit comes first."""
    groups: dict[Hashable, list[Definition]] = {}
    for each in sorted(definitions, key=lambda each: str(scheme_of(each))):
        scheme = scheme_of(each)
        same = (scheme.unit, scheme.start[13:]) if isinstance(scheme, TimeScheme) and scheme.unit == "hour" else None
        groups.setdefault(same or (scheme.unit if isinstance(scheme, TimeScheme) else each), []).append(each)
    order = ("hour", "day", "week", "month", "static")
    kinds = {id(group): getattr(scheme_of(group[0]), "kind", "") for group in groups.values()}
    return sorted(groups.values(), key=lambda group: order.index(kinds[id(group)]))


def within(definitions: Iterable[Definition], wanted: Range, at: datetime | None = None) -> dict[Definition, Range]:
    """Return the part of a range of keys that each definition has; for a list of keys, all its keys."""
    found = {each: known for each in definitions if (known := bounds(each, at))}
    return {
        each: (max(wanted[0], first), min(wanted[1], last)) if _is_time(each) else (first, last)
        for each, (first, last) in found.items()
        if not _is_time(each) or (first <= wanted[1] and last >= wanted[0])
    }


def newest(
    definitions: Iterable[Definition], at: datetime | None = None, behind: Mapping[str, int] | None = None
) -> dict[Definition, Range]:
    """Return the newest complete key of each definition, with `behind` (by unit) keys before it; all keys of a list.

    The range can have one key more if the newest key is complete in one time zone and not yet in another.
    """
    found: dict[Definition, Range] = {}
    for group in alike(definitions):
        last = [known[1] for each in group if (known := bounds(each, at))]
        scheme = scheme_of(group[0])
        if last and isinstance(scheme, TimeScheme):
            back = (behind or {}).get(scheme.unit, 0)
            low = min(last) if behind is not None else min(each for each in last if each >= moved(max(last), -1))
            found |= within(group, (moved(low, -back), max(last)), at)
        elif last:
            found |= within(group, ("", ""), at)
    return found


def key_for(partitions: PartitionsOf) -> str | None:
    """Return the newest complete key for a run that names no key; None for whole tables.

    Raises an error if the assets have no such key in common, because one run has the same key for all assets.
    """
    definitions = partition_sets(partitions)
    groups = alike(definitions)
    if len(groups) > 1 or not all(map(_is_time, definitions)):
        raise EtlError(
            "the run names no partition, and its assets have no newest one in common: they are cut in different ways,"
            " or by a list of keys",
            "start it with `etl run`, or name a partition",
        )
    ranges = newest(definitions)
    if not ranges:
        return None
    wanted = min(each[0] for each in ranges.values())
    for definition in definitions:
        found = bounds(definition)
        if found is None or not found[0] <= wanted <= found[1]:
            own = f"from {found[0]} to {found[1]}" if found else "none that is complete yet"
            word = getattr(scheme_of(definition), "word", "partition")
            raise EtlError(
                f"the run names no {word}, and its assets do not all have {wanted}: the {word}s of some are {own}",
                f"start it with `etl run`, or select a job whose assets have the same {word}s, or name one of all",
            )
    return wanted


def spans(partitions: PartitionsOf, ranges: Ranges) -> list[Span]:
    """Return the runs for these ranges. Each has the assets that have all its keys; the last has the whole tables."""
    own = {key: ranges[each] for key, each in partitions.items() if each is not None and each in ranges}
    return spans_of_assets(partitions, own)


def spans_of_assets(partitions: PartitionsOf, ranges: RangesOf) -> list[Span]:
    """Return the runs, as `spans` does, for ranges by asset: assets with equal partitions may have different ranges."""
    found: list[Span] = []
    for group in alike({each for key in ranges if (each := partitions[key]) is not None}):
        own = {key: ranges[key] for key in ranges if partitions[key] in group}
        if not _is_time(group[0]):
            found.append(_span(partitions, next(iter(own.values())), own))
            continue
        edges = sorted({first for first, _ in own.values()} | {moved(last, 1) for _, last in own.values()})
        for start, stop in itertools.pairwise(edges):
            keys = {key for key, (first, last) in own.items() if first <= start <= last}
            if keys:
                found.append(_span(partitions, (start, moved(stop, -1)), keys))
    whole = {key for key, definition in partitions.items() if definition is None}
    if found and whole and (last := found[-1]).first and last.last:
        found[-1] = _span(partitions, (last.first, last.last), last.keys | whole)
    return found


def _is_time(definition: Definition) -> bool:
    return isinstance(definition, TimeWindowPartitionsDefinition)


def _span(partitions: PartitionsOf, keys: Range, assets: Iterable[AssetKey]) -> Span:
    chosen = frozenset(assets)
    scheme = next(scheme_of(each) for key in chosen if (each := partitions[key]) is not None)
    size = scheme.count(*keys) if scheme else 0
    return Span(*keys, chosen, is_all=len(chosen) == len(partitions), size=size)


def common_partitions(partitions: PartitionsOf) -> Definition | None:
    """Return the keys that all partitioned assets have, as the partitions of their job; None if there are none."""
    definitions = [each for each in partition_sets(partitions) if isinstance(each, TimeWindowPartitionsDefinition)]
    schemes = [each for each in map(scheme_of, definitions) if isinstance(each, TimeScheme)]
    if len(alike(partition_sets(partitions))) > 1:
        return None
    start, ends = max(each.start for each in schemes), [each.end for each in schemes if each.end]
    if ends and min(ends) < start:
        return None
    # A day is complete for all assets when it has ended in the zone where it ends last.
    latest = min(definitions, key=lambda each: (each.start.utcoffset() or timedelta(0), each.timezone))
    return definition_of(TimeScheme(schemes[0].unit, start, min(ends) if ends else None, latest.timezone))


def asked(partitions: PartitionsOf, schemes: SchemesOf, first: str, last: str) -> dict[AssetKey, Range]:
    """Return the range that two texts of a person mean for each asset, in the time zones of its own `schemes`.

    A key of a list is named by its text. A time for assets with partitions by time also means all keys of the lists,
    and the whole tables.
    """
    wanted: dict[AssetKey, Range] = {}
    problems: dict[str, str] = {}
    for key, own in schemes.items():
        meant: set[Range] = set()
        for each in own:
            try:
                meant.add(each.range(first, last))
            except ValueError as error:
                problems[each.kind] = str(error)
        if len(meant) > 1:
            raise _ambiguous(key, own, first, meant)
        if meant:
            wanted[key] = meant.pop()
    kinds = {kind_of(found) for found, _ in wanted.values()}
    if not kinds or ("hour" in problems and kinds - {"hour", "static"} and "hour" not in kinds):
        raise _refused(problems)
    if kinds - {"static"}:
        wanted |= _all_of_lists(partitions)
    return wanted


def _all_of_lists(partitions: PartitionsOf) -> dict[AssetKey, Range]:
    lists = {key: each for key, each in partitions.items() if each is not None and not _is_time(each)}
    return {key: found for key, each in lists.items() if (found := bounds(each))}


def _refused(problems: Mapping[str, str]) -> EtlError:
    """Return the error for texts that mean no partition of the job, or a time at which no hour begins."""
    if "hour" in problems:
        return EtlError(problems["hour"], "name a partition that the job has: the begin of an hour, or a day")
    hint = "name partitions that the job has"
    if problems.keys() == {"static"}:
        hint = "the job has no partitions of time: `--partition` names one of its keys, and without one all are run"
    return EtlError(next(iter(problems.values()), "the job has no partitions"), hint)


def _ambiguous(key: AssetKey, own: Iterable[TimeScheme | StaticKeys], text: str, meant: Iterable[Range]) -> EtlError:
    zones = " and in ".join(sorted(each.timezone for each in own if isinstance(each, TimeScheme)))
    return EtlError(
        f"{key.to_user_string()} is made of pipelines of different time zones: {text} is one time in {zones}",
        f"write the time in UTC: {' or '.join(sorted(first for first, _ in meant))}",
    )
