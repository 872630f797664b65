"""Streams rows of a tenant's database into one Parquet file. A value that cannot be kept exactly is an error.

Belongs here: the public functions and the choice of the driver. Not here: how one kind of database is read
(one module per kind), where the file is published (`etl.lake.lake`).

A driver is imported only when a URL of its dialect is read: SQLAlchemy and Arrow alone take half a second to load.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from etl.errors import LoginRefusedError, SourceError
from etl.faults import reach
from etl.secrets.renewal import current, renewed
from etl.source.clock import NOW
from etl.source.contract import (
    CatalogueTable,
    Driver,
    ExtractReport,
    ExtractRequest,
    Mode,
    Part,
    Progress,
    ReadResult,
    Window,
)
from etl.source.database_url import DatabaseUrl, parse
from etl.source.failures import as_source_error
from etl.source.writer import TooWideError, empty_schema, verified_rows, window_file
from etl.suggest import did_you_mean

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
    "TooWideError",
    "Window",
    "connection",
    "count_rows",
    "default_schema",
    "describe",
    "extract_to_parquet",
    "extract_windows",
    "home_schema",
    "planned_schema",
    "reads_windows",
    "require_known",
    "server_timezone",
    "shows_other_databases",
    "sql_of",
    "table_size",
]

_BY_DIALECT = {"sqlite": "sqlite_duckdb", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_ANY_OTHER = "sqlalchemy_cursor"
_OF_SQLGLOT = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
_T = TypeVar("_T")


def _asked(url: str, work: Callable[[DatabaseUrl], _T], request: ExtractRequest | None = None) -> _T:
    """Do the work with the database of a URL. Every failure is a SourceError without secrets.

    A login that was refused, with a password that was changed in its store, is made once more with the new password.
    The work begins with the login, so that nothing was read by then.
    """
    used = current(url)
    source = parse(used)
    try:
        with as_source_error(source, request):
            return work(source)
    except LoginRefusedError:
        again = renewed(url, used)
        if again is None:
            raise
    source = parse(again)
    with as_source_error(source, request):
        return work(source)


def sql_of(url: str) -> str:
    """Return sqlglot's name of the SQL that the URL's database speaks."""
    name = parse(url).dialect
    return _OF_SQLGLOT.get(name, name)


def driver_of(url: DatabaseUrl) -> Driver:
    """Import and return the module that reads databases of the URL's dialect."""
    return cast("Driver", import_module(f"etl.source.{_BY_DIALECT.get(url.dialect, _ANY_OTHER)}"))


def now_statement(url: DatabaseUrl) -> str | None:
    """Return the statement that asks the database for the present moment; None if it is not known, or has no clock."""
    return NOW.get(url.dialect)


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

    def work(source: DatabaseUrl) -> tuple[ReadResult, int]:
        try:
            result = driver_of(source).read(source, request, path, footer, on_progress)
            (rows,) = verified_rows([path], result.plan.columns)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return result, rows

    result, rows = _asked(url, work, request)
    reach("extract.verified")
    if on_progress is not None:
        on_progress(rows)
    seconds = time.monotonic() - began
    return ExtractReport(rows=rows, driver=result.driver, seconds=seconds, comments=result.plan.comments)


def reads_windows(url: str, request: ExtractRequest) -> bool:
    """Whether one statement can read several windows and tell which row is in which.

    It cannot if the query bounds itself, because then only the query knows what a window is; nor in a database whose
    SQL is not known. Keys of a list have no windows, and a row can equal two of them where upper case is lower case.
    """
    return isinstance(request.bounding, Window) and parse(url).dialect in _BY_DIALECT


def table_size(url: str, request: ExtractRequest) -> int:
    """Return about how many bytes the table takes; 0 if the database does not say."""
    return _asked(url, lambda source: driver_of(source).size(source, request), request)


def extract_windows(
    url: str, request: ExtractRequest, windows: Sequence[Window], folder: Path, *, footer: Mapping[str, str]
) -> list[tuple[Path, ExtractReport]]:
    """Write the rows of adjacent windows into a file each, by one statement; `folder` is made for the files.

    Each file has the rows that the statement of its window alone would give.
    """
    began = time.monotonic()
    whole = windows[0].model_copy(update={"end": windows[-1].end})
    wanted = request.model_copy(update={"window": whole, "windows": tuple(windows)})
    files = [window_file(folder, index) for index in range(len(windows))]

    def work(source: DatabaseUrl) -> tuple[ReadResult, list[int]]:
        result = driver_of(source).read(source, wanted, folder, footer, None)
        return result, verified_rows(files, result.plan.columns)

    result, rows = _asked(url, work, request)
    seconds, total = time.monotonic() - began, max(1, sum(rows))
    comments = result.plan.comments
    reports = [
        ExtractReport(rows=each, driver=result.driver, seconds=seconds * each / total, comments=comments)
        for each in rows
    ]
    return list(zip(files, reports, strict=True))


def count_rows(url: str, request: ExtractRequest) -> int:
    """Return how many rows the request would write now."""
    return _asked(url, lambda source: driver_of(source).count(source, request), request)


def planned_schema(url: str, request: ExtractRequest) -> "pa.Schema":
    """Return the columns that an extract would write now, without reading a row."""
    return _asked(url, lambda source: empty_schema(driver_of(source).plan(source, request).columns), request)


def describe(url: str) -> tuple[CatalogueTable, ...]:
    """Describe every table and view that the user may see: columns, keys, indexes, comments and estimated rows."""
    return _asked(url, lambda source: driver_of(source).describe(source))


def server_timezone(url: str) -> str:
    """Return the zone in which the server writes times without a zone; empty if it has or tells none."""
    return _asked(url, lambda source: driver_of(source).timezone(source))


def require_known(url: str) -> None:
    """Raise an error if no installed library reads databases of the URL's dialect. Nothing is connected to."""
    source = parse(url)
    if source.dialect == "postgres":
        raise SourceError("the URL begins with `postgres:`, which SQLAlchemy does not know", "write `postgresql:`")
    if source.dialect in _BY_DIALECT:
        return
    from etl.source.sqlalchemy_cursor import is_known  # noqa: PLC0415  heavy, see the head

    if not is_known(source):
        known = (*_BY_DIALECT, "oracle", "mssql")
        raise SourceError(
            f"no library here reads databases of the kind `{source.dialect}`{did_you_mean(source.dialect, known)}",
            f"install the library that adds this kind to SQLAlchemy; without one, there are {', '.join(known)}",
        )


def home_schema(url: str) -> str | None:
    """Return the schema of tables that are named without one; None if there is none, or it is not known."""
    source = parse(url)
    return {"postgresql": "public", "mysql": source.database, "mariadb": source.database}.get(source.dialect)


def default_schema(url: str) -> str | None:
    """Return the schema of tables that are named without one, where nothing else decides; None if it is not known.

    `home_schema` says what is usual. On PostgreSQL, the search path of the user decides.
    """
    source = parse(url)
    return "main" if source.dialect == "sqlite" else None if source.dialect == "postgresql" else home_schema(url)


def shows_other_databases(url: str) -> bool:
    """Whether `describe` also shows the tables of other databases of the server than the one that the URL names."""
    return parse(url).dialect in ("mysql", "mariadb")


@contextmanager
def connection(url: str, seconds: float | None = None) -> "Iterator[sa.Connection]":
    """Open a SQLAlchemy connection, read-only if the database has such sessions, and roll it back at the end.

    `seconds` limits the time of a statement if the database can end one.
    """
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see the head

    with ExitStack() as stack:
        limited = ExtractRequest(query="", statement_timeout_seconds=seconds) if seconds else None
        yield _asked(url, lambda source: stack.enter_context(connected(driver_of(source).login(source, limited))))
