"""The tenant's database -> one Parquet file, in a stream, every value intact or refused by its column's name.

Belongs here: the public functions and the choice of the driver. Does not: how one kind of database is read
(`etl.storage.drivers`), where the file is published (`etl.storage.lake`).
"""

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL, make_url

from etl.errors import SourceError
from etl.faults import reach
from etl.storage.drivers import (
    mysql,
    postgres_adbc,
    postgres_catalogue,
    postgres_duckdb,
    sqlalchemy_cursor,
    sqlite_duckdb,
)
from etl.storage.drivers.contract import (
    ExtractReport,
    ExtractRequest,
    Mode,
    Plan,
    Progress,
    SourceColumn,
    Window,
)
from etl.storage.drivers.scrub import as_source_error
from etl.storage.drivers.writer import arrow_schema, extension_path, verified_rows

__all__ = [
    "ExtractReport",
    "ExtractRequest",
    "Mode",
    "SourceColumn",
    "Window",
    "count_rows",
    "extract_to_parquet",
    "inspect_columns",
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
    source = parsed(url)
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
    return ExtractReport(rows=rows, columns=_reported(plan), driver=driver, seconds=time.monotonic() - began)


def inspect_columns(url: str, request: ExtractRequest) -> tuple[SourceColumn, ...]:
    """The columns that the request would write, from the source's catalogue; no row is read."""
    source = parsed(url)
    with as_source_error(source, request):
        return _reported(_plan(source, request))


def count_rows(url: str, request: ExtractRequest) -> int:
    """How many rows the request would write now: the same table or query, the same window."""
    source = parsed(url)
    with as_source_error(source, request):
        return _count(source, request)


def parsed(url: str) -> URL:
    """The URL, or an error that does not repeat it."""
    try:
        return make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            "the database URL cannot be read", "write dialect://user:password@host:port/database"
        ) from None


def _plan(url: URL, request: ExtractRequest) -> Plan:
    match url.get_backend_name():
        case "sqlite":
            return sqlite_duckdb.plan(url, request)
        case "postgresql":
            return postgres_catalogue.plan(url, request)
        case "mysql" | "mariadb":
            return mysql.plan(url, request)
        case _:
            return sqlalchemy_cursor.plan(url, request)


def _count(url: URL, request: ExtractRequest) -> int:
    plan = _plan(url, request)
    match url.get_backend_name():
        case "sqlite":
            return sqlite_duckdb.count(url, plan, seconds=request.statement_timeout_seconds)
        case "postgresql":
            return postgres_catalogue.count(url, request, plan)
        case "mysql" | "mariadb":
            return mysql.count(url, request, plan)
        case _:
            return sqlalchemy_cursor.count(url, plan)


def _run(
    url: URL, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, Plan]:
    """Read with the fastest driver that is installed and keeps the values; say which one it was."""
    match url.get_backend_name():
        case "sqlite":
            return _run_sqlite(url, request, path, footer, on_progress)
        case "postgresql":
            return _run_postgres(url, request, path, footer, on_progress)
        case "mysql" | "mariadb":
            plan = mysql.plan(url, request)
            return mysql.extract(url, request, plan, path, footer, on_progress), plan
        case _:
            plan = sqlalchemy_cursor.plan(url, request)
            seconds = request.statement_timeout_seconds
            sqlalchemy_cursor.stream(url, plan.select(), plan, path, footer, on_progress=on_progress, seconds=seconds)
            return sqlalchemy_cursor.NAME, plan


def _run_sqlite(
    url: URL, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, Plan]:
    plan, seconds = sqlite_duckdb.plan(url, request), request.statement_timeout_seconds
    extension = extension_path("sqlite_scanner")
    if extension is not None:
        sqlite_duckdb.extract(url, plan, path, footer, extension, seconds=seconds)
        return sqlite_duckdb.NAME, plan
    statement = sqlalchemy_cursor.escaped(plan.select())
    sqlalchemy_cursor.stream(url, statement, plan, path, footer, on_progress=on_progress, seconds=seconds)
    return sqlalchemy_cursor.NAME, plan


def _run_postgres(
    url: URL, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> tuple[str, Plan]:
    extension = extension_path("postgres_scanner")
    if extension is not None:
        plan = postgres_catalogue.plan(url, request)
        large = request.mode == "fast" or plan.estimated_rows >= postgres_duckdb.LARGE
        pages = request.mode != "exact" and large and postgres_duckdb.by_pages(plan)
        postgres_duckdb.extract(url, request, plan, path, footer, extension, pages=pages)
        return postgres_duckdb.NAME_PAGES if pages else postgres_duckdb.NAME_QUERY, plan
    plan = postgres_catalogue.plan(url, request, only_text=True)
    if find_spec("adbc_driver_postgresql") is not None:
        postgres_adbc.extract(url, request, plan, path, footer, on_progress)
        return postgres_adbc.NAME, plan
    statement = sqlalchemy_cursor.escaped(plan.select())
    session = postgres_catalogue.connection_parts(url, request)
    sqlalchemy_cursor.stream(
        url.set(drivername="postgresql+psycopg"),
        statement,
        plan,
        path,
        footer,
        on_progress=on_progress,
        connect_args={key: session[key] for key in ("options", "client_encoding", "application_name")},
    )
    return sqlalchemy_cursor.NAME, plan


def _reported(plan: Plan) -> tuple[SourceColumn, ...]:
    return tuple(
        SourceColumn(name=each.name, source_type=each.source_type, arrow_type=str(field.type))
        for each, field in zip(plan.columns, arrow_schema(plan.columns), strict=True)
    )
