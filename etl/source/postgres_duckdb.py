"""Reads PostgreSQL through DuckDB's extension, the way that takes the least time and memory.

Belongs here: attaching the database, and the two ways of reading: slices of pages in parallel from one snapshot, or one
statement on one connection. Not here: types (`postgres_types`), the catalogue (`postgres_catalogue`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import duckdb

from etl.faults import reach
from etl.source.contract import ExtractRequest, ReadPlan
from etl.source.database_url import DatabaseUrl, conninfo
from etl.source.postgres_catalogue import connection_parts
from etl.source.writer import refusal, write_rows, writing_engine
from etl.sql import literal, quote

NAME_PAGES = "postgres_duckdb_pages"
NAME_QUERY = "postgres_duckdb_query"
PAGE_READERS = 2  # connections and threads that share the pages of a table
LARGE = 500_000  # rows from which reading by pages in parallel beats one statement


def by_pages(plan: ReadPlan) -> bool:
    """Whether the plan allows reading by pages, and DuckDB's own reader keeps the values of every column."""
    return plan.by_pages and all(each.as_is for each in plan.columns)


def extract(
    url: DatabaseUrl,
    request: ExtractRequest,
    plan: ReadPlan,
    path: Path,
    footer: Mapping[str, str],
    extension: Path,
    *,
    pages: bool,
) -> None:
    """Stream the rows into the file, all from one snapshot."""
    parts = connection_parts(url, request)

    @contextmanager
    def rows() -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        engine = writing_engine(
            path,
            len(plan.columns),
            extension=extension,
            threads=PAGE_READERS if pages else 1,
            attach=partial(_attach, parts=parts),
            attached=("postgres", *parts.items()),
        )
        with engine as connection, _transaction(connection):
            connection.execute("CALL pg_clear_cache()")  # the columns may have changed since the partition before
            reach("extract.connected")
            yield connection, _pages(connection, plan, request) if pages else _statement(plan)

    write_rows(rows, plan.columns, path, footer, windows=len(request.windows))


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Read in one transaction, and roll it back here: DuckDB's destructor aborts the process on a lost connection."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # the connection may be gone, and then so is the transaction
            connection.execute("ROLLBACK")


def _attach(connection: duckdb.DuckDBPyConnection, parts: Mapping[str, str]) -> None:
    """Attach the database. The password is given as a DuckDB secret, so that no error can quote it from a statement."""
    parts = dict(parts)
    password = parts.pop("password", "")
    secret = f", PASSWORD {literal('duckdb', password)}" if password else ""
    connection.execute(f"CREATE TEMPORARY SECRET source_login (TYPE postgres{secret})")
    login = literal("duckdb", conninfo(parts))
    connection.execute(f"ATTACH {login} AS source (TYPE postgres, READ_ONLY, SECRET source_login)")


def _statement(plan: ReadPlan) -> str:
    return f"postgres_query('source', {literal('duckdb', plan.select())})"


def _pages(connection: duckdb.DuckDBPyConnection, plan: ReadPlan, request: ExtractRequest) -> str:
    """Return the attached table as SQL, after a query that makes sure that the extension changes none of its values."""
    guards = [each for each in plan.columns if each.guard]
    if guards:
        counts = ", ".join(f"count(*) FILTER (WHERE {each.guard}) AS g{index}" for index, each in enumerate(guards))
        anywhere = " OR ".join(each.guard for each in guards)
        within = f" AND {plan.predicate}" if plan.predicate else ""
        sql = f"SELECT {counts} FROM {plan.relation} WHERE ({anywhere}){within}"
        found = connection.execute(f"FROM postgres_query('source', {literal('duckdb', sql)})").fetchone() or ()
        for column, rows in zip(guards, found, strict=True):
            if rows:
                raise refusal(column.name, f"holds NaN, which {column.target} cannot hold", f"{rows} rows")
    columns = ", ".join(f"{quote('duckdb', each.name)} AS c{i}" for i, each in enumerate(plan.columns))
    columns += f", {plan.page_index} AS k" if plan.page_index else ""
    table = f"source.{quote('duckdb', plan.found_schema)}.{quote('duckdb', str(request.table))}"
    return f"(SELECT {columns} FROM {table}" + (f" WHERE {plan.page_filter})" if plan.page_filter else ")")
