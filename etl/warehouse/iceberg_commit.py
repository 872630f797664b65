"""Commits a load into a table of Iceberg: one snapshot with the ledger's entry, planned again if others are quicker.

Belongs here: the commit, the search for it after a lost answer, entries that the ledger lacks yet. Not here: which rows
a load puts in (`iceberg_load`), what the entries say (`iceberg_entries`), the ledger's table (`iceberg_ledger`).

Nothing is locked. A load notes the number of the table's newest entry before the lake is asked which object it
publishes. If an entry about the same partition comes after that, another load was quicker: with the same object,
nothing is left to do; with another object, the load is refused, because the other object may be the newer one.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy.exc
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.expressions import BooleanExpression
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from requests import RequestException

from etl.errors import WarehouseError
from etl.faults import reach
from etl.warehouse import ledger
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, Column, LoadRequest
from etl.warehouse.digest import digest
from etl.warehouse.iceberg_entries import check_fence, concerns, newest
from etl.warehouse.iceberg_file import RowsFile
from etl.warehouse.iceberg_ledger import Entry, IcebergLedger, read_pending, target
from etl.warehouse.iceberg_object import map_names
from etl.warehouse.iceberg_table import (
    OWNER,
    PENDING,
    PLANNED_ANEW,
    SEQ,
    IcebergTable,
    NewColumn,
    add_columns,
    pending_of,
    replaced_files,
    seq_of,
    snapshot_of,
    stage_snapshot,
)
from etl.warehouse.iceberg_types import trino_name
from etl.warehouse.schema_change import fits
from etl.warehouse.trino_session import TrinoSession

ATTEMPTS = 30
"""How often a commit is planned again because other loads have committed in between."""
CONFLICTS = (CommitFailedException, ValidationException, TableAlreadyExistsError)
_PAUSE_SECONDS = 0.2
_UNKNOWN = (CommitStateUnknownException, sqlalchemy.exc.SQLAlchemyError, RequestException, OSError)


@dataclass(frozen=True)
class Place:
    """A table with the ledger, and a connection to Trino."""

    target: IcebergTable
    ledger: IcebergLedger
    session: TrinoSession

    def settle(self, read: Sequence[Entry] = (), own: str = "") -> tuple[list[Entry], int]:
        """Add to the ledger what commits have brought and the ledger lacks.

        Returns all entries about the table, and the number of the newest one. The digest of an entry is made from the
        snapshot that brought it, so it is the digest of exactly these rows. If the entry `own` is all that came after
        the entries `read`, the ledger is not read again.
        """
        table = self.target.now()
        pending = pending_of(table)
        entries = list(read)
        if not own or {each["id"] for each in pending} - {each["id"] for each in read} != {own}:
            entries = self.ledger.of_table(self.target.schema, self.target.name)
        known = {each["id"] for each in entries}
        new = [each for each in pending if each["id"] not in known]
        if table is not None and new:
            done = read_pending(self._with_digest(table, each) for each in new)
            self.ledger.add(done)
            entries += done
        return sorted(entries, key=lambda each: int(each["seq"])), newest(table, entries)

    def _with_digest(self, table: Table, entry: dict[str, Any]) -> dict[str, Any]:
        snapshot = table.snapshot_by_id(entry["snapshot"])
        if entry["digest"] is not None or snapshot is None:
            return entry
        schema = table.schemas()[snapshot.schema_id or 0]
        columns = [Column(each.name.lower(), trino_name(each.field_type)) for each in schema.fields]
        relation = self.session.relation(self.target.schema, self.target.name)
        made = digest(self.session, f"{relation} FOR VERSION AS OF {entry['snapshot']}", columns, entry["where"])
        return {**entry, "digest": made}


@dataclass(frozen=True)
class Change:
    """What one commit does beside writing the entry."""

    where: Callable[[int], str]
    """The condition for the rows of the entry with this number, of which the digest is made."""
    rows: RowsFile | None = None
    """The rows that come in."""
    object: Path | None = None
    """The object, if all of its rows come in."""
    expected: int = 0
    replaced: Callable[[int], tuple[BooleanExpression, str]] | None = None
    """The rows that go out, for PyIceberg and for Trino."""
    digest: str | None = None
    """The digest, if it is known before the commit."""


@dataclass
class Commits:
    """The commits of one load."""

    place: Place
    request: LoadRequest
    entries: Sequence[Entry]
    begun: int
    """The number of the newest entry about the table when the load began."""
    entry: Callable[..., dict[str, object]]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    columns: Sequence[NewColumn] = ()
    """The columns that the table must have."""

    @property
    def cut(self) -> str:
        """The column by which the table's files are cut."""
        if self.request.partition:
            return PARTITION_COLUMN
        return LOAD_COLUMN if self.request.mode == "append" else ""

    def shape(self) -> None:
        """Give the table its columns, its division into files and its way to commit, as a commit of its own."""
        for attempt in range(ATTEMPTS):
            table = self.place.target.now()
            transaction = self._begin(table)
            if table is None:
                transaction.set_properties({OWNER: owner_of(self.request)})
            elif not is_planned_anew(table):
                transaction.set_properties(PLANNED_ANEW)
            try:  # etl: allow retry-loop (only a commit that another writer overtook is made again)
                transaction.commit_transaction()
            except CONFLICTS:
                pause(attempt)
                continue
            return
        raise self.gives_up()

    def commit(self, change: Change) -> tuple[int | None, int]:
        """Commit the change, again and again until no other load is quicker. Returns the snapshots before and after."""
        found = self.place.target.now()
        existed = found is not None
        if found is not None and not is_planned_anew(found):  # somebody else made the table
            self.shape()
        for attempt in range(ATTEMPTS):
            table = self.place.target.now()
            if existed and table is None:
                raise WarehouseError(f"{self.request.target} was dropped meanwhile", "run the load again")
            if attempt and self._has_landed(table):
                return snapshot_of(table, 1), snapshot_of(table) or 0
            self.check_still(table)
            before = snapshot_of(table)
            if self._try(table, change):
                return before, snapshot_of(self.place.target.now()) or 0
            pause(attempt)
        raise self.gives_up()

    def commit_entry(self, base: int, change: Change) -> bool:
        """Commit the entry alone. False if another load has committed an entry since `base`."""
        for attempt in range(ATTEMPTS):
            table = self.place.target.now()
            if self._has_landed(table):
                return True
            if seq_of(table) != base:
                return False
            if self._try(table, change):
                return True
            pause(attempt)
        raise self.gives_up()

    def check_still(self, table: Table | None) -> None:
        """Refuse to go on if another load of the same rows has committed since this one began."""
        if seq_of(table) <= self.begun:
            return
        found = self.place.ledger.of_table(self.request.schema_name, self.request.table)
        entries = [*found, *read_pending(pending_of(table))]
        check_fence(entries, self.begun, seq_of(table), self.request)
        if any(self.begun < each["seq"] <= seq_of(table) and concerns(each, self.request) for each in entries):
            raise LoadedMeanwhileError(f"{self.request.target} was loaded with the same object by another run")

    def uri(self, location: str, turn: int) -> str:
        """Return the file's address. A repeated run writes over its own file, but never over a committed one.

        If there are several files, each has its number in addition.
        """
        folder = f"{PARTITION_COLUMN}={self.request.partition}" if self.request.partition else "whole"
        run = sha256(self.request.run_id.encode()).hexdigest()[:12]
        return f"{location.rstrip('/')}/data/{folder}/{turn}-{self.request.version[:12]}-{run}.parquet"

    def constants(self, seq: int) -> dict[str, str]:
        """Return the columns that have one value in all rows, as SQL."""
        condition = self.request.rows_of_partition.partition(" = ")
        constants = {PARTITION_COLUMN: condition[2]} if self.request.partition else {}
        return {**constants, LOAD_COLUMN: str(seq)} if self.request.mode == "append" else constants

    def summary(self, seq: int) -> dict[str, str]:
        """Return what the snapshot says about the load."""
        request = self.request
        return {
            "etl.id": self.id,
            "etl.seq": str(seq),
            "etl.tenant": request.tenant,
            "etl.pipeline": request.pipeline,
            "etl.partition": request.partition or "",
            "etl.version": request.version,
            "etl.run_id": request.run_id,
            "etl.rows": str(request.rows),
            "etl.mode": request.mode,
        }

    def is_whole(self, relation: str, where: str) -> Callable[[str], bool | None]:
        """Return the question whether a file holds only rows with this condition; None if it holds none of them."""

        def look(path: str) -> bool | None:
            text = path.replace("'", "''")
            counted = f"count_if({where}), count_if(NOT coalesce({where}, FALSE))"
            rows = self.place.session.rows(f"SELECT {counted} FROM {relation} WHERE \"$path\" = '{text}'")
            mine, others = rows[0]
            return None if not mine else not others

        return look

    def gives_up(self) -> WarehouseError:
        """Return the error for a commit that others were always quicker than."""
        return WarehouseError(
            f"{self.request.target}: other loads have committed {ATTEMPTS} times while this one tried to",
            "run the load again, with fewer loads of this table at once",
        )

    def _begin(self, table: Table | None) -> Transaction:
        if table is None:
            return self.place.target.creation(self.columns, self.cut)
        transaction = table.transaction()
        add_columns(transaction, self.columns, self.cut)
        have = {each.name.lower(): trino_name(each.field_type) for each in transaction.table_metadata.schema().fields}
        for name, kind in self.columns:
            found, wanted = have[name.lower()].upper(), trino_name(kind).upper()
            if found != wanted and not fits(wanted, found):
                raise WarehouseError(
                    f"another load has given {self.request.target} the column `{name}` with the type {found}",
                    "run the load again: it says what to do",
                )
        return transaction

    def _try(self, table: Table | None, change: Change) -> bool:
        """Plan the commit on the table as it is now, and commit it. False if another commit was quicker."""
        place, request = self.place, self.request
        seq = max(seq_of(table), *(int(each["seq"]) for each in self.entries), 0) + 1
        transaction = self._begin(table)
        metadata = transaction.table_metadata
        io = transaction._table.io  # noqa: SLF001  a table that is not made yet has no other way to its files
        files: list[DataFile] = []
        if change.rows:
            uri = self.uri(metadata.location, self.begun)
            constants = self.constants(seq)
            as_it_is = change.object if change.object and map_names(transaction, change.object, constants) else None
            files = change.rows.put(io, metadata, constants, uri, change.expected, as_it_is=as_it_is)
            reach("warehouse.staged")
        replaced = []
        if change.replaced and table and (not self.cut or self.cut in table.schema().column_names):
            rows, where = change.replaced(seq)
            relation = place.session.relation(request.schema_name, request.table)
            replaced = replaced_files(table, rows, self.is_whole(relation, where))

        def properties(number: int) -> Mapping[str, str]:
            return self._properties(table, change, seq, number)

        stage_snapshot(transaction, replaced, files, self.summary(seq), properties)
        reach("warehouse.inserted")
        reach("warehouse.before_commit")
        try:
            transaction.commit_transaction()
        except CONFLICTS:
            for each in files if table is None else ():  # in the folder of a table that another load has made elsewhere
                with suppress(OSError):
                    io.delete(each.file_path)
            return False
        except _UNKNOWN:
            if not self._has_landed(place.target.now()):
                raise
        reach("warehouse.committed")
        return True

    def _properties(self, table: Table | None, change: Change, seq: int, snapshot: int) -> dict[str, str]:
        """Return the properties that the commit gives the table: the entry, and those that the ledger lacks."""
        request = self.request
        created = table is None or SEQ not in table.properties or request.replaces_table
        known = {each["id"] for each in self.entries}
        entry = {
            **self.entry(seq, change.digest, created=created),
            "id": self.id,
            "target": target(request.schema_name, request.table),
            "loaded_at": datetime.now(UTC).isoformat(),
            "format": ledger.FORMAT,
            "snapshot": snapshot,
            "where": change.where(seq),
        }
        return {
            SEQ: str(seq),
            PENDING: json.dumps([*(each for each in pending_of(table) if each["id"] not in known), entry]),
            OWNER: owner_of(request),
        }

    def _has_landed(self, table: Table | None) -> bool:
        """Whether this load's commit is in the table, although its answer was lost."""
        if table is None:
            return False
        summaries = [each.summary.additional_properties for each in table.snapshots() if each.summary is not None]
        return any(each.get("etl.id") == self.id and each["etl.seq"] != "0" for each in summaries) or any(
            each["id"] == self.id for each in pending_of(table)
        )


class LoadedMeanwhileError(WarehouseError):
    """Another run has loaded the same object in the meantime."""


def is_planned_anew(table: Table) -> bool:
    """Whether a commit that meets another one is left to us."""
    return PLANNED_ANEW.items() <= table.properties.items()


def owner_of(request: LoadRequest) -> str:
    """Return what the table's property says about its owner."""
    return f"{request.tenant}/{request.pipeline}"


def pause(attempt: int) -> None:
    """Let other loads commit."""
    time.sleep(_PAUSE_SECONDS * random.random() * min(attempt + 1, 10))  # noqa: S311  not a secret
