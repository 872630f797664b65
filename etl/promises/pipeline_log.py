"""Stores the events of one tenant's pipelines that promises need, in a file of bounded size.

Belongs here: the SQLite file. The reader of the event log writes it, and the judge of promises reads it. Not here:
reading an event log, and judging (`judge`).

The file is an excerpt: it can be deleted at any time and is made again from the event log. For each pipeline, the file
keeps the newest `KEPT` partitions or publishes and the newest runs that count (`run_rows`), so that the cost of reading
does not grow. One transaction writes facts together with the cursors up to which they were read, and a fact that is
written twice changes nothing.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from etl.partitions.keys import kind_of
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.partitions.zones import moment
from etl.promises.freshness import Publish, PublishedKeys
from etl.promises.judge import PipelineHistory, PipelineRun
from etl.promises.last_event import TABLE, LastEvent, forget_log, store_event, stored_event
from etl.promises.pipeline_facts import Facts, Failure, FinishedRun, Numbers
from etl.promises.run_rows import RUNS, store_run, stored_runs
from etl.state_store import StateStore

KEPT = 40
REMEMBERED = timedelta(days=7)  # after this time, a finished run is not read again
FORMAT = 1  # the format of the tables below; files without a number have the same format
# Tables that a later release has added, such as those of `last_event`, are passed over by an earlier one.
QUARANTINED = "quarantined_"  # begins the name of a stage's number of rejected rows
_WHAT = "the excerpt of Dagster's event log"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS cursors (stream TEXT PRIMARY KEY, position INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pipelines (
    name TEXT PRIMARY KEY,
    first_seen REAL NOT NULL,
    known_since REAL,
    newest_run TEXT NOT NULL DEFAULT '',
    runs INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    numbers TEXT NOT NULL DEFAULT '{{}}'
);
CREATE TABLE IF NOT EXISTS publishes (
    pipeline TEXT NOT NULL, partition TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (pipeline, partition, at)
) WITHOUT ROWID;
{RUNS}
CREATE TABLE IF NOT EXISTS failures (
    subject TEXT PRIMARY KEY, pipeline TEXT NOT NULL, event TEXT NOT NULL, run_id TEXT NOT NULL, at REAL NOT NULL,
    cause TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS finished (run_id TEXT PRIMARY KEY, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS finished_at ON finished (at);
CREATE TABLE IF NOT EXISTS told (pipeline TEXT PRIMARY KEY, digest TEXT NOT NULL, at REAL NOT NULL, tick TEXT NOT NULL);
{TABLE}
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """How often a pipeline has run, and the numbers of its newest publish."""

    runs: int
    failures: int
    values: Mapping[str, float]

    def quarantined(self, stages: Iterable[str]) -> float | None:
        """The rows that these stages set aside; None unless the number of each stage is known."""
        found = [self.values.get(f"{QUARANTINED}{each}") for each in stages if each != "load"]
        known = [each for each in found if each is not None]
        return sum(known) if found and len(known) == len(found) else None


@dataclass(frozen=True, slots=True)
class Told:
    """What was last reported of a pipeline: a digest of its verdicts, when, and the name of the tick that did."""

    digest: str
    at: float
    tick: str


@dataclass(frozen=True, slots=True)
class LogState:
    """All that a tick needs of an excerpt, read at one moment."""

    cursors: Mapping[str, int]
    unread: tuple[str, ...]
    """Pipelines whose past was not read yet."""
    histories: Mapping[str, PipelineHistory]
    failures: tuple[Failure, ...]
    told: Mapping[str, Told]
    last_event: LastEvent | None


class PipelineLog:
    """The excerpt of one tenant. Several processes may use it at a time."""

    def __init__(self, path: Path, *, patience: float = 60) -> None:
        """`patience` is the number of seconds for which another process may hold the file."""
        self._store = StateStore(path, _SCHEMA, newest=FORMAT, what=_WHAT, patience=patience)

    def state(self, tenant: str, partitions: Mapping[str, TimeScheme | StaticKeys | None], now: datetime) -> LogState:
        """Record which pipelines exist, and return everything that is known of them."""
        with self._store.transaction() as db:
            return LogState(
                unread=_begin(db, tuple(partitions), now),
                cursors=dict(db.execute("SELECT stream, position FROM cursors").fetchall()),
                histories=_histories(db, tenant, partitions),
                failures=_failures(db),
                told={
                    pipeline: Told(*row) for pipeline, *row in db.execute("SELECT pipeline, digest, at, tick FROM told")
                },
                last_event=stored_event(db),
            )

    def cursors(self) -> dict[str, int]:
        """The position up to which each stream was read."""
        with self._store.transaction() as db:
            return dict(db.execute("SELECT stream, position FROM cursors").fetchall())

    def begin_again(self) -> None:
        """Forget what was read, because the event log is another one. What was told stays."""
        with self._store.transaction() as db:
            forget_log(db)

    def begin(self, pipelines: Sequence[str], now: datetime) -> tuple[str, ...]:
        """Record which pipelines exist, and return the pipelines whose past was not read yet."""
        with self._store.transaction() as db:
            return _begin(db, pipelines, now)

    def seen(self, run_ids: Iterable[str]) -> set[str]:
        """Which of these finished runs were recorded before."""
        with self._store.transaction() as db:
            query = "SELECT 1 FROM finished WHERE run_id = ?"
            return {each for each in run_ids if db.execute(query, (each,)).fetchone()}

    def absorb(self, facts: Facts, now: datetime) -> None:
        """Record all facts in one transaction."""
        with self._store.transaction() as db:
            _note_publishes(db, facts.publishes)
            for each in facts.numbers:
                _note_numbers(db, each)
            for run in sorted(facts.finished, key=lambda each: each.ended):
                _note_run(db, run)
            for pipeline, since in facts.known_since.items():
                _note_known(db, pipeline, since)
            for stream, position in facts.cursors.items():
                further = "ON CONFLICT DO UPDATE SET position = max(position, excluded.position)"
                db.execute(f"INSERT INTO cursors VALUES (?, ?) {further}", (stream, position))
            if facts.last_event is not None:
                store_event(db, facts.last_event)
            db.execute("DELETE FROM finished WHERE at < ?", ((now - REMEMBERED).timestamp(),))

    def histories(
        self, tenant: str, partitions: Mapping[str, TimeScheme | StaticKeys | None]
    ) -> dict[str, PipelineHistory]:
        """The past of each pipeline of `partitions` whose past was read."""
        with self._store.transaction() as db:
            return _histories(db, tenant, partitions)

    def failures(self) -> tuple[Failure, ...]:
        """Return the subjects that failed and have not succeeded since."""
        with self._store.transaction() as db:
            return _failures(db)

    def rename_failure(self, subject: str, others: Mapping[str, str]) -> None:
        """Replace a failure by failures of other subjects, each with its pipeline: any of them may be mended first."""
        with self._store.transaction() as db:
            for other, pipeline in others.items():
                db.execute(
                    "INSERT OR IGNORE INTO failures SELECT ?, ?, event, run_id, at, cause, detail FROM failures"
                    " WHERE subject = ?",
                    (other, pipeline, subject),
                )
            db.execute("DELETE FROM failures WHERE subject = ?", (subject,))

    def forget_failures(self, subjects: Iterable[str]) -> None:
        """Delete failures of subjects that were removed from the definitions and so can never succeed again."""
        with self._store.transaction() as db:
            db.executemany("DELETE FROM failures WHERE subject = ?", [(each,) for each in subjects])

    def counters(self) -> dict[str, Counters]:
        """Numbers for metrics, by pipeline."""
        with self._store.transaction() as db:
            rows = db.execute("SELECT name, runs, failures, numbers FROM pipelines").fetchall()
        return {
            name: Counters(runs, failures, json.loads(numbers).get("values", {}))
            for name, runs, failures, numbers in rows
        }

    def note_told(self, digests: Mapping[str, str], now: datetime, tick: str) -> None:
        """Record what a tick reports. The record counts as soon as the tick's name comes back as a cursor."""
        with self._store.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)",
                [(pipeline, digest, now.timestamp(), tick) for pipeline, digest in digests.items()],
            )

    def confirm_told(self) -> None:
        """Record that everything was reported, so that the records of all ticks count."""
        with self._store.transaction() as db:
            db.execute("UPDATE told SET tick = ''")


def stale(
    told: Mapping[str, Told], digests: Mapping[str, str], now: datetime, cursor: str | None, after: timedelta
) -> tuple[str, ...]:
    """The pipelines to report: their digest is new, or was reported long ago or by a tick that did not end."""
    oldest = (now - after).timestamp()
    return tuple(
        pipeline
        for pipeline, digest in digests.items()
        if (last := told.get(pipeline)) is None
        or last.tick > (cursor or "")
        or last.digest != digest
        or last.at <= oldest
    )


def _begin(db: sqlite3.Connection, pipelines: Sequence[str], now: datetime) -> tuple[str, ...]:
    known = dict(db.execute("SELECT name, known_since IS NOT NULL FROM pipelines").fetchall())
    new = [name for name in pipelines if name not in known]
    db.executemany("INSERT INTO pipelines (name, first_seen) VALUES (?, ?)", [(each, now.timestamp()) for each in new])
    db.executemany("DELETE FROM failures WHERE pipeline = ?", [(e,) for e in set(known) - set(pipelines)])
    db.executemany("DELETE FROM pipelines WHERE name = ?", [(e,) for e in set(known) - set(pipelines)])
    return tuple(name for name in pipelines if not known.get(name))


def _histories(
    db: sqlite3.Connection, tenant: str, partitions: Mapping[str, TimeScheme | StaticKeys | None]
) -> dict[str, PipelineHistory]:
    known = "SELECT name, known_since FROM pipelines WHERE known_since IS NOT NULL"
    begins = dict(db.execute(known).fetchall())
    publishes = db.execute("SELECT pipeline, partition, at FROM publishes").fetchall()
    ran = stored_runs(db)
    published: dict[str, list[tuple[str, float]]] = {}
    for pipeline, partition, at in publishes:
        published.setdefault(pipeline, []).append((partition, at))
    return {
        name: PipelineHistory(
            tenant, name, _published(published.get(name, []), days, begins[name]), tuple(ran.get(name, ()))
        )
        for name, days in partitions.items()
        if name in begins
    }


def _failures(db: sqlite3.Connection) -> tuple[Failure, ...]:
    rows = db.execute("SELECT subject, pipeline, event, run_id, at, cause, detail FROM failures ORDER BY at")
    return tuple(
        Failure(subject, pipeline, event, run_id, moment(at), cause, detail)
        for subject, pipeline, event, run_id, at, cause, detail in rows
    )


def _note_publishes(db: sqlite3.Connection, publishes: Sequence[tuple[str, Publish]]) -> None:
    """Of a partition by time the first publish counts, of a key of a list the last one, of a table each one."""
    listed: set[str] = set()
    for pipeline, each in publishes:
        key, at = each.partition or "", each.at.timestamp()
        if key:
            is_listed = kind_of(key) == "static"
            listed |= {pipeline} if is_listed else set()
            known = "SELECT min(at) FROM publishes WHERE pipeline = ? AND partition = ?"
            before = db.execute(known, (pipeline, key)).fetchone()[0]
            if before is not None and (before >= at if is_listed else before <= at):
                continue
            db.execute("DELETE FROM publishes WHERE pipeline = ? AND partition = ?", (pipeline, key))
        db.execute("INSERT OR IGNORE INTO publishes VALUES (?, ?, ?)", (pipeline, key, at))
    newest = "SELECT partition, at FROM publishes WHERE pipeline = ? ORDER BY partition DESC, at DESC LIMIT 1 OFFSET ?"
    for pipeline in {name for name, _ in publishes} - listed:
        last = db.execute(newest, (pipeline, KEPT - 1)).fetchone()
        if last is not None:
            query = "DELETE FROM publishes WHERE pipeline = ? AND (partition, at) < (?, ?)"
            db.execute(query, (pipeline, *last))


def _note_numbers(db: sqlite3.Connection, new: Numbers) -> None:
    row = db.execute("SELECT numbers FROM pipelines WHERE name = ?", (new.pipeline,)).fetchone()
    if row is None:
        return
    old = json.loads(row[0])
    if [old.get("partition", ""), old.get("at", 0.0)] <= [new.partition, new.at.timestamp()]:
        values = {**old.get("values", {}), **new.values}
        text = json.dumps({"partition": new.partition, "at": new.at.timestamp(), "values": values})
        db.execute("UPDATE pipelines SET numbers = ? WHERE name = ?", (text, new.pipeline))


def _note_run(db: sqlite3.Connection, run: FinishedRun) -> None:
    new = db.execute("INSERT OR IGNORE INTO finished VALUES (?, ?)", (run.run_id, run.ended.timestamp()))
    if new.rowcount == 0:
        return
    for subject in run.healed:
        db.execute("DELETE FROM failures WHERE subject = ? AND at <= ?", (subject, run.ended.timestamp()))
    for each in run.failures:
        # The first failure of a series shows since when it lasts; the newest failure shows what is wrong.
        db.execute(
            """
            INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                event = excluded.event, run_id = excluded.run_id, cause = excluded.cause, detail = excluded.detail
            """,
            (each.subject, each.pipeline, each.event, each.run_id, each.at.timestamp(), each.cause, each.detail),
        )
    for pipeline, each_run in run.runs:
        _note_outcome(db, pipeline, each_run)


def _note_outcome(db: sqlite3.Connection, pipeline: str, run: PipelineRun) -> None:
    row = db.execute("SELECT newest_run FROM pipelines WHERE name = ?", (pipeline,)).fetchone()
    if row is None:
        return
    if run.complete:
        query = "UPDATE pipelines SET runs = runs + 1, failures = failures + ? WHERE name = ?"
        db.execute(query, (int(not run.succeeded), pipeline))
    day = run.partition or ""
    if day and day < row[0]:
        return  # filling an old partition changes no verdict
    if day:
        db.execute("UPDATE pipelines SET newest_run = ? WHERE name = ?", (day, pipeline))
    store_run(db, pipeline, run)


def _note_known(db: sqlite3.Connection, pipeline: str, since: datetime | None) -> None:
    """A promise is judged from the first known publish on, or from the first observation, whichever is earlier."""
    oldest = db.execute("SELECT min(at) FROM publishes WHERE pipeline = ?", (pipeline,)).fetchone()[0]
    db.execute(
        "UPDATE pipelines SET known_since = min(first_seen, coalesce(?, first_seen)) WHERE name = ?",
        (oldest if since is None else since.timestamp(), pipeline),
    )


def _published(rows: list[tuple[str, float]], scheme: TimeScheme | StaticKeys | None, begin: float) -> PublishedKeys:
    """Publishes of partitions if the pipeline has such partitions, of the table if it has none."""
    kind = scheme.kind if scheme else None
    publishes = sorted(
        (moment(at), partition) for partition, at in rows if (kind_of(partition) if partition else None) == kind
    )
    known_since = moment(begin)
    if len(publishes) >= KEPT and not isinstance(scheme, StaticKeys):  # older ones were dropped
        oldest = min(key for _, key in publishes)
        known_since = max(known_since, scheme.complete_at(oldest) if scheme else publishes[0][0])
    return PublishedKeys(tuple(Publish(at, key or None) for at, key in publishes), scheme, known_since)
