"""Reads the past of pipelines that are new to the SLA sensor.

Belongs here: which events of the past are read, and since when the past is then known. Not here: later events
(`sla_history`).

One query returns the last materialization of every pipeline. For most pipelines it is the newest complete partition,
and nothing else has to be read. For the others, the newest partitions are read, one pipeline after the other, as long
as there is time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, EventLogEntry

from etl.partitions.keys import moved
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.partitions.zones import moment
from etl.promises.pipeline_facts import Facts

CHUNK = 1000
NEWEST = 10  # partitions of a pipeline that are looked at
LIMIT = 100  # events of those partitions that are read at most


@dataclass(frozen=True)
class Past:
    """Reads the past of the pipelines with these assets and partitions."""

    assets: Mapping[str, AssetKey]
    partitions: Mapping[str, TimeScheme | StaticKeys | None]
    note: Callable[[Facts, EventLogEntry], None]
    late: Callable[[], bool]
    earlier: Mapping[str, Sequence[AssetKey]] = field(default_factory=dict)
    """The assets of the stages before the last one; their newest numbers are shown beside those of the last stage."""

    def read(self, instance: DagsterInstance, pipelines: Sequence[str], now: datetime) -> Facts:
        """Return the facts about `pipelines`, or about as many of them as there is time for."""
        facts = Facts()
        for begin in range(0, len(pipelines), CHUNK):
            part = pipelines[begin : begin + CHUNK]
            if self.late():
                break
            last = self._last_materializations(instance, part)
            for pipeline in part:
                for key in self.earlier.get(pipeline, ()):
                    if key in last:
                        self.note(facts, last[key])
                entry = last.get(self.assets[pipeline])
                if entry is None:  # never published: the promise begins at the first observation
                    facts.known_since[pipeline] = None
                elif self._settles(pipeline, entry, now):
                    self.note(facts, entry)
                    facts.known_since[pipeline] = moment(entry.timestamp)
                elif not self.late():
                    self.note(facts, entry)
                    self._read_newest(instance, facts, pipeline, now)
        return facts

    def _last_materializations(
        self, instance: DagsterInstance, pipelines: Sequence[str]
    ) -> Mapping[AssetKey, EventLogEntry]:
        keys = [key for name in pipelines for key in (self.assets[name], *self.earlier.get(name, ()))]
        entries = (each.asset_entry for each in instance.get_asset_records(keys))
        return {
            each.asset_key: each.last_materialization_record.event_log_entry
            for each in entries
            if each.last_materialization_record is not None
        }

    def _settles(self, pipeline: str, entry: EventLogEntry, now: datetime) -> bool:
        """Whether the last materialization is enough: it is of a table, or of the newest complete partition."""
        scheme, made = self.partitions[pipeline], entry.asset_materialization
        if isinstance(scheme, StaticKeys):
            return False
        newest = scheme.newest_complete(now) if scheme else None
        if scheme is None or newest is None or made is None:
            return True
        return made.partition == newest and moment(entry.timestamp) >= scheme.complete_at(newest)

    def _read_newest(self, instance: DagsterInstance, facts: Facts, pipeline: str, now: datetime) -> None:
        scheme = self.partitions[pipeline]
        if isinstance(scheme, StaticKeys):  # the last publish of each counts
            names, begins = scheme.values, []
        else:
            newest = scheme.newest_complete(now) if scheme else None
            if scheme is None or newest is None:
                return
            oldest = max(scheme.start, moved(newest, 1 - NEWEST))
            names, begins = scheme.between(oldest, newest), [scheme.complete_at(oldest)]
        filters = AssetRecordsFilter(self.assets[pipeline], asset_partitions=names)
        for each in reversed(instance.fetch_materializations(filters, limit=max(LIMIT, 2 * len(names))).records):
            self.note(facts, each.event_log_entry)
        first = instance.fetch_materializations(self.assets[pipeline], limit=1, ascending=True).records
        begins += [moment(each.timestamp) for each in first]
        facts.known_since[pipeline] = max(begins)
