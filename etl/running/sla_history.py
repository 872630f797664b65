"""Reads Dagster's event log into the excerpts of one tenant or of many: each event is read once for all of them.

Belongs here: which events are read, in which order, how many at a time, and which tenant gets them. Not here: one
tenant's part in it (`sla_reader`), the outcome of a finished run (`run_outcomes`), the past of a new pipeline
(`sla_past`), whether the event log is still the same one (`same_log`), storing an excerpt
(`etl.promises.pipeline_log`).

There are three sources: materializations of all assets as one stream by storage id, finished runs as two streams by
storage id, and, once for each pipeline, its own past (`sla_past`). The streams begin at the end of the log at the
moment when the excerpt is made, so that no event is missed between the past and the streams. The time of one call is
limited; the caller judges a tenant's promises only after its streams were read to their end.

Each tenant has its own positions in the streams, stored with its facts. A tenant without news does not store them each
time: they are remembered in this process, and stored when they are `NEAR` events behind. Tenants whose positions are
near each other are read together; a tenant far behind is read by itself afterwards, so that the others do not wait.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
from typing import ParamSpec, TypeVar

from dagster import (
    AssetKey,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
    EventLogRecord,
    EventRecordsFilter,
    RunsFilter,
)

from etl.partitions.zones import moment
from etl.promises.freshness import AtWork
from etl.promises.pipeline_facts import Facts
from etl.running.compat import EventLogCursor
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import failed_run, finished_run, newest_key, planned_assets
from etl.running.same_log import log_now
from etl.running.sla_past import Past
from etl.running.sla_reader import NEAR, Reader, note_materialization

MATERIALIZATIONS, SUCCESSES, FAILURES = "materializations", "successes", "failures"
RUN_STREAMS = {SUCCESSES: DagsterEventType.RUN_SUCCESS, FAILURES: DagsterEventType.RUN_FAILURE}
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
STREAMS = (MATERIALIZATIONS, *RUN_STREAMS)
PAGE = 500
BUDGET = 2.5  # seconds of one call
FIRST_RUNS = 200  # finished runs with which a new excerpt begins
IN_ONE_TRANSACTION = 100
MOST_AT_WORK = 50  # runs at one time, of all tenants, that are examined
STORM = 150  # if so many runs end at once, only the last event of failed runs is read


@dataclass
class SlaHistory:
    """The reader of the event log for some tenants."""

    readers: Sequence[Reader]
    scrub: Callable[[str], str]
    budget: float = BUDGET
    _deadline: float = field(default=0.0, init=False)

    def read(self, instance: DagsterInstance, now: datetime) -> set[str]:
        """Read new events. Return the tenants of which no events are left, so that they can be judged.

        If there was no time to read a pipeline's past, the log's histories leave the pipeline out until a later call.
        A tenant whose excerpt cannot be read or written has its `problem`, and the others go on.
        """
        self._deadline = time.monotonic() + self.budget
        for each in self.readers:
            each.problem = None
            _guarded(each, each.open, now)
        self._compare(instance, now)
        new = [each for each in self._sound() if MATERIALIZATIONS not in each.positions]
        if new:
            self._start(instance, new, now)
        front, stragglers = _near_and_far(self._sound())
        complete = self._read_together(instance, front, now)
        for each in sorted(stragglers, key=lambda each: each.read_at):
            if self._late:
                break
            each.read_at = time.monotonic()
            complete |= self._read_together(instance, [each], now)
        for each in self._sound():
            _guarded(each, self._read_past, instance, each, now)
        return {each.tenant for each in self._sound()} & complete

    def at_work(self, instance: DagsterInstance) -> dict[str, dict[str, tuple[AtWork, ...]]]:
        """Return, for each tenant and pipeline, the unfinished runs of its last stage, up to a limit."""
        found: dict[str, dict[str, tuple[AtWork, ...]]] = {}
        tenants = {each.tenant: each.subjects.promised_assets for each in self.readers}
        for record in instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED]), limit=MOST_AT_WORK):
            run = record.dagster_run
            owners = owners_of(run) & tenants.keys()
            if record.start_time is None or not owners:
                continue
            work = AtWork(moment(record.start_time), newest_key(run.tags))
            for key in run.asset_selection or planned_assets(instance, run):
                for tenant in owners:
                    if (pipeline := tenants[tenant].get(key)) is not None:
                        own = found.setdefault(tenant, {})
                        own[pipeline] = (*own.get(pipeline, ()), work)
        return found

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _sound(self) -> list[Reader]:
        return [each for each in self.readers if each.problem is None]

    def _compare(self, instance: DagsterInstance, now: datetime) -> None:
        """Begin again for each tenant whose excerpt was read from another event log."""
        sound = self._sound()
        log = log_now(instance, set[int]().union(*(each.known_ids for each in sound)))
        if log is None:
            return
        for each in sound:
            newest = max(each.positions.values(), default=0)
            if not log.goes_on(newest, each.last_event):
                _guarded(each, each.begin_again, now)
            elif each.last_event is None:  # an earlier release stored no event
                each.last_event = log.events.get(newest)

    def _start(self, instance: DagsterInstance, readers: Iterable[Reader], now: datetime) -> None:
        """Begin each stream at its present end, the streams of runs a little before."""
        filters = EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION)
        newest = instance.event_log_storage.get_event_records(filters, limit=1)
        readers = [*readers]
        for each, record in product(readers, newest):
            each.saw(record)
        begin = {MATERIALIZATIONS: newest[0].storage_id if newest else 0}
        for stream, event_type in RUN_STREAMS.items():
            records = instance.fetch_run_status_changes(event_type, limit=FIRST_RUNS).records
            begin[stream] = min((each.storage_id for each in records), default=1) - 1
        for each in readers:
            _guarded(each, each.absorb, Facts(), begin, now)

    def _read_past(self, instance: DagsterInstance, reader: Reader, now: datetime) -> None:
        """Read the past of pipelines that are new; a tenant without new pipelines costs nothing here."""
        unread = reader.current(now).unread
        if not unread:
            return
        assets = {pipeline: key for key, pipeline in reader.subjects.promised_assets.items()}

        def note(facts: Facts, entry: EventLogEntry) -> None:
            note_materialization(reader, facts, entry)

        earlier: dict[str, list[AssetKey]] = {}
        for key, pipeline in reader.subjects.pipeline_of_asset.items():
            if AssetAddress.of(key).stage in ("extract", "transfer") and key != assets.get(pipeline):
                earlier.setdefault(pipeline, []).append(key)
        past = Past(assets, reader.subjects.partitions, note, lambda: self._late, earlier)
        reader.absorb(past.read(instance, unread, now), {}, now)

    def _read_together(self, instance: DagsterInstance, readers: Sequence[Reader], now: datetime) -> set[str]:
        """Read the streams for these tenants, and return those of which nothing is left."""
        readers = [each for each in readers if each.problem is None]
        if not readers:
            return set()
        every = self._read_materializations(instance, readers, now)
        every = self._read_runs(instance, readers, now) and every
        return {each.tenant for each in readers} if every else set()

    def _read_materializations(self, instance: DagsterInstance, readers: Sequence[Reader], now: datetime) -> bool:
        by_tenant = {each.tenant: each for each in readers}
        cursor = min(each.positions[MATERIALIZATIONS] for each in readers)
        while not self._late:
            filters = EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, after_cursor=cursor)
            records = instance.event_log_storage.get_event_records(filters, limit=PAGE, ascending=True)
            if not records:
                return True
            cursor = records[-1].storage_id
            news: dict[str, list[EventLogEntry]] = {}
            for each in records:
                made = each.event_log_entry.asset_materialization
                reader = by_tenant.get(AssetAddress.of(made.asset_key).tenant) if made else None
                if reader is not None and each.storage_id > reader.positions[MATERIALIZATIONS]:
                    news.setdefault(reader.tenant, []).append(each.event_log_entry)
            for each_reader in readers:
                entries = news.get(each_reader.tenant, ())
                each_reader.saw(records[-1])
                _guarded(each_reader, _take, each_reader, entries, {MATERIALIZATIONS: cursor}, now)
            if len(records) < PAGE:
                return True
        return False

    def _read_runs(self, instance: DagsterInstance, readers: Sequence[Reader], now: datetime) -> bool:
        positions = {stream: min(each.positions[stream] for each in readers) for stream in RUN_STREAMS}
        while not self._late:
            pages = {
                stream: instance.fetch_run_status_changes(
                    event_type,
                    limit=PAGE,
                    cursor=EventLogCursor.from_storage_id(positions[stream]).to_string(),
                    ascending=True,
                ).records
                for stream, event_type in RUN_STREAMS.items()
            }
            ends = sorted((each.storage_id, stream, each) for stream, page in pages.items() for each in page)
            # Of two streams, only events before the end of a full page are in the right order.
            last = min((page[-1].storage_id for page in pages.values() if len(page) == PAGE), default=None)
            ends = [each for each in ends if last is None or each[0] <= last]
            if not self._note_runs(instance, readers, ends, positions, now):
                return False
            if last is None:
                return True
        return False

    def _note_runs(
        self,
        instance: DagsterInstance,
        readers: Sequence[Reader],
        ends: Sequence[tuple[int, str, EventLogRecord]],
        positions: dict[str, int],
        now: datetime,
    ) -> bool:
        known = {each.tenant: each for each in readers}
        for begin in range(0, len(ends), IN_ONE_TRANSACTION):
            part = ends[begin : begin + IN_ONE_TRANSACTION]
            new = sorted({e.run_id for at, stream, e in part if any(at > r.positions[stream] for r in readers)})
            records = instance.get_run_records(RunsFilter(run_ids=new)) if new else []
            runs = {each.dagster_run.run_id: each.dagster_run for each in records}
            owners = {run_id: owners_of(run) & known.keys() for run_id, run in runs.items()}
            facts = {tenant: Facts() for tenant in set[str]().union(*owners.values())}
            seen = {tenant: self._seen(known[tenant], owners) for tenant in facts}
            newest: EventLogRecord | None = None
            for position, stream, each in part:
                if self._late:
                    break
                for tenant in owners.get(each.run_id, ()):
                    reader = known[tenant]
                    if position <= reader.positions[stream] or each.run_id in seen[tenant] or reader.problem:
                        continue
                    short = stream == FAILURES and len(ends) > STORM
                    _guarded(
                        reader, self._note_outcome, facts[tenant], instance, reader, runs[each.run_id], each, short
                    )
                positions[stream] = position
                newest = each
            for reader in readers:
                if newest is not None:
                    reader.saw(newest)
                own = facts.get(reader.tenant)
                if own is not None and own.finished:
                    _guarded(reader, reader.absorb, own, dict(positions), now)
                else:
                    _guarded(reader, reader.advance, dict(positions), now)
            if self._late:
                return False
        return True

    def _seen(self, reader: Reader, owners: Mapping[str, Collection[str]]) -> set[str]:
        own = [run_id for run_id, tenants in owners.items() if reader.tenant in tenants]
        return _guarded(reader, reader.log.seen, own) or set()

    def _note_outcome(
        self,
        facts: Facts,
        instance: DagsterInstance,
        reader: Reader,
        run: DagsterRun,
        record: EventLogRecord,
        short: bool,
    ) -> None:
        facts.finished.append(
            failed_run(instance, run, record.event_log_entry, reader.subjects, self.scrub)
            if short
            else finished_run(instance, run, record.timestamp, reader.subjects, self.scrub)
        )


def owners_of(run: DagsterRun) -> set[str]:
    """The tenants of a run, by its tag, its assets, or the location from which it came; also names of no tenants."""
    origin = run.remote_job_origin
    keys: Iterable[AssetKey] = run.asset_selection or ()
    found = {run.tags.get("tenant", ""), *(AssetAddress.of(key).tenant for key in keys)}
    return found | ({origin.location_name} if origin is not None else set())


def _guarded(
    reader: Reader, work: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
) -> Result | None:
    """Do something for one tenant. Its errors are its own: they are kept with it, and the other tenants go on."""
    if reader.problem is None:
        try:
            return work(*given, **named)
        except Exception as error:  # noqa: BLE001  any error belongs to this tenant and is reported
            reader.problem = error
    return None


def _near_and_far(readers: Sequence[Reader]) -> tuple[list[Reader], list[Reader]]:
    """The tenants that were read about equally far, and those that are far behind."""
    newest = {stream: max((each.positions[stream] for each in readers), default=0) for stream in STREAMS}
    far = [each for each in readers if any(newest[stream] - each.positions[stream] > 2 * NEAR for stream in STREAMS)]
    return [each for each in readers if each not in far], far


def _take(reader: Reader, entries: Sequence[EventLogEntry], position: Mapping[str, int], now: datetime) -> None:
    """Store what these events say of one tenant."""
    facts = Facts()
    for each in entries:
        note_materialization(reader, facts, each)
    if facts.numbers or facts.publishes:
        reader.absorb(facts, position, now)
    else:
        reader.advance(position, now)
