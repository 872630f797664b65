"""What databases allow and readers do not: each value is refused by its column with the rows that hold it, or every
reader gives it back. The bad value stands behind thousands of good ones, where no look at the first rows finds it."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from etl.errors import SourceError
from etl.lake.readable import require_readable
from etl.source import mysql, postgres, sqlite_duckdb
from etl.source.reading import ExtractRequest, extract_to_parquet
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

GOOD_ROWS = 3000
HUGE = 50_000_000
REFUSED = object()

SQLITE: list[tuple[str, str, Any]] = [
    ("TEXT", "CAST(x'6162ff63' AS TEXT)", REFUSED),
    ("TEXT", "CAST(x'eda080' AS TEXT)", REFUSED),  # half of a pair, as UTF-8 would write it
    ("TEXT", "CAST(x'c0af' AS TEXT)", REFUSED),
    ("VARCHAR(9)", "CAST(x'610062' AS TEXT)", "a\0b"),
    ("TEXT", r"'\x41'", r"\x41"),
    ("DATE", "'0000-01-01'", REFUSED),
    ("DATE", "CAST(x'ff' AS TEXT)", REFUSED),
    ("DATETIME", "'0000-12-31 23:59:59'", REFUSED),
    ("DATETIME", "'10000-01-01 00:00:00'", REFUSED),
    ("TIMESTAMPTZ", "'9999-12-31 23:59:59-01'", REFUSED),
    ("DECIMAL(10,2)", "CAST(x'ff' AS TEXT)", REFUSED),
    ("BLOB", "x'00ff'", b"\x00\xff"),
]
POSTGRES: list[tuple[str, str, Any]] = [
    ("date", "'10000-01-01'", REFUSED),
    ("date", "'0001-12-31 BC'", REFUSED),
    ("date", "'infinity'", REFUSED),
    ("timestamp", "'10000-01-01'", REFUSED),
    ("timestamp", "'-infinity'", REFUSED),
    ("timestamptz", "'9999-12-31 23:59:59-01'", REFUSED),
    ("timestamptz", "'0001-01-01 00:00:00+01'", REFUSED),
    ("time", "'24:00'", REFUSED),
    ("numeric(9,2)", "'NaN'", REFUSED),
    ("numeric", "'1e30'", REFUSED),
    ("text", r"E'\u200b\U0010ffff\x7f'", "\u200b\U0010ffff\x7f"),
    ("bytea", r"'\x00ff'", b"\x00\xff"),
    ("date[]", "'{10000-01-01}'", "{10000-01-01}"),
]
MARIADB: list[tuple[str, str, Any]] = [
    ("date", "'0000-00-00'", REFUSED),
    ("date", "'0000-01-01'", REFUSED),
    ("datetime", "'2026-00-01'", REFUSED),
    ("timestamp null", "'0000-00-00'", REFUSED),
    ("time", "'25:00:00'", REFUSED),
    ("bit(9)", "b'100000001'", 257),
    ("varchar(9) character set latin1", "x'ff'", "ÿ"),
    ("text", "'a\\0b'", "a\0b"),
    ("varbinary(9)", "x'00ff'", b"\x00\xff"),
]


def held(url: str, kind: str, wanted: Any, path: Path) -> None:
    """Extract the table `t`: refused by name and count, or the same from all three readers, who read it whole."""
    request = ExtractRequest(table="t")
    if wanted is REFUSED:
        with pytest.raises(SourceError) as caught:
            extract_to_parquet(url, request, path, footer={})
        problem = caught.value.problem
        assert "`the_column`" in problem, f"{kind}: {problem}"
        assert re.search(r"\b2 (of \d+ )?rows", problem), f"{kind}: {problem}"
        assert not path.exists()
        return
    extract_to_parquet(url, request, path, footer={})
    require_readable(path, kind)
    rows = GOOD_ROWS + 2
    assert pl.read_parquet(path)["the_column"].to_list()[-2:] == [wanted] * 2, kind
    assert pq.read_table(path)["the_column"].to_pylist()[-2:] == [wanted] * 2, kind
    found = duckdb.execute(f"SELECT the_column FROM '{path}'").fetchall()
    assert len(found) == rows, kind
    assert found[-2:] == [(wanted,)] * 2, kind
    path.unlink()


def fill(run: Callable[[str], Any], kind: str, value: str) -> None:
    """Rows without a value, then two with it."""
    run("DROP TABLE IF EXISTS t")
    run(f"CREATE TABLE t (id INTEGER, the_column {kind})")
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {GOOD_ROWS})"
    run(f"INSERT INTO t {numbers} SELECT i, NULL FROM n")
    run(f"INSERT INTO t VALUES (9001, {value}), (9002, {value})")


@pytest.mark.parametrize("driver", ["sqlite_duckdb", "sqlalchemy"])
def test_sqlite(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(sqlite_duckdb, "extension_path", lambda _: None)
    for kind, value, wanted in SQLITE:
        with sqlite3.connect(tmp_path / "x.db") as connection:
            fill(connection.execute, kind, value)
        connection.close()
        held(f"sqlite:///{tmp_path / 'x.db'}", f"{kind} {value}", wanted, tmp_path / "x.parquet")


@pytest.mark.parametrize("driver", ["query", "pages", "sqlalchemy"])
def test_postgres(
    driver: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(postgres, "extension_path", lambda _: None)
    if driver == "pages":
        monkeypatch.setattr(postgres.postgres_duckdb, "LARGE", 0)
    for kind, value, wanted in POSTGRES:
        fill(postgres_server.run, kind, value)
        postgres_server.run("GRANT SELECT ON t TO reader")
        held(postgres_server.url, f"{kind} {value}", wanted, tmp_path / "x.parquet")


@pytest.mark.parametrize("driver", ["connectorx", "pymysql"])
def test_mariadb(driver: str, mariadb_server: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if driver == "pymysql":
        monkeypatch.setattr(mysql, "find_spec", lambda _: None)
    for kind, value, wanted in MARIADB:
        with mariadb_server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = '', max_recursive_iterations = 100000")
            fill(cursor.execute, kind, value)
        held(mariadb_server.url, f"{kind} {value}", wanted, tmp_path / "x.parquet")


def test_one_huge_text_is_read_back(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE t (id INTEGER, the_column TEXT)")
        connection.execute("INSERT INTO t VALUES (1, 'small'), (2, ?), (3, 'small')", ("é" * (HUGE // 2),))
    connection.close()
    path = tmp_path / "x.parquet"
    extract_to_parquet(f"sqlite:///{tmp_path / 'x.db'}", ExtractRequest(table="t"), path, footer={})
    require_readable(path, "huge")
    assert pl.read_parquet(path)["the_column"].str.len_bytes().to_list() == [5, HUGE, 5]
    assert [len(each.as_py()) for each in pq.read_table(path)["the_column"]] == [5, HUGE // 2, 5]
    assert duckdb.execute(f"SELECT strlen(the_column) FROM '{path}'").fetchall() == [(5,), (HUGE,), (5,)]
