"""Reads MySQL and MariaDB: with connectorx, which streams Arrow batches, or with pymysql without connectorx or TCP.

Belongs here: the session, the plan, both ways of reading. Not here: types (`mysql_types`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as percent
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from etl.errors import SourceError
from etl.extras import install
from etl.faults import reach
from etl.source import sqlalchemy_cursor
from etl.source.catalogue import choose, missing, wrong_key
from etl.source.contract import CatalogueTable, ExtractRequest, Login, Part, Progress, ReadPlan, ReadResult, Window
from etl.source.database_url import DatabaseUrl
from etl.source.inspection import described
from etl.source.kept import kept
from etl.source.mysql_types import ResultField, cast_of_key, display, planned, window_kind
from etl.source.query import bind_query, bounding_predicate, query_binds, window_index
from etl.source.writer import write_rows, writing_engine
from etl.sql import literal, quote

if TYPE_CHECKING:
    from pymysql import Connection
    from pymysql.cursors import Cursor

NAME = "mysql_connectorx"
NAME_CURSOR = "mysql_pymysql"
BATCH_ROWS = 16_384
_NO_TABLE, _NO_COLUMN = 1146, 1054
_ABBREVIATED = {"UTC": "UTC", "GMT": "UTC", "KST": "Asia/Seoul", "JST": "Asia/Tokyo"}
_OWN_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")


def plan(url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
    """Ask the server which columns the table or query returns, and decide how each one is read."""
    bounding = request.bounding
    if request.query is not None:
        relation = f"({bind_query(request.query, query_binds('mysql', request, 'wall'))}\n) AS q"
    else:
        parts = [each for each in (request.schema_name, request.table) if each is not None]
        relation = ".".join(quote("mysql", each) for each in parts)
    with connect(url, request) as cursor:
        fields = _describe(cursor, request, relation)
        if isinstance(bounding, Part) and bounding.column in fields:
            _check_keys(cursor, request, bounding, fields[bounding.column])
        comments = _comments(cursor, request)
    choose(request, tuple(fields), request.sort_by)
    predicate = index = ""
    if bounding is not None:
        choose(request, tuple(fields), (bounding.column,))
        kind = window_kind(fields[bounding.column]) if request.window else "text"
        if kind is None:
            raise SourceError(
                f"the date column `{bounding.column}` is a {display(fields[bounding.column])}, neither a date nor text",
                "use a `query` with :window_start and :window_end that converts it",
            )
        predicate = bounding_predicate("mysql", quote("mysql", bounding.column), bounding, kind)
        if request.windows:
            index = window_index("mysql", quote("mysql", bounding.column), request.windows, kind)
            index = f"CAST({index} AS SIGNED)"
    chosen = choose(request, tuple(fields))
    columns = tuple(
        replace(planned(index, name, fields[name]), comment=comments.get(name, "")) for index, name in enumerate(chosen)
    )
    order = ", ".join(quote("mysql", each) for each in request.sort_by)
    windows = len(request.windows)
    return ReadPlan(columns, relation, predicate, order, windows=windows, window_index=index, limit=request.limit)


def read(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> ReadResult:
    """Stream the request's rows into the file."""
    made = plan(url, request)
    if find_spec("connectorx") is None or not url.host or set(url.query) - {"charset"}:
        statement = sqlalchemy_cursor.escaped(made.select())
        sqlalchemy_cursor.stream(login(url, request), statement, made, path, footer, on_progress=on_progress)
        return ReadResult(NAME_CURSOR, made)
    _read_by_connectorx(url, request, made, path, footer, on_progress)
    return ReadResult(NAME, made)


def login(url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:
    """Return a read-only session. Its time zone is UTC, or the window's if the query uses the window itself."""
    return Login(replace(url, dialect="mysql", driver="pymysql"), settings=_session(request), keep=_keeps(request))


def describe(url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
    """Describe the tables and views of every database that the user may see."""
    with sqlalchemy_cursor.connected(login(url)) as connection:
        types = connection.exec_driver_sql(
            "SELECT table_schema, table_name, column_name, column_type FROM information_schema.columns"
        )
        rows = connection.exec_driver_sql("SELECT table_schema, table_name, table_rows FROM information_schema.tables")
        schemas = [row[0] for row in connection.exec_driver_sql("SELECT schema_name FROM information_schema.schemata")]
        return described(connection, [each for each in schemas if each not in _OWN_SCHEMAS], types, rows)


def timezone(url: DatabaseUrl) -> str:
    """Return the zone of the server. A zone of the machine is known only as an abbreviation, which few zones own."""
    with sqlalchemy_cursor.connected(login(url)) as connection:
        name, machine = connection.exec_driver_sql("SELECT @@global.time_zone, @@system_time_zone").one()
    return _ABBREVIATED.get(str(machine), str(machine)) if name == "SYSTEM" else str(name)


def _read_by_connectorx(
    url: DatabaseUrl,
    request: ExtractRequest,
    plan: ReadPlan,
    path: Path,
    footer: Mapping[str, str],
    on_progress: Progress | None,
) -> None:
    import connectorx  # noqa: PLC0415  an extra: `mysql`

    login = f"{percent(url.username or '', safe='')}:{percent(url.password or '', safe='')}"
    address = f"mysql://{login}@{url.host}:{url.port or 3306}/{percent(url.database or '', safe='')}"

    @contextmanager
    def rows() -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with writing_engine(path, len(plan.columns)) as writer:
            reader = connectorx.read_sql(
                address,
                plan.select(),
                return_type="arrow_stream",
                batch_size=BATCH_ROWS,
                pre_execution_query=_session(request),
            )
            reach("extract.connected")
            writer.register("batches", pa.RecordBatchReader.from_batches(reader.schema, _counted(reader, on_progress)))
            yield writer, "batches"
            writer.unregister("batches")

    with _panics_are_errors():
        write_rows(rows, plan.columns, path, footer, windows=plan.windows)


def count(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return how many rows the request would read now."""
    counted = plan(url, request).count()
    with connect(url, request) as cursor:
        cursor.execute(counted)
        return int(cursor.fetchone()[0])


def size(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return about how many bytes the table takes; 0 for a query or a view."""
    if request.query is not None:
        return 0
    with connect(url, request) as cursor:
        cursor.execute(
            "SELECT data_length FROM information_schema.tables"
            " WHERE table_schema = coalesce(%s, database()) AND table_name = %s",
            (request.schema_name, request.table),
        )
        found = cursor.fetchone()
    return int(found[0] or 0) if found else 0


@contextmanager
def connect(url: DatabaseUrl, request: ExtractRequest) -> "Iterator[Cursor]":
    """Yield a cursor of a read-only session, whose transaction begins with its first statement."""
    try:
        import pymysql  # noqa: PLC0415  an extra: `mysql`
    except ImportError:
        raise SourceError("reading MySQL or MariaDB needs pymysql", install("mysql")) from None
    address = {"host": url.host, "port": url.port, "database": url.database}
    login = {"user": url.username, "password": url.password}
    arguments = {
        **{key: value for key, value in {**address, **login}.items() if value},
        **url.query,
        "charset": "utf8mb4",
        "connect_timeout": 15,
    }
    settings = _session(request)

    def opened() -> "Connection":
        connection: Connection = pymysql.connect(**arguments)
        try:
            with connection.cursor() as cursor:
                for setting in settings:
                    cursor.execute(setting)
        except BaseException:
            connection.close()
            raise
        return connection

    def ended(connection: "Connection") -> bool:
        try:
            connection.rollback()
        except pymysql.MySQLError:
            return False
        return True

    def alive(connection: "Connection") -> bool:
        try:
            connection.ping(reconnect=False)
        except pymysql.MySQLError:
            return False
        return True

    key = ("pymysql", *arguments.items(), *settings) if _keeps(request) else None
    try:
        with kept(key, opened, clean=ended, alive=alive) as connection, connection.cursor() as cursor:
            yield cursor
    except pymysql.MySQLError as error:
        raise SourceError(str(error.args[-1] if error.args else error)) from None


def _keeps(request: ExtractRequest | None) -> bool:
    """Whether the next partition may use the same session: a query may have set variables (`@n := @n + 1`) there."""
    return request is None or request.query is None


def _session(request: ExtractRequest | None) -> list[str]:
    """Return the statements that set a session's time zone, make it read-only and limit its time."""
    zone = _offset(request.window) if request and request.window and request.bounding is None else "+00:00"
    settings = [f"SET time_zone = {literal('mysql', zone)}", "SET SESSION TRANSACTION READ ONLY"]
    if request and request.statement_timeout_seconds:
        seconds = float(request.statement_timeout_seconds)
        # MariaDB counts seconds, MySQL milliseconds; each reads only its own comment
        settings.append(
            f"SET /*M! max_statement_time = {seconds} */ /*!50700 max_execution_time = {int(seconds * 1000)} */"
        )
    return settings


def _offset(window: Window) -> str:
    """Return the session's time zone for a query that uses the window: the server compares TIMESTAMP columns in it."""
    zone = ZoneInfo(window.naive_timezone)
    offsets = {each.astimezone(zone).strftime("%z") for each in (window.start, window.end)}
    if len(offsets) > 1:
        return window.naive_timezone
    only = offsets.pop()
    return f"{only[:3]}:{only[3:5]}"


def _describe(cursor: "Cursor", request: ExtractRequest, relation: str) -> dict[str, ResultField]:
    import pymysql  # noqa: PLC0415  an extra: `mysql`

    own = (request.bounding.column,) if request.bounding else ()
    wanted = tuple(dict.fromkeys((*request.columns, *request.sort_by, *own))) if request.columns else ()
    select = ", ".join(quote("mysql", each) for each in wanted) or "*"
    try:
        cursor.execute(f"SELECT {select} FROM {relation} LIMIT 0")
    except pymysql.MySQLError as error:
        if error.args and error.args[0] == _NO_COLUMN and wanted:
            cursor.execute(f"SELECT * FROM {relation} LIMIT 0")
            choose(request, tuple(each.name for each in cursor._result.fields), wanted)  # noqa: SLF001  see below
        if error.args and error.args[0] == _NO_TABLE and request.table is not None:
            cursor.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = coalesce(%s, database())",
                (request.schema_name,),
            )
            raise missing(request, [row[0] for row in cursor.fetchall()]) from None
        raise
    found = [
        (each.name, ResultField(each.type_code, each.flags, each.charsetnr, each.length, each.scale))
        for each in cursor._result.fields  # noqa: SLF001  the only place where pymysql keeps flags and character set
    ]
    if len({name for name, _ in found}) < len(found):
        raise SourceError("two columns of `query` have the same name", "give each a name with AS")
    return dict(found)


def _comments(cursor: "Cursor", request: ExtractRequest) -> dict[str, str]:
    """Return what the catalogue says of the table's columns; nothing for a query."""
    if request.table is None:
        return {}
    cursor.execute(
        "SELECT column_name, column_comment FROM information_schema.columns"
        " WHERE table_schema = coalesce(%s, database()) AND table_name = %s AND column_comment <> ''",
        (request.schema_name, request.table),
    )
    return dict(cursor.fetchall())


def _check_keys(cursor: "Cursor", request: ExtractRequest, part: Part, field: ResultField) -> None:
    """Refuse a key that is no value of the column's type: the server would compare it as 0, or as its first digits."""
    kind = cast_of_key(field)
    for key in part.wanted if kind else ():
        cursor.execute(f"SELECT CAST({literal('mysql', key)} AS {kind})")
        cursor.execute("SHOW WARNINGS")
        if cursor.fetchall():
            raise wrong_key(request, part, key, display(field))


@contextmanager
def _panics_are_errors() -> Iterator[None]:
    """Translate the errors of connectorx: a RuntimeError, or a panic of its Rust code, which is no `Exception`."""
    try:
        yield
    except RuntimeError as error:
        raise SourceError(str(error)) from None
    except BaseException as error:
        if type(error).__name__ == "PanicException" and type(error).__module__ == "pyo3_runtime":
            raise SourceError(f"connectorx failed: {error}") from None
        raise


def _counted(reader: pa.RecordBatchReader, on_progress: Progress | None) -> Iterator[pa.RecordBatch]:
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        reach("extract.batch")
        yield batch
        if on_progress is not None:
            on_progress(rows)
