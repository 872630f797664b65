"""The tenant's database -> one Parquet file, in a stream, every value intact or refused by its column's name.

Belongs here: the public functions and the choice of the driver. Not here: how one kind of database is read
(one module per kind), where the file is published (`etl.lake.lake`).

A driver is imported when a URL of its dialect is read: SQLAlchemy and Arrow alone take half a second to load.
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
    """The module that reads databases of the URL's dialect."""
    return cast("Driver", import_module(f"etl.source.{_BY_DIALECT.get(url.dialect, _ANY_OTHER)}"))


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
    """How many rows the request would write now: the same table or query, the same window."""
    source = parse(url)
    with as_source_error(source, request):
        return driver_of(source).count(source, request)


def planned_schema(url: str, request: ExtractRequest) -> "pa.Schema":
    """The columns that an extract would write now, without reading a row."""
    source = parse(url)
    with as_source_error(source, request):
        return empty_schema(driver_of(source).plan(source, request).columns)


def describe(url: str) -> tuple[CatalogueTable, ...]:
    """Every table and view that the login may see: columns, keys, indexes, comments, and about how many rows."""
    source = parse(url)
    with as_source_error(source):
        return driver_of(source).describe(source)


@contextmanager
def connection(url: str) -> "Iterator[sa.Connection]":
    """A SQLAlchemy connection that can only read, where the database can promise that; rolled back at the end."""
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see the head

    source = parse(url)
    with ExitStack() as stack:
        with as_source_error(source):
            opened = stack.enter_context(connected(driver_of(source).login(source)))
        yield opened
