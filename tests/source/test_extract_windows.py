"""One statement that reads many windows gives each of them the very rows that its own statement gives."""

import contextlib
import random
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from etl.errors import SourceError
from etl.lake.lake import PLACEHOLDER_FOOTER
from etl.partitions.scheme import TimeScheme
from etl.source import mysql, postgres, sqlite_duckdb, writer
from etl.source.reading import (
    ExtractRequest,
    Mode,
    TooWideError,
    Window,
    extract_to_parquet,
    extract_windows,
    reads_windows,
    table_size,
)
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

COLUMNS = ("at", "wall", "on_day", "words", "iso")
TYPES = {
    "sqlite": ("TEXT", "TIMESTAMP", "DATE", "TEXT", "TEXT"),
    "postgresql": ("timestamptz", "timestamp", "date", "text", "varchar(40)"),
    "mysql": ("timestamp(6) NULL", "datetime(6)", "date", "varchar(40)", "varchar(40)"),
}
# zone of the partitions, zone of the columns without one, unit, first and last key: clocks change within each
CUTS = [
    ("Europe/Berlin", "Europe/Berlin", "day", "2026-03-28", "2026-03-30"),
    ("Europe/Berlin", "Europe/Berlin", "hour", "2026-10-24T2200Z", "2026-10-25T0200Z"),
    ("America/New_York", "America/New_York", "day", "2026-10-31", "2026-11-02"),
    ("Asia/Seoul", "UTC", "day", "2026-01-01", "2026-01-04"),
    ("America/Sao_Paulo", "UTC", "week", "2018-W44-1", "2018-W45-1"),
    ("UTC", "UTC", "month", "2026-01", "2026-02"),
]
WAYS = [
    *((way, cut) for way in ("sqlite", "postgresql", "mysql") for cut in CUTS),
    *((f"{way} cursor", cut) for way in ("sqlite", "postgresql", "mysql") for cut in CUTS[1:2]),
    *(("postgresql fast", cut) for cut in CUTS[1:3]),
]
STRANGE = ("", "soon", "2026T01-02", "2026-01T", "2026-01-0x", "20260102", "2026-1-2", " 2026-01-02", "9999-99-99")
SHIFTS = (timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=30), timedelta(hours=1))


def windows_of(cut: tuple[str, ...], column: str) -> list[Window]:
    timezone, naive, unit, first, last = cut
    scheme = TimeScheme(unit, first, timezone=timezone)  # type: ignore[arg-type]  # a literal
    return [
        Window(column=column, start=start, end=end, naive_timezone=naive)
        for start, end in map(scheme.window, scheme.between(first, last))
    ]


def rows_near(windows: Sequence[Window], rng: random.Random, database: str) -> list[tuple[Any, ...]]:
    """Moments at, before and behind every boundary, nulls, and texts that are no date."""
    zone = ZoneInfo(windows[0].naive_timezone)
    edges = [windows[0].start - timedelta(days=1), *(each.start for each in windows), windows[-1].end]
    moments: list[datetime | None] = [edge + sign * shift for edge in edges for shift in SHIFTS for sign in (-1, 1)]
    length = windows[-1].end - windows[0].start
    moments += [windows[0].start + length * rng.uniform(-0.1, 1.1) for _ in range(100)]
    moments += [None] * 5
    rng.shuffle(moments)
    rows: list[tuple[Any, ...]] = []
    for number, moment in enumerate(moments):
        wall = moment and moment.astimezone(zone).replace(tzinfo=None)
        strange = STRANGE[number % len(STRANGE)] if number % 7 == 0 else None
        words = strange if strange is not None else wall and str(wall)
        at: Any = moment
        if database == "mysql" and moment:
            at = moment.astimezone(UTC).replace(tzinfo=None)
        elif database == "sqlite":
            at, wall = moment and moment.isoformat(), wall and str(wall)  # type: ignore[assignment]
        day = wall and (wall[:10] if isinstance(wall, str) else wall.date())
        rows.append((number, at, wall, day, words, wall and str(wall).replace(" ", "T")))
    if database == "sqlite":  # values of any class stand in any column
        rows += [(9001, None, 20260102, 2461043, b"2026-01-02", 1.5), (9002, 5, b"2026-10-25 01:00", b"x", 7, None)]
    return rows


@contextlib.contextmanager
def no_extension() -> Any:
    with (
        patch.object(postgres, "extension_path", lambda _: None),
        patch.object(sqlite_duckdb, "extension_path", lambda _: None),
        patch.object(mysql, "find_spec", lambda _: None),
    ):
        yield


def source(database: str, rows: Sequence[tuple[Any, ...]], request: pytest.FixtureRequest, folder: Path) -> str:
    """The URL of a database with the table `windowed`, whose carriers are read as text where any value may stand."""
    kinds = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, TYPES[database], strict=True))
    if database == "sqlite":
        with contextlib.closing(sqlite3.connect(folder / "s.db")) as connection, connection:
            connection.execute(f"CREATE TABLE windowed (id INTEGER, {kinds})")
            connection.executemany("INSERT INTO windowed VALUES (?, ?, ?, ?, ?, ?)", rows)
        return f"sqlite:///{folder / 's.db'}"
    name = {"postgresql": "postgres_server", "mysql": "mariadb_server"}[database]
    server: PostgresServer | MariadbServer = request.getfixturevalue(name)
    server.run("DROP TABLE IF EXISTS windowed", f"CREATE TABLE windowed (id int, {kinds})")
    with server.connect() as connection, connection.cursor() as cursor:
        if database == "mysql":
            cursor.execute("SET time_zone = '+00:00'")
        cursor.executemany("INSERT INTO windowed VALUES (%s, %s, %s, %s, %s, %s)", rows)
    server.run("ANALYZE TABLE windowed" if database == "mysql" else "ANALYZE windowed")
    return server.url


def assert_the_same(url: str, request: ExtractRequest, windows: Sequence[Window], folder: Path, *, exact: bool) -> int:
    """Compare each window's file with the one that its own statement writes; gives the rows of all."""
    together = extract_windows(url, request, windows, folder / "windows", footer=PLACEHOLDER_FOOTER)
    assert len(together) == len(windows)
    total = 0
    for window, (path, report) in zip(windows, together, strict=True):
        alone = folder / "alone.parquet"
        wanted = extract_to_parquet(
            url, request.model_copy(update={"window": window}), alone, footer=PLACEHOLDER_FOOTER
        )
        assert report.rows == wanted.rows, window
        if exact:
            assert path.read_bytes() == alone.read_bytes(), window
        rows = pl.read_parquet(alone)
        assert pl.read_parquet(path, hive_partitioning=False).sort(rows.columns).equals(rows.sort(rows.columns)), window
        total += wanted.rows
    return total


@pytest.mark.parametrize(("way", "cut"), WAYS, ids=[f"{way} {cut[2]} {cut[3]}" for way, cut in WAYS])
def test_each_window_has_the_rows_of_its_own_statement(
    way: str, cut: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database, _, how = way.partition(" ")
    rng = random.Random(f"{way} {cut}")
    rows = rows_near(windows_of(cut, "at"), rng, database)
    url = source(database, rows, request, tmp_path)
    mode: Mode = "fast" if how == "fast" else "exact"
    found = 0
    with no_extension() if how == "cursor" else contextlib.nullcontext():
        for column in COLUMNS[1:] if database == "sqlite" else COLUMNS:  # SQLite has no type of instants
            windows = windows_of(cut, column)
            chosen = ("id",) if database == "sqlite" else ("id", column)
            asked = ExtractRequest(table="windowed", columns=chosen, window=windows[0], mode=mode)
            (tmp_path / column).mkdir()
            found += assert_the_same(url, asked, windows, tmp_path / column, exact=how != "fast")
        query = "SELECT id, wall AS moment FROM windowed WHERE id % 3 = 0"
        windows = windows_of(cut, "moment")
        asked = ExtractRequest(query=query, columns=("id",), window=windows[0], sort_by=("id",), mode=mode)
        (tmp_path / "query").mkdir()
        found += assert_the_same(url, asked, windows, tmp_path / "query", exact=True)
    assert found > 100, "the windows are not empty"


@pytest.mark.parametrize("rows", [200_000])
def test_large_windows_are_written_as_alone(rows: int, tmp_path: Path) -> None:
    """More rows than a row group has, out of order: the file of a window does not depend on the other windows."""
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER, note TEXT, at TIMESTAMP)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) INSERT INTO t SELECT i,"
            " 'note ' || i % 1000, datetime('2026-01-01', '+' || ((i * 7919) % ?) || ' seconds') FROM n",
            (rows, 2 * 86_400),
        )
    days = windows_of(("UTC", "UTC", "day", "2026-01-01", "2026-01-03"), "at")
    asked = ExtractRequest(table="t", window=days[0])
    url = f"sqlite:///{tmp_path / 's.db'}"
    assert assert_the_same(url, asked, days, tmp_path, exact=False) == rows
    files = [path.read_bytes() for path, _ in extract_windows(url, asked, days, tmp_path / "a", footer={})]
    fewer = [path.read_bytes() for path, _ in extract_windows(url, asked, days[1:], tmp_path / "b", footer={})]
    assert files[1:] == fewer


def test_a_value_that_is_refused_is_refused_and_leaves_nothing_to_publish(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute("CREATE TABLE t (n INTEGER, at TIMESTAMP)")
        connection.execute("INSERT INTO t VALUES (1, '2026-01-01'), ('x', '2026-01-02')")
    days = windows_of(("UTC", "UTC", "day", "2026-01-01", "2026-01-03"), "at")
    with pytest.raises(SourceError, match="column `n`"):
        extract_windows(
            f"sqlite:///{tmp_path / 's.db'}", ExtractRequest(table="t", window=days[0]), days, tmp_path / "w", footer={}
        )


def test_a_table_with_many_columns_is_read_by_fewer_windows(tmp_path: Path) -> None:
    columns = ", ".join(f"c{index} INTEGER" for index in range(writer.WIDEST // 2))
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute(f"CREATE TABLE t (at TIMESTAMP, {columns})")
    days = windows_of(("UTC", "UTC", "day", "2026-01-01", "2026-01-03"), "at")
    with pytest.raises(TooWideError) as caught:
        extract_windows(
            f"sqlite:///{tmp_path / 's.db'}", ExtractRequest(table="t", window=days[0]), days, tmp_path / "w", footer={}
        )
    assert caught.value.most == 1


def test_what_one_statement_cannot_tell_apart_is_not_read_by_one() -> None:
    day = windows_of(("UTC", "UTC", "day", "2026-01-01", "2026-01-01"), "at")[0]
    bound = ExtractRequest(query="SELECT 1 AS x WHERE :window_start < :window_end", window=day)
    plain = ExtractRequest(query="SELECT * FROM t", window=day)
    assert [reads_windows("sqlite:///x.db", each) for each in (bound, plain)] == [False, True]
    assert not reads_windows("duckdb:///x.db", plain), "a database whose SQL is not known here"


def test_the_size_of_a_table_is_known_roughly(
    postgres_server: PostgresServer, mariadb_server: MariadbServer, tmp_path: Path
) -> None:
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, '2026-01-01' AS d"
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute(f"CREATE TABLE sized AS {series} FROM n")
    for server in (postgres_server, mariadb_server):
        server.run("DROP TABLE IF EXISTS sized", f"CREATE TABLE sized AS {series} FROM n")
    postgres_server.run(
        "DROP TABLE IF EXISTS sized_parts",
        "CREATE TABLE sized_parts (i int) PARTITION BY LIST (i)",
        "CREATE TABLE sized_parts_1 PARTITION OF sized_parts FOR VALUES IN (1)",
        "INSERT INTO sized_parts SELECT 1 FROM sized",
        "CREATE OR REPLACE VIEW sized_view AS SELECT * FROM sized",
    )
    table = ExtractRequest(table="sized")
    urls = (postgres_server.url, mariadb_server.url, f"sqlite:///{tmp_path / 's.db'}")
    assert all(10_000 < table_size(url, table) < 300_000 for url in urls)
    assert table_size(postgres_server.url, ExtractRequest(table="sized_parts")) > 10_000
    assert table_size(postgres_server.url, ExtractRequest(table="sized_view")) == 0
    assert [table_size(url, ExtractRequest(query="SELECT 1")) for url in urls[:2]] == [0, 0]


def test_a_day_that_no_window_covers_is_not_read(tmp_path: Path) -> None:
    """The windows are adjacent; a row before or behind them is in no file."""
    with contextlib.closing(sqlite3.connect(tmp_path / "s.db")) as connection, connection:
        connection.execute("CREATE TABLE t (at DATE)")
        connection.executemany("INSERT INTO t VALUES (?)", [(str(date(2026, 1, day)),) for day in range(1, 9)])
    days = windows_of(("UTC", "UTC", "day", "2026-01-03", "2026-01-05"), "at")
    found = extract_windows(
        f"sqlite:///{tmp_path / 's.db'}", ExtractRequest(table="t", window=days[0]), days, tmp_path / "w", footer={}
    )
    assert [report.rows for _, report in found] == [1, 1, 1]
