"""The protocol of an open transaction: the few operations of a load that differ between the databases.

Belongs here: the protocol. Not here: the steps of a load (`transaction`, `upsert`), the connections
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
    """The relation with the object's rows, as SQL; it has the column `ROW_NUMBER` if the mode is `upsert`."""
    temporary: str
    """The text behind `CREATE TEMP TABLE name` that drops the table at the end of the load."""
    binary: str
    """The text behind a text column that orders it by its bytes instead of the database's own order."""
    retypes: bool
    """Whether ALTER TABLE can give a column any other type."""

    @property
    def algorithm(self) -> str:
        """The name of the database's hash. Digests with another name cannot be compared."""

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement and return the number of rows it changed. Parameters are written `?`."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""

    def frames(self, sql: str) -> "Iterator[pl.DataFrame]":
        """Run a query and return its rows in frames of `BATCH_ROWS` rows."""

    def described(self, schemas: Collection[str]) -> list[tuple[str, str, Kind, str, str]]:
        """Return schema, name, kind, column and type of every column of the tables and views in these schemas."""

    def incoming_columns(self) -> list[Column]:
        """Return the object's columns with this database's types."""

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """Return a table's columns; an empty list if there is no such table."""

    def kind(self, schema: str, name: str) -> Kind:
        """Return the kind of the table or view with this name; empty if there is none."""

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name in SQL."""

    def is_called(self, column: str) -> str:
        """Return the condition that compares a column of names with the parameter `?`."""

    def ensure_schema(self, name: str) -> None:
        """Create the schema if it does not exist."""

    def ensure_index(self, schema: str, table: str, columns: str, where: str = "") -> None:
        """Create an index over these columns if it does not exist and the database needs one."""

    def rows_hash(self, columns: Sequence[Column]) -> str:
        """Return the aggregate that hashes rows in any order, and counts equal ones."""
