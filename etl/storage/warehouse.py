"""Loading a published object into a tenant's warehouse: what is asked, and what is answered.

Belongs here: the protocol and its models. Does not: which warehouse it is (`warehouses`), SQL (`duckdb`, `postgres`),
where objects come from (`lake`).
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel, ConfigDict, model_validator

from etl.errors import WarehouseError

if TYPE_CHECKING:
    import polars as pl  # a load needs none of it: 25 MB less in its process

Mode = Literal["replace_partition", "replace", "upsert", "append"]
SchemaChanges = Literal["fail", "evolve"]

PARTITION_COLUMN = "etl_partition"
"""The technical column that says which partition a row of a partitioned pipeline belongs to."""
ROW_NUMBER = "etl_row_number"
"""Where a row stands in its object: the later of two rows that are otherwise equal in order wins an upsert."""


class LoadRequest(BaseModel):
    """One object to be put into one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    partition: str | None
    schema_name: str
    table: str
    mode: Mode = "replace_partition"
    key_columns: tuple[str, ...] = ()
    order_column: str | None = None
    version: str
    rows: int
    run_id: str
    schema_changes: SchemaChanges = "evolve"

    @model_validator(mode="after")
    def _has_keys(self) -> "LoadRequest":
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
        """Whether the load leaves nothing of what the table held: also a table without partitions, by default."""
        return self.mode == "replace" or (self.mode == "replace_partition" and self.partition is None)


class LoadReport(BaseModel):
    """What a load did. `changed` is False where this very object had been loaded before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    rows_loaded: int
    rows_before: int
    rows_after: int
    changed: bool
    columns_added: tuple[str, ...] = ()


class LedgerEntry(BaseModel):
    """One load that was committed, together with its rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    tenant: str
    pipeline: str
    schema_name: str
    table_name: str
    partition: str | None
    version: str
    run_id: str
    rows: int
    mode: str
    created_table: bool
    loaded_at: datetime


class Warehouse(Protocol):
    """Where a tenant's audited rows end."""

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Put the object (a local Parquet file: `Lake.local_copy`) into its table: one transaction with the ledger."""

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Every committed load, oldest first."""

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """The result of a read-only statement."""
