"""Decides whether two keys can belong to the same division of rows into partitions.

Belongs here: the comparison of two keys, and a key's description. Not here: the keys of a pipeline (`scheme`), reading
a key's text (`keys`), where a table's keys are recorded (`etl.warehouse.ledger`).

The text of a key shows its kind, and for hours the minute at which they begin. It does not show the column to which a
key of a list belongs, so each load records the column as `cut_by`; None means unknown. Days, weeks and months of
another zone have the same keys, so each new partition replaces the old partition with the same key.
"""

from typing import NamedTuple

from etl.partitions.keys import kind_of
from etl.partitions.scheme import PartitionScheme, StaticKeys

_MINUTES = slice(13, 15)


class Cut(NamedTuple):
    """A key, and the column whose value it is; None if the key is a time, or if the column was not recorded."""

    key: str
    by: str | None = None


def are_alike(one: Cut | None, other: Cut | None) -> bool:
    """Whether both can belong to the same division. None is a whole table. Unknown columns are not compared."""
    if one is None or other is None:
        return one is other
    kind = kind_of(one.key)
    if kind != kind_of(other.key):
        return False
    if kind == "hour":
        return one.key[_MINUTES] == other.key[_MINUTES]
    return one.by is None or other.by is None or one.by.casefold() == other.by.casefold()


def described(cut: Cut | None) -> str:
    """Describe it for an error."""
    if cut is None:
        return "no partitions"
    return f"keys like {cut.key}" + (f" of `{cut.by}`" if cut.by else "")


def cut_by(scheme: PartitionScheme) -> str | None:
    """Return the column whose values are the keys; None for times and for a whole table."""
    return scheme.by if isinstance(scheme, StaticKeys) else None


def cut_of(scheme: PartitionScheme) -> Cut | None:
    """Return the pipeline's first key with its column; None for a whole table."""
    return Cut(scheme.first, cut_by(scheme)) if scheme.first else None
