"""Reads a warehouse with SQL: the ledger, the tables and views, counts, rows, digests.

Belongs here: the read-only half of the protocol, in the SQL that the databases share. Not here: loads (`transaction`),
connections and statements for one database only (`duckdb`, `postgres`).
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from etl.warehouse import ledger
from etl.warehouse.contract import (
    Column,
    CountedRows,
    LedgerEntry,
    ObjectRows,
    RowsOf,
    TableOwner,
    WarehouseTable,
)
from etl.warehouse.digest import compared
from etl.warehouse.identifier import quoted
from etl.warehouse.loadable import typed_columns
from etl.warehouse.session import Session

if TYPE_CHECKING:
    import polars as pl


KEPT_SECONDS = 2.0
"""How long a session is used again, since a load in another process waits for an open DuckDB file."""


class SqlWarehouse(ABC):
    """The read-only methods that all SQL warehouses share. Each method opens a session, except in `kept_open`."""

    _kept: "_KeptSession | None" = None

    @abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Open a read-only session, or raise WarehouseError if there is nothing to read."""

    @abstractmethod
    def errors(self, what: str) -> AbstractContextManager[None]:
        """Translate a database's errors; their text begins with `what`."""

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Within the block, methods that follow each other use one session for two seconds, then a new one."""
        with ExitStack() as stack:
            self._kept = stack.enter_context(_KeptSession(self.session))
            stack.callback(setattr, self, "_kept", None)
            yield

    @contextmanager
    def reading(self, failure: str) -> Iterator[Session]:
        """Open a read-only session. The text of a database's error begins with `failure`."""
        with self.errors(failure), self._kept.session() if self._kept else self.session() as session:
            yield session

    @abstractmethod
    def made_types(self, kind: str) -> tuple[str, ...]:
        """Return the type that a load makes from a DuckDB type, with a second name if it has one."""

    def made_columns(self, path: Path) -> dict[str, tuple[str, ...]]:
        """Return the columns that a load makes from an object, each with all names of its type in this warehouse."""
        return {name: self.made_types(kind) for name, kind in typed_columns(path).items()}

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads, oldest first."""
        with self.reading("the load ledger could not be read") as session:
            return ledger.read(session)

    def owners(self, schemas: Collection[str]) -> tuple[TableOwner, ...]:
        """Return who loads the tables of these schemas, for all tenants in the ledger."""
        with self.reading("the load ledger could not be read") as session:
            return ledger.owners(session, schemas)

    def describe(self, schemas: Collection[str]) -> tuple[WarehouseTable, ...]:
        """Return the tables and views of these schemas."""
        with self.reading("the schemas could not be read") as session:
            found = session.described(schemas)
        return tuple(
            WarehouseTable(
                schema_name=schema, name=name, kind=kind, columns=tuple(Column(*each[3:]) for each in columns)
            )
            for (schema, name, kind), columns in groupby(found, lambda each: each[:3])
        )

    def counts(self, wanted: Sequence[CountedRows]) -> list[dict[tuple[object, ...], int]]:
        """Count rows, grouped by the values of some columns."""
        with self.reading("the rows could not be counted") as session:
            return [_count(session, each) for each in wanted]

    def rows_of(self, rows: RowsOf, columns: Sequence[str]) -> "Iterator[pl.DataFrame]":
        """Return some columns of some rows in several frames."""
        names = ", ".join(map(quoted, columns))
        with self.reading(f"{rows.schema_name}.{rows.table} could not be read") as session:
            relation = session.relation(rows.schema_name, rows.table)
            yield from session.frames(f"SELECT {names} FROM {relation} WHERE {rows.where}")

    def holds(self, digests: Mapping[RowsOf, str | None]) -> dict[RowsOf, bool | None]:
        """Compare rows with their digests from the ledger: True if they are equal, None if they cannot be compared."""
        with self.reading("the rows could not be compared with their digests") as session:
            tables: dict[tuple[str, str], dict[RowsOf, str | None]] = {}
            for rows, kept in digests.items():
                tables.setdefault((rows.schema_name, rows.table), {})[rows] = kept
            found: dict[RowsOf, bool | None] = {}
            for (schema, table), of_table in tables.items():
                columns = session.table_columns(schema, table)
                found |= compared(session, session.relation(schema, table), columns, of_table)
            return found

    def lost_entries(self, schema: str, table: str) -> tuple[int, ...]:  # noqa: ARG002  of the protocol
        """Return none: a load commits its rows and its entry together here."""
        return ()

    def equal_rows(self, wanted: Mapping[RowsOf, ObjectRows]) -> frozenset[RowsOf]:  # noqa: ARG002  of the protocol
        """Return none: reading the rows costs less than a digest that two databases compute alike."""
        return frozenset()


class _KeptSession(AbstractContextManager["_KeptSession"]):
    """A read-only session that is used again while it is new."""

    def __init__(self, opened: Callable[[], AbstractContextManager[Session]]) -> None:
        self._opened = opened
        self._open = ExitStack()
        self._session: Session | None = None
        self._since = 0.0
        self._is_used = False

    def __exit__(self, *_: object) -> None:
        """Close the session."""
        self._close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Return the session; another one if it is in use, because a second query would end the first one's rows."""
        if self._is_used:
            with self._opened() as another:
                yield another
            return
        if self._session is None:
            self._session = self._open.enter_context(self._opened())
            self._since = time.monotonic()
        self._is_used = True
        try:
            yield self._session
        except BaseException:
            self._close()
            raise
        finally:
            self._is_used = False
        if time.monotonic() - self._since >= KEPT_SECONDS:
            self._close()

    def _close(self) -> None:
        self._session = None
        self._open.close()


def _count(session: Session, wanted: CountedRows) -> dict[tuple[object, ...], int]:
    relation, by = session.relation(wanted.schema_name, wanted.table), ", ".join(map(quoted, wanted.by))
    where = f" WHERE {by} >= DATE '{wanted.days[0]}' AND {by} < DATE '{wanted.days[1]}'" if wanted.days else ""
    grouped = f" GROUP BY {by}" if by else ""
    rows = session.rows(f"SELECT {f'{by}, ' if by else ''}count(*) FROM {relation}{where}{grouped}")
    return {values: int(count) for *found, count in rows for values in [tuple(found)]}
