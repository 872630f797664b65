"""Finds rows of a table that did not come from a load: their partition is empty or is not in the ledger.

Belongs here: finding them, the condition to remove them, the messages about them. Not here: rows of a partition that
were changed by hand, which `digest` shows, and when a load looks for foreign rows (`transaction`).

A table must hold only rows of loaded objects. A load that replaces one partition does not touch foreign rows, so it
warns about them. It removes them only with `reload`, because a person put them there.

Each load checks what is cheap in a large table: rows without a partition, the first and the last partition. It checks
all partitions only if it has found foreign rows there, or must remove them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from etl.sql import literal
from etl.warehouse.contract import LOAD_COLUMN, PARTITION_COLUMN, Column, LoadRequest
from etl.warehouse.identifier import quoted
from etl.warehouse.ledger import LoadHistory
from etl.warehouse.session import Session

_NAMED = 5


@dataclass(frozen=True)
class ForeignRows:
    """The foreign rows of one table. `where` is the SQL condition for them."""

    rows: int
    where: str
    values: tuple[object, ...]
    what: str
    """What `values` are: `partition` or `number of the load`."""

    @property
    def described(self) -> str:
        """Describe how many such rows there are, and their values."""
        named = ["none" if each is None else str(each) for each in self.values]
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        return f"{self.rows} rows that no load brought ({self.what}: {', '.join(named[:_NAMED])}{more})"


def find_foreign_rows(
    session: Session, request: LoadRequest, columns: Sequence[Column], past: LoadHistory
) -> ForeignRows | None:
    """Find the rows that did not come from a load; None if there are none, or if the table has no column to tell."""
    names = {each.name for each in columns}
    if PARTITION_COLUMN in names:
        column, known, what = PARTITION_COLUMN, past.names_partition, "partition"
    elif request.mode == "append" and LOAD_COLUMN in names:
        column, known, what = LOAD_COLUMN, past.names_load, "number of the load"
    else:
        return None
    table, name = session.relation(request.schema_name, request.table), quoted(column)
    replaced = past.last is not None and past.last.mode != "append"  # by a load whose rows carry no number yet
    has_empty = column == PARTITION_COLUMN or not (replaced or past.has_format_1())
    empty = has_empty and bool(session.rows(f"SELECT 1 FROM {table} WHERE {name} IS NULL LIMIT 1"))
    ends = session.rows(f"SELECT min({name}), max({name}) FROM {table}")[0]
    if not (empty or request.reload or known([each for each in ends if each is not None])):
        return None
    values = session.rows(f"SELECT DISTINCT {name} FROM {table} WHERE {name} IS NOT NULL")
    foreign: list[object] = known([value for (value,) in values])
    conditions = [f"{name} IN ({', '.join(_literal(each) for each in foreign)})"] if foreign else []
    if empty:
        foreign.append(None)
        conditions.append(f"{name} IS NULL")
    if not foreign:
        return None
    where = " OR ".join(conditions)
    rows = int(session.rows(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])
    return ForeignRows(rows, where, tuple(foreign), what)


def remedy(request: LoadRequest) -> str:
    """Return the command that removes them."""
    return f"{request.reload_command} removes them"


def _literal(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    kind = "TIMESTAMP" if isinstance(value, datetime) else "DATE" if isinstance(value, date) else "VARCHAR"
    return f"CAST({literal('duckdb', str(value))} AS {kind})"
