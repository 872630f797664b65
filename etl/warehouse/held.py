"""Decides whether a table already holds an object: the ledger has it, and the table's rows are still those rows.

Belongs here: the decision and its reason. Not here: what a load does then (`transaction`), digests (`digest`), finding
the entry of the ledger (`ledger`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from etl.warehouse import ledger
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, Column, LedgerEntry, LoadRequest
from etl.warehouse.digest import holds, is_comparable
from etl.warehouse.session import Session
from etl.warehouse.upsert import Upsert

_OF_FORMAT_1 = "the ledger's entry has format 1, which stores nothing to compare the table with"
_OTHER_COUNT = "the ledger's entry is not as the load wrote it (changed by hand?)"
_OTHER_KEYS = "the key columns or the order column have changed since the object was loaded"
_COUNTED_ONLY = "loaded by an older release: its rows were counted, their values were not compared"
_CHANGED = "the rows in the table are not those that were loaded (changed by hand?)"
_OTHER_HASH = "another release of the database made the ledger's digest: the rows in the table were not compared"
_ASKED_FOR = "asked for (`reload`)"


class Held(NamedTuple):
    """Whether the table already holds the object, and the reason for the decision."""

    is_held: bool
    reason: str = ""


def look_at_table(
    session: Session,
    request: LoadRequest,
    columns: Sequence[Column],
    past: ledger.LoadHistory,
    own: LedgerEntry | None,
) -> Held:
    """Compare the table with `own`, the ledger's entry for the place in the table where the object belongs."""
    if own is None:
        return Held(is_held=False)
    if request.reload:
        return Held(is_held=False, reason=_ASKED_FOR)
    if request.mode == "append" and own.version != request.version:
        raise ledger.refuse_changed_append(request, own)
    if request.replaces_table and past.last and past.last.seq != own.seq:
        return Held(is_held=False)
    if (own.version, own.mode) != (request.version, request.mode):
        return Held(is_held=False)
    if own.digest is None:
        return _of_format_1(session, request, columns, past)
    if own.upsert_by != request.upsert_by:
        return Held(is_held=False, reason=_OTHER_KEYS)
    if own.rows != request.rows:
        return Held(is_held=False, reason=_OTHER_COUNT)
    if not _rows_are_those_of(own, session, request, columns):
        return Held(is_held=False, reason=_CHANGED if is_comparable(session, own.digest) else _OTHER_HASH)
    return Held(is_held=True)


def is_partitioned(columns: Sequence[Column]) -> bool:
    """Whether the table has the column with the rows' partitions."""
    return any(each.name == PARTITION_COLUMN for each in columns)


def _rows_are_those_of(own: LedgerEntry, session: Session, request: LoadRequest, columns: Sequence[Column]) -> bool:
    if request.mode == "upsert" and request.partition:
        return Upsert(session, request).holds(columns, own)
    if is_partitioned(columns) != bool(request.partition):
        return False
    where = request.rows_of_partition
    if request.mode == "append" and not request.partition:
        where = f"{LOAD_COLUMN} = {own.seq}"
    return holds(session, session.relation(request.schema_name, request.table), columns, where, own.digest)


def _of_format_1(session: Session, request: LoadRequest, columns: Sequence[Column], past: ledger.LoadHistory) -> Held:
    """Decide for an entry without a digest: only the rows of `append` without partitions can be counted."""
    if request.mode != "append" or request.partition:
        return Held(is_held=False, reason=_OF_FORMAT_1)
    unnumbered = f"{LOAD_COLUMN} IS NULL" if any(each.name == LOAD_COLUMN for each in columns) else "TRUE"
    table = session.relation(request.schema_name, request.table)
    found = session.rows(f"SELECT count(*) FROM {table} WHERE {unnumbered}")[0][0]
    if found == sum(each.rows for each in ledger.live(past.entries()) if each.digest is None):
        return Held(is_held=True, reason=_COUNTED_ONLY)
    return Held(is_held=False, reason=_OF_FORMAT_1)
