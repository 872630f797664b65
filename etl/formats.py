"""Format numbers of what is kept: what this release can read, and what it says about a store of a later one.

Belongs here: the comparison and its error, where a SQLite file keeps its number, and a transaction of such a file. Not
here: the numbers themselves, which stand beside the code that reads each store, and the reading of older formats.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from etl.errors import EtlError


def check_format(found: object, *, newest: int, what: str) -> int:
    """The format number of something that was read, if this release knows it.

    `found` is None where the thing was written before formats had numbers: that is format 1. Raises an error that names
    `what` and says what to do where a later release wrote it, or where the number is none.
    """
    if found is None:
        return 1
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise EtlError(
            f"{what} says that its format is {found!r}, which is no format number",
            "it was changed by hand or is damaged: restore it from a backup, or move it away",
        )
    if found > newest:
        raise EtlError(
            f"{what} has format {found}; this release reads formats 1 to {newest}",
            "a later release of tenant-etl wrote it: use that release or a later one. Nothing was changed",
        )
    return found


def mark_sqlite(db: sqlite3.Connection, *, newest: int, what: str) -> int:
    """Check the format number of a SQLite file and write this release's into it, in the transaction that is open.

    The number is SQLite's `user_version`, which is 0 where nobody wrote one. Returns the number that was found, for a
    reader of older formats; a file of a later release raises an error and is left as it is.
    """
    found = db.execute("PRAGMA user_version").fetchone()[0]
    known = check_format(found or None, newest=newest, what=what)
    if found != newest:
        db.execute(f"PRAGMA user_version = {newest:d}")
    return known


@contextmanager
def transaction(path: Path, what: str) -> Iterator[sqlite3.Connection]:
    """One transaction of a SQLite file that is kept: all of it is in the file or nothing, and others wait meanwhile.

    A file that is damaged raises an error that names it and the remedy; `what` says what is in it.
    """
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
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
                f"{what}, {path}, is damaged: {error}",
                f"restore it from a backup, or begin a new one: `mv '{path}' '{path}.damaged'`. Dagster's event log, "
                "the lake and the warehouse do not depend on it",
            ) from error
