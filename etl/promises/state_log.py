"""How promises stood over time, in a file that outlives every process.

Belongs here: the SQLite file of states, written by whoever judges and read by reports. Does not: judging (`judge`), and
shares of anything (`attainment`).

A state is an interval. Between two looks that lie farther apart than `GAP` nobody knows how a promise stood, so that
time counts for nothing; only a breach is dated back, because a verdict says since when it lasts.
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
FORMAT = 1  # of the tables below; files of before there were numbers have the same
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
    """From when until when one promise stood in one way."""

    tenant: str
    pipeline: str
    promise: str
    state: State
    begin: datetime
    end: datetime


class StateLog:
    """The states of all promises, several processes at a time."""

    def __init__(self, path: Path) -> None:
        self._store = StateStore(path, _SCHEMA, newest=FORMAT, what=_WHAT)

    def record(self, verdicts: Iterable[PromiseVerdict], now: datetime) -> None:
        """Note how promises stand. Costs the same however long the past is."""
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

    def intervals(self, begin: datetime, end: datetime, tenant: str | None = None) -> tuple[StateInterval, ...]:
        """The states that have a part between two moments."""
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
            return  # another process has looked later
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
