"""Remembers which ended runs a receiver has, so that none is sent twice and none is left out after a crash.

Belongs here: the positions in the event log and the runs that were sent near them. Not here: sending (`sending`).

A run is remembered after the receiver has accepted it. If the process is killed between the two, the run is sent again,
with the same ids: the receiver gets the same spans or events again, and no others.
"""

from collections.abc import Mapping
from pathlib import Path

from etl.promises.last_event import LastEvent
from etl.state_store import StateStore
from etl.telemetry.ended_runs import LOOK_BACK, End

FORMAT = 1
_WHAT = "the memory of sent runs"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS positions (
    receiver TEXT NOT NULL, stream TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (receiver, stream));
CREATE TABLE IF NOT EXISTS runs (
    receiver TEXT NOT NULL, run_id TEXT NOT NULL, stream TEXT NOT NULL, position INTEGER NOT NULL,
    outcome TEXT NOT NULL, PRIMARY KEY (receiver, run_id, stream))
"""


class SentRuns:
    """The runs that one receiver has. A receiver is a kind of telemetry and an address."""

    def __init__(self, path: Path, receiver: str) -> None:
        """`path` is the file, which is made if it is not there."""
        self._store = StateStore(path, _SCHEMA, newest=FORMAT, what=_WHAT)
        self._receiver = receiver

    def positions(self) -> Mapping[str, int]:
        """Return up to which id each stream was sent; empty before the first run was sent."""
        with self._store.transaction() as db:
            found = db.execute("SELECT stream, position FROM positions WHERE receiver = ?", (self._receiver,))
            return dict(found.fetchall())

    def last_event(self) -> LastEvent | None:
        """Return the end of a run at the greatest position: with it, another event log is recognized."""
        with self._store.transaction() as db:
            row = db.execute(
                "SELECT position, run_id FROM runs JOIN positions USING (receiver, stream, position)"
                " WHERE receiver = ? ORDER BY position DESC LIMIT 1",
                (self._receiver,),
            ).fetchone()
            return LastEvent(*row) if row is not None else None

    def begin_again(self) -> None:
        """Forget the positions, because the event log is another one. Runs that the receiver has are not sent again."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM positions WHERE receiver = ?", (self._receiver,))
            db.execute("UPDATE runs SET position = 0 WHERE receiver = ?", (self._receiver,))

    def known(self) -> set[tuple[str, str]]:
        """Return the runs near the positions that the receiver has or has refused, each with its stream."""
        with self._store.transaction() as db:
            found = db.execute("SELECT run_id, stream FROM runs WHERE receiver = ?", (self._receiver,))
            return {(run_id, stream) for run_id, stream in found.fetchall()}

    def add(self, end: End, outcome: str) -> None:
        """Remember a run, and forget runs that are too far back to be read again."""
        with self._store.transaction() as db:
            db.execute(
                "INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT (receiver, stream)"
                " DO UPDATE SET position = max(position, excluded.position)",
                (self._receiver, end.stream, end.position),
            )
            db.execute(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?)",
                (self._receiver, end.run_id, end.stream, end.position, outcome),
            )
            db.execute(
                "DELETE FROM runs WHERE receiver = ? AND stream = ? AND position < ?",
                (self._receiver, end.stream, end.position - 2 * LOOK_BACK),
            )
