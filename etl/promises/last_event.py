"""The newest event that was read of an event log: with it, another event log is told from the one that was read.

Belongs here: the value, and its one row in the file of an excerpt. Not here: asking an event log for it
(`etl.running.same_log`), the excerpt itself (`pipeline_log`).
"""

import sqlite3
from dataclasses import dataclass

TABLE = """
CREATE TABLE IF NOT EXISTS last_event (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, run_id TEXT NOT NULL, at REAL NOT NULL
);
"""
EXACTNESS = 1.0  # seconds: not every database keeps the fraction of a second


@dataclass(frozen=True, slots=True)
class LastEvent:
    """An event, by its id in the event log, its run and its time."""

    position: int
    run_id: str
    at: float | None = None
    """None if it was not stored."""

    def is_same(self, other: "LastEvent") -> bool:
        """Whether both are one event."""
        is_then = self.at is None or other.at is None or abs(self.at - other.at) <= EXACTNESS
        return is_then and (self.position, self.run_id) == (other.position, other.run_id)


def stored_event(db: sqlite3.Connection) -> LastEvent | None:
    """Return the event; None if an earlier release wrote the excerpt, or if no event was read."""
    row = db.execute("SELECT position, run_id, at FROM last_event").fetchone()
    return LastEvent(*row) if row is not None else None


def store_event(db: sqlite3.Connection, event: LastEvent) -> None:
    """Store the event, unless a later one is stored."""
    db.execute(
        "INSERT INTO last_event VALUES (1, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position,"
        " run_id = excluded.run_id, at = excluded.at WHERE excluded.position >= last_event.position",
        (event.position, event.run_id, event.at),
    )


def forget_log(db: sqlite3.Connection) -> None:
    """Delete what was read of an event log. What was told, and what has failed and is not mended, stays."""
    for table in ("cursors", "last_event", "publishes", "runs", "runs_without_rows", "finished"):
        db.execute(f"DELETE FROM {table}")
    # Without its row, a pipeline is new: its promises begin again with what the other event log knows of it.
    db.execute("DELETE FROM pipelines")
