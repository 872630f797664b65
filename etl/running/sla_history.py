"""Reads Dagster's event log into a tenant's excerpt.

Belongs here: which events are read, in which order, and how many at a time. Not here: the outcome of a finished run
(`run_outcomes`), the past of a new pipeline (`sla_past`), storing the excerpt (`etl.promises.pipeline_log`).

There are three sources: materializations of all assets as one stream by storage id, finished runs as two streams by
storage id, and, once for each pipeline, its own past (`sla_past`). The streams begin at the end of the log at the
moment when the excerpt is made, so that no event is missed between the past and the streams. The time of one call is
limited; the caller judges promises only after the streams were read to their end.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

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

from etl.partitions.keys import kind_of
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.partitions.zones import moment
from etl.promises.freshness import AtWork, Publish
from etl.promises.pipeline_log import Facts, Numbers, PipelineLog
from etl.running.compat import EventLogCursor
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import ROWS, failed_run, finished_run, newest_key, number, planned_assets
from etl.running.sla_past import Past
from etl.running.subjects import Subjects

MATERIALIZATIONS, SUCCESSES, FAILURES = "materializations", "successes", "failures"
RUN_STREAMS = {SUCCESSES: DagsterEventType.RUN_SUCCESS, FAILURES: DagsterEventType.RUN_FAILURE}
PAGE = 500
BUDGET = 2.5  # seconds of one call
FIRST_RUNS = 200  # finished runs with which a new excerpt begins
IN_ONE_TRANSACTION = 100
MOST_AT_WORK = 50  # runs at one time, of all tenants, that are examined
STORM = 150  # if so many runs end at once, only the last event of failed runs is read


@dataclass
class SlaHistory:
    """The reader of one tenant."""

    subjects: Subjects
    log: PipelineLog
    scrub: Callable[[str], str]
    budget: float = BUDGET
    _deadline: float = field(default=0.0, init=False)

    def read(self, instance: DagsterInstance, now: datetime) -> bool:
        """Read new events. Return False if events are left for the next call, so that it is too early to judge.

        If there was no time to read a pipeline's past, the log's histories leave the pipeline out until a later call.
        """
        self._deadline = time.monotonic() + self.budget
        unread = self.log.begin(tuple(self.subjects.partitions), now)
        cursors = self.log.cursors()
        if MATERIALIZATIONS not in cursors:
            cursors = self._start(instance, now)
        every = self._read_materializations(instance, cursors[MATERIALIZATIONS], now)
        every = self._read_runs(instance, cursors, now) and every
        past = Past(self._assets, self.subjects.partitions, self._note_materialization, lambda: self._late)
        self.log.absorb(past.read(instance, unread, now), now)
        return every

    def at_work(self, instance: DagsterInstance) -> dict[str, tuple[AtWork, ...]]:
        """Return, for each pipeline, the unfinished runs of its last stage, up to a limit."""
        found: dict[str, tuple[AtWork, ...]] = {}
        for record in instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.STARTED]), limit=MOST_AT_WORK):
            run = record.dagster_run
            if record.start_time is None or not self._mine(run):
                continue
            work = AtWork(moment(record.start_time), newest_key(run.tags))
            for key in run.asset_selection or planned_assets(instance, run):
                pipeline = self.subjects.promised_assets.get(key)
                if pipeline is not None:
                    found[pipeline] = (*found.get(pipeline, ()), work)
        return found

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _start(self, instance: DagsterInstance, now: datetime) -> dict[str, int]:
        """Begin each stream at its present end, the streams of runs a little before."""
        facts = Facts()
        filters = EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION)
        newest = instance.event_log_storage.get_event_records(filters, limit=1)
        facts.cursors[MATERIALIZATIONS] = newest[0].storage_id if newest else 0
        for stream, event_type in RUN_STREAMS.items():
            records = instance.fetch_run_status_changes(event_type, limit=FIRST_RUNS).records
            facts.cursors[stream] = min((each.storage_id for each in records), default=1) - 1
        self.log.absorb(facts, now)
        return facts.cursors

    def _read_materializations(self, instance: DagsterInstance, cursor: int, now: datetime) -> bool:
        while not self._late:
            filters = EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, after_cursor=cursor)
            records = instance.event_log_storage.get_event_records(filters, limit=PAGE, ascending=True)
            if not records:
                return True
            cursor = records[-1].storage_id
            facts = Facts(cursors={MATERIALIZATIONS: cursor})
            for each in records:
                self._note_materialization(facts, each.event_log_entry)
            self.log.absorb(facts, now)
            if len(records) < PAGE:
                return True
        return False

    def _note_materialization(self, facts: Facts, entry: EventLogEntry) -> None:
        made = entry.asset_materialization
        pipeline = self.subjects.pipeline_of_asset.get(made.asset_key) if made else None
        if made is None or pipeline is None:
            return
        at = moment(entry.timestamp)
        promised = made.asset_key in self.subjects.promised_assets
        stage = AssetAddress.of(made.asset_key).stage
        names = {"bytes": "bytes", "rows_quarantined": "quarantined", "seconds": f"seconds_{stage}"}
        values = {to: found for name, to in names.items() if (found := number(made.metadata, name)) is not None}
        if promised:
            rows = [found for name in ROWS if (found := number(made.metadata, name)) is not None]
            values |= {"rows": rows[0]} if rows else {}
        facts.numbers.append(Numbers(pipeline, made.partition or "", at, values))
        publish = _publish(self.subjects.partitions[pipeline], made.partition, at) if promised else None
        if publish is not None:
            facts.publishes.append((pipeline, publish))

    def _read_runs(self, instance: DagsterInstance, cursors: Mapping[str, int], now: datetime) -> bool:
        positions = {stream: cursors[stream] for stream in RUN_STREAMS}
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
            if not self._note_runs(instance, ends, positions, now):
                return False
            if last is None:
                return True
        return False

    def _note_runs(
        self,
        instance: DagsterInstance,
        ends: Sequence[tuple[int, str, EventLogRecord]],
        positions: dict[str, int],
        now: datetime,
    ) -> bool:
        for begin in range(0, len(ends), IN_ONE_TRANSACTION):
            part = ends[begin : begin + IN_ONE_TRANSACTION]
            ids = [each.run_id for _, _, each in part]
            new = sorted(set(ids) - self.log.seen(ids))
            records = instance.get_run_records(RunsFilter(run_ids=new)) if new else []
            runs = {each.dagster_run.run_id: each.dagster_run for each in records if self._mine(each.dagster_run)}
            facts = Facts()
            for position, stream, each in part:
                if self._late:
                    break
                if each.run_id in runs:
                    run, entry = runs[each.run_id], each.event_log_entry
                    facts.finished.append(
                        failed_run(run, entry, self.subjects, self.scrub)
                        if stream == FAILURES and len(ends) > STORM
                        else finished_run(instance, run, each.timestamp, self.subjects, self.scrub)
                    )
                positions[stream] = position
            facts.cursors = dict(positions)
            self.log.absorb(facts, now)
            if self._late:
                return False
        return True

    def _mine(self, run: DagsterRun) -> bool:
        """Whether a run belongs to this tenant, by its tag, its assets, or the location from which it came."""
        tenant = self.subjects.config.id
        origin = run.remote_job_origin
        keys: Iterable[AssetKey] = run.asset_selection or ()
        return (
            run.tags.get("tenant") == tenant
            or any(AssetAddress.of(key).tenant == tenant for key in keys)
            or (origin is not None and origin.location_name == tenant)
        )

    @cached_property
    def _assets(self) -> Mapping[str, AssetKey]:
        return {pipeline: key for key, pipeline in self.subjects.promised_assets.items()}


def _publish(scheme: TimeScheme | StaticKeys | None, partition: str | None, at: datetime) -> Publish | None:
    """Return the publish if promises count it: a publish of the table, or of a partition that was complete."""
    if scheme is None:
        return Publish(at)
    if partition is None or kind_of(partition) != scheme.kind:
        return None
    is_complete = isinstance(scheme, StaticKeys) or at >= scheme.complete_at(partition)
    return Publish(at, partition) if is_complete else None
