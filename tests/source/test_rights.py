"""Trying a source runs the very statement of an extract, and reads no row of it."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from etl.errors import SourceError
from etl.source import rights, sqlalchemy_cursor
from etl.source.contract import ExtractRequest, Window

DAY = Window(column="day", start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
QUERY = "SELECT a, day FROM lots WHERE day >= :window_start AND day < :window_end"


@pytest.mark.parametrize("driver", ["its own", "any"])
@pytest.mark.parametrize("request_", [{"table": "lots"}, {"query": QUERY}], ids=["table", "query"])
def test_the_statement_names_every_column_and_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, request_: dict[str, str]
) -> None:
    path = tmp_path / "source.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE lots (a INTEGER, day TIMESTAMP)")
        connection.execute("INSERT INTO lots VALUES (1, '2026-01-01 10:00:00')")
    connection.close()
    if driver == "any":
        monkeypatch.setattr(rights, "driver_of", lambda _: sqlalchemy_cursor)
    said: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        said.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        rights.try_to_read(f"sqlite:///{path}", ExtractRequest(**request_, window=DAY))
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert said[-1].startswith("SELECT ")
    assert said[-1].endswith(" WHERE 1 = 0")
    assert all(column in said[-1].partition(" FROM ")[0] for column in ("a", "day"))
    assert rights.source_clock(f"sqlite:///{path}") is None


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "source.sqlite").close()
    with pytest.raises(SourceError, match="lots"):
        rights.try_to_read(f"sqlite:///{tmp_path}/source.sqlite", ExtractRequest(table="lots"))
