"""A SQLite file that outlives every process and is used by several at a time.

Belongs here: opening it, its format number, one transaction of it. Not here: what is in it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from etl.errors import EtlError
from etl.formats import check_format


class StateStore:
    """One such file. `what` says what is in it, for errors."""

    def __init__(self, path: Path, schema: str, *, newest: int, what: str) -> None:
        """Make what `schema` says and the file lacks; a file of a later release is refused and left as it is."""
        self.path = path
        self._what = what
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.transaction() as db:
            # SQLite's `user_version` is the format number; it is 0 where nobody wrote one.
            found = db.execute("PRAGMA user_version").fetchone()[0]
            check_format(found or None, newest=newest, what=f"{what} {path}")
            if found != newest:
                db.execute(f"PRAGMA user_version = {newest:d}")
            for statement in schema.split(";"):
                db.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is in the file or nothing, and others wait meanwhile.

        A file that is damaged raises an error that names it and the remedy.
        """
        with closing(sqlite3.connect(self.path, timeout=60, isolation_level=None)) as db:
            try:
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", None) not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    raise
                raise EtlError(
                    f"{self._what}, {self.path}, is damaged: {error}",
                    f"restore it from a backup, or begin a new one: `mv '{self.path}' '{self.path}.damaged'`."
                    " Dagster's event log, the lake and the warehouse do not depend on it",
                ) from error
