"""Stores the states of promises over time in a file.

Belongs here: the SQLite file of states. The judge of promises writes it, and reports read it. Not here: judging
(`judge`), and computing shares (`attainment`).

A state is an interval. If more than `GAP` lies between two observations, the state in between is not known, and that
time is not counted. Only a breach is dated back, because a verdict says since when the breach lasts.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from etl.partitions.zones import moment
from etl.promises.freshness import State
from etl.promises.judge import PromiseVerdict
from etl.state_store import StateStore

GAP = timedelta(hours=1)
KEPT = timedelta(days=800)
FORMAT = 1  # the format of the tables below; files without a number have the same format
_WHAT = "the log of promises"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS states (
    id INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    pipeline TEXT NOT NULL,
    promise TEXT NOT NULL,
    state TEXT NOT NULL,
    begin REAL NOT NULL,
    seen REAL NOT NULL,
    latest INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX IF NOT EXISTS latest_state ON states (tenant, pipeline, promise) WHERE latest = 1;
CREATE INDEX IF NOT EXISTS state_times ON states (seen);
"""


@dataclass(frozen=True, slots=True)
class StateInterval:
    """The time in which one promise had one state."""

    tenant: str
    pipeline: str
    promise: str
    state: State
    begin: datetime
    end: datetime


class StateLog:
    """The states of all promises. Several processes may use the file at a time."""

    def __init__(self, path: Path) -> None:
        self._store = StateStore(path, _SCHEMA, newest=FORMAT, what=_WHAT)

    def record(self, verdicts: Iterable[PromiseVerdict], now: datetime) -> None:
        """Record the states of promises. The cost does not grow with the length of the past."""
        found = {(each.tenant, each.pipeline, each.promise): each for each in verdicts}
        tenants = {each.tenant for each in found.values()}
        with self._store.transaction() as db:
            db.execute("DELETE FROM states WHERE seen < ? AND latest = 0", ((now - KEPT).timestamp(),))
            last = {
                row[:3]: row[3:]
                for tenant in tenants
                for row in db.execute(
                    "SELECT tenant, pipeline, promise, id, state, seen FROM states WHERE tenant = ? AND latest = 1",
                    (tenant,),
                )
            }
            for key, verdict in found.items():
                _note(db, verdict, last.get(key), now.timestamp())

    def count(self, tenant: str) -> int:
        """Return the number of intervals of a tenant."""
        with self._store.transaction() as db:
            return int(db.execute("SELECT count(*) FROM states WHERE tenant = ?", (tenant,)).fetchone()[0])

    def rename(self, old: str, new: str) -> None:
        """Give the states of a tenant to another id, which has none."""
        with self._store.transaction() as db:
            db.execute("UPDATE states SET tenant = ? WHERE tenant = ?", (new, old))

    def forget(self, tenant: str) -> None:
        """Delete all states of a tenant, also from the bytes of the file."""
        with self._store.transaction() as db:
            db.execute("DELETE FROM states WHERE tenant = ?", (tenant,))
        self._store.compact()

    def intervals(self, begin: datetime, end: datetime, tenant: str | None = None) -> tuple[StateInterval, ...]:
        """Return the states whose interval overlaps the time between two moments."""
        query = "SELECT tenant, pipeline, promise, state, begin, seen FROM states WHERE seen > ? AND begin < ?"
        values: list[float | str] = [begin.timestamp(), end.timestamp()]
        if tenant is not None:
            query, values = f"{query} AND tenant = ?", [*values, tenant]
        with self._store.transaction() as db:
            rows = db.execute(f"{query} ORDER BY tenant, pipeline, promise, begin", values).fetchall()
        return tuple(
            StateInterval(tenant, pipeline, promise, State(state), moment(first), moment(last))
            for tenant, pipeline, promise, state, first, last in rows
        )


def _note(db: sqlite3.Connection, verdict: PromiseVerdict, last: tuple[int, str, float] | None, now: float) -> None:
    begin = now
    if last is not None:
        number, state, seen = last
        if now < seen:
            return  # another process recorded a later observation
        watched = now - seen <= GAP.total_seconds()
        since = verdict.since.timestamp() if verdict.since else None
        lasting = state == verdict.state and (watched or (since is not None and since <= seen))
        if lasting:
            db.execute("UPDATE states SET seen = ? WHERE id = ?", (now, number))
            return
        if since is not None and verdict.state in (State.BROKEN, State.RECOVERED):
            begin = min(now, max(since, seen))
        db.execute("UPDATE states SET latest = 0, seen = ? WHERE id = ?", (begin if watched else seen, number))
    db.execute(
        "INSERT INTO states (tenant, pipeline, promise, state, begin, seen) VALUES (?, ?, ?, ?, ?, ?)",
        (verdict.tenant, verdict.pipeline, verdict.promise, verdict.state.value, begin, now),
    )
