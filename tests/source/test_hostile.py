"""Names and values that carry SQL are refused or harmless: a canary table and the server's own log of statements say so."""

import itertools
import random
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from etl.errors import SourceError
from etl.source import mysql, postgres, sqlite_duckdb
from etl.source.query import bind_query
from etl.source.reading import ExtractRequest, Window, count_rows, extract_to_parquet
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

DEEDS = [
    "DROP TABLE canary", "DELETE FROM canary", "INSERT INTO canary VALUES (2)", "UPDATE canary SET id = 3",
    "CREATE TABLE pwned (id int)", "COPY canary TO PROGRAM 'touch /tmp/pwned'", "SELECT pg_sleep(9)", "TRUNCATE canary",
    "ALTER TABLE canary ADD pwned int", "ATTACH '/tmp/pwned.db' AS pwned", "LOAD 'x'", "SELECT * INTO OUTFILE '/tmp/pwned'",
    "CALL pwned()", "SET GLOBAL general_log = 0", "COMMIT", "GRANT ALL ON canary TO PUBLIC",
]  # fmt: skip
BEFORE = ["", "x", "canary", '"', "'", "`", "\\", "\\'", "')", '")', "`)", "]", "$$", "$a$", "/*", "--", "x' OR '1'='1", "%s", ":x",
          "{}", "\n", "é'", "\u2019", "\ufeff"]  # fmt: skip
BETWEEN = [";", "; ", ";\n", " ) ; ", "') ; ", '" ; ', "` ; ", "*/ ; ", "' UNION "]
AFTER = ["", " --", " #", " /*", "; --", ";'", '"', "'", "`", "\\", "')--"]
FORBIDDEN = re.compile(
    r"\b(drop|delete|insert|update|create|alter|truncate|grant|attach|load|outfile|pg_sleep|program)\b|;", re.IGNORECASE
)

# names that really exist, with everything in them that a quote could trip over
REAL = [
    'a"b', "a'b", "a`b", "a\\b", "a;b", "a--b", "a/*b", "a b", " a", "Ab", "select", "é😀"[:1] + "x", "a.b", "a%sb", "a:b", "a$b",
    "a{b}", "a]b", "a\nb", "a\tb", '";DROP TABLE canary;--', "';DROP TABLE canary;--", "`;DROP TABLE canary;--", "c0", "f0", "q",
    "source", "batches", "$$x$$", "a::int", "@x", "a,b", "(a)", "a=b", "?", "-1", "1", ":window_start",
]  # fmt: skip


def hostile(count: int, seed: int) -> list[str]:
    every = ["".join(parts) for parts in itertools.product(BEFORE, BETWEEN, DEEDS, AFTER)]
    return random.Random(seed).sample(every, count)


def requests_with(value: str) -> Iterator[dict[str, Any]]:
    """The value in the place of each name that a configuration can give."""
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    yield {"table": value}
    yield {"table": "canary", "schema_name": value}
    yield {"table": "canary", "columns": (value,)}
    yield {"table": "canary", "sort_by": (value,)}
    yield {"table": "canary", "window": {"column": value, "start": start, "end": end}}
    yield {"table": "canary", "window": {"column": "at", "start": start, "end": end, "naive_timezone": value}}
    yield {"query": value}
    yield {"query": f"SELECT id FROM canary WHERE id = 1 {value}"}


def attack(url: str, values: list[str]) -> tuple[int, list[tuple[str, str]]]:
    """Ask with every value in one of the places, in turn; says how many were refused, and what was not refused."""
    refused, read = 0, []
    for index, value in enumerate(values):
        asked = list(requests_with(value))
        given = asked[index % len(asked)]
        try:
            request = ExtractRequest.model_validate(given)
            count_rows(url, request)
        except (SourceError, ValidationError):
            refused += 1
        else:
            read.append((value, str(given)))
    return refused, read


def bare(statement: str) -> str:
    """A statement without what stands in quotes or comments, so that only what would be executed is left."""
    return re.sub(
        r"""'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|/\*.*?\*/|--[^\n]*""", "?", statement, flags=re.DOTALL
    )


def test_nothing_that_a_configuration_says_is_executed_by_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE canary (id int, at text)")
        connection.execute("INSERT INTO canary VALUES (1, '2026-01-01')")
    connection.close()
    before = path.read_bytes()
    refused, read = attack(f"sqlite:///{path}", hostile(1400, 1))
    assert refused + len(read) == 1400
    assert path.read_bytes() == before
    assert all("query" in given for _, given in read)  # a query may be harmless, a name of this kind does not exist
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.db"]


def test_nothing_that_a_configuration_says_is_executed_by_postgres(postgres_server: PostgresServer) -> None:
    server = postgres_server
    server.run(
        "DROP TABLE IF EXISTS canary", "CREATE TABLE canary (id int, at text)", "INSERT INTO canary VALUES (1, '2026')"
    )
    server.run("GRANT ALL ON canary TO reader")  # the rights are not what protects it
    logged = server.log.stat().st_size
    refused, read = attack(server.url, hostile(400, 2))
    assert refused + len(read) == 400
    assert server.rows("SELECT id, at FROM canary") == [(1, "2026")]
    assert server.rows("SELECT to_regclass('pwned')") == [(None,)]
    with server.log.open("rb") as log:
        log.seek(logged)
        text = log.read().decode()
    sent = re.findall(r"^reader:LOG:  (?:statement|execute [^:]*): (.*?)(?=^\w*:(?:LOG|ERROR|STATEMENT|FATAL|DETAIL|HINT|NOTICE|WARNING|CONTEXT))",
                      text + "x:LOG", re.DOTALL | re.MULTILINE)  # fmt: skip
    assert len(sent) > 400
    assert [each for each in sent if FORBIDDEN.search(bare(each))] == []
    assert all("query" in given for _, given in read)


def test_nothing_that_a_configuration_says_is_executed_by_mariadb(mariadb_server: MariadbServer) -> None:
    server = mariadb_server
    server.run("CREATE OR REPLACE TABLE canary (id int, at text)", "INSERT INTO canary VALUES (1, '2026')")
    refused, read = attack(server.url, hostile(400, 3))
    assert refused + len(read) == 400
    assert list(server.rows("SELECT id, at FROM canary")) == [(1, "2026")]
    assert list(server.rows("SHOW TABLES LIKE 'pwned'")) == []
    assert list(server.rows("SELECT @@general_log")) == [(1,)]
    assert all("query" in given for _, given in read)


@pytest.mark.parametrize("driver", ["postgres_duckdb_query", "postgres_duckdb_pages", "sqlalchemy"])
def test_names_that_look_like_sql_are_read_from_postgres_as_names(
    driver: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(postgres, "extension_path", lambda _: None)
    names = [each for each in REAL if each != "Ab"] + ["Ab"]
    wrong = []
    quoted = ['"' + each.replace('"', '""') + '"' for each in names]
    columns = ", ".join(f"{each} int" for each in quoted)
    for name in names if driver == "postgres_duckdb_query" else names[20:24]:
        table = '"' + name.replace('"', '""') + '"'
        postgres_server.run(
            f"DROP SCHEMA IF EXISTS {table} CASCADE", f"CREATE SCHEMA {table}", f"CREATE TABLE {table}.{table} ({columns})",
            f"INSERT INTO {table}.{table} VALUES ({', '.join(map(str, range(len(names))))})",
        )  # fmt: skip
        mode = "fast" if driver == "postgres_duckdb_pages" else "exact"
        request = ExtractRequest(table=name, schema_name=name, mode=mode, sort_by=(name,) if mode == "exact" else ())
        report = extract_to_parquet(postgres_server.url, request, tmp_path / "x.parquet", footer={})
        frame = pl.read_parquet(tmp_path / "x.parquet")
        if (report.driver, frame.columns, frame.row(0)) != (driver, names, tuple(range(len(names)))):
            wrong.append((name, report.driver, frame.columns, frame.rows()))
        postgres_server.run(f"DROP SCHEMA {table} CASCADE")
    assert wrong == []


@pytest.mark.parametrize("driver", ["mysql_connectorx", "mysql_pymysql"])
def test_names_that_look_like_sql_are_read_from_mariadb_as_names(
    driver: str, mariadb_server: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "mysql_pymysql":
        monkeypatch.setattr(mysql, "find_spec", lambda _: None)
    names = [each for each in REAL if each.strip() == each]
    columns = ", ".join("`" + each.replace("`", "``") + "` int" for each in names)
    for name in names[18:24]:
        table = "`" + name.replace("`", "``") + "`"
        mariadb_server.run(
            f"CREATE OR REPLACE TABLE {table} ({columns})",
            f"INSERT INTO {table} VALUES ({', '.join(map(str, range(len(names))))})",
        )
        request = ExtractRequest(table=name, sort_by=(name,))
        report = extract_to_parquet(mariadb_server.url, request, tmp_path / "x.parquet", footer={})
        frame = pl.read_parquet(tmp_path / "x.parquet")
        assert (report.driver, frame.columns, frame.row(0)) == (driver, names, tuple(range(len(names))))


@pytest.mark.parametrize("driver", ["sqlite_duckdb", "sqlalchemy"])
def test_names_that_look_like_sql_are_read_from_sqlite_as_names(
    driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(sqlite_duckdb, "extension_path", lambda _: None)
    path = tmp_path / "a'b\";c%20é.db"
    quoted = ['"' + each.replace('"', '""') + '"' for each in REAL]
    with sqlite3.connect(path) as connection:
        for name in quoted:
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{each} int' for each in quoted)})")
            connection.execute(f"INSERT INTO {name} VALUES ({', '.join(map(str, range(len(REAL))))})")
    connection.close()
    from sqlalchemy import URL

    url = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    for name in REAL[::3]:
        extract_to_parquet(url, ExtractRequest(table=name, sort_by=(name,)), tmp_path / "x.parquet", footer={})
        frame = pl.read_parquet(tmp_path / "x.parquet")
        assert (frame.columns, frame.row(0)) == (REAL, tuple(range(len(REAL))))


@pytest.mark.parametrize("driver", ["postgres_duckdb_query", "sqlalchemy"])
def test_a_query_of_postgres_cannot_write_whatever_it_calls(
    driver: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(postgres, "extension_path", lambda _: None)
    postgres_server.run(
        "CREATE TABLE IF NOT EXISTS target (id int)", "GRANT ALL ON target TO reader", "TRUNCATE target",
        "CREATE OR REPLACE FUNCTION deed() RETURNS int LANGUAGE sql AS 'INSERT INTO target VALUES (1) RETURNING id'",
    )  # fmt: skip
    for query in (
        "SELECT deed() AS x",
        "SELECT nextval('s') AS x",
        "WITH w AS (DELETE FROM target RETURNING *) SELECT * FROM w",
    ):
        with pytest.raises(SourceError):
            extract_to_parquet(postgres_server.url, ExtractRequest(query=query), tmp_path / "x.parquet", footer={})
    assert postgres_server.rows("SELECT count(*) FROM target") == [(0,)]


@pytest.mark.parametrize("driver", ["mysql_connectorx", "mysql_pymysql"])
def test_a_query_of_mariadb_cannot_write_whatever_it_calls(
    driver: str, mariadb_server: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver == "mysql_pymysql":
        monkeypatch.setattr(mysql, "find_spec", lambda _: None)
    mariadb_server.run(
        "CREATE OR REPLACE TABLE target (id int)", "DROP FUNCTION IF EXISTS deed",
        "CREATE FUNCTION deed() RETURNS int MODIFIES SQL DATA BEGIN INSERT INTO target VALUES (1); RETURN 1; END",
    )  # fmt: skip
    with pytest.raises(SourceError, match=r"(?i)read.only"):
        extract_to_parquet(
            mariadb_server.url, ExtractRequest(query="SELECT deed() AS x"), tmp_path / "x.parquet", footer={}
        )
    assert list(mariadb_server.rows("SELECT count(*) FROM target")) == [(0,)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1; DROP TABLE t", "more than one statement"),
        ("SELECT 1) AS q; DROP TABLE t; SELECT * FROM (SELECT 1", "brackets"),
        ("SELECT 1) AS q UNION SELECT * FROM (SELECT 2", "brackets"),
        ("DELETE FROM t", "starts with `delete`"),
        ("", "starts with `nothing`"),
        ("-- only a comment", "starts with `nothing`"),
        ("SELECT 'open", "quote that is not closed"),
        ("SELECT 1 \x00", "NUL"),
        ("SELECT :window_start", "no partitions"),
    ],
)
def test_a_query_that_is_not_one_select_is_refused(query: str, said: str) -> None:
    with pytest.raises(SourceError, match=re.escape(said)):
        bind_query(query, {})


def test_the_window_is_put_in_where_sql_means_it() -> None:
    bounds = {":window_start": "A", ":window_end": "B"}
    assert bind_query("SELECT ':window_start', x::text -- :window_end\n FROM t WHERE a >= :window_start AND a<:window_end;", bounds) == (
        "SELECT ':window_start', x::text -- :window_end\n\n FROM t WHERE a >= A AND a<B"
    )  # fmt: skip
    assert bind_query("SELECT $$;:window_end$$, $a$ ; $$ $a$, E'\\';' WHERE :window_start < :window_end", bounds) == (
        "SELECT $$;:window_end$$, $a$ ; $$ $a$, E'\\';' WHERE A < B"
    )
    with pytest.raises(SourceError, match="only :window_start"):
        bind_query("SELECT 1 WHERE x > :window_start", bounds)


def test_a_window_carries_no_text_of_its_own() -> None:
    for zone in hostile(200, 4):
        with pytest.raises(ValidationError):
            Window(
                column="at",
                start=datetime(2026, 1, 1, tzinfo=UTC),
                end=datetime(2026, 1, 2, tzinfo=UTC),
                naive_timezone=zone,
            )


def test_columns_that_differ_only_in_case_are_refused_by_name(postgres_server: PostgresServer, tmp_path: Path) -> None:
    postgres_server.run('CREATE TABLE twins ("A" int, a int)')
    path = tmp_path / "x.parquet"
    with pytest.raises(SourceError, match="upper and lower case"):
        extract_to_parquet(postgres_server.url, ExtractRequest(table="twins"), path, footer={})
    extract_to_parquet(postgres_server.url, ExtractRequest(table="twins", columns=("A",)), path, footer={})
    assert pl.read_parquet(path).columns == ["A"]
