"""Reads every file and every table, and tells where a text is: the oracle of an erasure, which knows nothing of it."""

import gzip
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import psycopg


def files_with(text: str, *folders: Path) -> list[str]:
    """The files below the folders that hold the text: as bytes, packed, or in rows of a table."""
    found = []
    for folder in folders:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            if text in path.as_posix() or _holds(path, text):
                found.append(path.relative_to(folder).as_posix())
    return found


def _holds(path: Path, text: str) -> bool:
    content = path.read_bytes()
    wanted = text.encode()
    if wanted in content or text.encode("utf-16-le") in content:
        return True
    if content[:2] == b"\x1f\x8b":
        return wanted in gzip.decompress(content)
    if content[:4] == b"PAR1":
        return any(wanted in row.encode() for row in _rows(pl.read_parquet(path)))
    if content[:15] == b"SQLite format 3":
        return any(wanted in value for value in _sqlite(path))
    if content[8:12] == b"DUCK":
        return any(text in row for row in _duckdb(path))
    return False


def _rows(frame: pl.DataFrame) -> list[str]:
    return [repr(row) for row in frame.rows()]


def _sqlite(path: Path) -> list[bytes]:
    """Every value; what Dagster packs is unpacked."""
    found = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    found.append(raw)
                    if raw[:1] == b"\x78":
                        try:
                            found.append(zlib.decompress(raw))
                        except zlib.error:
                            continue
    return found


def _duckdb(path: Path) -> list[str]:
    with duckdb.connect(path, read_only=True) as db:
        names = db.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return [
            repr(row) for schema, name in names for row in db.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall()
        ]


def tables_with(text: str, url: str) -> list[str]:
    """The tables of a PostgreSQL database whose rows, or whose names, hold the text."""
    with psycopg.connect(url) as db:
        names = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = []
        for schema, name in names:
            rows = db.execute(f'SELECT count(*) FROM "{schema}"."{name}" t WHERE t::text LIKE %s', [f"%{text}%"])  # type: ignore[call-overload]
            if rows.fetchone()[0]:
                found.append(f"{schema}.{name}")
        return sorted(found)


def all_rows(url: str) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    with psycopg.connect(url) as db:
        names = db.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        return {
            f"{schema}.{name}": sorted(row[0] for row in db.execute(f'SELECT t::text FROM "{schema}"."{name}" t'))  # type: ignore[call-overload]
            for schema, name in names
        }
