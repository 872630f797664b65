"""Compares the value of a person's key with a column, by the column's type.

Belongs here: the families of types, the value as each family reads it, and the SQL condition. Not here: the same
comparison for columns of objects (`etl.lifecycle.key_in_objects`), finding and deleting rows (`subject_rows`).

The value of a key is a text. Each family of types reads that text once: `00` is the number 0 for a column of numbers,
and the text `00` for a column of texts. So a person is found by the same value in objects and in tables, whatever type
the key's column has there. A family may find that it certainly cannot hold the value: no row is the person's. If that
is not certain, the column is not compared at all, and the place is told as not examined.
"""

import math
import re
import struct
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from etl.errors import EtlError
from etl.warehouse.contract import Column
from etl.warehouse.identifier import quoted

Value = str | int | Decimal | float | bool | date | datetime | time | UUID | bytes


class Family(StrEnum):
    """The types that read a text in the same way."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    REAL = "real"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    MOMENT = "moment"
    TIME = "time"
    UUID = "uuid"
    BINARY = "binary"


class NotComparableError(EtlError):
    """Nothing tells whether a column holds the person's value."""


_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 128}
_FAMILIES = {
    **dict.fromkeys(("VARCHAR", "TEXT", "CHARACTER VARYING", "CHARACTER", "BPCHAR", "NAME", "ENUM"), Family.TEXT),
    **dict.fromkeys((*_BITS, *(f"U{name}" for name in _BITS)), Family.INTEGER),
    **dict.fromkeys(("DECIMAL", "NUMERIC"), Family.DECIMAL),
    **dict.fromkeys(("FLOAT", "REAL"), Family.REAL),
    **dict.fromkeys(("DOUBLE", "DOUBLE PRECISION"), Family.DOUBLE),
    "BOOLEAN": Family.BOOLEAN,
    "DATE": Family.DATE,
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITHOUT TIME ZONE"), Family.TIMESTAMP
    ),
    "TIMESTAMP WITH TIME ZONE": Family.MOMENT,
    **dict.fromkeys(("TIME", "TIME WITHOUT TIME ZONE"), Family.TIME),
    "UUID": Family.UUID,
    **dict.fromkeys(("BLOB", "BYTEA"), Family.BINARY),
}
_PARAMETERS = re.compile(r"\(.*?\)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_LIKE_A_NUMBER = re.compile(
    r"[\s.,_'+\-()]*(\d[\s.,_'+\-()eE\d]*|0[xX][0-9a-fA-F]+|[+-]?(nan|inf|infinity))\s*", re.IGNORECASE
)
_HEX = re.compile(r"(0x|\\x)?([0-9a-f]{2}[-: ]?)+", re.IGNORECASE)
_MANY_DIGITS = 3
"""A date or a time has more digits than this in any spelling."""
_SAFE_DIGITS = {Family.REAL: 6, Family.DOUBLE: 15}
"""Every number with so few digits comes back from the type as it was written."""
_LONGEST_FRACTION = re.compile(r"\.\d{7}")


class RowCondition(NamedTuple):
    """The SQL that is true of the person's rows, and its parameters."""

    sql: str
    parameters: tuple[object, ...]


def family_of(type_text: str) -> Family | None:
    """Return the family of a type as DuckDB or PostgreSQL writes it; None for a type that is not compared."""
    if type_text.rstrip().endswith("]"):
        return None
    return _FAMILIES.get(" ".join(_PARAMETERS.sub(" ", type_text).upper().split()))


def read_as(value: str, family: Family) -> Value | None:
    """Return the value as this family reads it; None if no column of the family can hold it, which is certain.

    Raises NotComparableError if the text may mean a value of the family, in a spelling that is not exact.
    """
    match family:
        case Family.TEXT:
            return value
        case Family.INTEGER | Family.DECIMAL:
            number = _number(value)
            if number is None or family is Family.DECIMAL:
                return number
            return int(number) if number == number.to_integral_value() else None
        case Family.REAL | Family.DOUBLE:
            return _float(value, family)
        case Family.BOOLEAN:
            return _boolean(value)
        case Family.DATE | Family.TIMESTAMP | Family.MOMENT | Family.TIME:
            return _time(value, family)
        case Family.UUID:
            return _uuid(value)
        case Family.BINARY:
            if _HEX.fullmatch(value):
                raise _unclear(value, family)
            return value.encode()


def condition(column: Column, value: str) -> RowCondition | None:
    """Return the condition for rows with this value; None if no row can have it. Raises NotComparableError."""
    if "?" in column.name:
        raise NotComparableError(f"the column `{column.name}` has a `?` in its name", "rename the column")
    family = family_of(column.type)
    if family is None:
        raise NotComparableError(f"`{column.name}` is of the type {column.type}, which is not compared", "look there")
    found = read_as(value, family)
    name, kind = quoted(column.name), column.type
    if found is None:
        return None
    match family:
        case Family.TEXT:
            return _text_condition(name, kind, value)
        case Family.INTEGER:
            return RowCondition(f"{name} = CAST(? AS {kind})", (str(found),)) if _holds(kind, found) else None
        case Family.DECIMAL:
            return RowCondition(f"{name} = CAST(? AS {kind})", (_plain(found),)) if _fits(kind, found) else None
        case Family.TIMESTAMP if kind.upper() != "TIMESTAMP_NS":  # types with fewer digits would round the value
            return RowCondition(f"CAST({name} AS TIMESTAMP) = CAST(? AS TIMESTAMP)", (str(found),))
        case Family.BINARY:
            return RowCondition(f"{name} = ?", (found,))
        case Family.REAL | Family.DOUBLE:
            return RowCondition(f"{name} = CAST(? AS {kind})", (repr(found),))
        case _:
            return RowCondition(f"{name} = CAST(? AS {kind})", (str(found),))


def spelled(value: str, family: Family) -> frozenset[str]:
    """Return how the value is written where a column of this family becomes a text."""
    try:
        found = read_as(value, family)
    except NotComparableError:
        return frozenset()
    if isinstance(found, Decimal):
        plain = f"{found:f}"
        return frozenset({plain, plain.rstrip("0").rstrip(".") if "." in plain else plain})
    if isinstance(found, float):
        return frozenset({repr(found), f"{found:g}", str(int(found)) if found.is_integer() else repr(found)})
    if isinstance(found, datetime):
        return frozenset({str(found), found.isoformat()})
    if isinstance(found, bool):
        return frozenset({str(found).lower()})
    if isinstance(found, bytes):
        return frozenset({value})
    return frozenset() if found is None else frozenset({str(found)})


def _plain(number: object) -> str:
    """Return a decimal number without an exponent."""
    return f"{number:f}" if isinstance(number, Decimal) else str(number)


def _unclear(value: str, family: Family) -> NotComparableError:
    del value  # no message names a value of a person
    return NotComparableError(
        f"the value may mean a {family.value} value in another spelling",
        "give the key's value as a column of this type writes it, in a run of its own",
    )


def _number(value: str) -> Decimal | None:
    if _NUMBER.fullmatch(value):
        return Decimal(value)
    if _LIKE_A_NUMBER.fullmatch(value):
        raise _unclear(value, Family.DECIMAL)
    return None


def _float(value: str, family: Family) -> float | None:
    """Return the number, if the type gives it back as it was written; an id with more digits could be another's."""
    exact = _number(value)
    if exact is None:
        return None
    number = float(exact)
    if family is Family.REAL:
        try:
            (number,) = struct.unpack("f", struct.pack("f", number))
        except OverflowError:
            return None
    if math.isinf(number):
        return None
    digits = exact.normalize().as_tuple().digits
    is_short = len(digits) <= _SAFE_DIGITS[family] and (number != 0 or exact == 0)
    if is_short or Decimal(number) == exact or (family is Family.DOUBLE and Decimal(repr(number)) == exact):
        return number
    raise _unclear(value, family)


def _boolean(value: str) -> bool | None:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.strip().lower() in ("t", "f", "y", "n", "yes", "no", "on", "off", "0", "1", "true", "false"):
        raise _unclear(value, Family.BOOLEAN)
    return None


def _time(value: str, family: Family) -> date | datetime | time | None:
    if sum(each.isdigit() for each in value) <= _MANY_DIGITS:
        return None
    if _LONGEST_FRACTION.search(value):
        raise _unclear(value, family)
    try:
        if family is Family.TIME:
            moment = time.fromisoformat(value)
            if moment.tzinfo is None:
                return moment
        else:
            return _on_a_day(datetime.fromisoformat(value), family)
    except ValueError:
        pass
    raise _unclear(value, family)


def _on_a_day(found: datetime, family: Family) -> date | datetime | None:
    """Return a date or a time of a day; without its time zone, a moment is not known, and the other way round."""
    if (found.tzinfo is None) == (family is Family.MOMENT):
        raise _unclear("", family)
    if family is Family.DATE:
        return found.date() if found.time() == time() else None
    return found.astimezone(UTC) if family is Family.MOMENT else found


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        if _HEX.fullmatch(value) and len(value) >= 32:  # noqa: PLR2004  the digits of a UUID
            raise _unclear(value, Family.UUID) from None
        return None


def _text_condition(name: str, kind: str, value: str) -> RowCondition | None:
    plain = _PARAMETERS.sub("", kind).strip().upper()
    if not holds_text(kind, value):
        return None
    if plain in ("CHARACTER", "BPCHAR"):  # filled up with spaces, which are no part of the value
        return RowCondition(f"rtrim(CAST({name} AS VARCHAR), ' ') = ?", (value.rstrip(" "),))
    return RowCondition(f"CAST({name} AS VARCHAR) = ?", (value,))


def holds_text(kind: str, text: str) -> bool:
    """Whether a database with this spelling of types can hold the text: PostgreSQL has no character of code 0."""
    return "\0" not in text or kind.isupper()


def _holds(kind: str, number: object) -> bool:
    """Whether a type of whole numbers reaches to this one."""
    plain = kind.upper()
    bits = _BITS[plain.removeprefix("U")]
    least, most = (0, 2**bits - 1) if plain.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return isinstance(number, int) and least <= number <= most


def _fits(kind: str, number: object) -> bool:
    """Whether a type of decimal numbers holds this one without rounding."""
    said = re.search(r"\((\d+),\s*(-?\d+)\)", kind)
    if said is None or not isinstance(number, Decimal):
        return isinstance(number, Decimal)
    precision, scale = int(said.group(1)), int(said.group(2))
    parts = number.normalize().as_tuple()
    exponent = int(parts.exponent)
    return number == 0 or (-exponent <= scale and len(parts.digits) + exponent <= precision - scale)
