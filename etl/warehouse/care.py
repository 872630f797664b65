"""Which tables a tenant's care is about, and keeping the error of one table from the others.

Belongs here: what the warehouses share. Not here: the request and the answer (`contract`), the care itself (`duckdb`,
`postgres_care`, `iceberg_care`), the command (`etl.cli.maintain`), the job (`etl.running.care_step`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from etl.errors import NothingExamined, WarehouseError
from etl.warehouse.contract import Care, LedgerEntry, TableOwner


class _Ledger(Protocol):
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all loads of the tenant."""

    def owners(self, schemas: Collection[str]) -> tuple[TableOwner, ...]:
        """Return who loads the tables of these schemas."""


def loaded_tables(warehouse: _Ledger, tenant: str) -> dict[tuple[str, str], Care]:
    """Return an empty answer for each table that the tenant has loaded, by schema and name.

    A table that another tenant has loaded since is left alone.
    """
    loaded = {(each.schema_name, each.table_name) for each in warehouse.ledger() if each.tenant == tenant}
    newest = {
        (each.schema_name, each.table): each.tenant  # the newest loads come last
        for each in warehouse.owners({schema for schema, _ in loaded})
    }
    found = {}
    for schema, name in sorted(loaded):
        owner = newest.get((schema, name), tenant)
        left = "" if owner == tenant else f"it belongs to the tenant `{owner}` now"
        found[schema, name] = Care(f"{schema}.{name}", left_alone=left)
    return found


@contextmanager
def noted(care: Care) -> Iterator[None]:
    """Write an error into the answer, so that the care of the other tables goes on."""
    try:
        yield
    except WarehouseError as error:
        care.error = error


def check_any(cares: Sequence[Care], tenant: str) -> None:
    """Refuse to call it a success if there was no table to care for."""
    if all(each.left_alone for each in cares):
        left = "".join(f"; {each.table}: {each.left_alone}" for each in cares)
        raise NothingExamined(
            f"nothing was cared for: the warehouse has no table that {tenant} has loaded{left}", "run a pipeline first"
        )
