"""A SQLite file for state that stays after a process ends, and that several processes may use at a time.

Belongs here: opening the file, its format number, one transaction. Not here: the content of the file.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from etl.errors import EtlError
from etl.formats import check_format

_PRIMARY = 0xFF
"""SQLite's extended codes have the primary code in their lowest byte."""
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_REFUSED = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
)


class StateStore:
    """One such file. `what` describes its content, for errors."""

    def __init__(self, path: Path, schema: str, *, newest: int, what: str, patience: float = 60) -> None:
        """Create the tables of `schema` that are missing. A file of a later release is refused and not changed.

        `patience` is the number of seconds for which another process may hold the file.
        """
        self.path = path
        self._what = what
        self._patience = patience
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.transaction() as db:
            # SQLite's `user_version` is the format number; it is 0 if no number was written.
            found = db.execute("PRAGMA user_version").fetchone()[0]
            check_format(found or None, newest=newest, what=f"{what} {path}")
            if found != newest:
                db.execute(f"PRAGMA user_version = {newest:d}")
            for statement in schema.split(";"):
                db.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all changes of the block or none. Other processes wait meanwhile.

        A file that is damaged raises an error that names it and the remedy.
        """
        with self._errors(), closing(sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Name the file and the remedy if the file is damaged, or cannot be opened or written."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            if code in _DAMAGED:
                raise EtlError(
                    f"{self._what}, {self.path}, is damaged: {error}",
                    f"restore it from a backup, or begin a new one: `mv '{self.path}' '{self.path}.damaged'`."
                    " Dagster's event log, the lake and the warehouse do not depend on it",
                ) from error
            if code in _REFUSED:
                raise EtlError(
                    f"{self._what}, {self.path}, cannot be opened or written: {error}",
                    "see whether its folder may be written by this user, and whether the disk is full",
                ) from error
            raise

    def compact(self) -> None:
        """Write the file again without the rows that were deleted, so that their bytes are gone too."""
        with self._errors(), closing(sqlite3.connect(self.path, timeout=self._patience, isolation_level=None)) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
