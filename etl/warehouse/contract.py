"""Loading a published object into a tenant's warehouse: what is asked, and what is answered.

Belongs here: the protocol and its models. Not here: which warehouse it is (`choice`), SQL (`transaction`, `upsert`,
`sql_warehouse`), connections (`duckdb`, `postgres`), where objects come from (`lake`).
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from etl.errors import WarehouseError
from etl.partitions.keys import column_value

if TYPE_CHECKING:
    import polars as pl  # a load needs none of it: 25 MB less in its process

Mode = Literal["replace_partition", "replace", "upsert", "append"]
SchemaChanges = Literal["fail", "evolve"]
Kind = Literal["", "table", "view", "materialized view", "foreign table"]

PARTITION_COLUMN = "etl_partition"
"""The technical column that says which partition a row of a partitioned pipeline belongs to."""
ROW_NUMBER = "etl_row_number"
"""Where a row stands in its object: the later of two rows that are otherwise equal in order wins an upsert."""
BATCH_ROWS = 65_536
"""How many rows of a result are read at a time."""
LOAD_COLUMN = "etl_load"
"""The technical column of a table that is loaded by `append`: the `seq` of the ledger's entry that brought the row."""
TECHNICAL_COLUMNS = frozenset({PARTITION_COLUMN, ROW_NUMBER, LOAD_COLUMN})
KEPT_SCHEMA = "etl_kept"
"""Where all rows of the objects that are loaded by `upsert` are kept, also those that lost their key to another one."""
_NAME_LIMIT = 63  # PostgreSQL cuts longer names off


@dataclass(frozen=True)
class RowsOf:
    """Some rows of a table that is loaded: those of a partition, those that a load by `append` brought, or all."""

    schema_name: str
    table: str
    partition: str | None = None
    load: int | None = None

    @property
    def where(self) -> str:
        """The condition for them."""
        if self.load is not None:
            return f"{LOAD_COLUMN} = {self.load}"
        return f"{PARTITION_COLUMN} = {column_value(self.partition)}" if self.partition else "TRUE"


@dataclass(frozen=True)
class CountedRows:
    """Rows of a table to be counted, by the values of `by`; `days`: only where its one column is in this range."""

    schema_name: str
    table: str
    by: tuple[str, ...] = ()
    days: tuple[str, str] | None = None


class WarehousePlace(BaseModel):
    """Which warehouse a tenant uses. Values are final: nothing is interpolated here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["duckdb", "postgres", "trino"] = "duckdb"
    url: SecretStr | None = None
    path: Path | None = None
    """Of a database file. Default: the tenant's own, in the data folder."""
    lock_dir: Path = Path()
    lock_seconds: float = 600.0


class ProfileValue(Protocol):
    """What a target of dbt's profiles.yml says under the first of these keys that it has; empty where it has none."""

    def __call__(self, *names: str) -> str:
        """The value, with the variables that dbt gets."""


class LoadRequest(BaseModel):
    """One object to be put into one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    partition: str | None
    cut_by: str | None = None
    """The column whose value the partition is, if its key is one of a list."""
    schema_name: str
    table: str
    mode: Mode = "replace_partition"
    key_columns: tuple[str, ...] = ()
    order_column: str | None = None
    version: str
    rows: int
    run_id: str
    schema_changes: SchemaChanges = "evolve"
    reload: bool = False
    """Load even where the table holds this very object."""

    @model_validator(mode="after")
    def _fits_its_mode(self) -> "LoadRequest":
        if self.mode == "replace" and self.partition:
            raise WarehouseError(
                f"{self.target} is to be loaded by `replace`, which leaves no room for other partitions",
                "use `mode: replace_partition`",
            )
        if self.mode == "upsert" and not self.key_columns:
            raise WarehouseError(
                f"{self.target} is to be loaded by `upsert` without key columns",
                "name them in `trino_output.key_columns`",
            )
        return self

    @property
    def target(self) -> str:
        """The table, for people."""
        return f"{self.schema_name}.{self.table}"

    @property
    def replaces_table(self) -> bool:
        """Whether the load leaves nothing of what the table held; so does all but `append` without partitions."""
        return self.mode != "append" and self.partition is None

    @property
    def rows_of_partition(self) -> str:
        """The condition for the rows of its partition in the table; without partitions all rows are."""
        return RowsOf(self.schema_name, self.table, self.partition).where

    @property
    def upsert_by(self) -> str | None:
        """What decides which row of a key wins, for the ledger: rows that another decision left are decided again."""
        return json.dumps([*self.key_columns, self.order_column]) if self.mode == "upsert" else None


class LoadReport(BaseModel):
    """The result of a load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows_loaded: int
    rows_before: int
    """The rows of this partition that stood in the table before; without partitions those of the whole table."""
    rows_after: int
    """The same afterwards. By `upsert` a row stands in the table only while no other partition holds its key later."""
    changed: bool
    """False if the table already held this object, or must not hold it."""
    reason: str = ""
    """Why an object was loaded again although the ledger names it, or why it was not loaded."""
    warnings: tuple[str, ...] = ()
    """Warnings about the table for people, although the load succeeded."""
    columns_added: tuple[str, ...] = ()


class LedgerEntry(BaseModel):
    """One load that was committed, together with its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    """Its number: of two entries of a table the larger one is the later. Rows of `append` carry it (`LOAD_COLUMN`)."""
    tenant: str
    pipeline: str
    schema_name: str
    table_name: str
    partition: str | None
    version: str
    """The version of the object that was loaded."""
    run_id: str
    rows: int
    """The rows of the object. By `upsert` without partitions the table holds fewer where a key stands in two rows."""
    mode: str
    created_table: bool
    loaded_at: datetime
    format: int = 1
    """1: written by a release that kept no digest and, by `upsert`, forgot the rows that lost their key."""
    digest: str | None = None
    """What `etl.warehouse.digest` says of the rows that were put in."""
    upsert_by: str | None = None
    """The keys and the order column by which an `upsert` was decided."""
    cut_by: str | None = None
    """The column whose value the partition is; None for a time, and where an earlier release loaded it."""


@dataclass(frozen=True)
class Column:
    """A column as the warehouse names its type."""

    name: str
    type: str


class WarehouseTable(BaseModel):
    """A table or view, as the warehouse describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    name: str
    kind: Kind
    columns: tuple[Column, ...]


class TableOwner(BaseModel):
    """Who loads a table, as the ledger says it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    schema_name: str
    table: str


class Loader(Protocol):
    """A table of a warehouse that one load has locked, so that no other load writes to the table."""

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Put the object (a local Parquet file: `Lake.local_copy`) into the table: one transaction with the ledger."""

    def set_aside(self) -> str:
        """Rename what stands under the table's name, whoever made it; gives the new name, empty if nothing is there."""


class Warehouse(Protocol):
    """Where a tenant's audited rows end. No connection is held between calls, so that others can work."""

    def writing(self, schema: str, table: str, run_id: str) -> AbstractContextManager[Loader]:
        """Lock a table until the block ends. The published object is looked up inside, so it is the newest."""

    def exclusive(self, run_id: str) -> AbstractContextManager[object]:
        """The lock under which something else writes (dbt). Does nothing where a database has many writers."""

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads of this tenant, oldest first."""

    def owners(self, schemas: Collection[str]) -> tuple[TableOwner, ...]:
        """Who loads tables of these schemas, of all tenants that the ledger knows."""

    def describe(self, schemas: Collection[str]) -> tuple[WarehouseTable, ...]:
        """The tables and views of these schemas."""

    def counts(self, wanted: Sequence[CountedRows]) -> list[dict[tuple[object, ...], int]]:
        """How many rows there are, by the values of some columns."""

    def rows_of(self, rows: RowsOf, columns: Sequence[str]) -> "Iterator[pl.DataFrame]":
        """Some columns of some rows, in parts: they may be more than the memory holds."""

    def holds(self, digests: Mapping[RowsOf, str | None]) -> dict[RowsOf, bool | None]:
        """For each of these rows whether they are those of their digest of the ledger; None where nobody can say."""

    def made_columns(self, path: Path) -> dict[str, tuple[str, ...]]:
        """The columns that a load makes of an object, each with the names that its type has here."""

    def made_types(self, kind: str) -> tuple[str, ...]:
        """The type that a load makes of DuckDB's type of a column; another name of it may follow."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """The result of a read-only statement that a person or a test wrote."""

    def relation(self, schema: str, table: str) -> str:
        """A table's whole name for `query`: a schema may be called like the database, and half a name is ambiguous."""


def kept_table(schema: str, table: str) -> str:
    """The table in `KEPT_SCHEMA` with every row of the objects that a table is made of by `upsert`.

    It has the table's columns, `PARTITION_COLUMN` and `ROW_NUMBER`. The table itself holds of each key the row that is
    last by its order column (none: nulls first), then by its partition, then by its row number.
    """
    name = f"{schema}.{table}"
    if "." not in schema + table and len(name.encode()) <= _NAME_LIMIT:
        return name
    digest = hashlib.sha256(f"{len(schema)} {name}".encode()).hexdigest()[:24]
    return f"{name.encode()[: _NAME_LIMIT - 25].decode(errors='ignore')}_{digest}"
