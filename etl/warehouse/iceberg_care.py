"""The care of tables of Iceberg: small files are joined, old snapshots expire, files that nothing needs are removed.

Belongs here: the steps for one table, and what must stay. Not here: which tables the tenant has loaded (`care`), the
loads that run meanwhile (`iceberg_load`).

Nothing is locked. A load that runs meanwhile needs three things:

- The snapshot with which it began, which may be years old. So a snapshot expires by the time at which another one took
  its place. Trino's own `expire_snapshots` goes by the age of the snapshot, and would remove it at once.
- The snapshot of an entry in `etl.pending` that has no digest yet. So these entries are settled first.
- Its file below the table's folder, which no snapshot names yet. So a file without a snapshot has to be old.

Trino joins only files of the same partition, because the table is cut by it. A load that meets the joined files plans
its commit anew, as for any other commit.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pyarrow.fs import FileSelector
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import SnapshotRefType
from pyiceberg.table.snapshots import ancestors_of
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, TimestampType
from pyiceberg.utils.datetime import days_to_date, micros_to_timestamp

from etl.errors import WarehouseError
from etl.warehouse.care import noted
from etl.warehouse.contract import KEPT_SCHEMA, LOAD_COLUMN, PARTITION_COLUMN, Care, CareRequest, kept_table
from etl.warehouse.iceberg_commit import CONFLICTS, Place, pause
from etl.warehouse.iceberg_ledger import IcebergLedger
from etl.warehouse.iceberg_table import KEPT_FOR, OWNER, IcebergTable
from etl.warehouse.identifier import quoted, value_of
from etl.warehouse.trino_session import COMMIT_CONFLICTS, TrinoSession, driver

_DEFAULT_AGE = timedelta(days=7)
_PARTITIONS = 50
"""How many partitions one statement joins. A writer of Trino has at most 100 partitions open."""
_ATTEMPTS = 10
_SMALL = 100 << 20
"""Trino joins files that are smaller than this."""
_OWN_FOLDER = re.compile(r"-[0-9a-f]{32}/?")
"""The end of a folder that the product made for one table."""
_LEAST_AGES = ("expire_snapshots_min_retention", "remove_orphan_files_min_retention")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class IcebergCare:
    """The care of the tables that one tenant has loaded into one catalog."""

    catalog: Catalog
    session: TrinoSession
    name: str
    """Trino's name of the catalog."""
    errors: Callable[[str], AbstractContextManager[None]]
    tenant: str
    asked: CareRequest

    def of_each(self, tables: Mapping[tuple[str, str], Care]) -> Iterator[Care]:
        """Care for the tables and their kept rows, one after the other."""
        age = self._age()
        for (schema, name), care in tables.items():
            found: Table | None = None
            with noted(care), self.errors(f"{care.table} could not be cared for"):
                target = IcebergTable(self.catalog, schema, name)
                found = self._own(target, care)
                if found is not None:
                    self._care(target, care, age)
            yield care
            kept = IcebergTable(self.catalog, KEPT_SCHEMA, kept_table(schema, name))
            if found is not None and _is_kept_for(kept.now(), found):
                care_of_kept = Care(".".join(kept.identifier))
                with noted(care_of_kept), self.errors(f"{care_of_kept.table} could not be cared for"):
                    self._care(kept, care_of_kept, age)
                yield care_of_kept

    def _age(self) -> timedelta:
        """Return how old a file must be to be removed. Trino may ask for more than the product does."""
        settings = {
            each[0]: each[1] for each in self.session.rows(f"SHOW SESSION LIKE {value_of(f'{self.name}.%retention')}")
        }
        least = max(
            (_duration(settings[name]) for each in _LEAST_AGES if (name := f"{self.name}.{each}") in settings),
            default=timedelta(0),
        )
        asked = self.asked.older_than
        if asked is None:
            return max(_DEFAULT_AGE, least)
        if asked < least:
            raise WarehouseError(
                f"Trino keeps old snapshots and files for {least}, which is longer than what was asked for ({asked})",
                f"ask for {least} or more, or lower `iceberg.expire-snapshots.min-retention` and"
                " `iceberg.remove-orphan-files.min-retention` of Trino's catalog",
            )
        return asked

    def _own(self, target: IcebergTable, care: Care) -> Table | None:
        """Return the table if the tenant's loads made it, with no entry left that the ledger lacks."""
        table = target.now()
        if table is None and not care.left_alone:
            kind = self.session.kind(target.schema, target.name)
            care.left_alone = f"it is a {kind}" if kind else "there is no such table any more"
        elif table is not None and not care.left_alone:
            owner = table.properties.get(OWNER, "").partition("/")[0]
            if owner != self.tenant:
                care.left_alone = f"it belongs to the tenant `{owner}`" if owner else "no load of this product made it"
        if care.left_alone:
            return None
        if not self.asked.dry_run:
            Place(target, IcebergLedger(self.catalog), self.session).settle()
        return table

    def _care(self, target: IcebergTable, care: Care, age: timedelta) -> None:
        care.before = _size(_still(target))
        self._join(target, care)
        self._expire(target, care, age)
        self._remove(target, care, age)

    def _join(self, target: IcebergTable, care: Care) -> None:
        """Join the small files of each partition that has several, or rows that are marked as deleted."""
        table = _still(target)
        cut = _cut_of(table)
        crowded = _crowded(table, cut)
        if not crowded:
            return
        if not self.asked.dry_run:
            relation = self.session.relation(target.schema, target.name)
            statement = f"ALTER TABLE {relation} EXECUTE optimize(file_size_threshold => '{_SMALL >> 20}MB')"
            for at in range(0, len(crowded), _PARTITIONS):
                values = ", ".join(crowded[at : at + _PARTITIONS])
                self._joined(target, f"{statement} WHERE {quoted(cut)} IN ({values})" if cut else statement)
        what = f"the files of {len(crowded)} partitions" if cut else "the files"
        self._note(care, f"joined {what}", f"would join {what}")

    def _joined(self, target: IcebergTable, statement: str) -> None:
        for attempt in range(_ATTEMPTS):
            try:  # etl: allow retry-loop (only a commit that another writer overtook is made again)
                self.session.change(statement)
            except driver().exceptions.TrinoQueryError as error:
                if error.error_name not in COMMIT_CONFLICTS:
                    raise
                pause(attempt)
                continue
            return
        raise _busy(target)

    def _expire(self, target: IcebergTable, care: Care, age: timedelta) -> None:
        """Let the snapshots expire whose place another snapshot took so long ago."""
        before = datetime.now(UTC) - age
        for attempt in range(_ATTEMPTS):
            table = _still(target)
            replaced = replaced_before(table.metadata, before)
            if replaced and not self.asked.dry_run:
                try:  # etl: allow retry-loop (only a commit that another writer overtook is made again)
                    table.maintenance.expire_snapshots().by_ids(replaced).commit()
                except CONFLICTS:
                    pause(attempt)
                    continue
            if replaced:
                self._note(care, f"removed {len(replaced)} snapshots", f"would remove {len(replaced)} snapshots")
            return
        raise _busy(target)

    def _remove(self, target: IcebergTable, care: Care, age: timedelta) -> None:
        """Remove files below the table's folder that no snapshot names, if they are so old."""
        table = _still(target)
        if other := self._shares_folder(table):
            raise WarehouseError(
                f"no file was removed from the folder {table.location()} of {care.table}: {other} has files in it too",
                "make one of the two tables anew: `etl set-aside`, then run all partitions again",
            )
        if self.asked.dry_run:
            care.after = care.before
            care.done.append("would look for files that no snapshot names")
            return
        before = _size(table)
        relation = self.session.relation(target.schema, target.name)
        threshold = f"retention_threshold => '{int(age.total_seconds())}s'"
        self.session.change(f"ALTER TABLE {relation} EXECUTE remove_orphan_files({threshold})")
        care.after = _size(_still(target))
        removed = before.get("files", 0) - care.after.get("files", 0)
        if removed > 0:
            care.done.append(f"removed {removed} files")

    def _note(self, care: Care, done: str, planned: str) -> None:
        care.done.append(planned if self.asked.dry_run else done)

    def _shares_folder(self, table: Table) -> str:
        """Return another table with files in the table's folder. A folder that the product made has no other table."""
        own = _folder(table)
        if _OWN_FOLDER.fullmatch(own[-34:]):
            return ""
        for namespace in self.catalog.list_namespaces():
            for identifier in self.catalog.list_tables(namespace):
                other = self.catalog.load_table(identifier)
                if other.metadata.table_uuid == table.metadata.table_uuid:
                    continue
                if own.startswith(_folder(other)) or _folder(other).startswith(own):
                    return ".".join(identifier)
        return ""


def replaced_before(metadata: TableMetadata, moment: datetime) -> list[int]:
    """Return the snapshots in whose place another one was already at this moment. Branches and tags keep theirs."""
    until: dict[int, int] = {}
    for number, at in (
        *((each.snapshot_id, each.timestamp_ms) for each in metadata.snapshots),
        *((each.parent_snapshot_id, each.timestamp_ms) for each in metadata.snapshots if each.parent_snapshot_id),
        *((earlier.snapshot_id, later.timestamp_ms) for earlier, later in pairwise(metadata.snapshot_log)),
    ):
        until[number] = max(at, until.get(number, 0))
    needed = {metadata.current_snapshot_id, *(each.snapshot_id for each in metadata.refs.values())}
    for name, ref in metadata.refs.items():
        if name != "main" and ref.snapshot_ref_type is SnapshotRefType.BRANCH:
            tip = metadata.snapshot_by_id(ref.snapshot_id)
            needed |= {each.snapshot_id for each in ancestors_of(tip, metadata)}
    limit = moment.timestamp() * 1000
    return [number for each in metadata.snapshots if until[number := each.snapshot_id] < limit and number not in needed]


def _still(target: IcebergTable) -> Table:
    table = target.now()
    if table is None:
        raise WarehouseError(f"{target.schema}.{target.name} was dropped meanwhile", "nothing is left to do")
    return table


def _busy(target: IcebergTable) -> WarehouseError:
    return WarehouseError(
        f"loads of {target.schema}.{target.name} were quicker {_ATTEMPTS} times",
        "run the command again while fewer loads of this table run; the table is as its loads left it",
    )


def _is_kept_for(kept: Table | None, table: Table) -> bool:
    return kept is not None and kept.properties.get(KEPT_FOR) == str(table.metadata.table_uuid)


def _cut_of(table: Table) -> str:
    """Return the column by which the files are cut; empty if they are not.

    If a table has the partition's column and is not cut by it, joined files would hold several partitions, and no load
    could replace one of them any more.
    """
    names = {each.name for each in table.schema().fields}
    cut = {
        table.schema().find_column_name(each.source_id)
        for each in table.spec().fields
        if isinstance(each.transform, IdentityTransform)
    }
    for column in (PARTITION_COLUMN, LOAD_COLUMN):
        if column in names:
            if column not in cut:
                raise WarehouseError(
                    f"the files of {'.'.join(table.name())} are not cut by {column}, so they cannot be joined",
                    "move the table away with `etl set-aside` and load every partition again",
                )
            return column
    return ""


def _crowded(table: Table, cut: str) -> Sequence[str]:
    """Return the values of the column `cut`, as SQL, of which files can be joined; one value for a table without."""
    position = {
        number: at for number, spec in table.specs().items() for at, each in enumerate(spec.fields) if each.name == cut
    }
    small: Counter[object] = Counter()
    for task in table.scan().plan_files():
        at = position.get(task.file.spec_id)
        part = None if at is None else task.file.partition[at]
        small[part] += 2 if task.delete_files else task.file.file_size_in_bytes < _SMALL
    return [_literal(table, cut, part) for part, count in small.items() if count > 1 and (part is not None or not cut)]


def _literal(table: Table, column: str, value: object) -> str:
    kind = table.schema().find_type(column) if column else None
    if isinstance(kind, DateType) and isinstance(value, int):
        return f"DATE '{days_to_date(value)}'"
    if isinstance(kind, TimestampType) and isinstance(value, int):
        return f"TIMESTAMP '{micros_to_timestamp(value)}'"
    return value_of(value)


def _size(table: Table) -> dict[str, int]:
    """Return the table's number of snapshots, and what lies in its folder."""
    found: dict[str, int] = {}
    if isinstance(table.io, PyArrowFileIO):
        scheme, netloc, path = table.io.parse_location(table.location(), table.io.properties)
        selector = FileSelector(path, recursive=True, allow_not_found=True)
        files = [each for each in table.io.fs_by_scheme(scheme, netloc).get_file_info(selector) if each.is_file]
        found = {"files": len(files), "bytes": sum(each.size for each in files)}
    return {**found, "snapshots": len(table.metadata.snapshots)}


def _folder(table: Table) -> str:
    return f"{table.location().rstrip('/')}/"


def _duration(text: str) -> timedelta:
    """Return a time as Trino writes it, such as `7.00d`."""
    found = re.fullmatch(r"([\d.]+) ?(d|h|m|s|ms|us|ns)", text)
    if found is None:
        raise WarehouseError(f"Trino's answer `{text}` is no duration", "report it, with the version of Trino")
    return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])
