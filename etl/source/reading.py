"""Streams rows of a tenant's database into one Parquet file. A value that cannot be kept exactly is an error.

Belongs here: the public functions and the choice of the driver. Not here: how one kind of database is read
(one module per kind), where the file is published (`etl.lake.lake`).

A driver is imported only when a URL of its dialect is read: SQLAlchemy and Arrow alone take half a second to load.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from etl.faults import reach
from etl.source.contract import CatalogueTable, Driver, ExtractReport, ExtractRequest, Mode, Part, Progress, Window
from etl.source.database_url import DatabaseUrl, parse
from etl.source.failures import as_source_error
from etl.source.writer import empty_schema, verified_rows

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from etl.source import mysql, postgres, sqlalchemy_cursor, sqlite_duckdb

    DRIVERS: tuple[Driver, ...] = (mysql, postgres, sqlalchemy_cursor, sqlite_duckdb)  # each satisfies the protocol

__all__ = [
    "ExtractReport",
    "ExtractRequest",
    "Mode",
    "Part",
    "Window",
    "connection",
    "count_rows",
    "describe",
    "extract_to_parquet",
    "planned_schema",
]

_BY_DIALECT = {"sqlite": "sqlite_duckdb", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_ANY_OTHER = "sqlalchemy_cursor"


def driver_of(url: DatabaseUrl) -> Driver:
    """Import and return the module that reads databases of the URL's dialect."""
    return cast("Driver", import_module(f"etl.source.{_BY_DIALECT.get(url.dialect, _ANY_OTHER)}"))


def extract_to_parquet(
    url: str,
    request: ExtractRequest,
    path: Path,
    *,
    footer: Mapping[str, str],
    on_progress: Progress | None = None,
) -> ExtractReport:
    """Write the request's rows to `path` as Parquet, with the key-values of `footer` in the file's footer.

    After an error no file is left. `on_progress` gets the number of rows: at the end, and from some drivers earlier.
    """
    began = time.monotonic()
    source = parse(url)
    with as_source_error(source, request):
        try:
            result = driver_of(source).read(source, request, path, footer, on_progress)
            rows = verified_rows(path, result.plan.columns)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    reach("extract.verified")
    if on_progress is not None:
        on_progress(rows)
    return ExtractReport(rows=rows, driver=result.driver, seconds=time.monotonic() - began)


def count_rows(url: str, request: ExtractRequest) -> int:
    """Return how many rows the request would write now."""
    source = parse(url)
    with as_source_error(source, request):
        return driver_of(source).count(source, request)


def planned_schema(url: str, request: ExtractRequest) -> "pa.Schema":
    """Return the columns that an extract would write now, without reading a row."""
    source = parse(url)
    with as_source_error(source, request):
        return empty_schema(driver_of(source).plan(source, request).columns)


def describe(url: str) -> tuple[CatalogueTable, ...]:
    """Describe every table and view that the user may see: columns, keys, indexes, comments and estimated rows."""
    source = parse(url)
    with as_source_error(source):
        return driver_of(source).describe(source)


@contextmanager
def connection(url: str) -> "Iterator[sa.Connection]":
    """Open a SQLAlchemy connection, read-only if the database has such sessions, and roll it back at the end."""
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see the head

    source = parse(url)
    with ExitStack() as stack:
        with as_source_error(source):
            opened = stack.enter_context(connected(driver_of(source).login(source)))
        yield opened
