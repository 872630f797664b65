"""What was said already, in a file that outlives every process.

Belongs here: the SQLite file of incidents and their messages, `observe` (what is wrong now) and `deliver` (say what is
still to be said). Does not: how a message reaches its target (`send`), or what an incident is (`incidents`).

Each incident has one message per target when it begins and one when it is over, however often, after whatever restart
and from however many processes it is observed: beginning and end are rows that one transaction writes once. A message
is sent by the process that claims it. One that could not be sent stays and goes out with a later `deliver`. Between a
target's acceptance and the note about it lies an instant: a process that dies there leaves a claim that lapses after
`CLAIM`, and the message is sent once more. Nothing short of the target's own help can close that gap, so PagerDuty and
Opsgenie get the incident's key, by which they recognise the repetition.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.errors import NotifyError
from etl.faults import reach
from etl.notify.incidents import Incident, Message, broken_message, recovered_message
from etl.notify.routes import target_name, wants
from etl.notify.targets import NotificationConfig
from etl.state_store import StateStore

CLAIM = timedelta(minutes=10)  # longer than any sending takes
KEPT = timedelta(days=400)  # a closed incident is remembered so long, for reports
PER_CALL = 200  # messages that one `deliver` tries at most
SECONDS = 20.0  # after which one `deliver` begins no other message: a slow target does not hold up who calls
# Of the tables below and what is in them. Files of before there were numbers have the same format.
FORMAT = 1
_WHAT = "the file of incidents and messages"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS incidents (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    covers TEXT NOT NULL,
    body TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    closed_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_incident ON incidents (scope, key) WHERE closed_at IS NULL;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    target TEXT NOT NULL,
    transition TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_until TEXT,
    sent_at TEXT,
    problem TEXT,
    UNIQUE (incident, target, transition)
);
CREATE INDEX IF NOT EXISTS unsent ON messages (scope, target, attempts, id) WHERE sent_at IS NULL;
"""
Send = Callable[[NotificationConfig, Message], None]


@dataclass(frozen=True, slots=True)
class Observed:
    """What one observation changed."""

    opened: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one delivery did."""

    sent: int
    pending: int
    problems: tuple[str, ...]


class Outbox:
    """Incidents and messages of any number of scopes, each the view of one sensor (`project_01/sla`)."""

    def __init__(self, path: Path) -> None:
        self._store = StateStore(path, _SCHEMA, newest=FORMAT, what=_WHAT)

    def observe(
        self,
        scope: str,
        incidents: Iterable[Incident],
        targets: Sequence[NotificationConfig],
        now: datetime,
        *,
        complete: bool = True,
    ) -> Observed:
        """Note what is wrong now. With `complete`, everything open in `scope` that is not among it is over."""
        current = tuple(incidents)
        opened, closed = [], []
        with self._store.transaction() as db:
            _forget(db, now)
            rows = db.execute("SELECT id, key, covers FROM incidents WHERE scope = ? AND closed_at IS NULL", (scope,))
            lasting = {row[0]: (row[1], set(json.loads(row[2]))) for row in rows}
            for incident in current:
                if not self._joins(db, incident, lasting):
                    self._open(db, scope, incident, targets, now)
                    opened.append(incident.key)
            if complete:
                troubled = {f"{each.tenant}:{cause}" for each in current for cause in each.covers}
                over = [number for number, (_, covers) in lasting.items() if not covers & troubled]
                closed = [lasting[number][0] for number in over]
                _close(db, over, now)
        return Observed(tuple(opened), tuple(closed))

    def resolve(self, scope: str, keys: Iterable[str], now: datetime) -> None:
        """Say that these incidents are over, where nobody observes completely."""
        with self._store.transaction() as db:
            for key in keys:
                query = "SELECT id FROM incidents WHERE scope = ? AND key = ? AND closed_at IS NULL"
                _close(db, [row[0] for row in db.execute(query, (scope, key))], now)

    def open_incidents(self, scope: str) -> tuple[Incident, ...]:
        """The incidents that last, as they were when they began."""
        with self._store.transaction() as db:
            query = "SELECT body FROM incidents WHERE scope = ? AND closed_at IS NULL ORDER BY id"
            return tuple(Incident.model_validate_json(row[0]) for row in db.execute(query, (scope,)))

    def deliver(
        self, scope: str, targets: Sequence[NotificationConfig], send: Send, clock: Callable[[], datetime] | None = None
    ) -> Delivered:
        """Send what is still to be said in `scope`. A target that fails is left alone until the next call."""
        read, late = clock or (lambda: datetime.now(UTC)), time.monotonic() + SECONDS
        sent, problems = 0, []
        named = {target_name(each): each for each in targets}
        self._drop_orphans(scope, named)
        for name, target in named.items():
            while sent < PER_CALL:
                claimed = self._claim(scope, name, read())
                if claimed is None:
                    break
                number, message = claimed
                try:
                    send(target, message)
                except NotifyError as error:
                    self._note_failure(number, error.problem)
                    problems.append(str(error))
                    break
                reach("notify.sent")
                self._note_success(number, read())
                sent += 1
                if time.monotonic() > late:
                    break
        return Delivered(sent, self.pending(scope), tuple(problems))

    def pending(self, scope: str) -> int:
        """How many messages of `scope` are still to be sent."""
        with self._store.transaction() as db:
            query = "SELECT count(*) FROM messages WHERE scope = ? AND sent_at IS NULL"
            return int(db.execute(query, (scope,)).fetchone()[0])

    def _joins(self, db: sqlite3.Connection, incident: Incident, lasting: dict[int, tuple[str, set[str]]]) -> bool:
        """Whether an incident that lasts covers this one; then it covers all that has joined it."""
        for number, (_, covers) in lasting.items():
            if f"{incident.tenant}:{incident.cause}" in covers:
                more = {f"{incident.tenant}:{each}" for each in incident.covers}
                if not more <= covers:
                    covers.update(more)
                    db.execute("UPDATE incidents SET covers = ? WHERE id = ?", (json.dumps(sorted(covers)), number))
                return True
        return False

    def _open(
        self,
        db: sqlite3.Connection,
        scope: str,
        incident: Incident,
        targets: Sequence[NotificationConfig],
        now: datetime,
    ) -> None:
        covers = json.dumps(sorted(f"{incident.tenant}:{each}" for each in incident.covers))
        row = db.execute(
            "INSERT INTO incidents (scope, key, covers, body, opened_at) VALUES (?, ?, ?, ?, ?)",
            (scope, incident.key, covers, incident.model_dump_json(), _text(now)),
        )
        message = broken_message(incident, now)
        told = {target_name(each) for each in targets if wants(each, message)}
        db.executemany(
            "INSERT INTO messages (incident, scope, target, transition, body) VALUES (?, ?, ?, 'broken', ?)",
            [(row.lastrowid, scope, name, message.model_dump_json()) for name in sorted(told)],
        )

    def _claim(self, scope: str, target: str, now: datetime) -> tuple[int, Message] | None:
        """The next message for `target`, for this process alone. The end of an incident waits for its beginning."""
        with self._store.transaction() as db:
            row = db.execute(
                """
                UPDATE messages SET claimed_until = :until, attempts = attempts + 1
                WHERE id = (
                    SELECT id FROM messages AS m
                    WHERE scope = :scope AND target = :target AND sent_at IS NULL
                      AND (claimed_until IS NULL OR claimed_until <= :now)
                      AND NOT EXISTS (
                          SELECT 1 FROM messages AS earlier
                          WHERE earlier.incident = m.incident AND earlier.target = m.target
                            AND earlier.id < m.id AND earlier.sent_at IS NULL
                      )
                    ORDER BY attempts, id LIMIT 1
                )
                RETURNING id, body
                """,
                {"until": _text(now + CLAIM), "now": _text(now), "scope": scope, "target": target},
            ).fetchone()
        return None if row is None else (row[0], Message.model_validate_json(row[1]))

    def _drop_orphans(self, scope: str, names: Iterable[str]) -> None:
        """Forget what was meant for targets that the configuration no longer has."""
        with self._store.transaction() as db:
            query = "SELECT DISTINCT target FROM messages WHERE scope = ? AND sent_at IS NULL"
            gone = {row[0] for row in db.execute(query, (scope,))} - set(names)
            delete = "DELETE FROM messages WHERE scope = ? AND sent_at IS NULL AND target = ?"
            db.executemany(delete, [(scope, name) for name in gone])

    def _note_success(self, number: int, now: datetime) -> None:
        with self._store.transaction() as db:
            query = "UPDATE messages SET sent_at = ?, claimed_until = NULL, problem = NULL WHERE id = ?"
            db.execute(query, (_text(now), number))

    def _note_failure(self, number: int, problem: str) -> None:
        with self._store.transaction() as db:
            db.execute("UPDATE messages SET claimed_until = NULL, problem = ? WHERE id = ?", (problem, number))


def _close(db: sqlite3.Connection, numbers: Iterable[int], now: datetime) -> None:
    for number in numbers:
        db.execute("UPDATE incidents SET closed_at = ? WHERE id = ?", (_text(now), number))
        body = db.execute("SELECT body FROM incidents WHERE id = ?", (number,)).fetchone()[0]
        message = recovered_message(Incident.model_validate_json(body), now)
        db.execute(
            """
            INSERT INTO messages (incident, scope, target, transition, body)
            SELECT incident, scope, target, 'recovered', ? FROM messages WHERE incident = ? AND transition = 'broken'
            """,
            (message.model_dump_json(), number),
        )


def _forget(db: sqlite3.Connection, now: datetime) -> None:
    """Drop what was over long ago, sent or not: nobody wants to hear of it any more."""
    db.execute("DELETE FROM incidents WHERE closed_at IS NOT NULL AND closed_at < ?", (_text(now - KEPT),))


def _text(at: datetime) -> str:
    """A moment as text that sorts as time does."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
