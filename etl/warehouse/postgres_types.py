"""Which types of DuckDB's arrive in PostgreSQL, as what, and how they have to travel.

Belongs here: what is known of the types alone. Not here: copying (`postgres`), and the types of a source
(`etl.source.postgres_types`).
"""

import re
from collections.abc import Sequence
from typing import Any

from etl.errors import WarehouseError
from etl.warehouse.contract import LoadRequest

_LOSSY = ("HUGEINT", "UHUGEINT", "STRUCT", "MAP", "UNION", "TIMESTAMP_NS")
"""Types that the extension refuses without a name, or writes as something else without a word."""

_TYPES = {
    "TINYINT": "smallint",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
    "BLOB": "bytea",
    "VARCHAR": "text",
}
"""DuckDB's types that are not called alike."""


def postgres_type(kind: str) -> str:
    """The type that the extension makes of a type of DuckDB's."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"numeric({found[1]},{found[2]})"
    if kind.endswith("[]"):
        return f"{postgres_type(kind[:-2])}[]"
    return _TYPES.get(kind, kind.lower())


def _binary_copy_errs(kind: str) -> bool:
    """Whether the extension's binary COPY may change decimals of this type: it sends four digits at a time.

    The digits behind the point, filled up to a multiple of four, have to fit into the integer that DuckDB keeps the
    decimal in. Where they do not, some values arrive as others, without an error.
    """
    found = ((int(digits), int(scale)) for digits, scale in re.findall(r"DECIMAL\((\d+),(\d+)\)", kind))
    widths = (4, 9, 18, 38)  # digits that integers of 16, 32, 64 and 128 bits hold
    return any(-(-scale // 4) * 4 > next(each for each in widths if digits <= each) for digits, scale in found)


def needs_text_copy(request: LoadRequest, columns: Sequence[tuple[Any, ...]]) -> bool:
    """Whether a decimal has to travel as text; texts in lists cannot, because `NULL` would arrive as nothing."""
    decimals = [name for name, kind, *_ in columns if _binary_copy_errs(kind)]
    lists = [name for name, kind, *_ in columns if "VARCHAR" in kind and kind != "VARCHAR"]
    if decimals and lists:
        raise WarehouseError(
            f"column `{decimals[0]}` of {request.target} has too many decimal places to be loaded together with the"
            f" texts in `{lists[0]}`",
            "cast one of them in the transform, e.g. to DECIMAL(38, 18)",
        )
    return bool(decimals)


def check_types(request: LoadRequest, columns: Sequence[tuple[Any, ...]]) -> None:
    """Refuse a column whose values PostgreSQL cannot hold exactly."""
    for name, kind, *_ in columns:
        if any(str(kind).startswith(each) for each in _LOSSY):
            raise WarehouseError(
                f"column `{name}` of {request.target} is {kind}, which PostgreSQL has no exact type for",
                "cast it in the transform (to text, a decimal or single columns)",
            )
