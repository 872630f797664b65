"""The DuckDB warehouse: one file per tenant with one writer at a time. Rows and ledger entry are one transaction.

Belongs here: opening the file, waiting until another process has closed it, reading the object. Not here: the steps of
a load (`transaction`).
"""

import os
import resource
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from etl import locks
from etl.errors import WarehouseError
from etl.faults import reach
from etl.sql import file_literal, literal
from etl.warehouse import duckdb_space, ledger
from etl.warehouse.care import noted
from etl.warehouse.contract import (
    ROW_NUMBER,
    Answer,
    Care,
    CareRequest,
    LedgerEntry,
    LoadReport,
    LoadRequest,
    ProfileValue,
    WarehousePlace,
)
from etl.warehouse.duckdb_session import DuckDBSession, relation_in
from etl.warehouse.loadable import Loadable, read_loadable
from etl.warehouse.set_aside import set_aside
from etl.warehouse.sql_warehouse import SqlWarehouse
from etl.warehouse.transaction import Load

if TYPE_CHECKING:
    import polars as pl

    from etl.warehouse.contents import OwnTable
    from etl.warehouse.session import Session

Config = dict[str, str | bool | int | float | list[str]]

_LITTLE = 2 << 30
"""Long texts need 1.2 GB with two threads. A process with a lower limit uses one thread."""


_MEMORY_MB = 512
_COLUMN_MB = 2
"""An `upsert` needs about 1 MB for each column: DuckDB keeps a 256 KB block of each column of both tables in memory."""


def engine_config() -> Config:
    """Return DuckDB's configuration. Large loads spill to files beside the database; more memory is not faster."""
    config: Config = {"memory_limit": "256MB", "threads": 1} if _has_little() else {"memory_limit": f"{_MEMORY_MB}MB"}
    return {**config, "autoinstall_known_extensions": False}


def make_room(connection: duckdb.DuckDBPyConnection, columns: int) -> None:
    """For a table with many columns, raise the memory limit and use one thread, because each thread needs as much."""
    if columns * _COLUMN_MB > _MEMORY_MB:
        connection.execute(f"SET memory_limit = '{columns * _COLUMN_MB}MB'")
        connection.execute("SET threads = 1")


def _has_little() -> bool:
    limits = [resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return any(each != resource.RLIM_INFINITY and each < _LITTLE for each in limits)


class DuckDBWarehouse(SqlWarehouse):
    """A tenant's DuckDB file. No connection stays open between calls, so that other processes can open the file."""

    def __init__(self, path: Path, lock_dir: Path, *, lock_seconds: float = 600.0) -> None:
        self._path = path
        self._lock_file = lock_dir / f"{path.stem}.warehouse"
        self._lock_seconds = lock_seconds

    @contextmanager
    def exclusive(self, run_id: str) -> Iterator[Path]:
        """Lock the file against loads while dbt writes it. Returns the file's path."""
        what = f"the warehouse {self._path.name}"
        with locks.exclusive(
            self._lock_file, what=what, run_id=run_id, limit_seconds=self._lock_seconds, error=WarehouseError
        ):
            reach("warehouse.locked")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            yield self._path

    @contextmanager
    def writing(self, schema: str, table: str, run_id: str) -> Iterator["_DuckDBLoader"]:
        """Lock the whole warehouse until the block ends, because a DuckDB file has one writer."""
        with ExitStack() as stack:
            with _named(f"{schema}.{table} could not be loaded"):
                stack.enter_context(self.exclusive(run_id))
            yield stack.enter_context(_DuckDBLoader(self, schema, table))

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads, oldest first; none if the file does not exist yet."""
        return super().ledger() if self._path.exists() else ()

    @contextmanager
    def session(self) -> "Iterator[DuckDBSession]":
        """Open a read-only session."""
        self._check_exists()
        with self.connect(read_only=True) as connection:
            yield DuckDBSession(connection)

    @contextmanager
    def changing(self, run_id: str) -> "Iterator[DuckDBSession]":
        """Open a transaction that may change any table, while nobody else writes the file."""
        with self.exclusive(run_id), self.connect(read_only=False) as connection, _transaction(connection):
            yield DuckDBSession(connection)

    def copy_out(self, schema: str, table: str, path: Path) -> None:
        """Write all rows of a table to a Parquet file."""
        with self.session() as session:
            relation = session.relation(schema, table)
            session.rows(f"COPY (SELECT * FROM {relation}) TO {literal('duckdb', str(path))} (FORMAT parquet)")

    @contextmanager
    def rows_from(self, path: Path, run_id: str) -> Iterator[str]:  # noqa: ARG002  of the protocol
        """Return the relation with the rows of a Parquet file."""
        yield f"read_parquet({file_literal(path)}, hive_partitioning = false)"

    def files(self) -> tuple[Path, ...]:
        """Return the files that hold this tenant's tables and nothing else."""
        beside = (self._path, self._path.with_name(f"{self._path.name}.wal"))
        return tuple(each for each in beside if each.exists())

    def drop_order(self, session: "Session", tables: "Sequence[OwnTable]") -> "list[OwnTable]":  # noqa: ARG002
        """Return them as they are: DuckDB drops what others read."""
        return list(tables)

    def give_back_space(self, tables: Sequence[tuple[str, str]], run_id: str) -> None:  # noqa: ARG002  of the protocol
        """Write the file again, so that it has no block with rows that were deleted."""
        with self.exclusive(run_id), self.connect(read_only=False) as connection:
            duckdb_space.rewrite(connection, self._path)

    def errors(self, what: str) -> AbstractContextManager[None]:
        """Translate DuckDB's errors."""
        return _named(what, "")

    def made_types(self, kind: str) -> tuple[str, ...]:
        """Return the same type: this warehouse is DuckDB."""
        return (kind,)

    def try_out(self, schemas: Collection[str] = ()) -> Answer:  # noqa: ARG002  a file has no rights for single schemas
        """Open the file and look whether it can be written, or look whether it can be made."""
        if self._path.exists():
            if not os.access(self._path, os.W_OK):
                raise WarehouseError(f"{self._path} cannot be written", "give the user the right")
            with self.reading("the file could not be opened") as session:
                return Answer(f"DuckDB {session.rows('SELECT version()')[0][0]}, {self._path.name}")
        folder = next(each for each in self._path.parents if each.exists())
        if not os.access(folder, os.W_OK):
            raise WarehouseError(f"{self._path} cannot be made: {folder} cannot be written", "give the user the right")
        return Answer(f"{self._path.name}, which the first load makes")

    def _check_exists(self) -> None:
        if not self._path.exists():
            raise WarehouseError(f"the warehouse {self._path} does not exist yet", "load a pipeline first")

    def care(self, asked: CareRequest) -> Iterator[Care]:
        """Write everything into the file and give back the space at its end, while nobody else writes.

        On request, the whole file is written again, which also gives back the space in its middle.
        """
        if self._path.exists():
            care = Care(self._path.name)
            word = "write the file again" if asked.rewrite else "make a checkpoint"
            done = "wrote the file again" if asked.rewrite else "made a checkpoint"
            with noted(care), _named(f"{self._path.name} could not be cared for"), self.exclusive(asked.run_id):
                with self.connect(read_only=asked.dry_run) as connection:
                    care.before = care.after = self._size(connection)
                    if asked.rewrite and not asked.dry_run:
                        duckdb_space.rewrite(connection, self._path)
                    elif not asked.dry_run:
                        connection.execute("CHECKPOINT")
                with self.connect(read_only=True) as connection:
                    care.after = self._size(connection)
                care.done.append(f"would {word}" if asked.dry_run else done)
            yield care

    def _size(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        files = (self._path, self._path.with_name(f"{self._path.name}.wal"))
        size = sum(each.stat().st_size for each in files if each.exists())
        return {"bytes": size, "free bytes": duckdb_space.free_bytes(connection)}

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """Run a read-only statement and return its rows."""
        self._check_exists()
        with self.connect(read_only=True) as connection:
            try:
                return (connection.execute(sql, list(parameters)) if parameters else connection.execute(sql)).pl()
            except duckdb.Error as error:
                raise WarehouseError(f"the query failed: {error}", "correct the statement") from error

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name with the database, because a schema may have the same name as the file."""
        return relation_in(catalog(self._path), schema, table)

    @contextmanager
    def connect(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the file, waiting while another process holds DuckDB's own lock on it."""
        opened: list[duckdb.DuckDBPyConnection] = []
        holder = [""]

        def ready() -> bool:
            try:
                opened.append(duckdb.connect(self._path, read_only=read_only, config=engine_config()))
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
            opened[0].execute("SET TimeZone = 'UTC'")  # an extension brings it, so it cannot be in the configuration
            ((widest,),) = opened[0].execute("SELECT coalesce(max(column_count), 0) FROM duckdb_tables()").fetchall()
            make_room(opened[0], widest)
            reach("warehouse.opened")
            yield opened[0]
        finally:
            opened[0].close()


class _DuckDBLoader(AbstractContextManager["_DuckDBLoader"]):
    """A table of a DuckDB file that nobody else writes meanwhile; the file is open from the first call to the end.

    Opening and closing the file takes longer than a small load.
    """

    def __init__(self, warehouse: DuckDBWarehouse, schema: str, table: str) -> None:
        self._warehouse = warehouse
        self._schema = schema
        self._table = table
        self._open = ExitStack()
        self._database: duckdb.DuckDBPyConnection | None = None

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        opened, self._database = self._database is not None, None
        self._open.close()
        if opened:
            reach("warehouse.closed")

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one call, because what is temporary ends with its connection."""
        if self._database is None:
            self._database = self._open.enter_context(self._warehouse.connect(read_only=False))
        with self._database.cursor() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Load all of the object with its ledger entry, or nothing."""
        loadable = read_loadable(request, Path(source))
        with _named(f"{request.target} could not be loaded"), self._connection() as connection:
            make_room(connection, len(loadable.columns))
            show(connection, request, loadable)
            with _transaction(connection):
                session = DuckDBSession(connection, loadable.untyped)
                ledger.prepare(session)
                load = Load(session, request)
                return load.look() or load.run()

    def set_aside(self) -> str:
        """Rename the table or view. Returns the new name; empty if there is none."""
        what = f"{self._schema}.{self._table} could not be renamed"
        with _named(what), self._connection() as connection, _transaction(connection):
            return set_aside(DuckDBSession(connection), self._schema, self._table)


def open_file(place: WarehousePlace, tenant: str) -> DuckDBWarehouse:
    """Return the warehouse in the file that `choice` has named."""
    return DuckDBWarehouse(place.path or Path(f"{tenant}.duckdb"), place.lock_dir, lock_seconds=place.lock_seconds)


def file_of_profile(value: ProfileValue) -> WarehousePlace | None:
    """Return the file that a target of dbt's profiles.yml names; None if the database is in memory or MotherDuck."""
    path = value("path")
    if not path or path.startswith((":", "md:", "motherduck:")):
        return None
    return WarehousePlace(type="duckdb", path=Path(path))


def catalog(path: Path) -> str:
    """Return DuckDB's name for the database of a file: the file's name, changed if DuckDB needs that name itself."""
    return f"{path.stem}_db" if path.stem in ("main", "temp", "system") else path.stem


def show(connection: duckdb.DuckDBPyConnection, request: LoadRequest, loadable: Loadable) -> None:
    """Make a view of the object's rows."""
    select = loadable.select(ROW_NUMBER if request.mode == "upsert" else "")
    connection.execute(f"CREATE TEMP VIEW {DuckDBSession.incoming} AS {select}")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
        reach("warehouse.before_commit")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a failed COMMIT (the disk is full) has already ended the transaction
            connection.execute("ROLLBACK")
        raise
    reach("warehouse.committed")


@contextmanager
def _named(what: str, kept: str = "the table is as it was before; ") -> Iterator[None]:
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        problem = str(error).partition("\n")[0] or "no memory is left"
        remedy = "load fewer columns (`columns:` of the pipeline), or give the wide ones a pipeline of their own"
        if isinstance(error, MemoryError) or _has_little():
            limits = "`ulimit -v`, `ulimit -d`, the container's limit"
            remedy = f"raise the memory that the process may have ({limits}) to 2 GB and run it again"
        raise WarehouseError(f"{what}: {problem}", f"{kept}{remedy}") from error
    except (duckdb.Error, OSError) as error:
        raise WarehouseError(f"{what}: {error}", f"{kept}remove the cause and run it again") from error


def _busy_with(error: duckdb.Error) -> str:
    """Return which process has the file open; empty if the error has another cause."""
    text = str(error)
    if "different configuration" in text:
        return "another connection of this process"
    _, found, holder = text.partition("Conflicting lock is held in ")
    return holder.split(". ")[0] if found else ""
