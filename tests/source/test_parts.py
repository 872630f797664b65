"""Partitions by a list of keys: each driver reads the rows of one value, and counts the rows of none of them."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest

from etl.source import mysql, postgres, reading, sqlalchemy_cursor, sqlite_duckdb
from etl.source.database_url import parse
from etl.source.reading import ExtractRequest, Part, count_rows, extract_to_parquet
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

KEYS = ("emea", "apac", "s-1", "x_2")
VALUES = ("emea", "apac", "apac", "s-1", "x_2", "other", "emea ", "emeaa", "", None, "em'ea", "ap%", "em:ea")
WAYS = ("sqlite", "sqlite cursor", "postgresql", "postgresql cursor", "postgresql unknown", "mysql", "mysql cursor",
        "mysql unknown")  # fmt: skip


@contextlib.contextmanager
def only(how: str) -> Any:
    """`cursor`: as if no faster way were installed; `unknown`: as if the dialect had no driver of its own."""
    with contextlib.ExitStack() as stack:
        if how == "cursor":
            for module in (postgres, sqlite_duckdb):
                stack.enter_context(patch.object(module, "extension_path", lambda _: None))
            stack.enter_context(patch.object(mysql, "find_spec", lambda _: None))
        elif how == "unknown":
            stack.enter_context(patch.object(reading, "driver_of", lambda _: sqlalchemy_cursor))
        yield


def source(database: str, request: pytest.FixtureRequest, folder: Path) -> str:
    rows = [(number, each) for number, each in enumerate(VALUES)]
    if database == "sqlite":
        with contextlib.closing(sqlite3.connect(folder / "s.db")) as connection, connection:
            connection.execute("CREATE TABLE parted (id INTEGER, region TEXT)")
            connection.executemany("INSERT INTO parted VALUES (?, ?)", rows)
        return f"sqlite:///{folder / 's.db'}"
    name = {"postgresql": "postgres_server", "mysql": "mariadb_server"}[database]
    server: PostgresServer | MariadbServer = request.getfixturevalue(name)
    kind = "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin" if database == "mysql" else "varchar(20)"
    server.run("DROP TABLE IF EXISTS parted", f"CREATE TABLE parted (id int, region {kind})")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO parted VALUES (%s, %s)", rows)
    return server.url


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("origin", ["table", "query", "bound query"])
def test_a_key_has_the_rows_of_its_value_and_the_rest_is_counted(
    way: str, origin: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database, _, how = way.partition(" ")
    url = source(database, request, tmp_path)
    if how == "unknown":
        url = url.replace("mysql://", "mysql+pymysql://").replace("postgresql://", "postgresql+psycopg://")
    said: dict[str, Any] = {
        "table": {"table": "parted"},
        "query": {"query": "SELECT id, region FROM parted WHERE id >= 0 -- a comment: with a colon"},
        "bound query": {"query": "SELECT id, region FROM parted WHERE region = :partition"},
    }[origin]
    assert parse(url).dialect in ("sqlite", "postgresql", "mysql")
    with only(how):
        for key in KEYS:
            asked = ExtractRequest(**said, part=Part(column="region", value=key, values=KEYS), sort_by=("id",))
            report = extract_to_parquet(url, asked, tmp_path / "x.parquet", footer={})
            found = pl.read_parquet(tmp_path / "x.parquet")
            assert found["id"].to_list() == [number for number, each in enumerate(VALUES) if each == key], key
            assert report.rows == count_rows(url, asked)
        if origin != "bound query":
            rest = ExtractRequest(**said, part=Part(column="region", value="emea", values=KEYS, outside=True))
            assert count_rows(url, rest) == sum(each not in KEYS for each in VALUES)
