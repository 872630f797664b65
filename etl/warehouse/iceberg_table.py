"""The tables of Iceberg that loads write: PyIceberg's catalog, a table's newest state, a change as one commit.

Belongs here: opening the catalog, columns and rows to be replaced, staging one snapshot. Not here: what a load changes
(`iceberg`), the file's content (`iceberg_file`), the ledger (`iceberg_ledger`).
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, NotInstalledError
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, EqualTo, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IcebergType, NestedField, PrimitiveType, TimestampType
from pyiceberg.utils.datetime import days_to_date, micros_to_timestamp
from sqlalchemy.exc import IntegrityError

from etl.errors import WarehouseError
from etl.secrets.scrub import scrub
from etl.warehouse.contract import Column, TrinoPlace
from etl.warehouse.iceberg_types import trino_name
from etl.warehouse.identifier import without_dots

PENDING = "etl.pending"
SEQ = "etl.seq"
OWNER = "etl.owner"
KEPT_FOR = "etl.kept-for"
"""The property of a table of kept rows: the UUID of the table that they were kept for."""
PLANNED_ANEW = {"commit.retry.num-retries": "0"}
"""PyIceberg must not repeat a commit: it would carry the entries of the first plan, without those of other loads."""
_PROPERTIES = {
    "format-version": "2",
    **PLANNED_ANEW,
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}


class NewColumn(NamedTuple):
    """A column that a table must have."""

    name: str
    type: IcebergType


@contextmanager
def opened(place: TrinoPlace, errors: AbstractContextManager[None]) -> Iterator[Catalog]:
    """Open PyIceberg's catalog of the tables that Trino's catalog shows. `errors` translates errors of the opening."""
    properties = {name: value.get_secret_value() for name, value in place.iceberg.items()}
    name = properties.pop("name", place.catalog)
    with errors:
        try:
            catalog = load_catalog(name, **properties)
        except (ValueError, ImportError, NotInstalledError) as error:  # of PyIceberg, without a remedy of ours
            raise WarehouseError(
                f"PyIceberg cannot open the catalog `{name}`: {scrub(str(error)).strip()}",
                "give `warehouse.iceberg` (`type`, `uri`, `warehouse`, ...), and install the library that its `uri`"
                " needs; see docs/warehouse.md",
            ) from None
    try:
        yield catalog
    finally:
        catalog.close()


class IcebergTable:
    """One table of the catalog, which may not exist yet."""

    def __init__(self, catalog: Catalog, schema: str, name: str) -> None:
        self.catalog = catalog
        self.schema = schema
        self.name = name
        self.identifier = (schema.lower(), without_dots(name))

    def now(self) -> Table | None:
        """Return the table as it is now; None if there is none."""
        try:
            return self.catalog.load_table(self.identifier)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None

    def creation(self, columns: Sequence[NewColumn], partitioned_by: str) -> Transaction:
        """Begin a transaction that creates the table, in a folder that no other table has."""
        ensure_namespace(self.catalog, self.identifier[0])
        fields = [NestedField(at, each.name, each.type, required=False) for at, each in enumerate(columns, 1)]
        spec = PartitionSpec()
        for at, each in enumerate(columns, 1):
            if each.name == partitioned_by:
                spec = PartitionSpec(PartitionField(at, 1000, IdentityTransform(), each.name))
        return self.catalog.create_table_transaction(
            self.identifier, Schema(*fields), location=self._location(), partition_spec=spec, properties=_PROPERTIES
        )

    def _location(self) -> str | None:
        """Return a folder of the table's own: a table that was renamed keeps the folder that it had."""
        schema, name = self.identifier
        base = self.catalog.load_namespace_properties((schema,)).get("location")
        if not base and "://" in (root := self.catalog.properties.get("warehouse", "")):
            base = f"{root.rstrip('/')}/{schema}"
        return f"{base.rstrip('/')}/{name}-{uuid.uuid4().hex}" if base else None


def ensure_namespace(catalog: Catalog, name: str) -> None:
    """Make the schema if there is none, while other loads may make it too."""
    try:
        catalog.create_namespace_if_not_exists((name,))
    except IntegrityError:  # the catalog of type `sql` looks first and makes it then
        if not catalog.namespace_exists((name,)):
            raise


def equal(column: str, value: object) -> BooleanExpression:
    """Return the condition that a column has a value."""
    return EqualTo(term=Reference(column), value=literal(value))


def columns_of(table: Table | None) -> list[Column]:
    """Return a table's columns as Trino shows them."""
    fields = table.schema().fields if table else ()
    return [Column(each.name.lower(), trino_name(each.field_type)) for each in fields]


def seq_of(table: Table | None) -> int:
    """Return the number of the newest entry of the ledger about the table; 0 if there is none."""
    return int(table.properties.get(SEQ, "0")) if table else 0


def pending_of(table: Table | None) -> list[dict[str, Any]]:
    """Return the entries that a commit has brought, and that the ledger may not have yet."""
    found: list[dict[str, Any]] = json.loads(table.properties.get(PENDING, "[]")) if table else []
    return found


def snapshot_of(table: Table | None, back: int = 0) -> int | None:
    """Return the number of the table's newest snapshot, or of the one before."""
    snapshot = table.current_snapshot() if table else None
    if snapshot is None:
        return None
    return int(snapshot.snapshot_id) if not back else snapshot.parent_snapshot_id


def count_of(table: Table, rows: BooleanExpression) -> int | None:
    """Return the number of rows; None if the manifests do not say it."""
    if table.current_snapshot() is None:
        return 0
    count = 0
    for task in table.scan(row_filter=rows).plan_files():
        if task.delete_files or task.residual != AlwaysTrue():
            return None
        count += task.file.record_count
    return count


def ends_of(table: Table | None, column: str) -> list[object] | None:
    """Return the smallest and the largest values by which the files are cut; None if the manifests do not say them."""
    snapshot = table.current_snapshot() if table else None
    if table is None or snapshot is None:
        return None
    found: list[object] = []
    for manifest in snapshot.manifests(table.io):
        if not manifest.has_added_files() and not manifest.has_existing_files():
            continue
        spec = table.specs()[manifest.partition_spec_id]
        at = next((at for at, each in enumerate(spec.fields) if each.name == column), None)
        part = manifest.partitions[at] if at is not None and manifest.partitions else None
        if part is None or part.contains_null or part.lower_bound is None or part.upper_bound is None:
            return None
        kind = table.schema().find_type(column)
        if not isinstance(kind, PrimitiveType):
            return None
        for bound in (part.lower_bound, part.upper_bound):
            value: Any = from_bytes(kind, bound)
            value = days_to_date(value) if isinstance(kind, DateType) else value
            found.append(micros_to_timestamp(value) if isinstance(kind, TimestampType) else value)
    return list(dict.fromkeys(found))


def add_columns(transaction: Transaction, columns: Sequence[NewColumn], partitioned_by: str) -> None:
    """Add those columns that the table lacks, and cut new rows by this column if the table is not cut yet."""
    have = {each.name.lower() for each in transaction.table_metadata.schema().fields}
    lacking = [each for each in columns if each.name.lower() not in have]
    if lacking:
        with transaction.update_schema() as update:
            for each in lacking:
                update.add_column((each.name,), each.type)
    metadata = transaction.table_metadata
    if partitioned_by and partitioned_by not in {each.name for each in metadata.spec().fields}:
        with transaction.update_spec() as update_spec:
            update_spec.add_identity(partitioned_by)


def replaced_files(
    table: Table | None, rows: BooleanExpression, is_whole: Callable[[str], bool | None]
) -> list[DataFile]:
    """Return the files that hold these rows and no others.

    If the partition of a file does not say that it holds only such rows, `is_whole` looks into the table: None means
    that the file holds none of these rows any more.
    """
    if table is None or table.current_snapshot() is None:
        return []
    found = []
    for task in table.scan(row_filter=rows).plan_files():
        whole = True if task.residual == AlwaysTrue() else is_whole(task.file.file_path)
        if whole is False:
            raise WarehouseError(
                f"a file of {'.'.join(table.name())} holds rows of several partitions: {task.file.file_path}",
                "move the table away with `etl set-aside` and load every partition again",
            )
        if whole:
            found.append(task.file)
    return found


def stage_snapshot(
    transaction: Transaction,
    replaced: Sequence[DataFile],
    added: Sequence[DataFile],
    summary: Mapping[str, str],
    properties: Callable[[int], Mapping[str, str]],
) -> int:
    """Take files out and put others in, as one snapshot. Returns its number, which `properties` get too."""
    with transaction.update_snapshot(snapshot_properties=dict(summary)).overwrite() as snapshot:
        for each in replaced:
            snapshot.delete_data_file(each)
        for each in added:
            snapshot.append_data_file(each)
        number = snapshot.snapshot_id
    transaction.set_properties(dict(properties(number)))
    return int(number)
