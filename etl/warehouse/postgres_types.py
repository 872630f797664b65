"""Decides which PostgreSQL type DuckDB's types become, which are refused, and which must be copied as text.

Belongs here: the rules about types. Not here: copying (`postgres`), and the types of a source
(`etl.source.postgres_types`).
"""

import re
from collections.abc import Sequence
from typing import Any

from etl.errors import WarehouseError
from etl.warehouse.contract import LoadRequest

_LOSSY = ("HUGEINT", "UHUGEINT", "STRUCT", "MAP", "UNION", "TIMESTAMP_NS")
"""Types that the extension refuses without naming the column, or changes without an error."""

_TYPES = {
    "TINYINT": "smallint",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "TIME": "time without time zone",
    "TIMESTAMP": "timestamp without time zone",
    "BLOB": "bytea",
    "VARCHAR": "text",
}
"""DuckDB's types that have another name in PostgreSQL."""


def postgres_type(kind: str) -> str:
    """Return the PostgreSQL type that the extension makes from a DuckDB type."""
    if found := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind):
        return f"numeric({found[1]},{found[2]})"
    if kind.endswith("[]"):
        return f"{postgres_type(kind[:-2])}[]"
    return _TYPES.get(kind, kind.lower())


def _binary_copy_errs(kind: str) -> bool:
    """Whether the extension's binary COPY may change decimals of this type, because it sends digits in groups of four.

    The digits behind the point, rounded up to a multiple of four, must fit into the integer in which DuckDB stores the
    decimal. If they do not fit, some values are changed without an error.
    """
    found = ((int(digits), int(scale)) for digits, scale in re.findall(r"DECIMAL\((\d+),(\d+)\)", kind))
    widths = (4, 9, 18, 38)  # digits that integers of 16, 32, 64 and 128 bits hold
    return any(-(-scale // 4) * 4 > next(each for each in widths if digits <= each) for digits, scale in found)


def needs_text_copy(request: LoadRequest, columns: Sequence[tuple[Any, ...]]) -> bool:
    """Whether a decimal needs a copy as text. Texts in lists prevent that: the text `NULL` would become a null."""
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
