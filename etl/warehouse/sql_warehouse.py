"""What is read from any warehouse whose tables are read by SQL: the ledger, what stands there, counts, rows, digests.

Belongs here: the read-only half of the protocol, in the SQL that the databases share. Not here: loads (`transaction`),
connections and what only one database can say (`duckdb`, `postgres`).
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from etl.warehouse import ledger
from etl.warehouse.contract import Column, CountedRows, LedgerEntry, RowsOf, TableOwner, WarehouseTable
from etl.warehouse.digest import holds, is_comparable
from etl.warehouse.identifier import quoted
from etl.warehouse.loadable import typed_columns
from etl.warehouse.session import Session

if TYPE_CHECKING:
    import polars as pl


class SqlWarehouse(ABC):
    """The questions that every such warehouse answers alike; each opens a session for itself."""

    @abstractmethod
    def reading(self, failure: str) -> AbstractContextManager[Session]:
        """A session that cannot write; `failure` is what an error of the database begins with."""

    @abstractmethod
    def made_types(self, kind: str) -> tuple[str, ...]:
        """The type that a load makes of DuckDB's type of a column; another name of it may follow."""

    def made_columns(self, path: Path) -> dict[str, tuple[str, ...]]:
        """The columns that a load makes of an object, each with the names that its type has here."""
        return {name: self.made_types(kind) for name, kind in typed_columns(path).items()}

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Every committed load, oldest first."""
        with self.reading("the load ledger could not be read") as session:
            return ledger.read(session)

    def owners(self, schemas: Collection[str]) -> tuple[TableOwner, ...]:
        """Who loads tables of these schemas, of all tenants that the ledger knows."""
        with self.reading("the load ledger could not be read") as session:
            return ledger.owners(session, schemas)

    def describe(self, schemas: Collection[str]) -> tuple[WarehouseTable, ...]:
        """The tables and views of these schemas."""
        with self.reading("the schemas could not be read") as session:
            found = session.described(schemas)
        return tuple(
            WarehouseTable(
                schema_name=schema, name=name, kind=kind, columns=tuple(Column(*each[3:]) for each in columns)
            )
            for (schema, name, kind), columns in groupby(found, lambda each: each[:3])
        )

    def counts(self, wanted: Sequence[CountedRows]) -> list[dict[tuple[object, ...], int]]:
        """How many rows there are, by the values of some columns."""
        with self.reading("the rows could not be counted") as session:
            return [_count(session, each) for each in wanted]

    def rows_of(self, rows: RowsOf, columns: Sequence[str]) -> "Iterator[pl.DataFrame]":
        """Some columns of some rows, in parts."""
        names = ", ".join(map(quoted, columns))
        with self.reading(f"{rows.schema_name}.{rows.table} could not be read") as session:
            relation = session.relation(rows.schema_name, rows.table)
            yield from session.frames(f"SELECT {names} FROM {relation} WHERE {rows.where}")

    def holds(self, digests: Mapping[RowsOf, str | None]) -> dict[RowsOf, bool | None]:
        """For each of these rows whether they are those of their digest of the ledger; None where nobody can say."""
        with self.reading("the rows could not be compared with their digests") as session:
            return {rows: _holds(session, rows, kept) for rows, kept in digests.items()}


def _count(session: Session, wanted: CountedRows) -> dict[tuple[object, ...], int]:
    relation, by = session.relation(wanted.schema_name, wanted.table), ", ".join(map(quoted, wanted.by))
    where = f" WHERE {by} >= DATE '{wanted.days[0]}' AND {by} < DATE '{wanted.days[1]}'" if wanted.days else ""
    grouped = f" GROUP BY {by}" if by else ""
    rows = session.rows(f"SELECT {f'{by}, ' if by else ''}count(*) FROM {relation}{where}{grouped}")
    return {values: int(count) for *found, count in rows for values in [tuple(found)]}


def _holds(session: Session, rows: RowsOf, kept: str | None) -> bool | None:
    if not is_comparable(session, kept):
        return None
    columns = session.table_columns(rows.schema_name, rows.table)
    return holds(session, session.relation(rows.schema_name, rows.table), columns, rows.where, kept)
