"""An open transaction of a warehouse, as the steps of a load see it: the little in which the databases differ.

Belongs here: the protocol, and quoting a name. Not here: the steps (`transaction`, `upsert`), the connections
(`duckdb`, `postgres`).
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from etl.warehouse.contract import Column, Kind

if TYPE_CHECKING:
    import polars as pl


class Session(Protocol):
    """An open transaction of a database, and the object's rows in it."""

    incoming: str
    """The relation that holds the object's rows, ready for SQL; with `ROW_NUMBER` where the mode is `upsert`."""
    temporary: str
    """What stands behind `CREATE TEMP TABLE name`, so that the table ends with the load."""
    algorithm: str
    """How this database hashes a row: another name, and an older digest says nothing."""
    binary: str
    """What stands behind a text column to order it by its bytes, whatever the database's own order is."""

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; gives the number of rows it changed. Parameters are written `?`."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query."""

    def frames(self, sql: str) -> "Iterator[pl.DataFrame]":
        """The result of a query, `BATCH_ROWS` rows at a time."""

    def described(self, schemas: Collection[str]) -> list[tuple[str, str, Kind, str, str]]:
        """Schema, name, kind, column and type of every column of the tables and views in these schemas, in order."""

    def incoming_columns(self) -> list[Column]:
        """The object's columns in this database's types."""

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """A table's columns; none where there is no such table."""

    def kind(self, schema: str, name: str) -> Kind:
        """What stands under a name: nothing, a table, or something else that can be read like one."""

    def relation(self, schema: str, table: str) -> str:
        """A table's whole name, as SQL writes it."""

    def is_called(self, column: str) -> str:
        """The condition that a column with a schema's or a table's name is the parameter `?`."""

    def ensure_schema(self, name: str) -> None:
        """Create a schema where there is none."""

    def ensure_index(self, schema: str, table: str, columns: str, where: str = "") -> None:
        """Create an index over these columns where there is none and the database needs one."""

    def row_hash(self, columns: Sequence[str]) -> str:
        """The expression for the hash of one row: a number whose sum does not overflow. The columns are quoted."""
