"""One thing that a place holds of a tenant, and the sum of many.

Belongs here: the two models. Not here: the places (`places`).
"""

import hashlib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Item(BaseModel):
    """One thing of a place: a file, an object, a table. `rows` is None if it has no rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    bytes: int = 0
    rows: int | None = None


class Amount(BaseModel):
    """How many things a place holds. `names` is a hash of their names, because a name may contain a value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    title: str
    count: int
    rows: int
    bytes: int
    names: str

    @classmethod
    def of(cls, place: str, title: str, items: Iterable[Item]) -> "Amount":
        """Add the things up."""
        listed = sorted(items, key=lambda each: each.name)
        names = hashlib.sha256("\n".join(each.name for each in listed).encode()).hexdigest()
        return cls(
            place=place,
            title=title,
            count=len(listed),
            rows=sum(each.rows or 0 for each in listed),
            bytes=sum(each.bytes for each in listed),
            names=names,
        )
