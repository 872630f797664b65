"""The warehouse on a cluster: tables of Iceberg, which Trino reads and changes, and to which loads add files.

Belongs here: connecting to Trino, reading, the errors of the cluster. Not here: a load (`iceberg`), the ledger
(`iceberg_ledger`), Trino's SQL (`trino_session`).
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyiceberg.exceptions
import sqlalchemy.exc
from pyiceberg.catalog import Catalog
from requests import RequestException

from etl.errors import WarehouseError
from etl.faults import reach
from etl.secrets.scrub import scrub
from etl.source.clock import NOW, seconds_ahead
from etl.warehouse import ledger
from etl.warehouse.care import loaded_tables
from etl.warehouse.contract import Answer, Care, CareRequest, LedgerEntry, ObjectRows, RowsOf, TrinoPlace
from etl.warehouse.iceberg import IcebergLoader, LoadingSession
from etl.warehouse.iceberg_care import IcebergCare
from etl.warehouse.iceberg_entries import lost_entries
from etl.warehouse.iceberg_ledger import Entry, IcebergLedger, check_same_catalog, in_memory, read_pending
from etl.warehouse.iceberg_table import IcebergTable, opened, pending_of, seq_of
from etl.warehouse.iceberg_types import trino_of_duckdb
from etl.warehouse.session import Session
from etl.warehouse.sql_warehouse import SqlWarehouse
from etl.warehouse.trino_compare import equal_rows
from etl.warehouse.trino_session import NOT_THE_SAME, TrinoSession, connected, driver, frames_of

if TYPE_CHECKING:
    import polars as pl

_THROTTLED = re.compile(r"slow_?down|service_unavailable|\b503\b|reduce your request rate|throttl", re.IGNORECASE)
_READ_ONLY = "only supports writes using autocommit"
_ICEBERG_ERRORS = tuple(
    each
    for each in vars(pyiceberg.exceptions).values()
    if isinstance(each, type) and issubclass(each, Exception) and each.__module__ == pyiceberg.exceptions.__name__
)
_NOT_THE_SAME = f"if the table exists: {NOT_THE_SAME}"
_MORE_MEMORY = (
    "give queries of Trino more memory (`query.max-memory-per-node`, `query.max-memory`), let it use the disk"
    " (`spill-enabled`), or load smaller partitions; then run it again"
)
_REMEDIES = {
    "EXCEEDED_LOCAL_MEMORY_LIMIT": _MORE_MEMORY,
    "EXCEEDED_GLOBAL_MEMORY_LIMIT": _MORE_MEMORY,
    "CLUSTER_OUT_OF_MEMORY": _MORE_MEMORY,
    "CATALOG_NOT_FOUND": "correct `warehouse.catalog` (or TRINO_CATALOG): `SHOW CATALOGS` in Trino lists them",
    "MISSING_CATALOG_NAME": "give `warehouse.catalog` (or TRINO_CATALOG)",
    "PERMISSION_DENIED": "grant the user of the tenant's warehouse what it needs; see docs/warehouse.md",
    "TABLE_NOT_FOUND": _NOT_THE_SAME,
    "SCHEMA_NOT_FOUND": _NOT_THE_SAME,
    "INVALID_ARGUMENTS": _NOT_THE_SAME,
    "ICEBERG_COMMIT_ERROR": "another program changes the table at the same moment: run it again",
}


class TrinoWarehouse(SqlWarehouse):
    """A tenant's tables in one catalog of a Trino. No connection stays open between calls."""

    def __init__(self, place: TrinoPlace, tenant: str, folder: Path) -> None:
        self._place = place
        self._tenant = tenant
        self._folder = folder
        self._release = ""
        driver()

    @contextmanager
    def writing(self, schema: str, table: str, run_id: str) -> Iterator[IcebergLoader]:  # noqa: ARG002  of the protocol
        """Note the state of the table. No other load is locked out: a load that meets another one notices it."""
        with opened(self._place, self.errors(f"{schema}.{table} could not be loaded")) as catalog:
            with self.errors(f"{schema}.{table} could not be loaded"):
                loader = IcebergLoader(catalog, self._loading, self.errors, schema, table, self._folder)
            reach("warehouse.locked")
            yield loader

    @contextmanager
    def exclusive(self, run_id: str) -> Iterator[None]:  # noqa: ARG002  of the protocol
        """Lock nothing: a cluster has several writers, and a load notices another load of its partition."""
        yield

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads of this tenant, oldest first."""
        with self._history(lambda found: found.of_tenant(self._tenant)) as session:
            return ledger.read(session)

    @contextmanager
    def session(self) -> Iterator[TrinoSession]:
        """Open a session for reading."""
        with connected(self._place) as connection:
            yield TrinoSession(connection, self._place.catalog, self._version)

    def lost_entries(self, schema: str, table: str) -> tuple[int, ...]:
        """Return the numbers that are missing among the entries about a table, here and in its property."""
        failure = f"the load ledger of {schema}.{table} could not be read"
        with opened(self._place, self.errors(failure)) as catalog, self.errors(failure):
            found = IcebergTable(catalog, schema, table).now()
            entries = [*IcebergLedger(catalog).of_table(schema, table), *read_pending(pending_of(found))]
            return lost_entries(entries, seq_of(found))

    def equal_rows(self, wanted: Mapping[RowsOf, ObjectRows]) -> frozenset[RowsOf]:
        """Return the rows that have the portable digest of their objects. Trino computes it, and no row is moved."""
        tables = {(each.schema_name, each.table) for each in wanted}
        equal: set[RowsOf] = set()
        for schema, table in sorted(tables):
            of_table = {rows: of for rows, of in wanted.items() if (rows.schema_name, rows.table) == (schema, table)}
            with suppress(WarehouseError), self.reading(f"{schema}.{table} could not be compared") as session:
                equal.update(equal_rows(session, schema, table, of_table, self.made_types))
        return frozenset(equal)

    def made_types(self, kind: str) -> tuple[str, ...]:
        """Return Trino's name of the type that a load makes; a type with named parts has two spellings."""
        name = trino_of_duckdb(kind)
        return (name, name.replace('"', "")) if '"' in name else (name,)

    def try_out(self, schemas: Collection[str] = ()) -> Answer:  # noqa: ARG002  the ledger stands for all schemas
        """Make the ledger as the first load does, write a file and look whether Trino sees the same ledger."""
        failure = "Trino, the catalog or the bucket do not answer as a load needs it"
        opening = opened(self._place, self.errors(failure))
        with opening as catalog, self.errors(failure), connected(self._place) as connection:
            session = TrinoSession(connection, self._place.catalog, self._version)
            check_same_catalog(IcebergLedger(catalog), session)
            IcebergLedger(catalog).try_out()
            ahead = seconds_ahead(lambda: float(session.rows(NOW["trino"])[0][0]))
            return Answer(f"Trino {self._version(session)}, catalog {self._place.catalog}", ahead)

    def care(self, asked: CareRequest) -> Iterator[Care]:
        """Join small files, let old snapshots expire and remove files that nothing needs, table by table."""
        failure = "the tables could not be cared for"
        tables = loaded_tables(self, self._tenant)
        with ExitStack() as stack:
            if tables:
                catalog = stack.enter_context(opened(self._place, self.errors(failure)))
                stack.enter_context(self.errors(failure))
                session = stack.enter_context(self._loading(catalog))
                check_same_catalog(IcebergLedger(catalog), session)
                care = IcebergCare(catalog, session, self._place.catalog, self.errors, self._tenant, asked)
                yield from care.of_each(tables)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """Run a read-only statement and return its rows."""
        import polars as pl  # noqa: PLC0415  a load does not need it

        with self.errors("the query failed"), connected(self._place, transaction=True) as connection:
            cursor = connection.cursor()
            cursor.execute(sql, list(parameters) or None)
            return pl.concat(frames_of(cursor), how="vertical_relaxed")

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name."""
        return TrinoSession(None, self._place.catalog, self._version).relation(schema, table)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Translate errors. The original is not chained, because a driver may put a password into its message."""
        trino = driver().exceptions.Error
        try:
            yield
        except WarehouseError as error:
            raise WarehouseError(error.problem, error.hint) from None
        except (
            trino,
            *_ICEBERG_ERRORS,
            RequestException,
            sqlalchemy.exc.SQLAlchemyError,
            duckdb.Error,
            OSError,
        ) as error:
            said = getattr(error, "message", "") or str(error)
            if _READ_ONLY in said:
                said = "a query is read-only, and this statement writes"
            raise WarehouseError(f"{what}: {scrub(said).strip()}", self._remedy(error)) from None

    def _remedy(self, error: Exception) -> str:
        where = f"{self._place.scheme}://{self._place.host}:{self._place.port}"
        if isinstance(error, RequestException | driver().exceptions.TrinoConnectionError):
            return f"check that Trino runs at {where} (`warehouse.host`, TRINO_HOST, TRINO_PORT), then run it again"
        if isinstance(error, sqlalchemy.exc.SQLAlchemyError):
            return "check `warehouse.iceberg`: its `uri` is the database of the catalog, with the rights to write it"
        name = getattr(error, "error_name", None)
        if name in _REMEDIES:
            return _REMEDIES[name]
        if str(name).startswith(("ICEBERG_", "HIVE_")):
            return "check the bucket of the tables, and Trino's rights on it"
        if isinstance(error, OSError) and _THROTTLED.search(str(error)):
            return "the store is away or gets too many requests: run it again later, with fewer loads at once"
        if isinstance(error, OSError):
            return "check the bucket of the tables, its endpoint and the keys in `warehouse.iceberg`, then run it again"
        return "remove the cause and run it again"

    def _version(self, session: TrinoSession) -> str:
        """Return the server's release."""
        self._release = self._release or str(session.rows("SELECT version()")[0][0])
        return self._release

    @contextmanager
    def _loading(self, catalog: Catalog) -> Iterator[LoadingSession]:
        with connected(self._place) as connection:
            yield LoadingSession(connection, self._place.catalog, self._version, catalog)

    @contextmanager
    def _history(self, read: Callable[[IcebergLedger], list[Entry]]) -> Iterator[Session]:
        """Read entries of the ledger into a DuckDB in memory."""
        with opened(self._place, self.errors("the load ledger could not be read")) as catalog:
            with self.errors("the load ledger could not be read"):
                entries = read(IcebergLedger(catalog))
            with in_memory(entries) as session:
                yield session
