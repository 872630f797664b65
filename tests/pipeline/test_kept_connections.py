"""A range whose partitions have a statement each shares connections, and each partition sees what a new one would see."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from etl.config import load_tenant
from etl.errors import SourceError
from etl.pipeline.verify import reconcile
from etl.settings import load_settings
from etl.source import postgres, reading, sqlalchemy_cursor
from etl.source.kept import KeptConnections, kept
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import WarehousePlace
from tests.pipeline.test_source_range import change, days, do_range, do_singly, fill, summary
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.tiny_project import TinyProject

QUERY = "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"
SLACK = 2  # a server counts a session a moment later than it begins
COLUMNS = "order_id int, name varchar(20), amount double precision, created_at timestamp"


class Source:
    """A database with six rows for each of 31 days, and how many sessions it has had."""

    def __init__(
        self, url: str, run: Callable[..., None], sessions: Callable[[], int], end: Callable[[], None]
    ) -> None:
        self.url, self.run, self.sessions, self.end_sessions = url, run, sessions, end
        values = ", ".join(f"({i}, 'x', 1.5, '2026-01-{i % 31 + 1:02} 10:00:00')" for i in range(186))
        run("DROP TABLE IF EXISTS orders", f"CREATE TABLE orders ({COLUMNS})", f"INSERT INTO orders VALUES {values}")


def _postgres(server: PostgresServer) -> Source:
    def sessions() -> int:
        return int(server.rows("SELECT sessions FROM pg_stat_database WHERE datname = 'src'")[0][0])

    def end() -> None:
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'")

    return Source(server.url, server.run, sessions, end)


def _mariadb(server: MariadbServer) -> Source:
    def sessions() -> int:
        return int(server.rows("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1])

    def end() -> None:
        for (number,) in server.rows("SELECT id FROM information_schema.processlist WHERE user = 'reader'"):
            server.run(f"KILL {number}")

    return Source(server.url, server.run, sessions, end)


@pytest.fixture(params=["postgresql", "postgresql cursor", "sqlalchemy"])
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    match request.param:
        case "postgresql":
            yield _postgres(request.getfixturevalue("postgres_server"))
        case "postgresql cursor":
            with patch.object(postgres, "extension_path", lambda _: None):
                yield _postgres(request.getfixturevalue("postgres_server"))
        case _:
            server = _mariadb(request.getfixturevalue("mariadb_server"))
            server.url = server.url.replace("mysql://", "mysql+pymysql://")
            with patch.object(reading, "driver_of", lambda _: sqlalchemy_cursor):
                yield server


@pytest.fixture
def queried(project: TinyProject) -> TinyProject:
    project.write_pipeline({"source_table": None, "query": QUERY, "partitions": {"end": None, "timezone": "UTC"}})
    return project


def extracted(project: TinyProject, source: Source, count: int, run_id: str = "run-1") -> list[int]:
    return [each.rows for each in do_range(project, days(count), run_id, url=source.url)]


def test_thirty_days_open_as_many_connections_as_three(queried: TinyProject, source: Source) -> None:
    opened = []
    for count in (3, 30):
        before = source.sessions()
        assert extracted(queried, source, count, f"run-{count}") == [6] * count
        opened.append(source.sessions() - before)
    assert opened[0] <= opened[1] + SLACK
    assert opened[1] <= opened[0] + SLACK
    assert max(opened) <= 4 + SLACK, "one for the catalogue, one for the rows, and those of this test"


def test_a_table_of_mariadb_with_a_list_of_keys_asks_its_catalogue_over_one_connection(
    project: TinyProject, mariadb_server: MariadbServer
) -> None:
    source = _mariadb(mariadb_server)
    keys = [f"k{number}" for number in range(10)]
    source.run("UPDATE orders SET name = concat('k', order_id % 10)")
    project.write_pipeline(
        {"date_column": None, "partitions": {"by": "name", "keys": keys, "start": None, "end": None, "timezone": None}}
    )
    opened = []
    for count in (2, 10):
        before = source.sessions()
        assert sum(each.rows for each in do_range(project, keys[:count], f"run-{count}", url=source.url)) > 0
        opened.append((source.sessions() - before, count))
    grown = opened[1][0] - opened[0][0]
    assert grown / 8 <= 2, "connectorx opens its own for each statement, which cannot be helped"


def test_a_day_sees_what_was_committed_after_the_day_before_was_read(queried: TinyProject, source: Source) -> None:
    found = do_range(queried, days(3), url=source.url)
    assert next(found).rows == 6
    source.run("DELETE FROM orders WHERE created_at >= '2026-01-02' AND order_id < 100")
    assert [each.rows for each in found] == [2, 2]


def test_no_transaction_is_open_between_two_days(queried: TinyProject, postgres_server: PostgresServer) -> None:
    source = _postgres(postgres_server)
    found = do_range(queried, days(2), url=source.url)
    next(found)
    states = postgres_server.rows("SELECT state, backend_xmin FROM pg_stat_activity WHERE usename = 'reader'")
    assert set(states) == {("idle", None)}
    list(found)
    left = postgres_server.rows("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state <> 'idle'")
    assert left == [(0,)]


def test_a_connection_that_ended_between_two_days_is_opened_again(queried: TinyProject, source: Source) -> None:
    found = do_range(queried, days(3), url=source.url)
    assert next(found).rows == 6
    source.end_sessions()
    assert [each.rows for each in found] == [6, 6]


def test_a_column_that_is_added_between_two_days_is_read(queried: TinyProject, source: Source) -> None:
    found = do_range(queried, days(2), url=source.url)
    next(found)
    source.run("ALTER TABLE orders ADD COLUMN added int")
    assert [name for name, _ in next(found).sample.columns][-1] == "added"


def test_a_setting_of_a_query_does_not_reach_the_next_day(
    queried: TinyProject, postgres_server: PostgresServer
) -> None:
    source = _postgres(postgres_server)
    query = f"SELECT q.*, set_config('etl.last', created_at::text, false) AS setting FROM ({QUERY}) q"
    before = "current_setting('etl.last', true) AS before"
    queried.write_pipeline({"source_table": None, "query": f"SELECT *, {before} FROM ({query}) r"})
    for result in do_range(queried, days(3), url=source.url):
        first = result.sample.preview[0]
        assert first["before"] in (None, "", str(first["setting"]))


def test_a_variable_of_a_query_does_not_reach_the_next_day(queried: TinyProject, mariadb_server: MariadbServer) -> None:
    source = _mariadb(mariadb_server)
    queried.write_pipeline(
        {"source_table": None, "query": f"SELECT q.*, @n := coalesce(@n, 0) + 1 AS n FROM ({QUERY}) q"}
    )
    for without in ("", "connectorx"):
        with patch("etl.source.mysql.find_spec", lambda name, gone=without: name != gone or None):
            for result in do_range(queried, days(3), f"run-{without}", url=source.url):
                assert {float(str(row["n"])) for row in result.sample.preview} <= {1, 2, 3, 4, 5, 6}


def test_another_sqlite_file_in_the_place_of_the_first_is_read(queried: TinyProject) -> None:
    fill(queried, 3)
    found = do_range(queried, days(3))
    assert next(found).rows == 6
    other = queried.source.with_suffix(".new")
    other.write_bytes(queried.source.read_bytes())
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("DELETE FROM orders WHERE order_id > 10")
    other.replace(queried.source)
    assert sum(each.rows for each in found) < 8


def test_the_days_of_a_shared_connection_are_those_of_their_own(tmp_path: Path, queried: TinyProject) -> None:
    fill(queried, 5)
    wanted = summary(do_singly(queried, days(5)))
    assert summary(do_range(queried, days(5), "run-2")) == wanted


def test_a_day_that_is_refused_leaves_the_next_ones_as_they_are(queried: TinyProject) -> None:
    change(queried, "UPDATE orders SET amount = 'x' WHERE order_id = 301")
    with pytest.raises(SourceError, match=r"2026-01-03.*column `amount`.*1 of 20 rows"):
        list(do_range(queried, days(3)))
    assert [each.parent.name for each in queried.published()] == ["dt=2026-01-01", "dt=2026-01-02"]
    change(queried, "UPDATE orders SET amount = 1 WHERE order_id = 301")
    assert [each.rows for each in do_range(queried, days(3), "run-2")] == [20, 20, 20]
    assert queried.leftovers() == []


def test_verify_opens_as_many_connections_for_thirty_days_as_for_three(
    queried: TinyProject, postgres_server: PostgresServer
) -> None:
    source = _postgres(postgres_server)
    extracted(queried, source, 30)
    settings = load_settings(queried.environ)
    config = load_tenant("acme", settings)
    pipeline = config.pipelines["orders"].model_copy(update={"save_to_trino": False})
    opened = []
    for count in (3, 30):
        before = source.sessions()
        warehouse = open_warehouse(WarehousePlace(), settings, "acme")
        found = reconcile(
            config, pipeline, source.url, warehouse, settings, days=count, now=datetime(2026, 3, 1, tzinfo=UTC)
        )
        assert len(found.days) == count
        opened.append(source.sessions() - before)
    assert opened[1] <= opened[0] + SLACK


class Connection:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_connection_is_kept_only_clean_only_alive_and_only_inside() -> None:
    made: list[Connection] = []
    state = {"clean": True, "alive": True}

    def opened() -> Connection:
        made.append(Connection())
        return made[-1]

    def used(key: str | None = "a", fail: bool = False) -> None:
        with kept(key, opened, clean=lambda _: state["clean"], alive=lambda _: state["alive"]):
            if fail:
                raise ValueError

    used()
    assert made.pop().closed, "outside nothing is kept"
    with KeptConnections() as connections:
        with connections.in_use():
            used()
            used()
            assert len(made) == 1
            used("b")
            used(None)
            assert [each.closed for each in made] == [False, False, True]
            state["alive"] = False
            used()
            assert [each.closed for each in made] == [True, False, True, False]
            state["alive"] = True
            with pytest.raises(ValueError):
                used(fail=True)
            assert made[3].closed
            state["clean"] = False
            used()
            assert made[4].closed
            state["clean"] = True
            used()
        used()
        assert made[-1].closed
        assert not made[-2].closed
    assert all(each.closed for each in made)
