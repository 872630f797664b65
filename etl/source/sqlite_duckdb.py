"""Reads SQLite through DuckDB's extension: SQLite's own SQL returns exact text, and DuckDB casts it strictly.

SQLite accepts any value in any column, so the reading statement also compares each value's storage class with the
declared type. Belongs here: SQLite's catalogue and carriers. Not here: the window's SQL (`query`).
"""

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb

from etl.errors import SourceError
from etl.faults import reach
from etl.source.catalogue import choose, missing, wrong_key
from etl.source.contract import (
    CatalogueTable,
    ExtractRequest,
    Login,
    Part,
    PlannedColumn,
    Progress,
    ReadPlan,
    ReadResult,
    WindowKind,
)
from etl.source.database_url import DatabaseUrl
from etl.source.query import bind_query, bounding_predicate, query_binds, window_index
from etl.source.writer import (
    NOT_TEXT,
    complain,
    deadline,
    extension_path,
    in_calendar,
    refusal,
    strict_cast,
    took_too_long,
    valid_text,
    write_rows,
    writing_engine,
)
from etl.sql import literal, quote

NAME = "sqlite_duckdb"
_STEPS_BETWEEN_LOOKS = 100_000  # steps of SQLite's virtual machine after which the time limit is checked
_DAY, _CLOCK = r"\d{4}-\d{2}-\d{2}", r"([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6}0*)?)?"
_SHAPES = {  # DuckDB's casts accept more: they drop an offset or a time, and accept `infinity`
    "DATE": rf"{_DAY}([ T]00:00(:00(\.0+)?)?)?",
    "TIMESTAMP": rf"{_DAY}([ T]{_CLOCK})?",
    "TIMESTAMPTZ": rf"{_DAY}[ T]{_CLOCK} ?(Z|[+-]\d{{2}}(:?\d{{2}})?)",
    "TIME": _CLOCK,
}


def plan(url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
    """Read the catalogue and decide how each column is read."""
    with _connect(url, request.statement_timeout_seconds) as connection:
        if request.table is not None:
            relation = quote("sqlite", request.table)
            if request.schema_name:
                relation = f"{quote('sqlite', request.schema_name)}.{relation}"
            available = _table_columns(connection, request)
        else:
            relation, available = _query_columns(connection, request)
        names = tuple(available)
        chosen = choose(request, names)
        read = {*chosen, request.bounding.column} if request.bounding else {*chosen}
        for name in read.intersection(each for each, declared in available.items() if not declared):
            available[name] = _found_class(connection, relation, name)
    bounding, predicate, index = request.bounding, "", ""
    if bounding is not None:
        choose(request, names, (bounding.column,))
        kind = _window_kind(bounding.column, available[bounding.column]) if request.window else "text"
        if isinstance(bounding, Part) and _target(available[bounding.column]) in ("BIGINT", "DOUBLE", "BOOLEAN"):
            for key in bounding.wanted:
                if not re.fullmatch(r"[+-]?\d+(\.\d+)?", key):
                    raise wrong_key(request, bounding, key, available[bounding.column])
        predicate = bounding_predicate("sqlite", quote("sqlite", bounding.column), bounding, kind)
        if request.windows:
            index = window_index("sqlite", quote("sqlite", bounding.column), request.windows, kind)
    choose(request, names, request.sort_by)
    order = ", ".join(quote("sqlite", each) for each in request.sort_by)
    columns = tuple(_planned(f"c{index}", each, available[each]) for index, each in enumerate(chosen))
    windows = len(request.windows)
    return ReadPlan(columns, relation, predicate, order, windows=windows, window_index=index, limit=request.limit)


def read(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> ReadResult:
    """Stream the request's rows into the file with DuckDB, or with Python's own driver if the extension is missing."""
    made, seconds = plan(url, request), request.statement_timeout_seconds
    extension = extension_path("sqlite_scanner")
    if extension is not None:
        _read_by_duckdb(url, made, path, footer, extension, seconds=seconds)
        return ReadResult(NAME, made)
    from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see `reading`

    statement = sqlalchemy_cursor.escaped(made.select())
    with _undecodable_text(url, made):
        sqlalchemy_cursor.stream(login(url), statement, made, path, footer, on_progress=on_progress, seconds=seconds)
    return ReadResult(sqlalchemy_cursor.NAME, made)


def login(url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:  # noqa: ARG001  the protocol of a driver
    """Return how the file is opened read-only."""
    path = _existing(url)
    return Login(replace(url, database=path.resolve().as_uri(), query={"mode": "ro", "uri": "true"}))


def describe(url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
    """Describe every table and view of the file. Rows are counted, because SQLite keeps no estimate."""
    from etl.source.inspection import described  # noqa: PLC0415  heavy, see `reading`
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see `reading`

    with connected(login(url)) as connection, _connect(url) as own:
        return described(connection, [None], _declared(own), _counted(own))


def _counted(connection: sqlite3.Connection) -> Iterator[tuple[str | None, str, int]]:
    """Yield the number of rows of each table. Nothing is said of one without a name, or whose module is missing."""
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> ''").fetchall():
        with suppress(sqlite3.OperationalError):
            yield None, name, connection.execute(f"SELECT count(*) FROM {quote('sqlite', name)}").fetchone()[0]


def _declared(connection: sqlite3.Connection) -> Iterator[tuple[str | None, str, str, str]]:
    """Yield the declared type of each column. Nothing is said of a view whose table is gone."""
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall():
        with suppress(sqlite3.OperationalError):
            for column, declared in connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (name,)):
                yield None, name, column, declared


def _read_by_duckdb(
    url: DatabaseUrl, plan: ReadPlan, path: Path, footer: Mapping[str, str], extension: Path, *, seconds: float | None
) -> None:
    @contextmanager
    def rows() -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        with writing_engine(path, len(plan.columns), extension=extension) as connection, deadline(connection, seconds):
            connection.execute(f"ATTACH {literal('duckdb', str(_existing(url)))} AS source (TYPE sqlite, READ_ONLY)")
            reach("extract.connected")
            yield connection, f"sqlite_query('source', {literal('duckdb', plan.select())})"
            connection.execute("DETACH source")  # another file may take its place before the next partition

    write_rows(rows, plan.columns, path, footer, lambda column: _place(url, plan, column), windows=plan.windows)


def count(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return how many rows the request would read now."""
    counted = plan(url, request).count()
    with _connect(url, request.statement_timeout_seconds) as connection:
        return int(connection.execute(counted).fetchone()[0])


def timezone(url: DatabaseUrl) -> str:  # noqa: ARG001  the protocol of a driver
    """Return nothing: a file has no zone."""
    return ""


def size(url: DatabaseUrl, request: ExtractRequest) -> int:  # noqa: ARG001  the protocol of a driver
    """Return the bytes of the whole file, which are more than those of the table."""
    return _existing(url).stat().st_size


@contextmanager
def _undecodable_text(url: DatabaseUrl, plan: ReadPlan) -> Iterator[None]:
    """Replace the error of Python's driver, which names only a carrier, by one with the column and a count of rows."""
    try:
        yield
    except SourceError as error:
        found = re.search(r"Could not decode to UTF-8 column 'c(\d+)'", error.problem)
        if found is None:
            raise
    else:
        return
    column = plan.columns[int(found[1])]
    with _connect(url) as connection:
        connection.text_factory = bytes
        values = connection.execute(f"SELECT {column.carrier} {plan.tail()}")
        invalid = [isinstance(each, bytes) and not _is_text(each) for (each,) in values]
    raise refusal(column.name, NOT_TEXT, f"{sum(invalid)} of {len(invalid)} rows")


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _place(url: DatabaseUrl, plan: ReadPlan, column: str) -> str:
    """Say in which row the first value with a wrong storage class is; empty if the rows have no rowid."""
    guard = next((each.guard for each in plan.columns if each.name == column), "")
    if not guard:
        return ""
    where = f"({plan.predicate}) AND " if plan.predicate else ""
    sql = f"SELECT rowid, typeof({quote('sqlite', column)}) FROM {plan.relation} WHERE {where}{guard} LIMIT 1"
    with _connect(url) as connection:
        try:
            found = connection.execute(sql).fetchone()
        except sqlite3.OperationalError:  # a query, a view and a table WITHOUT ROWID have no rowid
            return ""
    return f"the row with rowid {found[0]} holds a value of type {found[1]}" if found and found[0] is not None else ""


def _existing(url: DatabaseUrl) -> Path:
    if not url.database or url.database == ":memory:":
        raise SourceError("the SQLite URL names no file", "write sqlite:////folder/file.db")
    path = Path(url.database)
    if not path.is_file():
        raise SourceError(
            f"the SQLite file `{path}` does not exist",
            "correct `source_database`, or create the file; `etl run TENANT` makes a tenant's demo source",
        )
    return path


@contextmanager
def _connect(url: DatabaseUrl, seconds: float | None = None) -> Iterator[sqlite3.Connection]:
    """Open the file read-only. `seconds` limits the time of all statements together."""
    path = _existing(url)
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            if seconds is not None:
                end = time.monotonic() + seconds
                connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS_BETWEEN_LOOKS)
            yield connection
    except sqlite3.DatabaseError as error:
        if "interrupted" in str(error) and seconds is not None:
            raise took_too_long(seconds) from None
        busy = "another process is writing to it: run again when it has finished"
        hint = busy if "locked" in str(error) else "look at the file with the sqlite3 command"
        raise SourceError(f"SQLite file `{path}`: {error}", hint) from error


def _table_columns(connection: sqlite3.Connection, request: ExtractRequest) -> dict[str, str]:
    sql = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden <> 1"
    found = dict(connection.execute(sql, (request.table,)).fetchall())
    if not found:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        ]
        raise missing(request, tables)
    return found


def _query_columns(connection: sqlite3.Connection, request: ExtractRequest) -> tuple[str, dict[str, str]]:
    sql = bind_query(str(request.query), query_binds("sqlite", request, "text"))
    try:
        connection.execute(f"CREATE TEMP VIEW etl_described AS {sql}")
    except sqlite3.Error as error:
        raise SourceError(f"SQLite refuses the query: {error}", "try the query with the sqlite3 command") from error
    found = connection.execute("SELECT name, type FROM pragma_table_xinfo('etl_described')").fetchall()
    if len({name for name, _ in found}) < len(found):
        raise SourceError("two columns of `query` have the same name", "give each a name with AS")
    return f"({sql}\n) AS q", dict(found)


def _found_class(connection: sqlite3.Connection, relation: str, name: str) -> str:
    """Choose a type for a column that declares none, from the values that it holds."""
    sql = f"SELECT DISTINCT typeof({quote('sqlite', name)}) FROM {relation}"
    found = {row[0] for row in connection.execute(sql)} - {"null"}
    if found <= {"integer"} and found:
        return "INTEGER"
    if found and found <= {"integer", "real"}:
        return "REAL"
    if found <= {"text"}:
        return "TEXT"
    if found == {"blob"}:
        return "BLOB"
    raise SourceError(
        f"column `{name}` declares no type and holds values of the types {', '.join(sorted(found))}",
        "leave it out with `columns:`, or read it by a `query` with CAST",
    )


def _window_kind(column: str, declared: str) -> WindowKind:
    target = _target(declared)
    if target in ("DATE", "TIMESTAMP", "VARCHAR"):
        return "date" if target == "DATE" else "text"
    raise SourceError(
        f"the date column `{column}` is declared {declared}, so its values cannot be compared with a date",
        "use a `query` with :window_start and :window_end that converts it",
    )


def _target(declared: str) -> str:
    """Return the type for a declared one, by SQLite's affinity rules and the usual names for dates, times and so on."""
    upper = declared.upper()
    if re.search(r"TIMESTAMPTZ|WITH TIME ZONE", upper):
        return "TIMESTAMPTZ"
    if "DATETIME" in upper or "TIMESTAMP" in upper:
        return "TIMESTAMP"
    for word, target in (("DATE", "DATE"), ("TIME", "TIME"), ("BOOL", "BOOLEAN")):
        if upper.startswith(word):
            return target
    if "INT" in upper:
        return "BIGINT"
    if re.search("CHAR|CLOB|TEXT|JSON|UUID|STRING|ENUM", upper):
        return "VARCHAR"
    return "BLOB" if "BLOB" in upper or "BINARY" in upper else "DOUBLE"


def _planned(column: str, name: str, declared: str) -> PlannedColumn:
    target = _target(declared)
    source = quote("sqlite", name)
    kind = f"typeof({source})"
    wrong = {
        "BIGINT": f"{kind} NOT IN ('integer', 'null')",
        "BOOLEAN": f"({kind} NOT IN ('integer', 'null') OR {source} NOT IN (0, 1))",
        "DOUBLE": f"({kind} NOT IN ('integer', 'real', 'null') OR "
        f"{kind} = 'integer' AND {source} NOT BETWEEN -9007199254740992 AND 9007199254740992)",
        "BLOB": f"{kind} NOT IN ('blob', 'null')",
    }.get(target, f"{kind} NOT IN ('text', 'null')")
    text = {
        "DOUBLE": _double_as_text(source),
        "BLOB": f"CASE WHEN {source} IS NOT NULL THEN hex({source}) END",
    }.get(target, f"CAST({source} AS TEXT)")
    # the text is `=` and the value, or `!` and the storage class that does not fit
    carrier = f"CASE WHEN {wrong} THEN '!' || {kind} ELSE '=' || {text} END"
    value = f"substr({column}, 2)"
    restore = {
        "VARCHAR": valid_text(column, name, value),
        "BLOB": f"unhex({value})",
        "BOOLEAN": f"{value} = '1'",
        "DOUBLE": _double_from_text(value, name),
    }.get(target, strict_cast(value, target, name))
    if target in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
        restore = in_calendar(f"TRY_CAST({value} AS {target})", target, name, restore)
    if target in _SHAPES:
        condition = f"{column} IS NOT NULL AND NOT regexp_full_match({value}, '{_SHAPES[target]}')"
        zone = {"TIMESTAMP": " without an offset", "TIMESTAMPTZ": " with an offset"}.get(target, "")
        restore = complain(condition, name, f"is declared {declared} but holds text that is no {target}{zone}", restore)
    why = f"is declared {declared} but holds a value of another type"
    restore = complain(f"starts_with({column}, '!')", name, why, restore)
    return PlannedColumn(name, target, carrier, restore, "VARCHAR", guard=wrong)


# SQLite prints 20 exact digits only of numbers that are neither very large nor very small. Outside these bounds the
# number is first multiplied or divided by a power of two, which is exact; a letter behind the digits says which.
_LARGE, _SMALL = "1e200", "1e-200"
_POWER = 512
_POWER_IN_SQLITE = "(" + " * ".join(["4294967296.0"] * (_POWER // 32)) + ")"  # its parser reads 2**512 inexactly


def _double_as_text(source: str) -> str:
    size = f"abs({source})"
    return (
        f"CASE WHEN {source} IS NULL THEN NULL"
        f" WHEN {size} > {_LARGE} THEN printf('%!.20g', {source} / {_POWER_IN_SQLITE}) || 'u'"
        f" WHEN {size} < {_SMALL} THEN printf('%!.20g', {source} * {_POWER_IN_SQLITE}) || 'd'"
        f" ELSE printf('%!.20g', {source}) END"
    )


def _double_from_text(value: str, name: str) -> str:
    digits = strict_cast(f"rtrim({value}, 'ud')", "DOUBLE", name)
    power = repr(2.0**_POWER)
    return (
        f"CASE WHEN ends_with({value}, 'u') THEN ({digits}) * {power}::DOUBLE"
        f" WHEN ends_with({value}, 'd') THEN ({digits}) / {power}::DOUBLE ELSE {digits} END"
    )
