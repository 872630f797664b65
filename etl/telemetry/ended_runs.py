"""Finds the runs that have ended and were not sent yet, and reads their events.

Belongs here: the streams of Dagster's event log that name ended runs, and the events of one run. Not here: which runs
were sent (`sent`), what is made of the events (`spans`, `lineage_events`).

Everything is read after a run has ended, so a run does not wait for telemetry, and does not notice that it fails.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dagster import AssetMaterialization, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun

from etl.running.compat import EventLogCursor
from etl.running.error_words import words_of
from etl.running.naming import AssetAddress
from etl.running.sla_history import owners_of

STREAMS: Mapping[str, DagsterEventType] = {
    "succeeded": DagsterEventType.RUN_SUCCESS,
    "failed": DagsterEventType.RUN_FAILURE,
    "canceled": DagsterEventType.RUN_CANCELED,
}
LOOK_BACK = 1000
"""So many ids before the position are read again: a writer that began earlier may have stored its event later."""
PAGE = 200
TYPES = {
    *STREAMS.values(),
    DagsterEventType.RUN_ENQUEUED,
    DagsterEventType.RUN_DEQUEUED,
    DagsterEventType.RUN_STARTING,
    DagsterEventType.RUN_START,
    DagsterEventType.STEP_START,
    DagsterEventType.STEP_SUCCESS,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.STEP_SKIPPED,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
}


@dataclass(frozen=True)
class End:
    """The event with which a run ended: its stream, its id there, and its time."""

    run_id: str
    stream: str
    position: int
    at: float


@dataclass(frozen=True)
class StepEvents:
    """One step of a run: when it began and ended, and what it reported. `ended` is None if its process was killed."""

    key: str
    started: float
    ended: float | None = None
    error: str = ""
    reports: tuple[tuple[float, DagsterEvent], ...] = ()

    @property
    def address(self) -> AssetAddress:
        """The tenant, the stage and the pipeline, as far as the step's key shows them."""
        return AssetAddress.of_step(self.key)


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended, with the events that telemetry uses."""

    run: DagsterRun
    end: End
    times: Mapping[str, float]
    """The time of each event of the run itself, by its type."""
    steps: tuple[StepEvents, ...]
    planned: tuple[AssetAddress, ...]
    """The assets that the run was to make."""
    error: str = ""

    @property
    def started(self) -> float:
        """When the run began: to wait, if it waited in the queue."""
        return min(self.times.values(), default=self.end.at)

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants of the run, in order."""
        known = {each.address.tenant for each in self.steps} | {each.tenant for each in self.planned}
        tagged = self.run.tags.get("tenant")
        return (tagged,) if tagged else tuple(sorted(known & owners_of(self.run) or known))


def ends(instance: DagsterInstance, positions: Mapping[str, int]) -> Iterator[End]:
    """Yield the ends of runs behind the positions, in the order of their ids, and some before the positions again."""
    after = {stream: max(positions.get(stream, 0) - LOOK_BACK, 0) for stream in STREAMS}
    while after:
        pages = {
            stream: instance.fetch_run_status_changes(
                STREAMS[stream],
                cursor=EventLogCursor.from_storage_id(position).to_string() if position else None,
                ascending=True,
                limit=PAGE,
            ).records
            for stream, position in after.items()
        }
        # Beyond the last id of a full page, its stream may have further events that come before those of the others.
        last = min((page[-1].storage_id for page in pages.values() if len(page) == PAGE), default=None)
        found = sorted(
            (
                End(each.event_log_entry.run_id, stream, each.storage_id, each.timestamp)
                for stream, page in pages.items()
                for each in page
                if last is None or each.storage_id <= last
            ),
            key=lambda each: each.position,
        )
        yield from found
        if last is None:
            return
        after = dict.fromkeys(after, last)


def read_run(instance: DagsterInstance, end: End) -> EndedRun | None:
    """Read the events of a run; None if the run was deleted meanwhile."""
    run = instance.get_run_by_id(end.run_id)
    if run is None:
        return None
    seen = _EventsOfRun()
    for record in instance.get_records_for_run(end.run_id, of_type=TYPES).records:
        entry = record.event_log_entry
        if entry.dagster_event is not None:
            seen.note(entry.timestamp, entry.dagster_event)
    steps = tuple(
        StepEvents(key, at, ended, error, tuple(seen.reports.get(key, ())))
        for key, at in seen.started.items()
        for ended, error in [seen.ended.get(key, (None, ""))]
    )
    return EndedRun(run, end, seen.times, steps, tuple(dict.fromkeys(seen.planned)), seen.error)


@dataclass
class _EventsOfRun:
    times: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[float, str]] = field(default_factory=dict)
    reports: dict[str, list[tuple[float, DagsterEvent]]] = field(default_factory=dict)
    planned: list[AssetAddress] = field(default_factory=list)
    error: str = ""

    def note(self, at: float, event: DagsterEvent) -> None:
        """Take one event."""
        key = event.step_key or ""
        match event.event_type:
            case DagsterEventType.STEP_START:
                self.started.setdefault(key, at)
            case DagsterEventType.STEP_SUCCESS | DagsterEventType.STEP_SKIPPED:
                self.ended[key] = at, ""
            case DagsterEventType.STEP_FAILURE:
                failure = event.step_failure_data
                self.started.setdefault(key, at)
                self.ended[key] = at, words_of(failure.error) or "the step failed"
            case DagsterEventType.ASSET_MATERIALIZATION | DagsterEventType.ASSET_CHECK_EVALUATION:
                self.reports.setdefault(key, []).append((at, event))
            case DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                if event.asset_key is not None:
                    self.planned.append(AssetAddress.of(event.asset_key))
            case _:
                self.times[event.event_type_value] = at
                if event.event_type is DagsterEventType.RUN_FAILURE:
                    self.error = event.message or ""


def materialization_of(event: DagsterEvent) -> AssetMaterialization | None:
    """Return the materialization that an event reports; None for another event."""
    if event.event_type is not DagsterEventType.ASSET_MATERIALIZATION:
        return None
    return event.step_materialization_data.materialization


def number(made: AssetMaterialization, *names: str) -> int | float | None:
    """Return the first of these numbers that the metadata have."""
    for name in names:
        found = made.metadata.get(name)
        if found is not None and isinstance(found.value, int | float):
            return found.value
    return None


def moment(at: float) -> datetime:
    """Return a time of the event log."""
    return datetime.fromtimestamp(at, UTC)
