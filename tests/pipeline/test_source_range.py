"""The partitions of a range share statements and a listing: the objects, refusals and fences are those of single ones."""

import logging
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import faults
from etl.config import load_tenant
from etl.errors import AuditBlocked, EtlError, SourceError, SourceGoneError
from etl.lake.lake import Lake
from etl.pipeline import source_range
from etl.pipeline.extract import extract
from etl.pipeline.source_range import SourceRange
from etl.pipeline.stage import StageResult, StageRun
from etl.settings import load_settings
from etl.source import sqlite_duckdb
from etl.warehouse.duckdb import DuckDBWarehouse
from tests.pipeline.stages import table
from tests.pipeline.test_backfill import back_fill
from tests.pipeline.test_kill import processes
from tests.servers.postgres import PostgresServer
from tests.tiny_project import TinyProject, make_project

START = date(2026, 1, 1)


def days(count: int, start: date = START) -> list[str]:
    return [str(start + timedelta(days=number)) for number in range(count)]


def fill(project: TinyProject, count: int, per_day: int = 6) -> None:
    """So many days of orders, in Seoul's time, out of order; a row without a date and one of another year besides."""
    with closing(sqlite3.connect(project.source)) as connection, connection:
        connection.execute("DELETE FROM orders")
        for number in range(count * per_day):
            day = START + timedelta(days=number * 7 % count)
            row = (number, f"name {number}", number + 0.25, f"{day} {number % 24:02}:59:59.999999")
            connection.execute("INSERT INTO orders VALUES (?, ?, ?, ?)", row)
        connection.execute("INSERT INTO orders VALUES (-1, 'none', 1, NULL), (-2, 'old', 1, '1999-01-01')")


def change(project: TinyProject, *statements: str) -> None:
    with closing(sqlite3.connect(project.source)) as connection, connection:
        for each in statements:
            connection.execute(each)


def tasks(project: TinyProject, keys: Sequence[str | None], run_id: str = "run-1") -> list[StageRun]:
    settings = load_settings(project.environ)
    config = load_tenant("acme", settings)
    pipeline = config.pipelines["orders"]
    return [StageRun(config=config, pipeline=pipeline, partition=key, run_id=run_id, settings=settings) for key in keys]


def do_range(
    project: TinyProject, keys: Sequence[str | None], run_id: str = "run-1", url: str = ""
) -> Iterator[StageResult]:
    """The partitions one behind the other, as a step does them."""
    runs = tasks(project, keys, run_id)
    with SourceRange(url or f"sqlite:///{project.source}", runs) as source:
        for run in runs:
            try:
                yield extract(run, source)
            finally:
                run.close()


def do_singly(project: TinyProject, keys: Sequence[str | None], run_id: str = "run-1") -> Iterator[StageResult]:
    for run in tasks(project, keys, run_id):
        try:
            yield extract(run, f"sqlite:///{project.source}")
        finally:
            run.close()


def summary(results: Iterator[StageResult]) -> list[tuple[object, ...]]:
    return [(each.partition, each.rows_read, each.rows, each.version, each.audit is None) for each in results]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the source was read and the lake listed."""
    seen = {"reads": 0, "listings": 0, "sizes": 0}

    def count(name: str, of: Any, attribute: str) -> None:
        original = getattr(of, attribute)

        def call(*arguments: Any, **named: Any) -> Any:
            seen[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(of, attribute, call)

    count("reads", sqlite_duckdb, "read")
    count("sizes", sqlite_duckdb, "size")
    count("listings", Lake, "partitions")
    return seen


@pytest.mark.parametrize("count", [3, 30])
def test_a_range_reads_the_source_once_and_lists_the_lake_once(
    project: TinyProject, count: int, counted: Mapping[str, int]
) -> None:
    project.write_pipeline({"partitions": {"end": None}})
    fill(project, count)
    results = list(do_range(project, days(count)))
    assert [each.rows for each in results] == [6] * count
    assert counted == {"reads": 1, "listings": 1, "sizes": 1}


@pytest.mark.parametrize("count", [3, 30])
def test_the_objects_of_a_range_are_those_of_single_partitions(tmp_path: Path, count: int) -> None:
    projects = [make_project(tmp_path / name) for name in ("together", "singly")]
    for project in projects:
        project.write_pipeline({"partitions": {"end": None}})
        fill(project, count)
    wanted = summary(do_singly(projects[1], days(count + 1)))
    assert summary(do_range(projects[0], days(count + 1))) == wanted
    assert [rows for _, rows, *_ in wanted] == [6] * count + [0]
    assert projects[0].leftovers() == []


def test_a_second_range_changes_no_object_of_which_the_rows_are_the_same(project: TinyProject) -> None:
    list(do_range(project, days(3)))
    before = [(each, each.stat().st_ino) for each in project.published()]
    list(do_singly(project, days(2), "run-2"))
    list(do_range(project, days(3), "run-3"))
    assert [(each, each.stat().st_ino) for each in project.published()] == before


def test_a_value_that_is_refused_stops_its_own_day_and_leaves_the_days_before_published(
    project: TinyProject, counted: Mapping[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    change(project, "UPDATE orders SET amount = 'x' WHERE order_id = 301")
    found = do_range(project, days(3))
    with caplog.at_level(logging.WARNING):
        assert [next(found).rows, next(found).rows] == [20, 20]
    with pytest.raises(SourceError, match=r"acme/orders \[2026-01-03\].*column `amount`.*1 of 20 rows"):
        next(found)
    assert [each.parent.name for each in project.published()] == ["dt=2026-01-01", "dt=2026-01-02"]
    assert project.leftovers() == []
    assert "3 partitions could not be read by one statement, each is read by its own" in caplog.text
    assert counted["reads"] == 1 + 3, "the failed statement is tried once for the range"


def test_a_database_that_ends_the_connection_is_not_asked_again(
    project: TinyProject, counted: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise SourceGoneError("the server closed the connection", "look at its log")

    monkeypatch.setattr(source_range, "extract_windows", gone)
    with pytest.raises(SourceError, match=r"acme/orders \[2026-01-01\].*closed the connection"):
        list(do_range(project, days(3)))
    assert (counted["reads"], project.published(), project.leftovers()) == (0, [], [])


def test_a_day_that_is_blocked_leaves_the_days_around_it_published(project: TinyProject) -> None:
    project.write_pipeline(
        {"quality": {"rules": [{"column": "order_id", "type": "unique", "stage": "extract"}]}, "has_transfer": False}
    )
    change(project, "UPDATE orders SET order_id = 202 WHERE order_id = 203")
    found: list[object] = []
    runs = tasks(project, days(3))
    with SourceRange(f"sqlite:///{project.source}", runs) as source:
        for run in runs:
            try:
                found.append(extract(run, source).rows)
            except AuditBlocked:
                found.append("blocked")
            finally:
                run.close()
    assert found == [20, "blocked", 20]
    assert project.leftovers() == []


def test_a_day_that_another_run_publishes_meanwhile_is_read_again_and_not_overwritten_by_older_rows(
    project: TinyProject, counted: Mapping[str, int]
) -> None:
    found = do_range(project, days(3))
    next(found)
    change(project, "UPDATE orders SET amount = 77.5 WHERE order_id = 301")
    list(do_singly(project, ["2026-01-03"], "other"))
    change(project, "UPDATE orders SET amount = 88.5 WHERE order_id = 302")
    list(found)
    (run,) = tasks(project, ["2026-01-03"], "reader")
    amounts = run.lake.scan([run.ref("extract")]).collect().sort("order_id")["amount"].to_list()
    run.close()
    assert amounts[1:3] == [77.5, 88.5]
    assert counted["reads"] == 3, "the range, the other run, and the day that had changed"


def test_days_far_apart_are_read_one_by_one(project: TinyProject, counted: Mapping[str, int]) -> None:
    project.write_pipeline({"partitions": {"end": None}})
    fill(project, 30)
    keys = [*days(1), *days(2, date(2026, 1, 5)), *days(1, date(2026, 1, 20))]
    assert [each.rows for each in do_range(project, keys)] == [6, 6, 6, 6]
    assert counted["reads"] == 3


def test_a_query_that_bounds_itself_is_read_day_by_day(project: TinyProject, counted: Mapping[str, int]) -> None:
    query = "SELECT * FROM orders WHERE created_at >= :window_start AND created_at < :window_end"
    project.write_pipeline({"source_table": None, "query": query})
    assert [each.rows for each in do_range(project, days(3))] == [20, 20, 20]
    assert counted["reads"] == 3


def test_a_large_table_is_read_by_statements_that_grow(
    project: TinyProject, counted: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_range, "SLICE_BYTES", 1 << 14)
    monkeypatch.setattr(source_range, "MOST", 16)
    project.write_pipeline({"partitions": {"end": None}})
    fill(project, 60)
    monkeypatch.setattr(source_range, "_IN_SOURCE", 0.001)
    assert [each.rows for each in do_range(project, days(60))] == [6] * 60
    assert counted["reads"] == 1 + 1 + 4, "1, 8, 16, 16, 16 and 3 days"


def test_a_slice_is_bounded_by_what_the_days_before_took(
    project: TinyProject, counted: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_range, "SLICE_BYTES", 20_000)
    monkeypatch.setattr(source_range, "_IN_SOURCE", 1)
    project.write_pipeline({"partitions": {"end": None}})
    fill(project, 12, per_day=60)
    assert [each.rows for each in do_range(project, days(12))] == [60] * 12
    assert counted["reads"] >= 5, "a file takes some 6 kB, so that three of them fit at the most"


def test_a_whole_table_is_read_alone(project: TinyProject, counted: Mapping[str, int]) -> None:
    project.write_pipeline({"date_column": None, "partitions": None, "trino_output": {"mode": "replace"}})
    assert [each.rows for each in do_range(project, [None])] == [60]
    assert counted == {"reads": 1, "listings": 1, "sizes": 0}


@pytest.mark.parametrize("fault", ["raise", "full"])
def test_a_disk_error_in_the_statement_of_many_days_publishes_none_of_them(
    project: TinyProject, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_reached", Counter())
    monkeypatch.setenv("ETL_FAULT", f"extract.copy={fault}")
    with pytest.raises(EtlError, match="acme/orders"):
        list(do_range(project, days(3)))
    monkeypatch.delenv("ETL_FAULT")
    assert (project.published(), project.leftovers()) == ([], [])
    assert [each.rows for each in do_range(project, days(3), "run-2")] == [20, 20, 20]


def die(project: TinyProject, fault: str, count: int) -> None:
    """The target of a process of its own."""
    os.environ.update({**project.environ, "ETL_FAULT": fault})
    list(do_range(project, days(count)))


@pytest.mark.parametrize(
    "point",
    ["extract.connected", "extract.copy", "extract.written", "extract.read", "extract.read@3", "lake.before_rename@2",
     "lake.renamed@2", "extract.published@3", "extract.start@2"],
)  # fmt: skip
def test_a_range_that_is_killed_and_run_again_leaves_the_same_objects(point: str, tmp_path: Path) -> None:
    projects = [make_project(tmp_path / name) for name in ("killed", "undisturbed")]
    process = processes.Process(target=die, args=(projects[0], f"{point}=kill", 3))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL, f"{point} was not reached"
    change(projects[0], "UPDATE orders SET amount = 1.5 WHERE order_id = 104")
    change(projects[1], "UPDATE orders SET amount = 1.5 WHERE order_id = 104")
    wanted = summary(do_singly(projects[1], days(3)))
    assert summary(do_range(projects[0], days(3), "run-2")) == wanted
    assert projects[0].leftovers() == []


@pytest.mark.parametrize("count", [3, 30])
def test_postgresql_is_sent_as_many_statements_for_a_month_as_for_three_days(
    project: TinyProject, count: int, postgres_server: PostgresServer
) -> None:
    project.write_pipeline({"partitions": {"end": None}})
    postgres_server.run(
        "DROP TABLE IF EXISTS orders",
        "CREATE TABLE orders AS SELECT i AS order_id, 'x' AS name, 1.5::float8 AS amount,"
        f" timestamp '2026-01-01 00:00' + (i % {count}) * interval '1 day' AS created_at"
        f" FROM generate_series(1, {6 * count}) i",
        "ANALYZE orders",
    )
    begin = postgres_server.log.stat().st_size
    sessions = "SELECT sessions FROM pg_stat_database WHERE datname = 'src'"
    before = postgres_server.rows(sessions)[0][0]
    assert [each.rows for each in do_range(project, days(count), url=postgres_server.url)] == [6] * count
    sent = [each for each in postgres_server.log.read_text()[begin:].splitlines() if each.startswith("reader:")]
    reads = [each for each in sent if "AS c0" in each]
    assert len(reads) == 1, reads
    assert len(sent) < 30
    assert postgres_server.rows(sessions)[0][0] - before < 8


@pytest.mark.parametrize("in_flight", [1, 2])
def test_the_steps_of_a_run_share_statement_listing_and_warehouse(
    project: TinyProject, counted: dict[str, int], in_flight: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_pipeline({"partitions": {"in_flight": in_flight}})
    opened: list[bool] = []
    connect = DuckDBWarehouse.connect

    def noted(warehouse: DuckDBWarehouse, *, read_only: bool) -> Any:
        opened.append(read_only)
        return connect(warehouse, read_only=read_only)

    monkeypatch.setattr(DuckDBWarehouse, "connect", noted)
    back_fill(project)
    reads = counted.pop("reads")
    assert 1 <= reads <= in_flight, "of two days at once, the later one may be the first to ask"
    assert counted == {"listings": 1, "sizes": 1}
    assert opened == [False]
    assert table(project).height == 60
