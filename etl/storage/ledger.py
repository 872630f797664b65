"""The load ledger: which objects a table holds. Append-only, committed together with the rows it speaks of.

Belongs here: what the entries of one table mean. Does not: writing them (`duckdb`, `postgres`).
"""

from collections.abc import Sequence

from etl.errors import WarehouseError
from etl.storage.warehouse import LedgerEntry, LoadRequest

SCHEMA = "etl_ledger"
TABLE = "loads"
COLUMNS = (
    ("seq", "BIGINT NOT NULL"),
    ("tenant", "VARCHAR NOT NULL"),
    ("pipeline", "VARCHAR NOT NULL"),
    ("schema_name", "VARCHAR NOT NULL"),
    ("table_name", "VARCHAR NOT NULL"),
    ("partition", "VARCHAR"),
    ("version", "VARCHAR NOT NULL"),
    ("run_id", "VARCHAR NOT NULL"),
    ("rows", "BIGINT NOT NULL"),
    ("mode", "VARCHAR NOT NULL"),
    ("created_table", "BOOLEAN NOT NULL"),
    ("loaded_at", "TIMESTAMP WITH TIME ZONE NOT NULL"),
)
NAMES = ", ".join(f'"{name}"' for name, _ in COLUMNS)
CREATE = (
    f'CREATE TABLE IF NOT EXISTS "{SCHEMA}"."{TABLE}" (' + ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS) + ")"
)


def already_loaded(request: LoadRequest, entries: Sequence[LedgerEntry]) -> bool:
    """Whether the table holds this very object, judged by the entries of its table, oldest first.

    An entry that created the table (or replaced all of it) ends what the ones before it say. An `append` takes each
    version once, and a partition once: rows of a changed object would stand beside those of the old one.
    """
    start = max((at for at, each in enumerate(entries) if each.created_table), default=0)
    own = [
        each
        for each in entries[start:]
        if (each.tenant, each.pipeline, each.partition) == (request.tenant, request.pipeline, request.partition)
    ]
    if request.mode != "append":
        last = own[-1] if own else None
        if request.replaces_table and entries:
            last = last if last is entries[-1] else None
        return last is not None and (last.version, last.mode) == (request.version, request.mode)
    if any(each.version == request.version for each in own):
        return True
    if own and request.partition:
        raise WarehouseError(
            f"{request.target} already holds partition {request.partition} from run `{own[-1].run_id}`, and the object"
            " has changed since: appending it would double its rows",
            "use `mode: replace_partition`, or delete the partition's rows and its ledger entries by hand",
        )
    return False
