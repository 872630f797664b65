"""Reads any database that SQLAlchemy supports, batch by batch through a cursor, with types from the catalogue.

It is the slowest driver, and it always works. Belongs here: the driver of every dialect that has none of its own, and
turning rows into Arrow with a schema that is known before the first row. Not here: dialects with a driver of their own;
those drivers call `stream` with their own plan if their faster library is missing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from etl.errors import SourceError
from etl.faults import reach
from etl.query_text import BINDS, PARTITION
from etl.source.carriers import carrier_schema
from etl.source.catalogue import choose, missing
from etl.source.contract import (
    CatalogueTable,
    ExtractRequest,
    Login,
    Part,
    PlannedColumn,
    Progress,
    ReadPlan,
    ReadResult,
    Window,
)
from etl.source.database_url import DatabaseUrl
from etl.source.inspection import described
from etl.source.kept import kept
from etl.source.query import bind_query, first_date, wall
from etl.source.sqlalchemy_types import array_of, found_target, target_of
from etl.source.writer import deadline, in_calendar, write_rows, writing_engine

NAME = "sqlalchemy"
BATCH_ROWS, BATCH_BYTES = 8_192, 8_000_000  # whichever comes first
FIRST_ROWS = 256  # the first batch; the size of its rows decides how many rows the next batches have
_COLON = r"\:"  # a colon in SQLAlchemy's text that is no placeholder


def login(url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:  # noqa: ARG001  the protocol of a driver
    """Return the URL as it is: how a session of an unknown database becomes read-only is not known here.

    A database that is a file is opened for each partition, because another file may have taken its place.
    """
    return Login(url, keep=bool(url.host))


def is_known(url: DatabaseUrl) -> bool:
    """Whether SQLAlchemy, or a library that extends it, reads databases of the URL's dialect."""
    try:
        registry.load(url.driver_name.replace("+", "."))
    except sa.exc.NoSuchModuleError:
        return False
    return True


def describe(url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
    """Describe the tables and views of the user's own schema. Other schemas may be the database's own."""
    with connected(login(url)) as connection:
        return described(connection, [None])


def plan(url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
    """Read the catalogue through SQLAlchemy and compose the statement with the dialect's own quoting."""
    with connected(login(url)) as connection:
        quote = connection.dialect.identifier_preparer.quote
        comments: dict[str, str] = {}
        if request.table is not None:
            kinds, comments = _table_kinds(connection, request)
            parts = [each for each in (request.schema_name, request.table) if each]
            relation = ".".join(quote(each).replace(":", _COLON) for each in parts)
        else:
            relation, kinds = _query_kinds(connection, request)
    names, bounding = tuple(kinds), request.bounding
    predicate = ""
    parameters: tuple[tuple[str, Any], ...] = _parameters(request.window or request.part, "")
    if bounding is not None:
        choose(request, names, (bounding.column,))
        column = quote(bounding.column).replace(":", _COLON)
        predicate = _predicate(column, bounding, kinds[bounding.column])
        parameters = _parameters(bounding, kinds[bounding.column])
    order = ", ".join(quote(each).replace(":", _COLON) for each in choose(request, names, request.sort_by))
    columns = tuple(
        PlannedColumn(
            each,
            kinds[each],
            quote(each).replace(":", _COLON),
            _restore(f"c{index}", each, kinds[each]),
            comment=comments.get(each, ""),
        )
        for index, each in enumerate(choose(request, names))
    )
    sorting = order if request.sort_by else ""
    return ReadPlan(columns, relation, predicate, sorting, parameters, limit=request.limit, has_limit=False)


def _predicate(column: str, bounding: Window | Part, kind: str) -> str:
    if isinstance(bounding, Part):
        wanted = f"{column} = :partition"
        others = ", ".join(f":partition_{index}" for index in range(len(bounding.values)))
        return f"({column} IS NULL OR {column} NOT IN ({others}))" if bounding.outside else wanted
    if not bounding.outside:
        return f"{column} >= :window_start AND {column} < :window_end"
    no_date = f" OR {column} NOT LIKE '____-__-__%'" if kind == "VARCHAR" else ""
    return f"({column} IS NULL OR {column} < :window_start OR {column} >= :window_end{no_date})"


def _restore(carrier: str, name: str, target: str) -> str:
    """Keep Arrow's value as it is, but refuse a date or timestamp outside the years that readers can show."""
    if target not in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        return carrier
    return in_calendar(carrier, target, name, carrier)


def timezone(url: DatabaseUrl) -> str:  # noqa: ARG001  the protocol of a driver
    """Return nothing: it is not known."""
    return ""


def size(url: DatabaseUrl, request: ExtractRequest) -> int:  # noqa: ARG001  the protocol of a driver
    """Return 0: it is not known."""
    return 0


def count(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return how many rows the request would read now."""
    counted = plan(url, request)
    with connected(login(url)) as connection:
        return int(connection.execute(sa.text(counted.count()), dict(counted.parameters)).scalar_one())


def read(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> ReadResult:
    """Stream the request's rows into the file."""
    made, seconds = plan(url, request), request.statement_timeout_seconds
    stream(login(url), made.select(), made, path, footer, on_progress=on_progress, seconds=seconds)
    return ReadResult(NAME, made)


def stream(
    login: Login,
    statement: str,
    plan: ReadPlan,
    path: Path,
    footer: Mapping[str, str],
    *,
    on_progress: Progress | None = None,
    seconds: float | None = None,
) -> None:
    """Run the statement (as SQLAlchemy's text) with a server-side cursor, and write its rows batch by batch.

    `seconds` limits the time in this process, for a database without a timeout of its own.
    """
    schema = carrier_schema(plan)

    @contextmanager
    def rows() -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        failures = list[Exception]()
        with (
            connected(login) as connection,
            writing_engine(path, len(plan.columns)) as writer,
            deadline(writer, seconds),
        ):
            streaming = connection.execution_options(stream_results=True, max_row_buffer=FIRST_ROWS)
            reach("extract.connected")
            with streaming.execute(sa.text(statement), dict(plan.parameters)) as result:
                batches = _batches(result, plan, schema, failures, on_progress)
                writer.register("batches", pa.RecordBatchReader.from_batches(schema, batches))
                try:
                    yield writer, "batches"
                except BaseException as error:
                    _abandon(connection, result)
                    if isinstance(error, duckdb.Error) and failures:  # DuckDB wraps the error that a batch raised
                        raise failures[0] from None
                    raise
                writer.unregister("batches")

    write_rows(rows, plan.columns, path, footer, windows=plan.windows)


def _abandon(connection: sa.Connection, result: sa.CursorResult[Any]) -> None:
    """Close the connection at once. Otherwise pymysql would first read all remaining rows."""
    cursor: Any = result.cursor
    unread: Any = getattr(cursor, "_result", None)
    if getattr(unread, "unbuffered_active", False):
        unread.unbuffered_active = False
        cursor.connection = None
    connection.invalidate()


def escaped(statement: str) -> str:
    """Write SQL without parameters as SQLAlchemy's text."""
    return statement.replace(":", _COLON)


@dataclass(frozen=True)
class _Opened:
    """An engine of SQLAlchemy. It looks at a connection that was used before, and ends what a reader has begun."""

    engine: sa.Engine

    def close(self) -> None:
        """Close its connection."""
        self.engine.dispose()


@contextmanager
def connected(login: Login) -> Iterator[sa.Connection]:
    """Open a connection, and roll it back at the end. Errors become SourceErrors with the driver's message."""
    url = login.url
    address = sa.URL.create(
        url.driver_name, url.username, url.password, url.host, url.port, url.database, query=url.query
    )
    key = ("sqlalchemy", address, *login.connect_args.items(), *login.settings) if login.keep else None
    try:
        with (
            kept(key, lambda: _opened(address, login), clean=lambda _: True, alive=lambda _: True) as opened,
            opened.engine.connect() as connection,
        ):
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise SourceError(str(getattr(error, "orig", None) or error)) from None


def _opened(address: sa.URL, login: Login) -> _Opened:
    pool: dict[str, Any] = {"poolclass": NullPool}
    if login.keep:
        pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0, "pool_pre_ping": True}
    try:
        engine = sa.create_engine(address, hide_parameters=True, connect_args=dict(login.connect_args), **pool)
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise SourceError(
            f"no driver is installed for `{address.drivername}`", f"install the package that brings it ({error})"
        ) from None

    def begin(connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for setting in login.settings:
            cursor.execute(setting)
        cursor.close()

    sa.event.listen(engine, "connect", begin)
    return _Opened(engine)


def _batches(
    result: sa.CursorResult[Any],
    plan: ReadPlan,
    schema: pa.Schema,
    failures: list[Exception],
    on_progress: Progress | None,
) -> Iterator[pa.RecordBatch]:
    rows, columns = 0, plan.columns
    names = [*(each.name for each in columns), *(each.name for each in columns if each.flag), "k"]
    size = FIRST_ROWS
    while plan.limit is None or rows < plan.limit:
        try:
            part = result.fetchmany(size if plan.limit is None else min(size, plan.limit - rows))
            values = zip(*part, strict=True)
            arrays = [array_of(each, kind, name) for each, kind, name in zip(values, schema.types, names, strict=False)]
        except (SourceError, sa.exc.SQLAlchemyError) as error:
            failures.append(error)
            raise
        if not part:
            return
        rows += len(part)
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        size = max(1, min(BATCH_ROWS, BATCH_BYTES * len(part) // (batch.nbytes + 1)))
        reach("extract.batch")
        yield batch
        if on_progress is not None:
            on_progress(rows)


def _table_kinds(connection: sa.Connection, request: ExtractRequest) -> tuple[dict[str, str], dict[str, str]]:
    """Return the type and the comment of each column."""
    inspector = sa.inspect(connection)
    try:
        found = inspector.get_columns(str(request.table), schema=request.schema_name)
    except sa.exc.NoSuchTableError:
        tables = [*inspector.get_table_names(request.schema_name), *inspector.get_view_names(request.schema_name)]
        raise missing(request, tables) from None
    asked = set(request.columns) or {each["name"] for each in found}
    kinds = {each["name"]: target_of(each["name"], each["type"], refuse=each["name"] in asked) for each in found}
    return kinds, {each["name"]: each.get("comment") or "" for each in found}


def _query_kinds(connection: sa.Connection, request: ExtractRequest) -> tuple[str, dict[str, str]]:
    """Take a query's types from its first rows. A later value of another type is refused, not converted."""
    names_bound = BINDS if request.window else (PARTITION,) if request.part else ()
    sql = bind_query(str(request.query), {name: name for name in names_bound}, colon=_COLON)
    relation = f"({sql}\n) q"
    bound = None if request.bounding else request.window or request.part
    # etl: allow select-star (the query itself names its columns, and only its first rows are fetched)
    with connection.execute(sa.text(f"SELECT * FROM {relation}"), dict(_parameters(bound, ""))) as result:
        names = tuple(result.keys())
        rows = result.fetchmany(1000)
    if len(set(names)) < len(names):
        raise SourceError("two columns of `query` have the same name", "give each a name with AS")
    return relation, {name: found_target(name, [row[index] for row in rows]) for index, name in enumerate(names)}


def _parameters(window: Window | Part | None, target: str) -> tuple[tuple[str, date | datetime | str], ...]:
    if window is None:
        return ()
    if isinstance(window, Part):
        each = [(f"partition_{index}", value) for index, value in enumerate(window.values)]
        return tuple(each) if window.outside else (("partition", window.value),)
    zone = window.naive_timezone
    start: date | datetime | str
    end: date | datetime | str
    match target:
        case "TIMESTAMPTZ":
            start, end = window.start, window.end
        case "DATE":
            start, end = first_date(window.start, zone), first_date(window.end, zone)
        case "VARCHAR":
            start, end = wall(window.wall_start), wall(window.wall_end)
        case "TIMESTAMP" | "":
            start, end = window.wall_start, window.wall_end
        case _:
            raise SourceError(
                f"the date column `{window.column}` is a {target}, so it cannot be compared with a date",
                "use a `query` with :window_start and :window_end that converts it",
            )
    return (("window_start", start), ("window_end", end))
