"""Asks PostgreSQL's catalogue, over a read-only connection, which columns and types a table or query has.

Belongs here: the session's settings, the plan of an extract, the count. Not here: moving rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.errors import SourceError
from etl.extras import install
from etl.source.catalogue import choose, missing, wrong_key
from etl.source.contract import ExtractRequest, Part, ReadPlan, Window
from etl.source.database_url import DatabaseUrl
from etl.source.kept import kept
from etl.source.postgres_types import WINDOW_KINDS, CatalogueType, planned
from etl.source.query import bind_query, part_predicate, query_binds, window_index, window_predicate
from etl.sql import literal, quote
from etl.suggest import hint

if TYPE_CHECKING:
    from psycopg import Connection

# a user's own type may have the name of a type of the server: its name is left empty, so that it is read as text
_TYPES = """
SELECT oid, CASE WHEN typnamespace = 'pg_catalog'::regnamespace THEN typname ELSE '' END,
       format_type(oid, NULL), typtype
FROM pg_type WHERE oid = ANY(%s)
"""
_RELATION = """
SELECT c.relkind = 'r', greatest(c.reltuples, 0)::bigint,
       (SELECT nspname::text FROM pg_namespace n WHERE n.oid = c.relnamespace),
       array(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND attndims > 1),
       array(SELECT attname::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE attrelid = c.oid AND attnum > 0 AND typtype = 'd'),
       coalesce((SELECT json_object_agg(attname::text, description) FROM pg_description d
                 JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
                 WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0), '{}')
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""

_SIZE = """
SELECT coalesce((SELECT sum(pg_table_size(relid)) FROM pg_partition_tree(oid)), pg_table_size(oid))::bigint
FROM to_regclass(%s) AS oid
"""


@dataclass(frozen=True)
class _Relation:
    """A table as the catalogue describes it. For a query all attributes keep their defaults."""

    ordinary: bool = False  # neither a view nor partitioned, so it has pages of its own
    rows: int = 0  # an estimate
    schema: str = ""
    nested: Sequence[str] = ()  # arrays of several dimensions
    domains: Sequence[str] = ()  # columns whose type is a domain: DuckDB's own reader reads them as text
    comments: Mapping[str, str] = field(default_factory=dict)  # what the catalogue says of the columns


@dataclass(frozen=True)
class _Bounds:
    """The window or part in the server's SQL and in DuckDB's (`page_`): as a condition, and as a row's window."""

    predicate: str = ""
    page_filter: str = ""
    window_index: str = ""
    page_index: str = ""


def connection_parts(url: DatabaseUrl, request: ExtractRequest | None = None) -> dict[str, str]:
    """Return libpq's parameters, with the password, for a read-only session with fixed formats and a time limit."""
    parts = url.libpq()
    settings = {
        "default_transaction_read_only": "on",
        "standard_conforming_strings": "on",
        "TimeZone": request.window.naive_timezone if request and request.window else "UTC",
        "DateStyle": "ISO",
        "IntervalStyle": "iso_8601",
        "bytea_output": "hex",
        "extra_float_digits": "3",
        "jit": "off",  # compiling takes a tenth of a second in each of the server's processes, and saves less
        "statement_timeout": str(int(((request and request.statement_timeout_seconds) or 0) * 1000)),
    }
    own = parts.pop("options", "")
    options = " ".join([own, *(f"-c {name}={value}" for name, value in settings.items())]).strip()
    defaults = {"connect_timeout": "15", "application_name": "etl"}
    return {**defaults, **parts, "client_encoding": "UTF8", "options": options}


@contextmanager
def connect(url: DatabaseUrl, request: ExtractRequest) -> "Iterator[Connection]":
    """Yield a psycopg connection whose statements all see one read-only snapshot, which begins now."""
    try:
        import psycopg  # noqa: PLC0415  an extra: `postgres`
    except ImportError:
        raise SourceError("reading PostgreSQL needs psycopg", install("postgres")) from None
    parts = connection_parts(url, request)

    def opened() -> "Connection":
        connection = psycopg.connect(**parts)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    def ended(connection: "Connection") -> bool:
        try:
            connection.rollback()
        except psycopg.Error:
            return False
        return True

    def alive(connection: "Connection") -> bool:
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return ended(connection)

    try:
        with kept(("psycopg", *parts.items()), opened, clean=ended, alive=alive) as connection:
            yield connection
    except psycopg.Error as error:
        raise SourceError(str(error)) from None


def plan(url: DatabaseUrl, request: ExtractRequest, *, only_text: bool = False) -> ReadPlan:
    """Ask the server which columns the table or query returns, and decide how each one is read."""
    with connect(url, request) as connection:
        relation = _relation(request)
        bounding = request.bounding
        wanted = _wanted(request, bounding.column if bounding else None)
        types = _describe(connection, request, relation, wanted)
        about = _about(connection, request, relation)
        chosen = choose(request, tuple(types))
        choose(request, tuple(types), request.sort_by)
        bounds = _Bounds()
        rows, by_pages = about.rows, about.ordinary and not request.sort_by and request.limit is None
        if bounding is not None:
            bounds = _bounds(connection, request, types, bounding)
            rows = _estimate(connection, f"SELECT 1 FROM {relation} WHERE {bounds.predicate}") if by_pages else 0
            by_pages = by_pages and bool(bounds.page_filter) and 2 * rows >= about.rows
    columns = []
    for index, name in enumerate(chosen):
        found = replace(types[name], dimensions=2) if name in about.nested else types[name]
        column = replace(planned(index, name, found, only_text=only_text), comment=about.comments.get(name, ""))
        columns.append(replace(column, as_is=False) if name in about.domains else column)
    order = ", ".join(quote("postgresql", each) for each in request.sort_by)
    return ReadPlan(
        tuple(columns),
        relation,
        bounds.predicate,
        order,
        found_schema=about.schema,
        by_pages=by_pages,
        page_filter=bounds.page_filter,
        estimated_rows=rows,
        windows=len(request.windows),
        window_index=bounds.window_index,
        page_index=bounds.page_index,
        limit=request.limit,
    )


def _bounds(
    connection: "Connection", request: ExtractRequest, types: Mapping[str, CatalogueType], window: Window | Part
) -> _Bounds:
    """Return the conditions in the server's SQL, and in DuckDB's SQL if both select the same rows."""
    choose(request, tuple(types), (window.column,))
    if isinstance(window, Part):  # the server compares as the column's type and collation do
        _check_keys(connection, request, window, types[window.column])
        return _Bounds(part_predicate("postgresql", quote("postgresql", window.column), window))
    kind = WINDOW_KINDS.get(types[window.column].name)
    if kind is None:
        raise SourceError(
            f"the date column `{window.column}` is a {types[window.column].display}, neither a date nor text",
            "use a `query` with :window_start and :window_end that converts it",
        )
    column = quote("postgresql", window.column)
    if kind == "text":  # text is compared by bytes: COLLATE says so in this SQL, and DuckDB has no way to pass it on
        column += ' COLLATE "C"'
    predicate, page_filter, index, page_index = window_predicate("postgresql", column, window, kind), "", "", ""
    if request.windows:
        index = window_index("postgresql", column, request.windows, kind)
    if kind != "text":
        page_filter = window_predicate("duckdb", column, window, kind)
        page_index = window_index("duckdb", column, request.windows, kind) if request.windows else ""
    return _Bounds(predicate, page_filter, index, page_index)


def _check_keys(connection: "Connection", request: ExtractRequest, part: Part, kind: CatalogueType) -> None:
    from psycopg import DataError  # noqa: PLC0415  an extra: `postgres`

    for key in part.wanted:
        try:
            connection.execute(f"SELECT CAST({literal('postgresql', key)} AS {kind.display})")
        except DataError:
            raise wrong_key(request, part, key, kind.display) from None


def _estimate(connection: "Connection", statement: str) -> int:
    """Return how many rows the server expects a statement to return."""
    (explained,) = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchone()
    return int(explained[0]["Plan"]["Plan Rows"])


def count(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return how many rows the request would read now."""
    counted = plan(url, request).count()
    with connect(url, request) as connection:
        return int(connection.execute(counted).fetchone()[0])


def size(url: DatabaseUrl, request: ExtractRequest) -> int:
    """Return about how many bytes the table takes, with its partitions; 0 for a query or a view."""
    if request.query is not None:
        return 0
    with connect(url, request) as connection:
        return int(connection.execute(_SIZE, (_relation(request),)).fetchone()[0] or 0)


def _relation(request: ExtractRequest) -> str:
    if request.query is None:
        parts = [each for each in (request.schema_name, request.table) if each is not None]
        return ".".join(quote("postgresql", each) for each in parts)
    # the session's time zone is the window's, so an instant also bounds a column without a time zone
    return f"({bind_query(request.query, query_binds('postgresql', request, 'instant'))}\n) AS q"


def _wanted(request: ExtractRequest, window_column: str | None) -> tuple[str, ...]:
    """Return the columns to ask for, each of them once; empty if all columns are read."""
    if not request.columns:
        return ()
    extra = (*request.sort_by, *((window_column,) if window_column else ()))
    return tuple(dict.fromkeys((*request.columns, *extra)))


def _describe(
    connection: "Connection", request: ExtractRequest, relation: str, wanted: tuple[str, ...]
) -> dict[str, CatalogueType]:
    from psycopg import errors  # noqa: PLC0415  an extra: `postgres`

    select = ", ".join(quote("postgresql", each) for each in wanted) or "*"
    try:
        cursor = connection.execute(f"SELECT {select} FROM {relation} LIMIT 0")
    except errors.UndefinedTable as error:
        connection.rollback()
        raise _no_table(connection, request, str(error)) from None
    except errors.UndefinedColumn as error:
        connection.rollback()
        raise _no_column(connection, request, relation, wanted, str(error)) from None
    result = cursor.pgresult
    found = [(column.name, column.type_code, result.fmod(i)) for i, column in enumerate(cursor.description)]
    if len({name for name, _, _ in found}) < len(found):
        raise SourceError("two columns of `query` have the same name", "give each a name with AS")
    oids = [oid for _, oid, _ in found]
    kinds = {oid: rest for oid, *rest in connection.execute(_TYPES, (oids,)).fetchall()}
    return {name: CatalogueType(kinds[oid][0], modifier, kinds[oid][1], kinds[oid][2]) for name, oid, modifier in found}


def _about(connection: "Connection", request: ExtractRequest, relation: str) -> _Relation:
    if request.query is not None:
        return _Relation()
    return _Relation(*connection.execute(_RELATION, (relation,)).fetchone())


def _no_table(connection: "Connection", request: ExtractRequest, message: str) -> SourceError:
    if request.query is not None:
        return SourceError(f"the query cannot be read: {message}", "correct the SQL")
    schema = request.schema_name
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = coalesce(%s, current_schema())"
    return missing(request, [row[0] for row in connection.execute(sql, (schema,)).fetchall()])


def _no_column(
    connection: "Connection", request: ExtractRequest, relation: str, wanted: tuple[str, ...], message: str
) -> SourceError:
    if not wanted:
        return SourceError(f"the query cannot be read: {message}", "correct the SQL")
    cursor = connection.execute(f"SELECT * FROM {relation} LIMIT 0")
    available = [column.name for column in cursor.description]
    absent = next((each for each in wanted if each not in available), wanted[0])
    return SourceError(f"{request.subject} has no column `{absent}`", hint(absent, available, "columns"))
