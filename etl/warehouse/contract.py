"""The protocol of a warehouse, and the models of its requests and answers.

Belongs here: the protocol and its models. Not here: choosing the warehouse (`choice`), SQL (`transaction`, `upsert`,
`sql_warehouse`), connections (`duckdb`, `postgres`), where objects come from (`lake`).
"""

import hashlib
import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from etl.errors import WarehouseError
from etl.partitions.keys import column_value, kind_of

if TYPE_CHECKING:
    import polars as pl  # a load does not need Polars, and saves 25 MB of memory without it

Mode = Literal["replace_partition", "replace", "upsert", "append"]
SchemaChanges = Literal["fail", "evolve"]
Kind = Literal["", "table", "view", "materialized view", "foreign table"]

PARTITION_COLUMN = "etl_partition"
"""The technical column with the partition of each row of a partitioned pipeline."""
ROW_NUMBER = "etl_row_number"
"""The technical column with a row's position in its object. By `upsert`, of two equal rows the later one is kept."""
BATCH_ROWS = 65_536
"""The number of rows of a result that are read at once."""
LOAD_COLUMN = "etl_load"
"""The technical column of a table loaded by `append`: the `seq` of the ledger's entry whose load inserted the row."""
TECHNICAL_COLUMNS = frozenset({PARTITION_COLUMN, ROW_NUMBER, LOAD_COLUMN})
KEPT_SCHEMA = "etl_kept"
"""The schema that keeps all rows of objects loaded by `upsert`, also those that another row with the same key hides."""
_NAME_LIMIT = 63  # bytes; PostgreSQL cuts longer names


@dataclass(frozen=True)
class RowsOf:
    """Names some rows of a loaded table: those of a partition, those that one load by `append` inserted, or all."""

    schema_name: str
    table: str
    partition: str | None = None
    load: int | None = None

    @property
    def where(self) -> str:
        """The SQL condition for these rows."""
        if self.load is not None:
            return f"{LOAD_COLUMN} = {self.load}"
        return f"{PARTITION_COLUMN} = {column_value(self.partition)}" if self.partition else "TRUE"


@dataclass(frozen=True)
class CountedRows:
    """Rows of a table to count, grouped by `by`. With `days`, only rows whose one `by` column is in this range."""

    schema_name: str
    table: str
    by: tuple[str, ...] = ()
    days: tuple[str, str] | None = None


@dataclass(frozen=True)
class ObjectRows:
    """Names rows of an object, which is a local Parquet file: all, or those at some positions."""

    path: Path
    positions: "pl.LazyFrame | None" = None
    """The chosen rows' positions in the object, from 0 on, as the column `ROW_NUMBER`."""


class TrinoPlace(BaseModel):
    """A Trino with one of its catalogs, and where PyIceberg finds the tables of this catalog."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int = 8080
    scheme: Literal["http", "https"] = "http"
    user: str = "etl"
    password: SecretStr | None = None
    catalog: str = "iceberg"
    iceberg: Mapping[str, SecretStr] = {}
    """The properties of PyIceberg's catalog. `name` is its name, if it is not the name of Trino's catalog."""


class WarehousePlace(BaseModel):
    """The warehouse that a tenant uses. The values contain no `${...}` any more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["duckdb", "postgres", "trino"] = "duckdb"
    url: SecretStr | None = None
    trino: TrinoPlace | None = None
    path: Path | None = None
    """The database file. Default: a file of the tenant's own in the data folder."""
    lock_dir: Path = Path()
    lock_seconds: float = 600.0


class ProfileValue(Protocol):
    """Reads a target of dbt's profiles.yml: the value of the first of these keys that it has; empty if it has none."""

    def __call__(self, *names: str) -> str:
        """Return the value. Its variables are replaced by the values that dbt gets."""


class LoadRequest(BaseModel):
    """The request to load one object into one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    partition: str | None
    cut_by: str | None = None
    """The column whose value is the partition's key, for partitions with a list of keys."""
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
    """Load the object even if the table already holds it."""

    @model_validator(mode="after")
    def _fits_its_mode(self) -> "LoadRequest":
        if self.mode == "replace" and self.partition:
            raise WarehouseError(
                f"{self.target} is to be loaded by `replace`, which would remove all other partitions",
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
        """The table's name for messages."""
        return f"{self.schema_name}.{self.table}"

    @property
    def reload_command(self) -> str:
        """The command that loads the object even if the table already holds it."""
        key = self.partition
        which = f" --partition {shlex.quote(key)}" if key and kind_of(key) == "static" else ""
        if key and not which:
            which = f" --from {key} --to {key}"
        return f"`etl run {self.tenant} --pipeline {self.pipeline} --stage load{which} --reload`"

    @property
    def replaces_table(self) -> bool:
        """Whether the load replaces all rows of the table: without partitions every mode except `append` does."""
        return self.mode != "append" and self.partition is None

    @property
    def rows_of_partition(self) -> str:
        """The SQL condition for the rows of the partition in the table; without partitions it is true for all rows."""
        return RowsOf(self.schema_name, self.table, self.partition).where

    @property
    def upsert_by(self) -> str | None:
        """The key and order columns as the ledger stores them. If they change, the rows are compared again."""
        return json.dumps([*self.key_columns, self.order_column]) if self.mode == "upsert" else None


class Answer(NamedTuple):
    """What a warehouse that was tried out has answered."""

    words: str
    seconds_ahead: float | None = None
    """By how much its clock is ahead of this machine's; None for a file."""


class LoadReport(BaseModel):
    """The result of a load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows_loaded: int
    rows_before: int
    """The number of rows of this partition, or of a table without partitions, before the load."""
    rows_after: int
    """The number after the load. By `upsert` it does not count rows whose key has a later row in another partition."""
    changed: bool
    """False if the table already held this object, or must not hold it."""
    reason: str = ""
    """The reason why an object was loaded again although the ledger has it, or why it was not loaded."""
    warnings: tuple[str, ...] = ()
    """Warnings about the table. The load succeeded nevertheless."""
    columns_added: tuple[str, ...] = ()


class LedgerEntry(BaseModel):
    """One load that was committed, together with its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    """The entry's number; later entries have larger ones. Rows loaded by `append` have it in `LOAD_COLUMN`."""
    tenant: str
    pipeline: str
    schema_name: str
    table_name: str
    partition: str | None
    version: str
    """The version of the object that was loaded."""
    run_id: str
    rows: int
    """The object's number of rows. After an `upsert` the table holds fewer if two rows have the same key."""
    mode: str
    created_table: bool
    loaded_at: datetime
    format: int = 1
    """1: written by a release that stored no digest and did not keep the rows that an `upsert` hides."""
    digest: str | None = None
    """The digest of the inserted rows, made by `etl.warehouse.digest`."""
    upsert_by: str | None = None
    """The key and order columns of an `upsert`."""
    cut_by: str | None = None
    """The column whose value is the partition's key; None for partitions by time and for loads of older releases."""


@dataclass(frozen=True)
class Column:
    """A column, with its type as the warehouse writes it."""

    name: str
    type: str


class WarehouseTable(BaseModel):
    """A table or view as the warehouse describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str
    name: str
    kind: Kind
    columns: tuple[Column, ...]


class TableOwner(BaseModel):
    """The tenant and the pipeline that load a table, according to the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    schema_name: str
    table: str


SHORTEST_AGE = timedelta(days=1)
"""No care removes what is younger. It is longer than any load may run: a load reads the snapshot with which it began,
and its file lies below the table's folder before its commit names the file."""


class CareRequest(BaseModel):
    """The request to care for all tables of a tenant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    dry_run: bool = False
    """Say what would be done, and do nothing."""
    rewrite: bool = False
    """Write the file again without its free part, instead of a checkpoint (DuckDB); or each table (PostgreSQL)."""
    older_than: timedelta | None = None
    """On a Trino, the age at which old snapshots and files without a snapshot are removed. Default: 7 days."""

    @model_validator(mode="after")
    def _is_long_enough(self) -> "CareRequest":
        if self.older_than is not None and self.older_than < SHORTEST_AGE:
            raise WarehouseError(
                "a load that runs may need files that are younger than one day",
                "give one day or more: the default is 7",
            )
        return self


@dataclass
class Care:
    """What was done for one table, or in DuckDB for the file. It is filled while the table is cared for."""

    table: str
    done: list[str] = field(default_factory=list)
    """What was done, or what would be done; empty if nothing was necessary."""
    before: Mapping[str, int] = field(default_factory=dict)
    """The table's size by measure, such as `bytes` and `snapshots`."""
    after: Mapping[str, int] = field(default_factory=dict)
    left_alone: str = ""
    """The reason, if the table is not one to care for."""
    error: WarehouseError | None = None
    """The reason, if the table could not be cared for, or only in part."""


class Loader(Protocol):
    """A table of a warehouse that one load has locked, so that no other load writes to the table."""

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Load the object (a local Parquet file: `Lake.local_copy`) and write its ledger entry, in one transaction."""

    def set_aside(self) -> str:
        """Rename the table or view, whoever created it. Returns the new name; empty if there is none."""


class Warehouse(Protocol):
    """A tenant's warehouse. No connection stays open between calls outside `kept_open`: other processes can open it."""

    def writing(self, schema: str, table: str, run_id: str) -> AbstractContextManager[Loader]:
        """Lock a table until the block ends. Look the published object up inside, so that it is the newest."""

    def exclusive(self, run_id: str) -> AbstractContextManager[object]:
        """Hold the lock that dbt needs for writing. Does nothing for a database that allows several writers."""

    def kept_open(self) -> AbstractContextManager[None]:
        """Within the block, methods that only read, and follow each other, share a connection for two seconds."""

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads of this tenant, oldest first."""

    def owners(self, schemas: Collection[str]) -> tuple[TableOwner, ...]:
        """Return who loads the tables of these schemas, for all tenants in the ledger."""

    def describe(self, schemas: Collection[str]) -> tuple[WarehouseTable, ...]:
        """Return the tables and views of these schemas."""

    def counts(self, wanted: Sequence[CountedRows]) -> list[dict[tuple[object, ...], int]]:
        """Count rows, grouped by the values of some columns."""

    def rows_of(self, rows: RowsOf, columns: Sequence[str]) -> "Iterator[pl.DataFrame]":
        """Return some columns of some rows in several frames, because all of them may not fit into memory."""

    def holds(self, digests: Mapping[RowsOf, str | None]) -> dict[RowsOf, bool | None]:
        """Compare rows with their digests from the ledger: True if they are equal, None if they cannot be compared."""

    def lost_entries(self, schema: str, table: str) -> tuple[int, ...]:
        """Return the numbers of entries about a table that the ledger has lost, so that a load refuses the table.

        Only a warehouse that commits rows and entries apart can tell.
        """

    def equal_rows(self, wanted: Mapping[RowsOf, ObjectRows]) -> frozenset[RowsOf]:
        """Return the rows of which the warehouse has found out by itself that they equal the rows of their objects.

        Whether the other rows are equal is not known: read them. Only Trino compares rows by itself.
        """

    def made_columns(self, path: Path) -> dict[str, tuple[str, ...]]:
        """Return the columns that a load makes from an object, each with all names of its type in this warehouse."""

    def made_types(self, kind: str) -> tuple[str, ...]:
        """Return the type that a load makes from a DuckDB type, with a second name if it has one."""

    def care(self, asked: CareRequest) -> Iterator[Care]:
        """Make the tenant's own tables smaller and quicker to read, one after the other. Their rows stay the same.

        A table that fails does not keep the others from being cared for.
        """

    def try_out(self, schemas: Collection[str] = ()) -> "Answer":
        """Connect as a load does, into these schemas. Raises WarehouseError if a load could not work."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """Run a read-only statement that a person or a test wrote, and return its rows."""

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name for `query`. Without the database, a schema of that name would be ambiguous."""


def kept_table(schema: str, table: str) -> str:
    """Return the name of the table in `KEPT_SCHEMA` that keeps every row of the objects loaded by `upsert`.

    It has the table's columns, `PARTITION_COLUMN` and `ROW_NUMBER`. For each key, the table itself holds the last row,
    ordered by the order column (if there is one; nulls first), then by partition, then by row number.
    """
    name = f"{schema}.{table}"
    if "." not in schema + table and len(name.encode()) <= _NAME_LIMIT:
        return name
    digest = hashlib.sha256(f"{len(schema)} {name}".encode()).hexdigest()[:24]
    return f"{name.encode()[: _NAME_LIMIT - 25].decode(errors='ignore')}_{digest}"
