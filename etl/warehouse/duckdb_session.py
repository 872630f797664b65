"""A connection to a DuckDB file with the methods that `transaction` and the care of tables need.

Belongs here: DuckDB's SQL for one statement at a time, and its catalogue. Not here: opening the file, the lock
(`duckdb`), a load (`transaction`).
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from etl.warehouse.contract import BATCH_ROWS, ROW_NUMBER, Column, Kind
from etl.warehouse.identifier import quoted, value_of, with_values
from etl.warehouse.schema_change import NO_TYPE

if TYPE_CHECKING:
    import polars as pl


class DuckDBSession:
    """A connection with the methods that `transaction` needs. The object's rows are a view."""

    incoming = "etl_incoming"
    temporary = ""
    algorithm = f"duckdb-{duckdb.__version__}"
    binary = 'COLLATE "C"'
    retypes = True

    def __init__(self, connection: duckdb.DuckDBPyConnection, untyped: frozenset[str] = frozenset()) -> None:
        self.connection = connection
        self._untyped = untyped
        self._catalog = str(connection.execute("SELECT current_database()").fetchall()[0][0])

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return the number of rows it changed."""
        rows = self.rows(sql, parameters)
        return int(rows[0][0]) if rows else 0

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query. Values become literals, because the first bound parameter imports pandas: 0.2 s and 40 MB."""
        return self.connection.execute(with_values(sql, parameters)).fetchall()

    def frames(self, sql: str) -> "Iterator[pl.DataFrame]":
        """Run a query and return its rows in frames of `BATCH_ROWS` rows."""
        import polars as pl  # noqa: PLC0415  a load does not need it

        for batch in self.connection.execute(sql).to_arrow_reader(BATCH_ROWS):
            yield pl.DataFrame(batch)

    def described(self, schemas: Collection[str]) -> list[tuple[str, str, Kind, str, str]]:
        """Return the columns of the tables and views in these schemas."""
        wanted = ", ".join(value_of(each.lower()) for each in schemas)
        found = self.rows(
            "SELECT table_schema, table_name, table_type, column_name, data_type FROM information_schema.tables"
            " JOIN information_schema.columns USING (table_catalog, table_schema, table_name)"
            f" WHERE table_catalog = {value_of(self._catalog)} AND lower(table_schema) IN ({wanted or 'NULL'})"
            " ORDER BY table_schema, table_name, ordinal_position"
        )
        return [(schema, table, "view" if kind == "VIEW" else "table", *rest) for schema, table, kind, *rest in found]

    def incoming_columns(self) -> list[Column]:
        """Return the object's columns."""
        rows = self.rows(f"DESCRIBE {self.incoming}")
        return [
            Column(name, NO_TYPE if name in self._untyped else kind) for name, kind, *_ in rows if name != ROW_NUMBER
        ]

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """Return a table's columns; an empty list if there is no such table."""
        if self.kind(schema, table) != "table":
            return []
        return [Column(name, kind) for name, kind, *_ in self.rows(f"DESCRIBE {self.relation(schema, table)}")]

    def kind(self, schema: str, name: str) -> Kind:
        """Return the kind of the table or view with this name; empty if there is none."""
        of = f"database_name = {value_of(self._catalog)} AND {self.is_called('schema_name')}"
        found = self.rows(
            f"SELECT 'table' FROM duckdb_tables() WHERE {of} AND {self.is_called('table_name')}"
            f" UNION ALL SELECT 'view' FROM duckdb_views() WHERE {of} AND {self.is_called('view_name')}",
            [schema, name, schema, name],
        )
        return found[0][0] if found else ""

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name in SQL."""
        return relation_in(self._catalog, schema, table)

    def is_called(self, column: str) -> str:
        """Return the condition that compares a column of names with the parameter `?`."""
        return f"lower({column}) = lower(?)"

    def ensure_schema(self, name: str) -> None:
        """Create the schema if it does not exist."""
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(self._catalog)}.{quoted(name)}")

    def ensure_index(self, schema: str, table: str, columns: str, where: str = "") -> None:
        """Do nothing: DuckDB keeps each block's smallest and largest values, and rows of a load lie in a few blocks."""

    def rows_hash(self, columns: Sequence[Column]) -> str:
        """Return the sum of the rows' hashes."""
        return f"coalesce(sum(hash({', '.join(quoted(each.name) for each in columns)})::HUGEINT), 0)"


def relation_in(database: str, schema: str, table: str) -> str:
    """Return the name of a table with those of its database and its schema, quoted."""
    return f"{quoted(database)}.{quoted(schema)}.{quoted(table)}"
