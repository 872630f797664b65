"""Whether a table holds an object already: the ledger says so, and the rows in the table are still those that it means.

Belongs here: the decision and its reason. Not here: what a load does then (`transaction`), digests (`digest`), which
entry of the ledger is meant (`ledger`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from etl.warehouse import ledger
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, Column, LedgerEntry, LoadRequest
from etl.warehouse.digest import holds, is_comparable
from etl.warehouse.session import Session
from etl.warehouse.upsert import Upsert

_OF_FORMAT_1 = "the entry of the ledger is of format 1, which kept nothing to compare the table with"
_OTHER_COUNT = "the ledger's own entry is not what the load wrote (changed by hand?)"
_OTHER_KEYS = "the key columns or the order column are others than when it was loaded"
_COUNTED_ONLY = "loaded by an older release: its rows were counted, their values were not compared"
_CHANGED = "the rows in the table are not those that were loaded (changed by hand?)"
_OTHER_HASH = "another release of the database made the ledger's digest: the rows in the table were not compared"
_ASKED_FOR = "asked for (`reload`)"


class Held(NamedTuple):
    """Whether nothing has to be loaded, and the reason."""

    is_held: bool
    reason: str = ""


def look_at_table(
    session: Session,
    request: LoadRequest,
    columns: Sequence[Column],
    past: ledger.LoadHistory,
    own: LedgerEntry | None,
) -> Held:
    """Compare the table with the ledger's entry `own`, which stands in the place of the request's object."""
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
    """Whether the rows of the table have a column with their partition."""
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
    """Nothing says what the rows were; those of `append` without partitions cannot even be told apart."""
    if request.mode != "append" or request.partition:
        return Held(is_held=False, reason=_OF_FORMAT_1)
    unnumbered = f"{LOAD_COLUMN} IS NULL" if any(each.name == LOAD_COLUMN for each in columns) else "TRUE"
    table = session.relation(request.schema_name, request.table)
    found = session.rows(f"SELECT count(*) FROM {table} WHERE {unnumbered}")[0][0]
    if found == sum(each.rows for each in ledger.live(past.entries()) if each.digest is None):
        return Held(is_held=True, reason=_COUNTED_ONLY)
    return Held(is_held=False, reason=_OF_FORMAT_1)
