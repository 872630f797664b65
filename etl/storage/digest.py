"""Whether rows of a table are still those that a load put there: a digest that does not depend on their order.

Belongs here: making a digest in SQL and comparing it. Not here: where it is kept (`ledger`), and which rows it is about
(`transaction`).

A digest is `<algorithm>:<columns>:<rows>:<sum>`: the database hashes each row and sums the hashes up. A column that a
later load adds stands behind the others and is empty in older rows; that is part of the comparison. An algorithm that
is another one (another release of DuckDB) says nothing, which counts as "not the same": the rows are loaded again.
"""

from collections.abc import Sequence

from etl.storage.identifier import quoted
from etl.storage.schema_change import Column
from etl.storage.session import Session
from etl.storage.warehouse import TECHNICAL_COLUMNS


def digest(session: Session, relation: str, columns: Sequence[Column], where: str = "TRUE") -> str:
    """The digest of some rows of a relation, over all but the technical columns."""
    names = _names(columns)
    count, total = session.rows(
        f"SELECT count(*), coalesce(sum({session.row_hash(names)}), 0) FROM {relation} WHERE {where}"
    )[0]
    return f"{session.algorithm}:{len(names)}:{count}:{total}"


def holds(session: Session, relation: str, columns: Sequence[Column], where: str, kept: str | None) -> bool:
    """Whether the rows are still those of a digest that was kept."""
    algorithm, rest = _made_by(kept)
    if algorithm != session.algorithm or not rest.isdecimal():
        return False
    names = _names(columns)
    first, later = names[: int(rest)], names[int(rest) :]
    if len(first) < int(rest):
        return False
    empty = "".join(f", count({name})" for name in later)
    count, total, *filled = session.rows(
        f"SELECT count(*), coalesce(sum({session.row_hash(first)}), 0){empty} FROM {relation} WHERE {where}"
    )[0]
    return f"{session.algorithm}:{rest}:{count}:{total}" == kept and not any(filled)


def table_holds(session: Session, schema: str, table: str, where: str, kept: str | None) -> bool | None:
    """Whether rows of a table are those of a digest; None where there is none, or one of another algorithm."""
    if not is_comparable(session, kept):
        return None
    return holds(session, session.relation(schema, table), session.table_columns(schema, table), where, kept)


def is_comparable(session: Session, kept: str | None) -> bool:
    """Whether this release of the database makes digests as the kept one was made."""
    return _made_by(kept)[0] == session.algorithm


def _made_by(kept: str | None) -> tuple[str, str]:
    """The algorithm of a digest, which may hold colons, and its number of columns."""
    algorithm, _, columns = (kept or "").rpartition(":")[0].rpartition(":")[0].rpartition(":")
    return algorithm, columns


def rows_in(kept: str) -> int:
    """The number of rows that a digest is about."""
    return int(kept.rsplit(":", 2)[1])


def _names(columns: Sequence[Column]) -> list[str]:
    return [quoted(each.name) for each in columns if each.name not in TECHNICAL_COLUMNS]
