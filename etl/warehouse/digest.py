"""Makes a digest of a table's rows, which tells later whether they are still the rows that a load inserted.

Belongs here: making a digest in SQL and comparing it. Not here: storing it (`ledger`), and choosing the rows
(`transaction`).

A digest is `<algorithm>:<columns>/<names>:<rows>:<hash>`: the database hashes each row and adds the hashes, so the
order of the rows does not matter; `names` is a checksum of the columns' names. A column that a later load added is the
last one and must be empty in the older rows. Digests of different algorithms (another release of DuckDB) cannot be
compared. This counts as "not the same", and the rows are loaded again.
"""

import zlib
from collections.abc import Sequence

from etl.warehouse.contract import TECHNICAL_COLUMNS, Column
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session


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
