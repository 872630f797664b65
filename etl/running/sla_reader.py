"""One tenant's excerpt of the event log, while the event log is read into it.

Belongs here: how far an excerpt was read, storing facts in it, and what a materialization says. Not here: which events
are read, and when (`sla_history`), the excerpt's file (`etl.promises.pipeline_log`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dagster import EventLogEntry, EventLogRecord

from etl.partitions.keys import kind_of
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.partitions.zones import moment
from etl.promises.freshness import Publish
from etl.promises.last_event import LastEvent
from etl.promises.pipeline_facts import Facts, Numbers
from etl.promises.pipeline_log import QUARANTINED, LogState, PipelineLog
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import ROWS, number
from etl.running.subjects import Subjects

NEAR = 10_000  # storage ids


@dataclass(eq=False)
class Reader:
    """One tenant's excerpt, how far it was read, and what went wrong with it in this call."""

    subjects: Subjects
    log: PipelineLog
    positions: dict[str, int] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    last_event: LastEvent | None = None
    problem: Exception | None = None
    state: LogState | None = None
    """What the excerpt holds; None after it was changed."""
    read_at: float = 0.0

    @property
    def tenant(self) -> str:
        """The tenant's id."""
        return self.subjects.config.id

    def current(self, now: datetime) -> LogState:
        """Return what the excerpt holds now."""
        if self.state is None:
            self.state = self.log.state(self.tenant, self.subjects.partitions, now)
        return self.state

    def open(self, now: datetime) -> None:
        """Read the excerpt. Positions of this process count as long as nobody else changed the stored ones."""
        self.state = None
        found = dict(self.current(now).cursors)
        if found != self.stored:
            self.positions, self.stored = dict(found), found
            self.last_event = self.current(now).last_event

    @property
    def known_ids(self) -> set[int]:
        """The ids that the event log must have, unless it is another one."""
        last = {self.last_event.position} if self.last_event is not None else set[int]()
        return last or {max(self.positions.values(), default=0)}

    def begin_again(self, now: datetime) -> None:
        """Forget what was read: it was another event log."""
        self.log.begin_again()
        self.last_event = None
        self.open(now)

    def saw(self, record: EventLogRecord) -> None:
        """Remember an event of the log if it is the newest one so far."""
        if self.last_event is None or record.storage_id > self.last_event.position:
            self.last_event = LastEvent(record.storage_id, record.run_id, record.timestamp)

    def absorb(self, facts: Facts, positions: Mapping[str, int], now: datetime) -> None:
        """Store facts together with the positions up to which they were read."""
        further = {stream: max(at, self.positions.get(stream, 0)) for stream, at in positions.items()}
        facts.cursors = {**self.positions, **further}
        facts.last_event = self.last_event
        self.state = None
        self.log.absorb(facts, now)
        self.positions = dict(facts.cursors)
        self.stored = dict(facts.cursors)

    def advance(self, positions: Mapping[str, int], now: datetime) -> None:
        """Remember positions up to which there was nothing for this tenant."""
        if any(at - self.stored.get(stream, 0) > NEAR for stream, at in positions.items()):
            self.absorb(Facts(), positions, now)
        else:
            self.positions |= {stream: max(at, self.positions[stream]) for stream, at in positions.items()}


def note_materialization(reader: Reader, facts: Facts, entry: EventLogEntry) -> None:
    """Add to the facts what a materialization says of its pipeline."""
    made, subjects = entry.asset_materialization, reader.subjects
    pipeline = subjects.pipeline_of_asset.get(made.asset_key) if made else None
    if made is None or pipeline is None:
        return
    at = moment(entry.timestamp)
    promised = made.asset_key in subjects.promised_assets
    stage = AssetAddress.of(made.asset_key).stage
    names = {"bytes": "bytes", "seconds": f"seconds_{stage}"}
    if stage != "load":  # a load sets no row aside; each other stage has its own number
        names["rows_quarantined"] = f"{QUARANTINED}{stage}"
    values = {to: found for name, to in names.items() if (found := number(made.metadata, name)) is not None}
    if promised:
        rows = [found for name in ROWS if (found := number(made.metadata, name)) is not None]
        values |= {"rows": rows[0]} if rows else {}
    facts.numbers.append(Numbers(pipeline, made.partition or "", at, values))
    publish = _publish(subjects.partitions[pipeline], made.partition, at) if promised else None
    if publish is not None:
        facts.publishes.append((pipeline, publish))


def _publish(scheme: TimeScheme | StaticKeys | None, partition: str | None, at: datetime) -> Publish | None:
    """Return the publish if promises count it: a publish of the table, or of a partition that was complete."""
    if scheme is None:
        return Publish(at)
    if partition is None or kind_of(partition) != scheme.kind:
        return None
    is_complete = isinstance(scheme, StaticKeys) or at >= scheme.complete_at(partition)
    return Publish(at, partition) if is_complete else None
