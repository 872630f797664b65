"""A connection to PostgreSQL with the methods that `transaction` and the care of tables need.

Belongs here: PostgreSQL's SQL for one statement at a time, and its catalogue. Not here: connecting, the lock, the
staging table (`postgres`), a load (`transaction`).
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from etl.warehouse.contract import BATCH_ROWS, ROW_NUMBER, Column, Kind
from etl.warehouse.identifier import quoted
from etl.warehouse.schema_change import NO_TYPE

if TYPE_CHECKING:
    import polars as pl
    from psycopg import Connection

_COLUMNS = """
SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_DESCRIBED = """
SELECT nspname::text, relname::text, relkind::text, attname::text, format_type(atttypid, atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute ON attrelid = c.oid
WHERE relkind = ANY(%s) AND lower(nspname) = ANY(%s) AND attnum > 0 AND NOT attisdropped
ORDER BY nspname, relname, attnum
"""
_KIND = "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)"
_KINDS: dict[str, Kind] = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}
_INDEXES = "SELECT 1 FROM pg_indexes WHERE schemaname = %s AND tablename = %s AND indexdef LIKE %s"


class PostgresSession:
    """A connection with the methods that `transaction` needs. The object's rows are in a staging table."""

    temporary = "ON COMMIT DROP"
    algorithm = "postgres-hashtextextended"
    binary = 'COLLATE "C"'
    retypes = True

    def __init__(self, connection: "Connection", incoming: str = "", untyped: frozenset[str] = frozenset()) -> None:
        self._connection = connection
        self.incoming = incoming
        self._untyped = untyped

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""
        return max(0, int(self._execute(sql, parameters).rowcount))

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return list(self._execute(sql, parameters).fetchall())

    def frames(self, sql: str) -> "Iterator[pl.DataFrame]":
        """Read through a server-side cursor."""
        import polars as pl  # noqa: PLC0415  a load does not need it

        with self._connection.cursor(name="etl_batches") as cursor:
            cursor.execute(sql.encode())
            names = [each.name for each in cursor.description or ()]
            while rows := cursor.fetchmany(BATCH_ROWS):
                yield pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)

    def described(self, schemas: Collection[str]) -> list[tuple[str, str, Kind, str, str]]:
        """Return schema, table, kind, column and type of everything in some schemas."""
        found = self._connection.execute(_DESCRIBED, [list(_KINDS), [each.lower() for each in schemas]]).fetchall()
        return [(schema, table, _KINDS[kind], *rest) for schema, table, kind, *rest in found]

    def incoming_columns(self) -> list[Column]:
        """Return the columns of the object's rows."""
        rows = self._connection.execute(_COLUMNS, [self.incoming]).fetchall()
        return [Column(name, NO_TYPE if name in self._untyped else kind) for name, kind in rows if name != ROW_NUMBER]

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """Return the columns of a table."""
        rows = self._connection.execute(_COLUMNS, [relation_of(schema, table)]).fetchall()
        return [Column(name, kind) for name, kind in rows]

    def kind(self, schema: str, name: str) -> Kind:
        """Return what a name stands for; empty if there is nothing."""
        found = self._connection.execute(_KIND, [relation_of(schema, name)]).fetchone()
        return _KINDS.get(str(found[0]), "view") if found else ""

    def relation(self, schema: str, table: str) -> str:
        """Return the name of a table in SQL."""
        return relation_of(schema, table)

    def is_called(self, column: str) -> str:
        """Return the condition that a column of names has the name of a parameter."""
        return f"{column} = ?"

    def ensure_schema(self, name: str) -> None:
        """Create a schema if it is missing."""
        ensure_schema(self._connection, name)

    def ensure_index(self, schema: str, table: str, columns: str, where: str = "") -> None:
        """Create an index if the table has none like it."""
        rest = f"({columns})" + (f" WHERE {where}" if where else "")
        known = self._connection.execute(_INDEXES, [schema, table, f"% {rest}"]).fetchone()
        if not known:
            self._connection.execute(f"CREATE INDEX ON {relation_of(schema, table)} {rest}".encode())

    def rows_hash(self, columns: Sequence[Column]) -> str:
        """Hash the rows' texts, because `hash_record` does not support JSON."""
        row = f"CAST(ROW({', '.join(quoted(each.name) for each in columns)}) AS text) {self.binary}"
        return f"coalesce(sum(hashtextextended({row}, 0)::numeric), 0)"

    def _execute(self, sql: str, parameters: Sequence[object]) -> Any:  # noqa: ANN401  a cursor of an optional library
        """Run a statement. Those with parameters contain no names of a tenant, so every `?` in them is a parameter."""
        if parameters:
            return self._connection.execute(sql.replace("?", "%s").encode(), list(parameters))
        return self._connection.execute(sql.encode())


def relation_of(schema: str, table: str) -> str:
    """Return the name of a table with that of its schema, quoted."""
    return f"{quoted(schema)}.{quoted(table)}"


def ensure_schema(connection: "Connection", name: str) -> None:
    """Create a schema if it is missing. CREATE SCHEMA IF NOT EXISTS would need a privilege even for an existing one."""
    if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [name]).fetchone():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}".encode())
