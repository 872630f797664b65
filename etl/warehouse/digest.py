"""Makes a digest of a table's rows, which tells later whether they are still the rows that a load inserted.

Belongs here: making a digest in SQL and comparing it. Not here: storing it (`ledger`), and choosing the rows
(`transaction`).

A digest is `<algorithm>:<columns>/<names>:<rows>:<hash>`: the database hashes each row and adds the hashes, so the
order of the rows does not matter; `names` is a checksum of the columns' names. A column that a later load added is the
last one and must be empty in the older rows. Digests of different algorithms (another release of DuckDB) cannot be
compared. This counts as "not the same", and the rows are loaded again.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from etl.partitions.keys import column_value, key_of_value, kind_of
from etl.warehouse.contract import PARTITION_COLUMN, TECHNICAL_COLUMNS, Column, RowsOf
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session

_PARTITIONS = 1_000
"""How many partitions one query is asked about, because Trino limits the length of a query."""
_NO_ROWS = "0"
"""What each database gives as the sum of no hashes."""


def digest(session: Session, relation: str, columns: Sequence[Column], where: str = "TRUE") -> str:
    """Make the digest of some rows of a relation, over all columns except the technical ones."""
    own = _own(columns)
    count, total = session.rows(f"SELECT count(*), {session.rows_hash(own)} FROM {relation} WHERE {where}")[0]
    return f"{session.algorithm}:{_shape(own)}:{count}:{total}"


def holds(session: Session, relation: str, columns: Sequence[Column], where: str, kept: str | None) -> bool:
    """Whether the rows still have the stored digest `kept`."""
    algorithm, shape = _made_by(kept)
    count_then = shape.partition("/")[0]
    if algorithm != session.algorithm or not count_then.isdecimal():
        return False
    own = _own(columns)
    first, later = own[: int(count_then)], own[int(count_then) :]
    if _shape(first) != shape:
        return False
    empty = "".join(f", count({quoted(each.name)})" for each in later)
    count, total, *filled = session.rows(
        f"SELECT count(*), {session.rows_hash(first)}{empty} FROM {relation} WHERE {where}"
    )[0]
    return f"{session.algorithm}:{shape}:{count}:{total}" == kept and not any(filled)


def compared(
    session: Session, relation: str, columns: Sequence[Column], kept: Mapping[RowsOf, str | None]
) -> dict[RowsOf, bool | None]:
    """Compare rows of one table with their stored digests; None for a digest that cannot be compared.

    Partitions whose digests have the same columns are compared by one query for a thousand of them.
    """
    found: dict[RowsOf, bool | None] = dict.fromkeys(kept)
    own, alike = _own(columns), defaultdict[str, dict[str, RowsOf]](dict)
    for rows, digest_then in kept.items():
        if not is_comparable(session, digest_then):
            continue
        if rows.partition is None or rows.load is not None:
            found[rows] = holds(session, relation, columns, rows.where, digest_then)
        else:
            alike[_made_by(digest_then)[1]][rows.partition] = rows
    for shape, by_key in alike.items():
        count_then = shape.partition("/")[0]
        first, later = (own[: int(count_then)], own[int(count_then) :]) if count_then.isdecimal() else ([], own)
        if _shape(first) != shape:
            found |= dict.fromkeys(by_key.values(), False)
            continue
        select = ", ".join(["count(*)", session.rows_hash(first), *(f"count({quoted(each.name)})" for each in later)])
        there = of_partitions(session, relation, select, list(by_key))
        for key, rows in by_key.items():
            count, total, *filled = there.get(key, (0, _NO_ROWS))
            found[rows] = f"{session.algorithm}:{shape}:{count}:{total}" == kept[rows] and not any(filled)
    return found


def of_partitions(session: Session, relation: str, select: str, keys: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return the values of a select list for each of these partitions that has rows."""
    found: dict[str, tuple[Any, ...]] = {}
    kind = (kind_of(keys[0]) if keys else None) or "static"
    for at in range(0, len(keys), _PARTITIONS):
        among = ", ".join(column_value(each) for each in keys[at : at + _PARTITIONS])
        rows = session.rows(
            f"SELECT {PARTITION_COLUMN}, {select} FROM {relation} WHERE {PARTITION_COLUMN} IN ({among})"
            f" GROUP BY {PARTITION_COLUMN}"
        )
        found |= {key_of_value(value, kind): values for value, *rest in rows for values in [tuple(rest)]}
    return found


def is_comparable(session: Session, kept: str | None) -> bool:
    """Whether the stored digest was made with the algorithm of this release of the database."""
    return _made_by(kept)[0] == session.algorithm


def _made_by(kept: str | None) -> tuple[str, str]:
    """Split a digest into its algorithm, which may contain colons, and the number and names of its columns."""
    algorithm, _, shape = (kept or "").rpartition(":")[0].rpartition(":")[0].rpartition(":")
    return algorithm, shape


def _shape(columns: Sequence[Column]) -> str:
    """Return the number of columns and a checksum of their names, so that a renamed column is noticed."""
    names = [quoted(each.name) for each in columns]
    return f"{len(names)}/{zlib.crc32(chr(0).join(names).encode()):08x}"


def rows_in(kept: str) -> int:
    """Return the number of rows that a digest was made of."""
    return int(kept.rsplit(":", 2)[1])


def _own(columns: Sequence[Column]) -> list[Column]:
    return [each for each in columns if each.name not in TECHNICAL_COLUMNS]
