"""Asks whether Dagster's event log is still the one from which excerpts were read.

Belongs here: the one query about it. Not here: reading events (`sla_history`), what is forgotten with an event log
(`etl.promises.last_event`).

An event log is another one if `DAGSTER_HOME` or its database is another one, if it was deleted and begins anew, or if
it was restored from a backup. Its ids then begin again, or belong to other events, and nothing that was read of the
earlier log is known any more. Where only old events were deleted, the log goes on behind them, and what was read stays
known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import DagsterInstance
from sqlalchemy import func, select

from etl.promises.last_event import LastEvent
from etl.running.compat import SqlEventLogStorage, SqlEventLogStorageTable

AT_ONCE = 500


@dataclass(frozen=True)
class LogNow:
    """What an event log has at this moment: its oldest and its newest id, and some of its events."""

    oldest: int
    newest: int
    events: Mapping[int, LastEvent]

    def goes_on(self, position: int, last: LastEvent | None) -> bool:
        """Whether the log that was read up to this position, with this newest event, is this one."""
        if position > self.newest or (last is not None and last.position > self.newest):
            return False
        if last is None:  # nothing was read, or an earlier release read it
            return True
        found = self.events.get(last.position)
        return found.is_same(last) if found is not None else last.position < self.oldest


def log_now(instance: DagsterInstance, ids: Iterable[int]) -> LogNow | None:
    """Look up events by their ids; None for an event log that is in no database, whose ids cannot be asked for."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return None
    table, wanted = SqlEventLogStorageTable.c, sorted({*ids})
    ends = [select(end(table.id)).scalar_subquery() for end in (func.min, func.max)]
    found: dict[int, LastEvent] = {}
    with storage.index_connection() as connection:
        for begin in range(0, max(len(wanted), 1), AT_ONCE):
            chosen = select(table.id, table.run_id, table.timestamp).where(
                table.id.in_([*wanted[begin : begin + AT_ONCE], *ends])
            )
            for row in connection.execute(chosen):
                at: datetime | None = row.timestamp
                found[row.id] = LastEvent(row.id, row.run_id or "", at.replace(tzinfo=UTC).timestamp() if at else 0.0)
    return LogNow(min(found, default=0), max(found, default=0), found)
