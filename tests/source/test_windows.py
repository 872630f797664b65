"""Windows are half open and exact, also where a day has 23 or 25 hours, for every kind of date column."""

# ruff: noqa: DTZ001  times without a zone are what is tested

import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from pydantic import ValidationError

from etl.errors import SourceError
from etl.source import sqlalchemy_cursor
from etl.source.database_url import parse
from etl.source.reading import ExtractRequest, Window, count_rows, extract_to_parquet
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

# zone, local day, hours of that day
DAYS = [
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("Asia/Seoul", date(2026, 3, 29), 24),
    ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight does not exist on that day
]


def day_window(zone: str, day: date, column: str, naive: str | None = None) -> Window:
    start, end = (
        datetime(each.year, each.month, each.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for each in (day, day + timedelta(days=1))
    )
    return Window(column=column, start=start, end=end, naive_timezone=naive or zone)


def wanted_instants(zone: str, day: date, hours: int) -> list[datetime]:
    """Every half hour of the local day, written without a database: from its first instant, so many hours on."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    first = next(
        noon - timedelta(minutes=30 * step)
        for step in range(60)
        if (noon - timedelta(minutes=30 * (step + 1))).astimezone(ZoneInfo(zone)).date() < day
    )
    return [first + timedelta(minutes=30 * step) for step in range(hours * 2)]


def around(zone: str, day: date) -> list[datetime]:
    middle = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return [middle + timedelta(minutes=30 * step) for step in range(-100, 100)]


def read(url: str, request: ExtractRequest, folder: Path) -> pl.DataFrame:
    report = extract_to_parquet(url, request, folder / "x.parquet", footer={})
    assert report.rows == count_rows(url, request)
    return pl.read_parquet(folder / "x.parquet")


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.run(
        "CREATE TABLE moments (zone text, day text, at timestamptz, wall timestamp, on_day date, as_text text, iso text)"
    )
    with postgres_server.connect() as connection, connection.cursor() as cursor:
        for zone, day, _ in DAYS:
            rows = []
            for moment in around(zone, day):
                wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                rows.append((zone, str(day), moment, wall, wall.date(), str(wall), wall.isoformat()))
            cursor.executemany("INSERT INTO moments VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)
    return postgres_server


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("column", ["at", "wall", "on_day", "as_text", "iso"])
def test_a_day_of_postgres_has_the_hours_that_it_had(
    column: str, zone: str, day: date, hours: int, postgres: PostgresServer, tmp_path: Path
) -> None:
    part = f"SELECT * FROM moments WHERE zone = '{zone}' AND day = '{day}'"
    frame = read(
        postgres.url, ExtractRequest(query=part, window=day_window(zone, day, column), sort_by=("at",)), tmp_path
    )
    assert frame["at"].to_list() == wanted_instants(zone, day, hours)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("column", ["at", "wall", "on_day"])
def test_a_day_that_is_most_of_its_table_is_read_by_pages_and_is_the_same_day(
    column: str, zone: str, day: date, hours: int, postgres: PostgresServer, tmp_path: Path
) -> None:
    window = day_window(zone, day, column)
    postgres.run(
        "DROP TABLE IF EXISTS most",
        f"CREATE TABLE most AS SELECT at, wall, on_day FROM moments WHERE zone = '{zone}' AND day = '{day}'",
        f"INSERT INTO most SELECT at, wall, on_day FROM most, generate_series(1, 9) WHERE on_day = '{day}'",
        "INSERT INTO most VALUES (NULL, NULL, NULL), ('infinity', 'infinity', 'infinity')",
        "ANALYZE most",
    )
    reports = {
        mode: extract_to_parquet(
            postgres.url,
            ExtractRequest(table="most", window=window, mode=mode),
            tmp_path / f"{mode}.parquet",
            footer={},
        )
        for mode in ("fast", "exact")
    }
    fast, exact = (pl.read_parquet(tmp_path / f"{mode}.parquet").sort("at") for mode in reports)
    assert [each.driver for each in reports.values()] == ["postgres_duckdb_pages", "postgres_duckdb_query"]
    assert fast.equals(exact)
    assert sorted(set(fast["at"].to_list())) == wanted_instants(zone, day, hours)


def test_a_small_part_of_a_table_is_read_by_its_window_and_not_by_all_pages(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    postgres.run(
        "CREATE TABLE years AS SELECT g AS at, 1.5::numeric(10,2) AS n FROM generate_series('2026-01-01 00:00+00'::timestamptz,"
        " '2026-12-31 00:00+00', '1 hour') g",
        "UPDATE years SET n = 'NaN' WHERE at = '2026-06-01 00:00+00'",
        "ANALYZE years",
    )
    day = day_window("UTC", date(2026, 3, 3), "at")
    most = Window(column="at", start=datetime(2026, 6, 2, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))
    for window, driver, rows in ((day, "postgres_duckdb_query", 24), (most, "postgres_duckdb_pages", 212 * 24 + 1)):
        request = ExtractRequest(table="years", window=window, mode="fast")
        report = extract_to_parquet(postgres.url, request, tmp_path / "x.parquet", footer={})
        assert (report.driver, report.rows) == (driver, rows)
    bad = Window(column="at", start=datetime(2026, 5, 1, tzinfo=UTC), end=datetime(2027, 1, 1, tzinfo=UTC))
    with pytest.raises(SourceError, match="`n` holds NaN"):
        read(postgres.url, ExtractRequest(table="years", window=bad, mode="fast"), tmp_path)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("column", ["at", "wall", "on_day"])
def test_a_query_that_bounds_itself_reads_the_same_day(
    column: str, zone: str, day: date, hours: int, postgres: PostgresServer, tmp_path: Path
) -> None:
    query = (
        f"SELECT at FROM moments WHERE zone = '{zone}' AND day = '{day}' "
        f"AND {column} >= :window_start AND {column} < :window_end"
    )
    request = ExtractRequest(query=query, window=day_window(zone, day, "at"), sort_by=("at",))
    found = read(postgres.url, request, tmp_path)["at"].to_list()
    assert found == wanted_instants(zone, day, hours)


def test_consecutive_windows_share_no_row_and_lose_none(postgres: PostgresServer, tmp_path: Path) -> None:
    zone, middle, _ = DAYS[1]
    for column in ("at", "wall", "on_day", "as_text", "iso"):
        seen: list[datetime] = []
        for step in range(-3, 4):
            window = day_window(zone, middle + timedelta(days=step), column)
            query = f"SELECT * FROM moments WHERE zone = '{zone}' AND day = '{middle}'"
            seen += read(postgres.url, ExtractRequest(query=query, window=window), tmp_path)["at"].to_list()
        assert sorted(seen) == around(zone, middle)


@pytest.mark.parametrize("column", ["at", "wall", "on_day", "as_text", "iso"])
def test_columns_without_a_zone_are_read_in_the_zone_that_they_are_in(
    column: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    """A day of Seoul over a database that keeps UTC: 15:00 to 15:00."""
    postgres.run(
        "DROP TABLE IF EXISTS kept_in_utc",
        "CREATE TABLE kept_in_utc AS SELECT at, at::timestamp AS wall, at::date AS on_day, at::timestamp::text AS as_text, "
        "replace(at::timestamp::text, ' ', 'T') AS iso FROM generate_series('2026-01-01 00:00+00'::timestamptz, "
        "'2026-01-03 23:00+00', '1 hour') at",
    )
    postgres.run("ALTER DATABASE src SET timezone = 'America/New_York'")
    window = day_window("Asia/Seoul", date(2026, 1, 2), column, naive="UTC")
    found = sorted(read(postgres.url, ExtractRequest(table="kept_in_utc", window=window), tmp_path)["at"].to_list())
    postgres.run("ALTER DATABASE src RESET timezone")
    if column == "on_day":  # a date stands for its midnight in UTC, which is 09:00 in Seoul
        assert found == [datetime(2026, 1, 2, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24)]
    else:
        assert found == [datetime(2026, 1, 1, 15, tzinfo=UTC) + timedelta(hours=hour) for hour in range(24)]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("column", ["as_text", "iso", "on_day", "declared"])
def test_a_day_of_sqlite_has_the_hours_that_it_had(
    column: str, zone: str, day: date, hours: int, tmp_path: Path
) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE moments (at text, as_text text, iso text, on_day date, declared datetime)")
        for moment in around(zone, day):
            wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            row = (moment.isoformat(), str(wall), wall.isoformat(), str(wall.date()), str(wall))
            connection.execute("INSERT INTO moments VALUES (?, ?, ?, ?, ?)", row)
    connection.close()
    request = ExtractRequest(table="moments", window=day_window(zone, day, column), sort_by=("at",))
    found = [datetime.fromisoformat(each) for each in read(f"sqlite:///{path}", request, tmp_path)["at"].to_list()]
    assert found == wanted_instants(zone, day, hours)


@pytest.mark.parametrize("separator", [" ", "T"])
def test_a_part_of_a_day_in_text_is_compared_whatever_stands_between_date_and_time(
    separator: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (at text)")
        for minute in range(0, 48 * 60, 30):
            wall = datetime(2026, 1, 1) + timedelta(minutes=minute)
            connection.execute("INSERT INTO t VALUES (?)", (wall.isoformat(separator),))
    connection.close()
    window = Window(
        column="at",
        start=datetime(2026, 1, 1, 6, tzinfo=UTC),
        end=datetime(2026, 1, 2, 6, 30, tzinfo=UTC),
        naive_timezone="UTC",
    )
    found = read(f"sqlite:///{path}", ExtractRequest(table="t", window=window, sort_by=("at",)), tmp_path)[
        "at"
    ].to_list()
    first, last = (separator.join(each) for each in (("2026-01-01", "06:00:00"), ("2026-01-02", "06:00:00")))
    assert (found[0], found[-1], len(found)) == (first, last, 49)


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
@pytest.mark.parametrize("column", ["at", "wall", "on_day", "as_text"])
def test_a_day_of_mariadb_has_the_hours_that_it_had(
    column: str, zone: str, day: date, hours: int, mariadb_server: MariadbServer, tmp_path: Path
) -> None:
    mariadb_server.run(
        "CREATE OR REPLACE TABLE moments (at timestamp(6), wall datetime, on_day date, as_text varchar(30))"
    )
    with mariadb_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        rows = []
        for moment in around(zone, day):
            wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            rows.append((moment.replace(tzinfo=None), wall, wall.date(), str(wall)))
        cursor.executemany("INSERT INTO moments VALUES (%s, %s, %s, %s)", rows)
    request = ExtractRequest(table="moments", window=day_window(zone, day, column), sort_by=("at",))
    assert read(mariadb_server.url, request, tmp_path)["at"].to_list() == wanted_instants(zone, day, hours)


def test_rows_without_a_date_belong_to_no_window(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.run("CREATE TABLE undated (id int, at timestamptz)", "INSERT INTO undated VALUES (1, NULL)")
    window = day_window("UTC", date(2026, 1, 1), "at")
    assert read(postgres.url, ExtractRequest(table="undated", window=window), tmp_path).height == 0


def test_a_window_over_a_column_that_is_no_date_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.run("CREATE TABLE counted (id int)")
    window = day_window("UTC", date(2026, 1, 1), "id")
    with pytest.raises(SourceError, match="`id` is a integer"):
        read(postgres.url, ExtractRequest(table="counted", window=window), tmp_path)


def test_a_window_needs_zones_order_and_a_zone_that_exists() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    for bad in (
        {"start": datetime(2026, 1, 1)},
        {"start": end, "end": start},
        {"end": start},
        {"naive_timezone": "Mars/Phobos"},
        {"naive_timezone": "../../etc/passwd"},
        {"naive_timezone": "UTC -c log_statement=none"},
    ):
        with pytest.raises(ValidationError):
            Window.model_validate({"column": "at", "start": start, "end": end} | bad)


# a column, and its type in each database; "-": the database has none
OUTSIDE = [
    ("at", {"postgresql": "timestamptz", "mysql": "timestamp NULL", "sqlite": "-"}),
    ("wall", {"postgresql": "timestamp", "mysql": "datetime", "sqlite": "TIMESTAMP"}),
    ("on_day", {"postgresql": "date", "mysql": "date", "sqlite": "DATE"}),
    ("words", {"postgresql": "text", "mysql": "varchar(30)", "sqlite": "TEXT"}),
]
DATES = ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03", "2030-06-01", None]
NO_DATES = ["", "soon", "2026", "2o26-01-02", "2026-1-2", "20260102", "2026-01-0x"]


@pytest.mark.parametrize(("column", "types"), OUTSIDE, ids=[each for each, _ in OUTSIDE])
@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mysql"])
@pytest.mark.parametrize("end", ["2026-01-03", "9999-12-30"])
def test_the_rows_outside_of_all_windows_are_counted(
    database: str, column: str, types: dict[str, str], end: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kind = types[database]
    if kind == "-":
        pytest.skip("no such type")
    values = [*DATES, *(NO_DATES if column == "words" or database == "sqlite" else [])]
    rendered = ", ".join(f"({'NULL' if each is None else repr(each)})" for each in values)
    statements = [f"CREATE TABLE outside_{column} ({column} {kind})", f"INSERT INTO outside_{column} VALUES {rendered}"]
    if database == "sqlite":
        statements.append(f"INSERT INTO outside_{column} VALUES (20260102), (x'32303236')")
        url = f"sqlite:///{tmp_path}/source.db"
        with contextlib.closing(sqlite3.connect(tmp_path / "source.db")) as connection, connection:
            for each in statements:
                connection.execute(each)
    else:
        server: PostgresServer | MariadbServer = request.getfixturevalue(
            {"postgresql": "postgres_server", "mysql": "mariadb_server"}[database]
        )
        server.run(f"DROP TABLE IF EXISTS outside_{column}", *statements)
        url = server.url
    start, last = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in ("2026-01-01", end))
    window = Window(column=column, start=start, end=last, outside=True)
    inside = [each for each in DATES if each and "2026-01-01" <= each < end]
    strange = 2 if database == "sqlite" else 0  # values of another type than the column's
    assert count_rows(url, ExtractRequest(table=f"outside_{column}", window=window)) == len(values) + strange - len(
        inside
    )


@pytest.mark.parametrize("kind", ["text", "timestamp"])
def test_a_database_without_a_driver_of_its_own_counts_them_too(kind: str, postgres: PostgresServer) -> None:
    values = ["2025-12-31", "2026-01-01", *(["soon", ""] if kind == "text" else [])]
    rendered = ", ".join(f"('{each}')" for each in values)
    postgres.run(
        "DROP TABLE IF EXISTS apart", f"CREATE TABLE apart (at {kind})", f"INSERT INTO apart VALUES {rendered}, (NULL)"
    )
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
    request = ExtractRequest(table="apart", window=Window(column="at", start=start, end=end, outside=True))
    url = parse(postgres.url.replace("postgresql://", "postgresql+psycopg://"))
    assert sqlalchemy_cursor.count(url, request) == len(values)
