"""The DuckDB warehouse: one file per tenant, one writer at a time, each load one transaction with its ledger entry.

Belongs here: opening the file, waiting for who has it open, reading the object. Does not: the steps of a load
(`transaction`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from etl.errors import WarehouseError
from etl.faults import reach
from etl.storage import ledger, locks
from etl.storage.loadable import Loadable, read_loadable
from etl.storage.schema_change import NO_TYPE, Column
from etl.storage.sql import file_literal, literal
from etl.storage.transaction import load_in_transaction, quoted, read_ledger
from etl.storage.warehouse import ROW_NUMBER, LedgerEntry, LoadReport, LoadRequest

if TYPE_CHECKING:
    import polars as pl

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",  # more does not make a load faster; larger ones spill beside the database file
    "autoinstall_known_extensions": False,
}


class DuckDBWarehouse:
    """A tenant's DuckDB file. Holds no connection between calls, so that others can open the file."""

    def __init__(self, path: Path, lock_dir: Path, *, lock_seconds: float = 600.0) -> None:
        self._path = path
        self._lock_file = lock_dir / f"{path.stem}.warehouse"
        self._lock_seconds = lock_seconds

    @contextmanager
    def exclusive(self, run_id: str) -> Iterator[Path]:
        """Keep other loads out while something else writes the file (dbt); gives the file's path."""
        what = f"the warehouse {self._path.name}"
        with locks.exclusive(
            self._lock_file, what=what, run_id=run_id, limit_seconds=self._lock_seconds, error=WarehouseError
        ):
            reach("warehouse.locked")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            yield self._path

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Put the object into its table; all of it and its ledger entry, or nothing."""
        loadable = read_loadable(request, Path(source))
        try:
            with self.exclusive(request.run_id), self._connect(read_only=False) as connection:
                report = _load(connection, request, loadable)
        except (duckdb.Error, OSError) as error:
            raise WarehouseError(
                f"{request.target} could not be loaded: {error}",
                "nothing of this load was kept; remove the cause and run it again",
            ) from error
        reach("warehouse.closed")
        return report

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Every committed load, oldest first."""
        if not self._path.exists():
            return ()
        with self._connect(read_only=True) as connection:
            session = _Session(connection)
            return read_ledger(session) if session.table_columns(ledger.SCHEMA, ledger.TABLE) else ()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """The result of a statement, read-only."""
        if not self._path.exists():
            raise WarehouseError(f"the warehouse {self._path} does not exist yet", "load a pipeline first")
        with self._connect(read_only=True) as connection:
            try:
                return (connection.execute(sql, list(parameters)) if parameters else connection.execute(sql)).pl()
            except duckdb.Error as error:
                raise WarehouseError(f"the query failed: {error}", "correct the statement") from error

    @contextmanager
    def _connect(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, waiting while another process holds DuckDB's own lock on it."""
        opened: list[duckdb.DuckDBPyConnection] = []
        holder = [""]

        def ready() -> bool:
            try:
                opened.append(duckdb.connect(self._path, read_only=read_only, config=_CONFIG))
            except (duckdb.IOException, duckdb.ConnectionException) as error:
                holder[0] = _busy_with(error)
                if not holder[0]:
                    raise WarehouseError(
                        f"the warehouse {self._path} cannot be opened: {error}", "check the file and its permissions"
                    ) from error
                return False
            return True

        what = f"the database file {self._path.name}"
        locks.wait_until(ready, what, lambda: holder[0], self._lock_seconds, WarehouseError)
        try:
            opened[0].execute("SET TimeZone = 'UTC'")  # not a setting of the configuration: it comes with an extension
            reach("warehouse.opened")
            yield opened[0]
        finally:
            opened[0].close()


class _Session:
    """A connection as `transaction` wants it, with the object's rows as a view."""

    incoming = "etl_incoming"
    temporary = ""

    def __init__(self, connection: duckdb.DuckDBPyConnection, untyped: frozenset[str] = frozenset()) -> None:
        self._connection = connection
        self._untyped = untyped

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        rows = self.rows(sql, parameters)
        return int(rows[0][0]) if rows else 0

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Values become literals: the first bound parameter makes the library import pandas, 0.2 s and 40 MB of it."""
        first, *rest = sql.split("?") if parameters else [sql]
        pairs = zip(parameters, rest, strict=True)
        return self._connection.execute(first + "".join(_literal(each) + text for each, text in pairs)).fetchall()

    def incoming_columns(self) -> list[Column]:
        rows = self.rows(f"DESCRIBE {self.incoming}")
        return [
            Column(name, NO_TYPE if name in self._untyped else kind) for name, kind, *_ in rows if name != ROW_NUMBER
        ]

    def table_columns(self, schema: str, table: str) -> list[Column]:
        sql = "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()"
        sql += " AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)"
        if not self.rows(sql, [schema, table])[0][0]:
            return []
        rows = self.rows(f"DESCRIBE {quoted(schema)}.{quoted(table)}")
        return [Column(name, kind) for name, kind, *_ in rows]

    def ensure_schema(self, name: str) -> None:
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(name)}")


def _load(connection: duckdb.DuckDBPyConnection, request: LoadRequest, loadable: Loadable) -> LoadReport:
    number = f", file_row_number AS {ROW_NUMBER}" if request.mode == "upsert" else ""
    path = file_literal(loadable.path)
    options = "hive_partitioning = false" + (", file_row_number = true" if number else "")
    columns = f"* EXCLUDE (file_row_number){number}" if number else "*"
    connection.execute(f"CREATE TEMP VIEW {_Session.incoming} AS SELECT {columns} FROM read_parquet({path}, {options})")
    connection.execute("BEGIN")
    try:
        report = load_in_transaction(_Session(connection, loadable.untyped), request)
        reach("warehouse.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a COMMIT that failed (the disk is full) has ended the transaction itself
            connection.execute("ROLLBACK")
        raise
    reach("warehouse.committed")
    return report


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value).upper() if isinstance(value, bool | int) else literal("duckdb", str(value))


def _busy_with(error: duckdb.Error) -> str:
    """Who has the file open; empty where the error is another one."""
    text = str(error)
    if "different configuration" in text:
        return "another connection of this process"
    _, found, holder = text.partition("Conflicting lock is held in ")
    return holder.split(". ")[0] if found else ""
