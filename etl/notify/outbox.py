"""Remembers incidents and their messages in a file, so that a restart repeats no message and loses none.

Belongs here: the SQLite file of incidents and messages, `observe` (record what is wrong now) and `deliver` (send the
messages that are still unsent). Not here: how a message reaches its target (`send`), what an incident is (`incidents`).

Each incident has one message per target when it begins and one message when it is over, even if it is observed many
times, after restarts, or by several processes, because one transaction writes each of these rows once. A process claims
a message before it sends it. A message that could not be sent stays, and a later `deliver` sends it. A process can die
after a target accepted a message and before this is recorded. Its claim then ends after `CLAIM`, and the message is
sent a second time. Only the target can prevent that: PagerDuty and Opsgenie recognise the incident's key.
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
SECONDS = 20.0  # after this time, one `deliver` begins no further message, so that a slow target does not block callers
# The format of the tables below and their content. Files without a number have the same format.
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
_IN_SCOPE = "(scope = ?1 OR substr(scope, 1, length(?2)) = ?2)"
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
    """Incidents and messages of any number of scopes. A scope is what one sensor observes (`project_01/sla`)."""

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
        """Record what is wrong now. With `complete`, every other open incident in `scope` is over."""
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

    def busy_scopes(self) -> set[str]:
        """Return the scopes that have an open incident or an unsent message."""
        query = (
            "SELECT scope FROM incidents WHERE closed_at IS NULL UNION SELECT scope FROM messages WHERE sent_at IS NULL"
        )
        with self._store.transaction() as db:
            return {row[0] for row in db.execute(query)}

    def resolve(self, scope: str, keys: Iterable[str], now: datetime) -> None:
        """Record that these incidents are over, for callers that do not observe all incidents of a scope."""
        with self._store.transaction() as db:
            for key in keys:
                query = "SELECT id FROM incidents WHERE scope = ? AND key = ? AND closed_at IS NULL"
                _close(db, [row[0] for row in db.execute(query, (scope, key))], now)

    def count(self, scope: str) -> tuple[int, int]:
        """Return the numbers of incidents and of messages of a scope, and of the scopes below it."""
        below = (scope, f"{scope}/")
        with self._store.transaction() as db:
            incidents = db.execute(f"SELECT count(*) FROM incidents WHERE {_IN_SCOPE}", below).fetchone()[0]
            messages = db.execute(f"SELECT count(*) FROM messages WHERE {_IN_SCOPE}", below).fetchone()[0]
        return int(incidents), int(messages)

    def forget(self, scope: str) -> None:
        """Delete the incidents and messages of a scope and of the scopes below it, also from the bytes of the file."""
        below = (scope, f"{scope}/")
        with self._store.transaction() as db:
            db.execute(f"DELETE FROM messages WHERE {_IN_SCOPE}", below)
            db.execute(f"DELETE FROM incidents WHERE {_IN_SCOPE}", below)
        self._store.compact()

    def open_incidents(self, scope: str) -> tuple[Incident, ...]:
        """Return the incidents that are not over, as they were when they began."""
        with self._store.transaction() as db:
            query = "SELECT body FROM incidents WHERE scope = ? AND closed_at IS NULL ORDER BY id"
            return tuple(Incident.model_validate_json(row[0]) for row in db.execute(query, (scope,)))

    def deliver(
        self,
        scope: str,
        targets: Sequence[NotificationConfig],
        send: Send,
        clock: Callable[[], datetime] | None = None,
        *,
        room: int | None = None,
    ) -> Delivered:
        """Send the unsent messages of `scope`. A target that fails gets no further message until the next call.

        `room` is how many may be sent; critical ones are sent in any case. The others stay for a later call.
        """
        read, late = clock or (lambda: datetime.now(UTC)), time.monotonic() + SECONDS
        sent, problems = 0, []
        named = {target_name(each): each for each in targets}
        self._drop_orphans(scope, named)
        for name, target in named.items():
            while sent < PER_CALL:
                claimed = self._claim(scope, name, read(), only_critical=room is not None and sent >= room)
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

    def sent_since(self, scope: str, moment: datetime) -> int:
        """How many messages of `scope` were sent from this moment on."""
        with self._store.transaction() as db:
            query = "SELECT count(*) FROM messages WHERE scope = ? AND sent_at >= ?"
            return int(db.execute(query, (scope, _text(moment))).fetchone()[0])

    def _joins(self, db: sqlite3.Connection, incident: Incident, lasting: dict[int, tuple[str, set[str]]]) -> bool:
        """Whether an open incident covers this incident. The open incident then covers these causes too."""
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

    def _claim(
        self, scope: str, target: str, now: datetime, *, only_critical: bool = False
    ) -> tuple[int, Message] | None:
        """Claim the next message for `target`. The message about an end waits for the message about the beginning."""
        with self._store.transaction() as db:
            row = db.execute(
                """
                UPDATE messages SET claimed_until = :until, attempts = attempts + 1
                WHERE id = (
                    SELECT id FROM messages AS m
                    WHERE scope = :scope AND target = :target AND sent_at IS NULL
                      AND (claimed_until IS NULL OR claimed_until <= :now)
                      AND (NOT :only_critical OR json_extract(body, '$.severity') = 'critical')
                      AND NOT EXISTS (
                          SELECT 1 FROM messages AS earlier
                          WHERE earlier.incident = m.incident AND earlier.target = m.target
                            AND earlier.id < m.id AND earlier.sent_at IS NULL
                      )
                    ORDER BY attempts, id LIMIT 1
                )
                RETURNING id, body
                """,
                {
                    "until": _text(now + CLAIM),
                    "now": _text(now),
                    "scope": scope,
                    "target": target,
                    "only_critical": only_critical,
                },
            ).fetchone()
        return None if row is None else (row[0], Message.model_validate_json(row[1]))

    def _drop_orphans(self, scope: str, names: Iterable[str]) -> None:
        """Delete unsent messages for targets that the configuration no longer has."""
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
    """Delete incidents that were over long ago, and their messages, sent or not."""
    db.execute("DELETE FROM incidents WHERE closed_at IS NOT NULL AND closed_at < ?", (_text(now - KEPT),))


def _text(at: datetime) -> str:
    """Return a moment as text whose order is the order of time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
