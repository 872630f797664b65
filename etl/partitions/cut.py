"""Whether two keys of partitions come from one way to cut rows.

Belongs here: the comparison of two keys, and the words for a key. Not here: the keys of a pipeline (`scheme`), what a
key's text says by itself (`keys`), where a table's keys are recorded (`etl.warehouse.ledger`).

Keys of different kinds show it by their shape, and hours of zones that begin at different minutes by their minutes.
Keys of a list do not show which column they are values of, so it is recorded with each load as `cut_by`; None is
unknown. Days, weeks and months of another zone have the same keys: each replaces the one before it in its own place.
"""

from typing import NamedTuple

from etl.partitions.keys import kind_of
from etl.partitions.scheme import PartitionScheme, StaticKeys

_MINUTES = slice(13, 15)


class Cut(NamedTuple):
    """A key, and the column whose value it is; None where it is a time, and where nobody recorded it."""

    key: str
    by: str | None = None


def are_alike(one: Cut | None, other: Cut | None) -> bool:
    """Whether both can come from one way to cut rows; None is a whole table. Unknown columns are not compared."""
    if one is None or other is None:
        return one is other
    kind = kind_of(one.key)
    if kind != kind_of(other.key):
        return False
    if kind == "hour":
        return one.key[_MINUTES] == other.key[_MINUTES]
    return one.by is None or other.by is None or one.by.casefold() == other.by.casefold()


def described(cut: Cut | None) -> str:
    """The words for it in an error."""
    if cut is None:
        return "no partitions"
    return f"keys like {cut.key}" + (f" of `{cut.by}`" if cut.by else "")


def cut_by(scheme: PartitionScheme) -> str | None:
    """The column whose values the keys are; None where they are times, and for a whole table."""
    return scheme.by if isinstance(scheme, StaticKeys) else None


def cut_of(scheme: PartitionScheme) -> Cut | None:
    """How a pipeline cuts its rows; None for a whole table."""
    return Cut(scheme.first, cut_by(scheme)) if scheme.first else None
