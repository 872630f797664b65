"""A table of Iceberg that a load is about to change: opening what the load needs, checking names, moving it away.

Belongs here: the loader, its connection to Trino, the object's rows in a DuckDB. Not here: the steps of a load
(`iceberg_load`), its commit (`iceberg_commit`).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pyiceberg.catalog import Catalog

from etl.errors import WarehouseError
from etl.warehouse.contract import Column, Kind, LoadReport, LoadRequest
from etl.warehouse.duckdb import engine_config, make_room, show
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.iceberg_commit import LoadedMeanwhileError, Place
from etl.warehouse.iceberg_entries import check_complete, check_fence, newest
from etl.warehouse.iceberg_ledger import IcebergLedger, check_same_catalog, in_memory
from etl.warehouse.iceberg_load import IcebergLoad
from etl.warehouse.iceberg_table import IcebergTable, columns_of, seq_of
from etl.warehouse.loadable import Loadable, read_loadable
from etl.warehouse.set_aside import aside_name
from etl.warehouse.trino_session import NOT_THE_SAME, TrinoSession

_NAME = re.compile(r"[A-Za-z0-9_]+")
_HIDDEN = frozenset({"$path", "$partition", "$file_modified_time"})


class LoadingSession(TrinoSession):
    """A connection to Trino for a load, which asks PyIceberg's catalog about tables."""

    def __init__(
        self,
        connection: Any,  # noqa: ANN401  of an optional library
        name: str,
        version: Callable[[TrinoSession], str],
        catalog: Catalog,
    ) -> None:
        super().__init__(connection, name, version)
        self.catalog = catalog

    def table_columns(self, schema: str, table: str) -> list[Column]:
        """Return a table's columns; an empty list if there is no such table."""
        return columns_of(IcebergTable(self.catalog, schema, table).now())

    def kind(self, schema: str, name: str) -> Kind:
        """Return the kind of the table or view with this name; empty if there is none."""
        if IcebergTable(self.catalog, schema, name).now() is not None:
            return "table"
        kind = super().kind(schema, name)
        if kind == "table" and IcebergTable(self.catalog, schema, name).now() is None:  # not made in between
            raise WarehouseError(
                f"Trino's catalog has the table {schema}.{name}, and the catalog of PyIceberg does not: they are not"
                " the same catalog",
                NOT_THE_SAME,
            )
        return kind


class IcebergLoader:
    """A table that a load is about to change."""

    def __init__(
        self,
        catalog: Catalog,
        session: Callable[[Catalog], AbstractContextManager[LoadingSession]],
        errors: Callable[[str], AbstractContextManager[None]],
        schema: str,
        table: str,
        folder: Path,
    ) -> None:
        self._session = session
        self._errors = errors
        self._folder = folder
        self._catalog = catalog
        self._target = IcebergTable(catalog, schema, table)
        self._ledger = IcebergLedger(catalog)
        self._seen = self._newest()

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Load all of the object with its ledger entry, or nothing."""
        loadable = read_loadable(request, Path(source))
        _check_names(request, loadable)
        with self._errors(f"{request.target} could not be loaded"), self._session(self._catalog) as session:
            place = Place(self._target, self._ledger, session)
            try:
                report = self._load(place, request, loadable)
            except LoadedMeanwhileError:
                report = self._load(place, request, loadable)  # which finds that the table holds the object
            self._seen = self._newest()
            return report

    def _newest(self) -> int:
        """Return the number of the newest entry about the table, which may have been dropped since."""
        table = self._target.now()
        return newest(table, ()) or newest(None, self._ledger.of_table(self._target.schema, self._target.name))

    def _load(self, place: Place, request: LoadRequest, loadable: Loadable) -> LoadReport:
        table = self._target.now()
        if table is None:
            check_same_catalog(self._ledger, place.session)
        entries, until = place.settle()
        check_complete(entries, seq_of(table), request)
        check_fence(entries, self._seen, until, request)
        with in_memory(entries) as history, ExitStack() as stack:
            load = IcebergLoad(place, request, history, entries, until)
            report = load.look()
            if report is None:
                engine, path = stack.enter_context(_rows_of(request, loadable, self._folder))
                report = load.put(engine, loadable.path, path)
            return report

    def set_aside(self) -> str:
        """Rename the table or view. Returns the new name; empty if there is none."""
        schema, table = self._target.schema, self._target.name
        with self._errors(f"{schema}.{table} could not be renamed"), self._session(self._catalog) as session:
            kind = session.kind(schema, table)
            name = aside_name(table).lower()
            if kind == "table":
                Place(self._target, self._ledger, session).settle()
                self._catalog.rename_table(self._target.identifier, (self._target.identifier[0], name))
            elif kind:
                session.change(
                    f"ALTER VIEW {session.relation(schema, table)} RENAME TO {session.relation(schema, name)}"
                )
            return name if kind else ""


def _check_names(request: LoadRequest, loadable: Loadable) -> None:
    for what, name in (("schema", request.schema_name), ("table", request.table)):
        if not _NAME.fullmatch(name):
            raise WarehouseError(
                f"the {what} `{name}` of {request.target} cannot be loaded on Trino: its name may have only"
                " letters from a to z, digits and underscores",
                "give it another name in `trino_output`",
            )
    for name in loadable.columns:
        if name.lower() in _HIDDEN:
            raise WarehouseError(
                f"{request.target}: the column name `{name}` belongs to Trino", "rename it in the transform"
            )


@contextmanager
def _rows_of(request: LoadRequest, loadable: Loadable, folder: Path) -> Iterator[tuple[DuckDBSession, Path]]:
    """Show the object's rows in a DuckDB in memory, with a file that can be written and that goes with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory(prefix=".etl-trino-", dir=folder) as name,
        duckdb.connect(config={**engine_config(), "temp_directory": name}) as engine,
    ):
        make_room(engine, len(loadable.columns))
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute("SET preserve_insertion_order = true")
        show(engine, request, loadable)
        yield DuckDBSession(engine, loadable.untyped), Path(name) / "rows.parquet"
