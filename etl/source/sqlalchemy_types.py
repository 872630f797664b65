"""The types of columns that SQLAlchemy reads: from its types or from the values to a type, and from values to Arrow.

Belongs here: what a column is carried as, and the error for a value that this type cannot hold exactly. Not here:
asking the database (`sqlalchemy_cursor`).
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import types

from etl.errors import SourceError

_TARGETS: tuple[tuple[type[types.TypeEngine[Any]], str], ...] = (
    (types.Boolean, "BOOLEAN"),
    (types.Integer, "BIGINT"),
    (types.Float, "DOUBLE"),
    (types.Date, "DATE"),
    (types.Time, "TIME"),
    (types.LargeBinary, "BLOB"),
    (types.String, "VARCHAR"),
)
_FOUND: tuple[tuple[type, str], ...] = (
    (bool, "BOOLEAN"),
    (int, "BIGINT"),
    (float, "DOUBLE"),
    (str, "VARCHAR"),
    (bytes, "BLOB"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
)


def array_of(values: Sequence[Any], kind: pa.DataType, name: str) -> pa.Array:
    """Turn values into an Arrow array, or raise an error: no value is rounded, cut or moved to another time zone."""
    if pa.types.is_timestamp(kind):
        aware = kind.tz is not None
        if any(each is not None and (each.tzinfo is not None) != aware for each in values):
            raise _unfit(name, kind, "some of its times have a time zone and others have none")
    try:
        return pa.array(values, type=kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        found = sorted({type(each).__name__ for each in values if not _fits(each, kind)})
    # Arrow's own message quotes the value, which may be personal data.
    raise _unfit(name, kind, f"the database gives it as {' and '.join(found) or 'values too large for one batch'}")


def _fits(value: Any, kind: pa.DataType) -> bool:  # noqa: ANN401  whatever a driver returns
    try:
        pa.array([value], type=kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return False
    return True


def _unfit(name: str, kind: pa.DataType, why: str) -> SourceError:
    return SourceError(
        f"column `{name}` holds a value that {kind} cannot hold exactly: {why}",
        "leave the column out with `columns:`, or read it by a `query` with a cast",
    )


def found_target(name: str, values: Sequence[Any]) -> str:
    """Return the type of a column of which only the first values are known."""
    kinds = {type(each) for each in values if each is not None}
    if not kinds:
        return "VARCHAR"
    if all(each.__name__ == "Decimal" for each in kinds):
        return "DECIMAL(38,18)"
    for kind, target in _FOUND:
        if all(issubclass(each, kind) for each in kinds):
            zoned = kind is datetime and any(each is not None and each.tzinfo is not None for each in values)
            return "TIMESTAMPTZ" if zoned else target
    raise SourceError(f"column `{name}` of the query has no single type", "give it one with CAST")


def target_of(name: str, kind: types.TypeEngine[Any], *, refuse: bool) -> str:
    """Return the type of a column of the catalogue. One that cannot be carried is refused, or taken as text."""
    if isinstance(kind, types.DateTime):
        return "TIMESTAMPTZ" if kind.timezone else "TIMESTAMP"
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        fits = kind.precision is not None and kind.precision <= 38  # noqa: PLR2004  what a decimal can hold
        return f"DECIMAL({kind.precision},{kind.scale or 0})" if fits else "DECIMAL(38,18)"
    for known, target in _TARGETS:
        if isinstance(kind, known):
            return target
    if refuse:
        raise SourceError(
            f"column `{name}` has the type {kind}, which cannot be carried exactly from this database",
            "leave it out with `columns:`, or read it by a `query` with a cast to text",
        )
    return "VARCHAR"
