"""The tenant's database -> one Parquet file, in a stream, every value intact or refused by its column's name.

Belongs here: the public functions and the choice of the driver. Does not: how one kind of database is read
(one module per kind), where the file is published (`etl.lake.lake`).

The drivers that bring Arrow and SQLAlchemy are imported by those who use them: loading both takes half a second.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from etl.faults import reach
from etl.source import postgres_catalogue, postgres_duckdb, sqlite_duckdb
from etl.source.contract import ExtractReport, ExtractRequest, Mode, Progress, ReadPlan, Window
from etl.source.database_url import DatabaseUrl, parse
from etl.source.failures import as_source_error
from etl.source.writer import empty_schema, extension_path, verified_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ExtractReport",
    "ExtractRequest",
    "Mode",
    "Window",
    "count_rows",
    "extract_to_parquet",
    "planned_schema",
]


def extract_to_parquet(
    url: str,
    request: ExtractRequest,
    path: Path,
    *,
    footer: Mapping[str, str],
    on_progress: Progress | None = None,
) -> ExtractReport:
    """Write what the request asks for to `path` as zstd Parquet, with `footer` among the file's key-values.

    On an error there is no file. `on_progress` is told the rows so far by drivers that know them, and at the end.
    """
    began = time.monotonic()
    source = parse(url)
    with as_source_error(source, request):
        try:
            driver, plan = _run(source, request, path, footer, on_progress)
            rows = verified_rows(path, plan.columns)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    reach("extract.verified")
    if on_progress is not None:
        on_progress(rows)
    return ExtractReport(rows=rows, driver=driver, seconds=time.monotonic() - began)


def count_rows(url: str, request: ExtractRequest) -> int:
    """How many rows the request would write now: the same table or query, the same window."""
    source = parse(url)
    with as_source_error(source, request):
        return _count(source, request)


def planned_schema(url: str, request: ExtractRequest) -> "pa.Schema":
    """The columns that an extract would write now, without reading a row."""
    source = parse(url)
    with as_source_error(source, request):
        return empty_schema(_plan(source, request).columns)


def _plan(url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
    match url.dialect:
        case "sqlite":
            return sqlite_duckdb.plan(url, request)
        case "postgresql":
            return postgres_catalogue.plan(url, request)
        case "mysql" | "mariadb":
            from etl.source import mysql  # noqa: PLC0415  heavy, see the head

            return mysql.plan(url, request)
        case _:
            from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see the head

            return sqlalchemy_cursor.plan(url, request)


def _count(url: DatabaseUrl, request: ExtractRequest) -> int:
    match url.dialect:
        case "sqlite":
            seconds = request.statement_timeout_seconds
            return sqlite_duckdb.count(url, sqlite_duckdb.plan(url, request), seconds=seconds)
        case "postgresql":
            return postgres_catalogue.count(url, request, postgres_catalogue.plan(url, request))
        case "mysql" | "mariadb":
            from etl.source import mysql  # noqa: PLC0415  heavy, see the head

            return mysql.count(url, request, mysql.plan(url, request))
        case _:
            from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see the head

            return sqlalchemy_cursor.count(url, sqlalchemy_cursor.plan(url, request))


def _run(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, ReadPlan]:
    """Read with the fastest driver that is installed and keeps the values; say which one it was."""
    match url.dialect:
        case "sqlite":
            return _run_sqlite(url, request, path, footer, on_progress)
        case "postgresql":
            return _run_postgres(url, request, path, footer, on_progress)
        case "mysql" | "mariadb":
            from etl.source import mysql  # noqa: PLC0415  heavy, see the head

            plan = mysql.plan(url, request)
            return mysql.extract(url, request, plan, path, footer, on_progress), plan
        case _:
            from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see the head

            plan = sqlalchemy_cursor.plan(url, request)
            seconds = request.statement_timeout_seconds
            sqlalchemy_cursor.stream(url, plan.select(), plan, path, footer, on_progress=on_progress, seconds=seconds)
            return sqlalchemy_cursor.NAME, plan


def _run_sqlite(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, ReadPlan]:
    plan, seconds = sqlite_duckdb.plan(url, request), request.statement_timeout_seconds
    extension = extension_path("sqlite_scanner")
    if extension is not None:
        sqlite_duckdb.extract(url, plan, path, footer, extension, seconds=seconds)
        return sqlite_duckdb.NAME, plan
    from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see the head

    statement = sqlalchemy_cursor.escaped(plan.select())
    with sqlite_duckdb.undecodable_text(url, plan):
        sqlalchemy_cursor.stream(url, statement, plan, path, footer, on_progress=on_progress, seconds=seconds)
    return sqlalchemy_cursor.NAME, plan


def _run_postgres(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, ReadPlan]:
    extension = extension_path("postgres_scanner")
    if extension is not None:
        plan = postgres_catalogue.plan(url, request)
        large = request.mode == "fast" or plan.estimated_rows >= postgres_duckdb.LARGE
        pages = large and postgres_duckdb.by_pages(plan)
        postgres_duckdb.extract(url, request, plan, path, footer, extension, pages=pages)
        return postgres_duckdb.NAME_PAGES if pages else postgres_duckdb.NAME_QUERY, plan
    plan = postgres_catalogue.plan(url, request, only_text=True)
    if find_spec("adbc_driver_postgresql") is not None:
        from etl.source import postgres_adbc  # noqa: PLC0415  heavy, see the head

        postgres_adbc.extract(url, request, plan, path, footer, on_progress)
        return postgres_adbc.NAME, plan
    from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see the head

    statement = sqlalchemy_cursor.escaped(plan.select())
    session = postgres_catalogue.connection_parts(url, request)
    sqlalchemy_cursor.stream(
        replace(url, driver="psycopg"),
        statement,
        plan,
        path,
        footer,
        on_progress=on_progress,
        connect_args={key: session[key] for key in ("options", "client_encoding", "application_name")},
    )
    return sqlalchemy_cursor.NAME, plan
