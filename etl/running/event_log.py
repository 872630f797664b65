"""Dagster's event log in SQLite files, with connections that stay open while this process executes a run.

Belongs here: how the event log connects to its files. Not here: which instance uses this event log (`instance`), the
events themselves, which Dagster writes and reads.

Dagster makes an engine and a connection for each block of statements. Each statement is then compiled again, and each
time the last connection to a file is closed, SQLite copies the write-ahead log into the file. Here, one engine serves
all files, and a process that executes a run keeps two connections open, with which it only writes events: one to the
run's file, one to the index. Every other block of statements uses a new connection, as with Dagster's class.

What Dagster writes for one event in up to three transactions is one transaction of the run's file and one of the index.

The files and their schema are Dagster's own, so both classes can use the same files at the same time. An event is on
the disk when `store_event` returns, because each transaction is. docs/decisions/kept-connections.md has the reasons.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from weakref import WeakSet

from dagster import DagsterEventType, EventLogEntry
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from etl.running.compat import (
    INDEX_SHARD_NAME,
    SQLITE_BUSY_TIMEOUT_SECONDS,
    ConfigurableClassData,
    SqliteEventLogStorage,
)

BEGINNINGS = frozenset({DagsterEventType.RUN_START, DagsterEventType.STEP_START})
"""The events with which a process begins to execute a run or a step of it."""
ENDS = frozenset({DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED})

MOST_RUNS = 8
"""For so many runs, a process keeps a connection. A further run takes the place of the run that was begun first."""

File = tuple[int, int] | None
"""A file by its device and inode; None if there is no such file."""


@dataclass(frozen=True)
class _Kept:
    """An open connection and the files that it has opened: the database and the write-ahead log."""

    connection: Connection
    database: File
    log: File


class KeptEventLog(SqliteEventLogStorage):
    """Dagster's event log in SQLite files, one for each run and one index; events are written more quickly."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """`base_dir` is the folder of the files, as with Dagster's class."""
        self._engine = create_engine("sqlite://", creator=self._open, poolclass=NullPool)
        self._thread = threading.local()
        self._executed: dict[str, None] = {}  # the runs that this process executes, in the order of their beginning
        self._kept: dict[str, _Kept] = {}
        self._tables: set[str] = set()
        self._columns: set[str] = set()
        super().__init__(base_dir, inst_data)
        _of_this_process.add(self)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event. It is on the disk when this returns."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events, those of a run in one transaction of each file. They are on the disk when this returns."""
        for event in events:
            if _kind(event) in BEGINNINGS:
                self._begin(event.run_id)
        # One run after the other: whoever writes to a run's file and to the index locks the run's file first.
        for _, own in groupby(events, key=attrgetter("run_id")):
            with self._one_transaction():
                for event in own:
                    super().store_event(event)
        for event in events:
            if _kind(event) in ENDS:
                self._end(event.run_id)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """Connect to the file of a run, or to the index, for one block of statements."""
        opened: dict[str, Connection] | None = getattr(self._thread, "opened", None)
        if opened is not None:
            if shard not in opened:
                opened[shard] = self._kept_connection(shard) if self._is_kept(shard) else self._new_connection(shard)
                opened[shard].begin()
            yield opened[shard]
            return
        with self._db_lock, self._new_connection(shard) as connection, connection.begin():
            yield connection

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """All blocks of statements of this thread that connect to the same file meanwhile are one transaction.

        The files are committed in the order in which they were connected to: the run's file, then the index.
        """
        with self._db_lock:
            opened: dict[str, Connection] = {}
            self._thread.opened = opened
            try:
                yield
                for connection in opened.values():
                    connection.commit()
            except BaseException:
                for shard in opened:
                    self._close(shard)  # the next event gets a new connection, whatever happened to this one
                raise
            finally:
                self._thread.opened = None
                for shard, connection in opened.items():
                    if shard not in self._kept:
                        connection.close()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table. A table that was seen once is not looked up again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def wipe(self) -> None:
        """Remove all events, and the files of all runs."""
        with self._db_lock:
            self._close_all()
        super().wipe()

    def dispose(self) -> None:
        """Close what is open."""
        super().dispose()
        with self._db_lock:
            self._executed.clear()
            self._close_all()

    def hold(self) -> None:
        """Close what is open, and let no thread open anything until `release`.

        A forked process must not have SQLite connections of its parent: it may not even close them.
        """
        self._db_lock.acquire()
        self._close_all()

    def release(self) -> None:
        """End what `hold` began, in both processes."""
        self._db_lock.release()

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        """Whether the table of assets has the column. A column that was seen once is not looked up again."""
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def _is_kept(self, shard: str) -> bool:
        return shard in self._executed or (shard == INDEX_SHARD_NAME and bool(self._executed))

    def _kept_connection(self, shard: str) -> Connection:
        """The open connection, or a new one if the files were removed or replaced since it was opened."""
        path = self.path_for_shard(shard)
        if (kept := self._kept.get(shard)) is not None:
            if (_file(path), _file(f"{path}-wal")) == (kept.database, kept.log):
                return kept.connection
            self._close(shard)
            self._initialized_dbs.discard(shard)
        database = _file(path)
        connection = self._new_connection(shard)
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").close()  # opens the write-ahead log
        connection.rollback()
        self._kept[shard] = _Kept(connection, database, _file(f"{path}-wal"))
        return connection

    def _make_tables(self, shard: str) -> None:
        """Make the tables of a file that this process uses for the first time, if they are missing."""
        if shard not in self._initialized_dbs:
            self._thread.path = self.path_for_shard(shard)
            self._initdb(self._engine)
            self._initialized_dbs.add(shard)

    def _new_connection(self, shard: str) -> Connection:
        """Open a file; the tables are made if they are missing."""
        self._make_tables(shard)
        self._thread.path = self.path_for_shard(shard)
        return self._engine.connect()

    def _open(self) -> sqlite3.Connection:
        """Open the file that this thread is about to use."""
        connection = sqlite3.connect(self._thread.path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS, check_same_thread=False)
        # SQLite's default, unless it was built with another one: a transaction is on the disk when it is committed.
        connection.execute("PRAGMA synchronous=FULL").close()
        return connection

    def _begin(self, run_id: str) -> None:
        with self._db_lock:
            self._executed[run_id] = None
            for earliest in list(self._executed)[:-MOST_RUNS]:
                self._forget(earliest)

    def _end(self, run_id: str) -> None:
        with self._db_lock:
            self._forget(run_id)

    def _forget(self, run_id: str) -> None:
        """Close the run's connection, after the last run also the connection to the index."""
        self._executed.pop(run_id, None)
        self._close(run_id)
        if not self._executed:
            self._close(INDEX_SHARD_NAME)

    def _close_all(self) -> None:
        for shard in list(self._kept):
            self._close(shard)

    def _close(self, shard: str) -> None:
        if (kept := self._kept.pop(shard, None)) is not None:
            kept.connection.close()


def _kind(event: EventLogEntry) -> DagsterEventType | None:
    return event.dagster_event.event_type if event.dagster_event else None


def _file(path: str) -> File:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


_of_this_process: WeakSet[KeptEventLog] = WeakSet()
_held: list[KeptEventLog] = []


def _before_fork() -> None:
    for log in list(_of_this_process):
        log.hold()
        _held.append(log)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
