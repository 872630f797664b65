"""Whether rows of a table are still those that a load put there: a digest that does not depend on their order.

Belongs here: making a digest in SQL and comparing it. Not here: where it is kept (`ledger`), and which rows it is about
(`transaction`).

A digest is `<algorithm>:<columns>/<names>:<rows>:<sum>`: the database hashes each row and sums the hashes up; `names`
is a checksum of the columns' names. A column that a later load adds stands behind the others and is empty in older
rows; that is part of the comparison. An algorithm that is another one (another release of DuckDB) says nothing, which
counts as "not the same": the rows are loaded again.
"""

import zlib
from collections.abc import Sequence

from etl.warehouse.contract import TECHNICAL_COLUMNS, Column
from etl.warehouse.identifier import quoted
from etl.warehouse.session import Session


def digest(session: Session, relation: str, columns: Sequence[Column], where: str = "TRUE") -> str:
    """The digest of some rows of a relation, over all but the technical columns."""
    names = _names(columns)
    count, total = session.rows(
        f"SELECT count(*), coalesce(sum({session.row_hash(names)}), 0) FROM {relation} WHERE {where}"
    )[0]
    return f"{session.algorithm}:{_shape(names)}:{count}:{total}"


def holds(session: Session, relation: str, columns: Sequence[Column], where: str, kept: str | None) -> bool:
    """Whether the rows still have the digest that was stored."""
    algorithm, shape = _made_by(kept)
    count_then = shape.partition("/")[0]
    if algorithm != session.algorithm or not count_then.isdecimal():
        return False
    names = _names(columns)
    first, later = names[: int(count_then)], names[int(count_then) :]
    if _shape(first) != shape:
        return False
    empty = "".join(f", count({name})" for name in later)
    count, total, *filled = session.rows(
        f"SELECT count(*), coalesce(sum({session.row_hash(first)}), 0){empty} FROM {relation} WHERE {where}"
    )[0]
    return f"{session.algorithm}:{shape}:{count}:{total}" == kept and not any(filled)


def is_comparable(session: Session, kept: str | None) -> bool:
    """Whether this release of the database makes digests as the kept one was made."""
    return _made_by(kept)[0] == session.algorithm


def _made_by(kept: str | None) -> tuple[str, str]:
    """The algorithm of a digest, which may hold colons, and its columns' number and names."""
    algorithm, _, shape = (kept or "").rpartition(":")[0].rpartition(":")[0].rpartition(":")
    return algorithm, shape


def _shape(names: Sequence[str]) -> str:
    """How many columns, and which: a column that a person renames has the same values under another name."""
    return f"{len(names)}/{zlib.crc32(chr(0).join(names).encode()):08x}"


def rows_in(kept: str) -> int:
    """The number of rows of a digest."""
    return int(kept.rsplit(":", 2)[1])


def _names(columns: Sequence[Column]) -> list[str]:
    return [quoted(each.name) for each in columns if each.name not in TECHNICAL_COLUMNS]
