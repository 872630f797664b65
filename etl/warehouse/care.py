"""Which tables a tenant's care is about, their size, and keeping the error of one table from the others.

Belongs here: what the warehouses share. Not here: the request and the answer (`contract`), the care itself (`duckdb`,
`postgres_care`, `iceberg_care`), the command (`etl.cli.maintain`), the job (`etl.running.care_step`).
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from etl.errors import NothingExamined, WarehouseError
from etl.warehouse.contract import Care, CareRequest, LedgerEntry, TableOwner, Warehouse


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


def used_bytes(warehouse: Warehouse, run_id: str) -> int:
    """Return the size of the tenant's own tables, or of its file. A table whose size is not known is an error."""
    total = 0
    for each in warehouse.care(CareRequest(run_id=run_id, dry_run=True)):
        if "bytes" in each.before:
            total += each.before["bytes"]
        elif not each.left_alone:
            why = each.error.problem if each.error else "the warehouse does not say it"
            raise WarehouseError(
                f"the size of {each.table} is not known, so it is not known whether there is room: {why}",
                "remove the cause, and run the load again",
            )
    return total


def check_any(cares: Sequence[Care], tenant: str) -> None:
    """Refuse to call it a success if there was no table to care for."""
    if all(each.left_alone for each in cares):
        left = "".join(f"; {each.table}: {each.left_alone}" for each in cares)
        raise NothingExamined(
            f"nothing was cared for: the warehouse has no table that {tenant} has loaded{left}", "run a pipeline first"
        )
