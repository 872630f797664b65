"""Reads PostgreSQL with DuckDB's extension, or with a cursor if the extension is not installed.

Belongs here: choosing between the two, and describing all tables. Not here: the plan of one request
(`postgres_catalogue`), types (`postgres_types`), reading with the extension (`postgres_duckdb`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from etl.source import postgres_duckdb
from etl.source.contract import CatalogueTable, ExtractRequest, Login, Progress, ReadResult
from etl.source.database_url import DatabaseUrl
from etl.source.postgres_catalogue import connection_parts, count, plan, size
from etl.source.writer import extension_path

__all__ = ["count", "describe", "login", "plan", "read", "size", "timezone"]

_SCHEMAS = """
SELECT nspname::text FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE')
"""
_TYPES = """
SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped
"""
# reltuples is -1 for a table that was never analyzed, and the sum of its partitions for a partitioned table
_ROWS = """
SELECT n.nspname::text, c.relname::text, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm')
"""
_PARTITIONS = """
SELECT n.nspname::text, c.relname::text, p.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_inherits i ON i.inhrelid = c.oid JOIN pg_class p ON p.oid = i.inhparent WHERE c.relispartition
"""


def login(url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:
    """Return a read-only session with its settings."""
    session = connection_parts(url, request)
    arguments = {key: session[key] for key in ("options", "client_encoding", "application_name")}
    return Login(replace(url, driver="psycopg"), arguments, keep=True)  # a rollback undoes a query's settings too


def describe(url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
    """Describe the tables and views of every schema that the user may use, except the server's own schemas."""
    from etl.source.inspection import described  # noqa: PLC0415  heavy, see `reading`
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see `reading`

    with connected(login(url)) as connection:
        schemas = [row[0] for row in connection.exec_driver_sql(_SCHEMAS)]
        types, rows = connection.exec_driver_sql(_TYPES), connection.exec_driver_sql(_ROWS)
        found = described(connection, schemas, types, rows)
        parents = {(schema, name): parent for schema, name, parent in connection.exec_driver_sql(_PARTITIONS)}
    return tuple(
        each.model_copy(update={"partition_of": parents.get((each.schema_name, each.name), "")}) for each in found
    )


def timezone(url: DatabaseUrl) -> str:
    """Return the zone of the server, or the one that the database or the role sets."""
    from etl.source.sqlalchemy_cursor import connected  # noqa: PLC0415  heavy, see `reading`

    own = login(url)
    # The session of an extract sets the zone itself, and would be told that zone.
    options = re.sub(r"-c TimeZone=\S+", "", str(own.connect_args["options"]))
    with connected(replace(own, connect_args={**own.connect_args, "options": options})) as connection:
        return str(connection.exec_driver_sql("SHOW TimeZone").scalar_one())


def read(
    url: DatabaseUrl, request: ExtractRequest, path: Path, footer: Mapping[str, str], on_progress: Progress | None
) -> ReadResult:
    """Stream the request's rows into the file. A large table is read in slices of pages, others by one statement."""
    extension = extension_path("postgres_scanner")
    if extension is not None:
        made = plan(url, request)
        large = request.mode == "fast" or made.estimated_rows >= postgres_duckdb.LARGE
        pages = large and postgres_duckdb.by_pages(made)
        postgres_duckdb.extract(url, request, made, path, footer, extension, pages=pages)
        return ReadResult(postgres_duckdb.NAME_PAGES if pages else postgres_duckdb.NAME_QUERY, made)
    from etl.source import sqlalchemy_cursor  # noqa: PLC0415  heavy, see `reading`

    made = plan(url, request, only_text=True)
    statement = sqlalchemy_cursor.escaped(made.select())
    sqlalchemy_cursor.stream(login(url, request), statement, made, path, footer, on_progress=on_progress)
    return ReadResult(sqlalchemy_cursor.NAME, made)
