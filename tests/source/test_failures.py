"""What happens when the source fails, and what every extract keeps: no secret told, no half file, one snapshot, little memory."""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest

from etl.errors import SourceError, SourceGoneError
from etl.source import mysql, postgres as postgres_driver
from etl.source.reading import ExtractRequest, Window, count_rows, extract_to_parquet
from tests.servers import PASSWORD, free_port
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

POSTGRES = ("postgres_duckdb_query", "sqlalchemy")
MARIADB = ("mysql_connectorx", "mysql_pymysql")
SECRETS = (
    PASSWORD,
    quote(PASSWORD, safe=""),
    quote(PASSWORD),
    PASSWORD.replace("'", "\\'"),
    PASSWORD.replace("'", "''"),
)


def use(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if driver == "sqlalchemy":
        monkeypatch.setattr(postgres_driver, "extension_path", lambda _: None)
    if driver == "mysql_pymysql":
        monkeypatch.setattr(mysql, "find_spec", lambda _: None)


@pytest.fixture(scope="module")
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.run(
        "CREATE TABLE numbers AS SELECT i, md5(i::text) AS word, i * 1.5 AS half FROM generate_series(1, 150000) i",
        "CREATE TABLE hidden (id int)",
        "CREATE TABLE partly (id int, secret int)",
        "CREATE ROLE stranger LOGIN PASSWORD 'another'",
        "GRANT SELECT (id) ON partly TO stranger",
    )
    return postgres_server


@pytest.fixture(scope="module")
def mariadb(mariadb_server: MariadbServer) -> MariadbServer:
    mariadb_server.run(
        "CREATE TABLE numbers AS SELECT seq AS i, md5(seq) AS word, seq * 1.5 AS half FROM seq_1_to_150000",
        "CREATE USER stranger@'%' IDENTIFIED BY 'another'",
        "GRANT USAGE ON src.* TO stranger@'%'",
        "CREATE TABLE partly (id int, secret int)",
        "GRANT SELECT (id) ON src.partly TO stranger@'%'",
    )
    return mariadb_server


def failure(url: str, request: ExtractRequest, folder: Path, kind: type[SourceError] = SourceError) -> str:
    """The message of an extract that has to fail, which leaves nothing and tells no secret, not even in its causes."""
    path = folder / "x.parquet"
    with pytest.raises(kind) as caught:
        extract_to_parquet(url, request, path, footer={})
    told = "".join(map(str, _causes(caught.value)))
    assert not [each for each in SECRETS if each in told]
    assert list(folder.iterdir()) == []
    assert caught.value.hint
    return str(caught.value)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_source_that_refuses_says_which_and_what_to_do_and_no_secret(
    postgres: PostgresServer, mariadb: MariadbServer, tmp_path: Path
) -> None:
    port = free_port()
    password = quote(PASSWORD, safe="")
    hello = ExtractRequest(table="numbers")
    for url, request, parts in [
        (postgres.url.replace(str(postgres.port), str(port)), hello, ("numbers", "refused", "check that the database is up")),
        (mariadb.url.replace(str(mariadb.port), str(port)), hello, ("numbers", "refused", "check that the database is up")),
        (postgres.url.replace("reader", "nobody"), hello, ("password authentication", "correct user or password")),
        (mariadb.url.replace("reader", "nobody"), hello, ("Access denied", "correct user or password")),
        (postgres.url.replace("/src", "/other"), hello, ("other", "correct the name of the database")),
        (mariadb.url.replace("/src", "/other"), hello, ("other", "correct the name of the database")),
        (postgres.url.replace(f"reader:{password}", "stranger:another"), ExtractRequest(table="hidden"), ("permission denied", "grant SELECT")),
        (mariadb.url.replace(f"reader:{password}", "stranger:another"), hello, ("SELECT command denied", "grant SELECT")),
        (postgres.url, ExtractRequest(table="number"), ("table `number` does not exist", "did you mean `numbers`?")),
        (mariadb.url, ExtractRequest(table="number"), ("table `number` does not exist", "did you mean `numbers`?")),
        (postgres.url, ExtractRequest(table="numbers", schema_name="nowhere"), ("nowhere.numbers", "does not exist")),
        (postgres.url, ExtractRequest(table="numbers", columns=("wort",)), ("no column `wort`", "did you mean `word`?")),
        (postgres.url, ExtractRequest(query="SELECT nope FROM numbers"), ("nope",)),
        (mariadb.url, ExtractRequest(query="SELECT nope FROM numbers"), ("nope",)),
        (f"postgresql://u:{password}@[::1", hello, ("URL",)),
        (f"nosuchdialect://u:{password}@h/d", hello, ("nosuchdialect",)),
    ]:  # fmt: skip
        said = failure(url, request, tmp_path)
        assert all(part in said for part in parts), said


def test_columns_that_one_may_read_are_read_where_others_are_forbidden(
    postgres: PostgresServer, mariadb: MariadbServer, tmp_path: Path
) -> None:
    password = quote(PASSWORD, safe="")
    for server in (postgres, mariadb):
        url = server.url.replace(f"reader:{password}", "stranger:another")
        extract_to_parquet(url, ExtractRequest(table="partly", columns=("id",)), tmp_path / "x.parquet", footer={})
        assert pl.read_parquet(tmp_path / "x.parquet").columns == ["id"]


@pytest.mark.parametrize("driver", [*POSTGRES, *MARIADB])
def test_a_statement_that_takes_too_long_is_stopped_by_the_server(
    driver: str, postgres: PostgresServer, mariadb: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    server, sleep = (mariadb, "SELECT i, sleep(1) AS s FROM numbers") if driver in MARIADB else (postgres, "SELECT i, pg_sleep(1)::text AS s FROM numbers")  # fmt: skip
    said = failure(server.url, ExtractRequest(query=sleep, statement_timeout_seconds=1), tmp_path)
    assert re.search("timeout|max_statement_time|max_execution_time|interrupted|Query execution", said), said


@pytest.mark.parametrize("driver", [*POSTGRES, *MARIADB])
def test_a_connection_that_is_cut_in_the_middle_is_an_error_and_no_short_file(
    driver: str, postgres: PostgresServer, mariadb: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    if driver in MARIADB:
        server: MariadbServer | PostgresServer = mariadb
        query = "SELECT a.i, repeat(a.word, 20) AS w FROM numbers a JOIN numbers b ON b.i <= 20"
        cut: Callable[[], int] = lambda: _kill_mariadb(mariadb)  # noqa: E731
    else:
        server = postgres
        query = "SELECT a.i, repeat(a.word, 20) AS w FROM numbers a, generate_series(1, 20)"
        cut = lambda: len(postgres.rows(  # noqa: E731
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader' AND now() - xact_start > interval '0.7 s'"
        ))  # fmt: skip
    done = threading.Event()
    hits: list[int] = []

    def cutter() -> None:
        while not done.is_set() and not hits:
            if count := cut():
                hits.append(count)
            time.sleep(0.1)

    thread = threading.Thread(target=cutter)
    thread.start()
    try:
        said = failure(server.url, ExtractRequest(query=query), tmp_path, SourceGoneError)
    finally:
        done.set()
        thread.join()
    assert hits
    assert said


def _kill_mariadb(server: MariadbServer) -> int:
    found = server.rows(
        "SELECT id FROM information_schema.processlist WHERE user = 'reader' AND info LIKE '%repeat%' AND time_ms > 700"
    )
    for (number,) in found:
        server.run(f"KILL CONNECTION {number}")
    return len(found)


@pytest.mark.parametrize("driver", [*POSTGRES, *MARIADB])
def test_the_order_asked_for_is_the_order_of_the_file(
    driver: str, postgres: PostgresServer, mariadb: MariadbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(driver, monkeypatch)
    server = mariadb if driver in MARIADB else postgres
    report = extract_to_parquet(
        server.url, ExtractRequest(table="numbers", sort_by=("word", "i")), tmp_path / "x.parquet", footer={}
    )
    frame = pl.read_parquet(tmp_path / "x.parquet")
    assert (report.driver, report.rows, frame["i"].n_unique()) == (driver, 150_000, 150_000)
    assert frame["word"].is_sorted()


def test_pages_are_read_from_one_snapshot_while_others_write(postgres: PostgresServer, tmp_path: Path) -> None:
    """Rows wander between pages while they are updated; each must be there once, and the sum must be of one moment."""
    postgres.run(
        "CREATE TABLE accounts (id int, amount bigint, at timestamptz) WITH (fillfactor = 50)",
        "INSERT INTO accounts SELECT i, 100, '2026-01-01 12:00+00' FROM generate_series(1, 400000) i",
        "ANALYZE accounts",
    )
    day = Window(column="at", start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 2, tzinfo=UTC))
    done = threading.Event()

    def writer() -> None:
        step = 0
        while not done.is_set():
            step += 1
            postgres.run(
                f"BEGIN; UPDATE accounts SET amount = amount + 7 WHERE id % 97 = {step % 97}; "
                f"UPDATE accounts SET amount = amount - 7 WHERE id % 97 = {step % 97 + 1 if step % 97 < 96 else 0}; COMMIT"
            )

    totals = postgres.rows("SELECT count(*) FROM accounts")
    thread = threading.Thread(target=writer)
    thread.start()
    try:
        for window in (None, day, day):
            request = ExtractRequest(table="accounts", mode="fast", window=window)
            report = extract_to_parquet(postgres.url, request, tmp_path / "x.parquet", footer={})
            frame = pl.read_parquet(tmp_path / "x.parquet")
            assert report.driver == "postgres_duckdb_pages"
            assert frame.height == frame["id"].n_unique() == totals[0][0]
            # 97 does not divide 400,000: two classes differ by at most one row, so the sum moves by 7 at most per step
            assert (frame["amount"].sum() - 40_000_000) % 7 == 0
            classes = frame.group_by(pl.col("id") % 97).agg(pl.col("amount").n_unique())
            assert classes["amount"].to_list() == [1] * 97  # an update is there for all rows of a class, or for none
    finally:
        done.set()
        thread.join()


def test_pages_that_were_added_since_the_last_analyze_are_read_too(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.run(
        "CREATE TABLE grown (id int) WITH (autovacuum_enabled = off)",
        "INSERT INTO grown SELECT generate_series(1, 10)",
        "ANALYZE grown",
        "INSERT INTO grown SELECT generate_series(11, 500000)",
    )
    report = extract_to_parquet(
        postgres.url, ExtractRequest(table="grown", mode="fast"), tmp_path / "x.parquet", footer={}
    )
    assert (report.driver, report.rows) == ("postgres_duckdb_pages", 500_000)
    assert pl.read_parquet(tmp_path / "x.parquet")["id"].n_unique() == 500_000


def test_no_connection_is_left_behind(postgres: PostgresServer, tmp_path: Path) -> None:
    for mode in ("fast", "exact"):
        extract_to_parquet(postgres.url, ExtractRequest(table="numbers", mode=mode), tmp_path / "x.parquet", footer={})
    count_rows(postgres.url, ExtractRequest(table="numbers"))
    with pytest.raises(SourceError):
        extract_to_parquet(
            postgres.url, ExtractRequest(query="SELECT 1/(i-9) AS x FROM numbers"), tmp_path / "x.parquet", footer={}
        )
    deadline = time.monotonic() + 5
    while (
        left := postgres.rows("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")[0][0]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == 0


def test_views_partitioned_tables_and_queries_are_read(postgres: PostgresServer, tmp_path: Path) -> None:
    postgres.run(
        "CREATE VIEW seen AS SELECT i, word FROM numbers WHERE i <= 5",
        "CREATE TABLE parts (id int, day date) PARTITION BY RANGE (day)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "INSERT INTO parts VALUES (1, '2026-05-05')",
    )
    for request, rows in [
        (ExtractRequest(table="seen", mode="fast"), 5),
        (ExtractRequest(table="parts", mode="fast"), 1),
        (ExtractRequest(query="WITH w AS (SELECT 1 AS one, 'a;b' AS two) SELECT * FROM w -- the end"), 1),
        (ExtractRequest(query="SELECT i FROM numbers WHERE i < 4 ORDER BY i;", columns=("i",)), 3),
    ]:
        report = extract_to_parquet(postgres.url, request, tmp_path / "x.parquet", footer={})
        assert (report.rows, report.driver) == (rows, "postgres_duckdb_query")


@pytest.mark.parametrize("driver", ["postgres_duckdb_pages", *POSTGRES])
def test_memory_does_not_grow_with_the_rows(driver: str, postgres: PostgresServer, tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from etl.source import postgres, reading
driver = {driver!r}
if driver == "sqlalchemy": postgres.extension_path = lambda _: None
mode = "fast" if driver == "postgres_duckdb_pages" else "exact"
if mode == "fast":
    request = reading.ExtractRequest(table="million", mode=mode)
else:
    request = reading.ExtractRequest(query="SELECT * FROM million WHERE i <= " + sys.argv[2], mode=mode)
report = reading.extract_to_parquet(sys.argv[1], request, Path(sys.argv[3]), footer={{}})
assert report.driver == driver, report
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
print(report.rows, peak)
"""
    postgres.run(
        "CREATE TABLE IF NOT EXISTS million AS SELECT i, i * 7 AS a, (i / 3.0)::numeric(15,2) AS n, now() AS at, "
        "md5(i::text) AS w, md5((i + 1)::text) AS v FROM generate_series(1, 1000000) i",
    )

    def peak(rows: int) -> int:
        command = [sys.executable, "-c", program, postgres.url, str(rows), str(tmp_path / "x.parquet")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
        assert int(done.stdout.split()[0]) == (1_000_000 if driver == "postgres_duckdb_pages" else rows)
        return int(done.stdout.split()[1])

    most = 300_000 if driver == "sqlalchemy" else 1_000_000
    assert peak(most) <= 300
