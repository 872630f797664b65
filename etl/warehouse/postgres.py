"""The PostgreSQL warehouse: the object is copied into a staging table, then into its table in one transaction.

Belongs here: connecting, the lock, the staging table. Not here: the steps of a load (`transaction`).

DuckDB's extension writes the staging table, because it copies Parquet into PostgreSQL faster than anything else and in
constant memory. All other statements use an ordinary connection.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as percent
from uuid import uuid4

import duckdb
from pydantic import SecretStr

from etl import locks
from etl.errors import WarehouseError
from etl.extras import install
from etl.faults import reach
from etl.lake.footer import read_footer
from etl.secrets.renewal import current, renewed
from etl.secrets.scrub import scrub
from etl.source.clock import NOW, seconds_ahead
from etl.source.database_url import conninfo, parse
from etl.source.reading import ExtractRequest, extract_to_parquet
from etl.source.writer import extension_path
from etl.sql import literal
from etl.warehouse import ledger
from etl.warehouse.care import loaded_tables
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
from etl.warehouse.duckdb import engine_config, make_room
from etl.warehouse.loadable import Loadable, read_loadable
from etl.warehouse.postgres_care import vacuum_each
from etl.warehouse.postgres_drop import readers_first
from etl.warehouse.postgres_session import PostgresSession, ensure_schema, relation_of
from etl.warehouse.postgres_types import check_types, needs_text_copy, postgres_type
from etl.warehouse.set_aside import set_aside
from etl.warehouse.sql_warehouse import SqlWarehouse
from etl.warehouse.transaction import Load

if TYPE_CHECKING:
    import polars as pl
    from psycopg import Connection

    from etl.warehouse.contents import OwnTable
    from etl.warehouse.session import Session

_STAGING = "etl_staging"
_OPTIONS = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex"
"""Fixes how values become text, because a row's digest is made from its text and servers have different defaults."""
_REFUSED = "authentication failed"
_TLS = ("sslmode", "sslcert", "sslkey", "sslrootcert")
_RIGHTS = """
SELECT current_setting('server_version'), has_database_privilege(current_database(), 'CREATE')
 OR coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = 'etl_ledger'), false)
"""
_HOLDER = """
SELECT format('process %%s (%%s, since %%s)', pid, application_name, date_trunc('second', backend_start))
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND ((classid::bigint << 32) | objid::bigint) = %s
"""


class PostgresWarehouse(SqlWarehouse):
    """A tenant's tables in a PostgreSQL database. No connection stays open between calls."""

    def __init__(self, url: str, tenant: str, *, lock_seconds: float = 600.0) -> None:
        self._address = url
        self._tenant = tenant
        self._lock_seconds = lock_seconds

    @contextmanager
    def writing(self, schema: str, table: str, run_id: str) -> Iterator["_PostgresLoader"]:
        """Lock the table until the block ends. The lock ends with the connection."""
        target = f"{schema}.{table}"
        with ExitStack() as stack:
            with self.errors(f"{target} could not be loaded"):
                connection = stack.enter_context(self._connect(run_id))
                self._lock(connection, schema, table)
            reach("warehouse.locked")
            yield _PostgresLoader(self, connection, schema, table)

    @contextmanager
    def exclusive(self, run_id: str) -> Iterator[None]:  # noqa: ARG002  of the protocol
        """Lock nothing: PostgreSQL allows several writers, and a load locks its own table."""
        yield

    def ledger(self) -> tuple[LedgerEntry, ...]:
        """Return all committed loads of this tenant, oldest first."""
        return tuple(each for each in super().ledger() if each.tenant == self._tenant)

    @contextmanager
    def session(self) -> "Iterator[PostgresSession]":
        """Open a read-only session."""
        with self._connect("query") as connection:
            connection.read_only = True
            with connection.transaction():
                yield PostgresSession(connection)

    @contextmanager
    def changing(self, run_id: str) -> Iterator[PostgresSession]:
        """Open a transaction that may change any table."""
        with self._connect(run_id) as connection, connection.transaction():
            yield PostgresSession(connection)

    def copy_out(self, schema: str, table: str, path: Path) -> None:
        """Write all rows of a table to a Parquet file, in which every value is exact."""
        extract_to_parquet(self._address, ExtractRequest(table=table, schema_name=schema), path, footer={})

    @contextmanager
    def rows_from(self, path: Path, run_id: str) -> Iterator[str]:
        """Return the relation with the rows of a Parquet file: a staging table that is dropped at the end."""
        columns = tuple(read_footer(path, str(path)).schema.names)
        staged = relation_of(_STAGING, f"import_{uuid4().hex}")
        with self._connect(run_id) as connection, _alone(connection), connection.transaction():
            ensure_schema(connection, _STAGING)
        try:
            self.stage(_import_request(self._tenant, run_id), Loadable(path, frozenset(), columns), staged)
            yield staged
        finally:
            with self._connect(run_id) as connection:
                connection.execute(f"DROP TABLE IF EXISTS {staged}".encode())

    def files(self) -> tuple[Path, ...]:
        """Return none: the server's files hold the tables of others too."""
        return ()

    def drop_order(self, session: "Session", tables: "Sequence[OwnTable]") -> "list[OwnTable]":
        """Return the tables and views so that each one comes before those that it reads."""
        return readers_first(session, tables)

    def give_back_space(self, tables: Sequence[tuple[str, str]], run_id: str) -> None:
        """Let the server write these tables again without the rows that were deleted."""
        with self.errors("the space of removed rows could not be given back"), self._connect(run_id) as connection:
            for schema, table in tables:
                connection.execute(f"VACUUM (FULL) {relation_of(schema, table)}".encode())

    def made_types(self, kind: str) -> tuple[str, ...]:
        """Return PostgreSQL's name of the type. Text has two: a COPY makes one, DuckDB's extension the other."""
        name = postgres_type(kind)
        return (name, name.replace("text", "character varying")) if name.startswith("text") else (name,)

    def try_out(self, schemas: Collection[str] = ()) -> Answer:
        """Connect, look whether the user may create schemas or has the product's, and make a table in each schema.

        The tables are made in a transaction that is rolled back.
        """
        with self.reading("the database does not answer as a load needs it") as session:
            ((version, may_create),) = session.rows(_RIGHTS)
            ahead = seconds_ahead(lambda: float(session.rows(NOW["postgresql"])[0][0]))
        if not may_create:
            raise WarehouseError(
                "the user may not create schemas, and there is no schema etl_ledger in which it may create tables",
                "GRANT CREATE ON DATABASE ... TO the user of the tenant's warehouse",
            )
        for schema in schemas:
            with (
                self.errors(f"a load could not make a table in the schema `{schema}`"),
                self._connect("check") as connection,
                connection.transaction(force_rollback=True),
            ):
                ensure_schema(connection, schema)
                table = relation_of(schema, f"etl_check_{uuid4().hex}")
                connection.execute(f"CREATE TABLE {table} (n int)".encode())
        return Answer(f"PostgreSQL {version}", ahead)

    def care(self, asked: CareRequest) -> Iterator[Care]:
        """Vacuum and analyze the tenant's own tables. On request, they are written again without their free space."""
        with self.errors("the tables could not be cared for"), self._connect(asked.run_id) as connection:
            tables = loaded_tables(self, self._tenant)
            session = PostgresSession(connection)
            connection.execute(f"SET lock_timeout = {int(self._lock_seconds * 1000)}")
            yield from vacuum_each(connection, session, tables, self.errors, asked)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> "pl.DataFrame":
        """Run a read-only statement and return its rows."""
        import polars as pl  # noqa: PLC0415  a load does not need it

        with self.errors("the query failed"), self._connect("query") as connection:
            connection.read_only = True
            with connection.transaction():
                cursor = connection.execute(sql.encode(), list(parameters) or None)
                names = [each.name for each in cursor.description or ()]
                return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)

    def relation(self, schema: str, table: str) -> str:
        """Return a table's full name."""
        return relation_of(schema, table)

    @contextmanager
    def _connect(self, run_id: str) -> Iterator["Connection"]:
        psycopg = _driver()
        with self._opened(psycopg, run_id) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield connection

    def _opened(self, psycopg: Any, run_id: str) -> "Connection":  # noqa: ANN401  a module of an optional library
        """Connect. A login that is refused is made once more, if its store has another password by now."""
        used = current(self._address)
        try:
            return psycopg.connect(**self._login(run_id, used), autocommit=True)
        except psycopg.OperationalError as error:
            again = renewed(self._address, used) if _REFUSED in str(error) else None
            if again is None:
                raise
        return psycopg.connect(**self._login(run_id, again), autocommit=True)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Translate errors. The original is not chained, because drivers put the password into their messages."""
        psycopg = _driver()
        try:
            yield
        except (psycopg.Error, duckdb.Error, OSError) as error:
            raise WarehouseError(f"{what}: {scrub(str(error)).strip()}", _remedy(error)) from None

    def _login(self, run_id: str, url: str) -> dict[str, str]:
        parts = parse(url).libpq()
        name = f"etl {self._tenant} {run_id}"[:63]
        defaults = {"connect_timeout": "15", "application_name": name, "client_encoding": "UTF8"}
        return {**defaults, **parts, "options": f"{parts.get('options', '')} {_OPTIONS}".strip()}

    def _lock(self, connection: "Connection", schema: str, table: str) -> None:
        """Wait for the table's lock, which allows one load at a time and ends with the connection."""
        digest = hashlib.sha256(f"etl {schema}.{table}".encode()).digest()
        key = int.from_bytes(digest[:8], "big") >> 1

        def ready() -> bool:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
            return bool(row and row[0])

        def holder() -> str:
            row = connection.execute(_HOLDER, [key]).fetchone()
            return str(row[0]) if row else "another process"

        what = f"the table {schema}.{table}"
        locks.wait_until(ready, what, holder, self._lock_seconds, WarehouseError)

    def stage(self, request: LoadRequest, loadable: Loadable, staged: str) -> None:
        """Copy the object's rows into an unlogged table that only this load uses."""
        extension = extension_path("postgres_scanner")
        if extension is None:
            raise WarehouseError(
                "a PostgreSQL warehouse needs DuckDB's postgres extension",
                "install duckdb-extension-postgres-scanner of DuckDB's own version",
            )
        parts = self._login(request.run_id, current(self._address))
        password = parts.pop("password", "")
        secret = f", PASSWORD {literal('duckdb', password)}" if password else ""
        select = loadable.select(ROW_NUMBER if request.mode == "upsert" else "")
        with duckdb.connect(config=engine_config()) as engine:
            make_room(engine, len(loadable.columns))
            engine.execute("SET TimeZone = 'UTC'")
            engine.execute(f"LOAD {literal('duckdb', str(extension))}")
            described = engine.execute(f"DESCRIBE {loadable.select()}").fetchall()
            check_types(request, described)
            if needs_text_copy(request, described):
                engine.execute("SET pg_use_binary_copy = false")
            engine.execute(f"CREATE TEMPORARY SECRET warehouse_login (TYPE postgres{secret})")
            login = literal("duckdb", conninfo(parts))
            engine.execute(f"ATTACH {login} AS warehouse (TYPE postgres, SECRET warehouse_login)")
            engine.execute(f"CREATE TABLE warehouse.{staged} AS {select} LIMIT 0")
            unlogged = f"ALTER TABLE {staged} SET UNLOGGED"
            engine.execute(f"CALL postgres_execute('warehouse', {literal('duckdb', unlogged)})")
            engine.execute(f"INSERT INTO warehouse.{staged} {select}")


class _PostgresLoader:
    """A table of a PostgreSQL database that no other load writes meanwhile."""

    def __init__(self, warehouse: PostgresWarehouse, connection: "Connection", schema: str, table: str) -> None:
        self._warehouse = warehouse
        self._connection = connection
        self._schema = schema
        self._table = table

    def load(self, request: LoadRequest, source: str | Path) -> LoadReport:
        """Load all of the object with its ledger entry, or nothing."""
        loadable = read_loadable(request, Path(source))
        staged = relation_of(_STAGING, "load_" + hashlib.sha256(self._relation.encode()).hexdigest()[:32])
        with self._warehouse.errors(f"{request.target} could not be loaded"):
            _prepare(self._connection, staged)
            load = Load(PostgresSession(self._connection, staged, loadable.untyped), request)
            with self._connection.transaction():
                report = load.look()
            if report is not None:
                return report
            try:
                self._warehouse.stage(request, loadable, staged)
                reach("warehouse.staged")
                return _run(self._connection, load, staged)
            finally:
                if not self._connection.closed:
                    self._connection.execute(f"DROP TABLE IF EXISTS {staged}".encode())

    def set_aside(self) -> str:
        """Rename the table or view. Returns the new name; empty if there is none."""
        with self._warehouse.errors(f"{self._schema}.{self._table} could not be renamed"):
            return set_aside(PostgresSession(self._connection), self._schema, self._table)

    @property
    def _relation(self) -> str:
        return relation_of(self._schema, self._table)


def _import_request(tenant: str, run_id: str) -> LoadRequest:
    """Return a request that only names who copies rows."""
    return LoadRequest(
        tenant=tenant, pipeline="", partition=None, schema_name=_STAGING, table="import", version="", rows=0,
        run_id=run_id,
    )  # fmt: skip


def _remedy(error: Exception) -> str:
    if getattr(error, "sqlstate", None) == "42501":
        return (
            "grant the role what it needs: its own schema, USAGE and CREATE on the schemas etl_ledger, etl_staging and"
            " etl_kept, SELECT and INSERT on etl_ledger.loads and etl_ledger.format; see docs/warehouse.md"
        )
    if _REFUSED in str(error):
        return "correct the user or the password of the tenant's warehouse"
    return "nothing was loaded; remove the cause and run it again"


def open_database(place: WarehousePlace, tenant: str) -> PostgresWarehouse:
    """Return the warehouse at an address."""
    if place.url is None:
        raise WarehouseError(f"the PostgreSQL warehouse of `{tenant}` has no address", "give `warehouse.url`")
    return PostgresWarehouse(place.url.get_secret_value(), tenant, lock_seconds=place.lock_seconds)


def address_of_profile(value: ProfileValue) -> WarehousePlace:
    """Return the address of the database that a target of dbt's profiles.yml names."""
    host, port = value("host"), value("port")
    login = f"{percent(value('user'), safe='')}:{percent(value('password', 'pass'), safe='')}@"
    address = f"[{host}]" if ":" in host else host
    query = "&".join(f"{name}={percent(found, safe='')}" for name in _TLS if (found := value(name)))
    where = f"{address}:{port}" if port else address
    url = f"postgresql://{login}{where}/{value('dbname', 'database')}" + (f"?{query}" if query else "")
    return WarehousePlace(type="postgres", url=SecretStr(url))


def _run(connection: "Connection", load: Load, staged: str) -> LoadReport:
    with connection.transaction():
        report = load.run()
        connection.execute(f"DROP TABLE {staged}".encode())
        reach("warehouse.before_commit")
    reach("warehouse.committed")
    return report


def _prepare(connection: "Connection", staged: str) -> None:
    """Create the ledger and the staging schema, one process at a time; drop what an interrupted load has left."""
    with _alone(connection), connection.transaction():
        ensure_schema(connection, _STAGING)
        ledger.prepare(PostgresSession(connection))
    connection.execute(f"DROP TABLE IF EXISTS {staged}".encode())


@contextmanager
def _alone(connection: "Connection") -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(hashtext('etl schemas'))")
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtext('etl schemas'))")


def _driver() -> Any:  # noqa: ANN401  a module of an optional library
    try:
        import psycopg  # noqa: PLC0415  an extra: `postgres`
    except ImportError:
        raise WarehouseError("a PostgreSQL warehouse needs psycopg", install("postgres")) from None
    return psycopg
