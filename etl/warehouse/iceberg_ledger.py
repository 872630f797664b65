"""The load ledger of a warehouse of Iceberg tables: the small table `etl_ledger.loads`, and what it lacks yet.

Belongs here: reading the entries, adding entries, keeping the table small. Not here: what the entries mean (`ledger`),
the commit of a load (`iceberg`).

Iceberg cannot commit two tables together. So the commit of a load carries its entry in the property `etl.pending` of
the loaded table. Afterwards the entry is added to the ledger, and the next commit of the table drops it from the
property. An entry is the same entry wherever it stands: each has an `id`. The ledger is read into a DuckDB in memory,
where the SQL that other warehouses use finds the entries.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError, ValidationException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import BooleanType, IcebergType, IntegerType, LongType, NestedField, StringType, TimestamptzType

from etl.errors import WarehouseError
from etl.formats import check_format
from etl.warehouse import ledger
from etl.warehouse.duckdb_session import DuckDBSession
from etl.warehouse.iceberg_table import IcebergTable, ensure_namespace, equal, pending_of
from etl.warehouse.trino_session import NOT_THE_SAME, TrinoSession, driver

_FILES = 10
"""With more files of one table, the entries of the table are written into one file."""
_KEPT = timedelta(hours=1)
_FORMAT = "etl.format"
_MARK = "etl.mark"
_TYPES: dict[str, tuple[IcebergType, pa.DataType]] = {
    "BIGINT": (LongType(), pa.int64()),
    "INTEGER": (IntegerType(), pa.int32()),
    "BOOLEAN": (BooleanType(), pa.bool_()),
    "VARCHAR": (StringType(), pa.string()),
    "TIMESTAMP WITH TIME ZONE": (TimestamptzType(), pa.timestamp("us", "UTC")),
}
_COLUMNS = {
    "target": _TYPES["VARCHAR"],
    "id": _TYPES["VARCHAR"],
    **{name: _TYPES[kind.removesuffix(" NOT NULL")] for name, kind in ledger.COLUMNS},
}
_ARROW = pa.schema([(name, kind) for name, (_, kind) in _COLUMNS.items()])
Entry = dict[str, Any]


class IcebergLedger:
    """The ledger of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._table = IcebergTable(catalog, ledger.SCHEMA, ledger.TABLE)

    def of_table(self, schema: str, name: str) -> list[Entry]:
        """Return the entries about one table that stand in the ledger."""
        return self._read(equal("target", target(schema, name)))

    def of_tenant(self, tenant: str) -> list[Entry]:
        """Return all entries of a tenant, also those that only the loaded tables have yet."""
        return self._with_pending(self._read(equal("tenant", tenant)), lambda each: each["tenant"] == tenant)

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries, and write those of their table into one file if they stand in many."""
        if not entries:
            return
        rows = [{**dict.fromkeys(_COLUMNS), **each} for each in entries]
        added = pa.Table.from_pylist([{name: row[name] for name in _COLUMNS} for row in rows], schema=_ARROW)
        table = self._made()
        table.append(added)
        self._compact(table, str(rows[0]["target"]))

    def mark(self) -> str:
        """Return the text by which this ledger is known again in Trino. Makes the ledger if there is none."""
        return str(self._made().properties.get(_MARK, ""))

    def try_out(self) -> None:
        """Write a file below the ledger's folder, and delete it."""
        table = self._made()
        path = f"{table.location()}/data/etl-check-{uuid.uuid4().hex}"
        with table.io.new_output(path).create() as file:
            file.write(b"etl check --connect")
        table.io.delete(path)

    def _read(self, rows: BooleanExpression) -> list[Entry]:
        table = self._table.now()
        if table is None:
            return []
        _check_format(table)
        return _once(table.scan(row_filter=rows).to_arrow().to_pylist())

    def _with_pending(self, entries: list[Entry], mine: Any) -> list[Entry]:  # noqa: ANN401  a condition
        tables = {(each["schema_name"], each["table_name"]) for each in entries}
        for schema, name in sorted(tables):
            pending = pending_of(IcebergTable(self._catalog, schema, name).now())
            entries = _once([*entries, *(each for each in read_pending(pending) if mine(each))])
        return entries

    def _made(self) -> Table:
        table = self._table.now()
        if table is not None:
            return table
        fields = [
            NestedField(at, name, kind, required=False) for at, (name, (kind, _)) in enumerate(_COLUMNS.items(), 1)
        ]
        properties = {
            _FORMAT: str(ledger.FORMAT),
            _MARK: uuid.uuid4().hex,
            "commit.manifest-merge.enabled": "true",
            "commit.manifest.min-count-to-merge": "20",
            # An entry depends on no other one, so PyIceberg may plan its commit anew where other loads were quicker.
            "commit.retry.num-retries": "20",
            "write.metadata.delete-after-commit.enabled": "true",
            "write.metadata.previous-versions-max": "10",
        }
        spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "target"))
        ensure_namespace(self._catalog, ledger.SCHEMA)
        try:
            return self._catalog.create_table(
                (ledger.SCHEMA, ledger.TABLE), Schema(*fields), partition_spec=spec, properties=properties
            )
        except TableAlreadyExistsError:
            return self._catalog.load_table((ledger.SCHEMA, ledger.TABLE))

    def _compact(self, table: Table, wanted: str) -> None:
        """Write the entries of one table into one file. If another load is at it, the next load does it."""
        rows = equal("target", wanted)
        scan = table.scan(row_filter=rows)
        if sum(1 for _ in scan.plan_files()) <= _FILES:
            return
        entries = pa.Table.from_pylist(_once(scan.to_arrow().to_pylist()), schema=_ARROW)
        try:
            table.overwrite(entries, overwrite_filter=rows)
            table.maintenance.expire_snapshots().older_than(datetime.now(UTC).replace(tzinfo=None) - _KEPT).commit()
        except (CommitFailedException, ValidationException):
            return


def check_same_catalog(kept: IcebergLedger, session: TrinoSession) -> None:
    """Refuse to go on if Trino's catalog does not have this ledger: it would not show what a load commits."""
    properties = session.relation(ledger.SCHEMA, f"{ledger.TABLE}$properties")
    mark = kept.mark()
    try:
        found = session.rows(f"SELECT value FROM {properties} WHERE key = '{_MARK}'")
    except driver().exceptions.TrinoUserError as error:
        if error.error_name not in ("TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND"):
            raise
        found = []
    if found != [(mark,)]:
        raise WarehouseError(
            f"Trino's catalog does not have the load ledger ({ledger.SCHEMA}.{ledger.TABLE}) that PyIceberg has: they"
            " are not the same catalog",
            NOT_THE_SAME,
        )


def target(schema: str, name: str) -> str:
    """Return the text by which the ledger is cut into partitions."""
    return f"{schema}.{name}".lower()


def read_pending(pending: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Return entries of the property as the ledger has them."""
    return [{**each, "loaded_at": datetime.fromisoformat(each["loaded_at"])} for each in pending]


@contextmanager
def in_memory(entries: Sequence[Entry]) -> Iterator[DuckDBSession]:
    """Put entries into a ledger in memory."""
    names = ", ".join(f'"{name}"' for name in ledger.NAMES)
    with duckdb.connect(config={"memory_limit": "256MB", "threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        session = DuckDBSession(connection)
        ledger.prepare(session)
        if entries:
            rows = [{name: each.get(name) for name in _COLUMNS} for each in entries]
            connection.register("etl_entries", pa.Table.from_pylist(rows, schema=_ARROW))
            loads = session.relation(ledger.SCHEMA, ledger.TABLE)
            session.change(f"INSERT INTO {loads} ({names}) SELECT {names} FROM etl_entries ORDER BY seq, loaded_at")
        yield session


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Return each entry once: two loads may have added it. Of two texts the one with a digest is the newer one."""
    found: dict[str, Entry] = {}
    for each in entries:
        known = found.get(each["id"])
        if known is None or known["digest"] is None:
            found[each["id"]] = each
    return sorted(found.values(), key=lambda each: (each["seq"], each["loaded_at"]))


def _check_format(table: Table) -> None:
    text = table.properties.get(_FORMAT, "")
    if not text.isdecimal():
        raise WarehouseError(
            "the table etl_ledger.loads of this catalog is not a ledger of this product", "rename it and load again"
        )
    check_format(int(text), newest=ledger.FORMAT, what="the load ledger (etl_ledger) of this warehouse")
