"""What the entries of the ledger say to a load: none is lost, and no other load of the same rows came first.

Belongs here: the questions to the entries. Not here: reading and writing them (`iceberg_ledger`), the commit
(`iceberg_commit`).
"""

from collections.abc import Sequence

from pyiceberg.table import Table

from etl.errors import WarehouseError
from etl.warehouse.contract import LoadRequest
from etl.warehouse.iceberg_ledger import Entry
from etl.warehouse.iceberg_table import seq_of
from etl.warehouse.set_aside import move_away

_NAMED = 5


def newest(table: Table | None, entries: Sequence[Entry]) -> int:
    """Return the number of the newest entry about a table. The entries of an earlier table with its name go before."""
    return seq_of(table) or max((int(each["seq"]) for each in entries), default=0)


def lost_entries(entries: Sequence[Entry], until: int) -> tuple[int, ...]:
    """Return the numbers of the entries that the ledger has lost.

    The entries about a table have numbers without a gap, from the one that made the table or replaced all its rows.
    """
    known = {int(each["seq"]): bool(each["created_table"]) for each in entries}
    first = max((seq for seq, created in known.items() if created), default=0)
    return tuple(sorted(set(range(max(first, 1), until + 1)) - known.keys()))


def check_complete(entries: Sequence[Entry], until: int, request: LoadRequest) -> None:
    """Refuse to load if the ledger has lost entries, because then it does not say what the table holds."""
    lost = lost_entries(entries, until)
    if lost:
        raise WarehouseError(
            f"the load ledger (etl_ledger.loads) lacks entries that {request.target} has had:"
            f" {', '.join(map(str, lost[:_NAMED]))}{', ...' if len(lost) > _NAMED else ''}",
            f"bring the ledger's table back to a newer snapshot, or {move_away(request, 'the loaded table')}",
        )


def check_fence(entries: Sequence[Entry], since: int, until: int, request: LoadRequest) -> None:
    """Refuse to load if another object has come into the same rows after the entry `since`."""
    for each in entries:
        if not since < each["seq"] <= until or not concerns(each, request):
            continue
        if (each["version"], each["mode"]) != (request.version, request.mode):
            what = f"partition {request.partition}" if request.partition else "the table"
            raise WarehouseError(
                f"run `{each['run_id']}` has loaded {what} of {request.target} in the meantime",
                "nothing was loaded by this run; run it again if the table is not what you expect",
            )


def concerns(entry: Entry, request: LoadRequest) -> bool:
    """Whether an entry is about the rows that the request replaces."""
    if request.mode == "append" and request.partition is None:
        return bool(entry["version"] == request.version or entry["mode"] != "append")
    return request.replaces_table or entry["partition"] in (None, request.partition)
