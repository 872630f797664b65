"""Turns the cells of a unit test into values of a type, exactly: no value is rounded, cut or guessed.

Belongs here: one cell, one column, the type that values have as they are written. Not here: which type a column should
have (`given`).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import polars as pl

from etl.config.yaml_source import Node
from etl.quality.rules.fields import read_duration

Value = TypeVar("Value")
_WHOLE = re.compile(r"[-+]?[0-9]+")


def cell_value(node: Node, dtype: pl.DataType) -> Any:  # noqa: ANN401  a value of any type
    """Return the cell as a value of `dtype`. Raises ValueError, which says what is wrong with the value."""
    if node.value is None:
        return None
    if isinstance(dtype, pl.List | pl.Array):
        return _list_value(node, dtype)
    if isinstance(dtype, pl.Struct):
        return _struct_value(node, dtype)
    if isinstance(node.value, dict | list):
        raise ValueError(f"a single value is meant, the type is {dtype}")  # noqa: TRY004  callers catch ValueError
    if dtype.is_integer():
        return _integer(node)
    read = _READERS.get(type(dtype))
    if read is None:
        raise ValueError(f"values of {dtype} cannot be written here")
    return read(node, dtype)


def typed_column(name: str, cells: Sequence[Node], dtype: pl.DataType) -> pl.Series:
    """Return the cells as one column. Raises ValueError for the first cell that is no value of the type."""
    values = [cell_value(each, dtype) for each in cells]
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        moments = [None if each is None else each.astimezone(UTC).replace(tzinfo=None) for each in values]
        plain = pl.Series(name, moments, dtype=pl.Datetime(dtype.time_unit))
        return plain.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"a value does not fit into {dtype}: {str(error).splitlines()[0]}") from None


def written_dtype(cells: Iterable[Node]) -> pl.DataType | None:
    """Return the type that the values have as they are written; None if no value tells it.

    Raises ValueError if the values are of several types.
    """
    kinds = {_written_kind(each) for each in cells if each.value is not None}
    if not kinds:
        return None
    if kinds == {"Int64", "Float64"}:
        return pl.Float64()
    if len(kinds) > 1:
        raise ValueError(f"the values are of several types, {' and '.join(sorted(kinds))}")
    return _WRITTEN[kinds.pop()]


_WRITTEN: dict[str, pl.DataType] = {
    "Boolean": pl.Boolean(),
    "Int64": pl.Int64(),
    "Float64": pl.Float64(),
    "String": pl.String(),
    "Date": pl.Date(),
    "Datetime": pl.Datetime("us"),
    "Datetime with a zone": pl.Datetime("us", "UTC"),
}


def _written_kind(node: Node) -> str:
    value = node.value
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, datetime):
        return "Datetime with a zone" if value.tzinfo else "Datetime"
    kinds = ((int, "Int64"), (float, "Float64"), (str, "String"), (date, "Date"))
    for kind, name in kinds:
        if isinstance(value, kind):
            return name
    raise ValueError("a list or a mapping says no type")


def _list_value(node: Node, dtype: pl.List | pl.Array) -> list[Any]:
    if not isinstance(node.value, list):
        raise ValueError(f"a list is meant, the type is {dtype}")  # noqa: TRY004  callers catch ValueError
    inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
    return [cell_value(each, inner) for each in node.value]


def _struct_value(node: Node, dtype: pl.Struct) -> dict[str, Any]:
    if not isinstance(node.value, dict):
        raise ValueError(f"keys and values are meant, the type is {dtype}")  # noqa: TRY004  callers catch ValueError
    fields = {each.name: each.dtype if isinstance(each.dtype, pl.DataType) else each.dtype() for each in dtype.fields}
    if surplus := [name for name in node.value if name not in fields]:
        raise ValueError(f"{dtype} has no field `{surplus[0]}`")
    return {name: cell_value(node.value[name], kind) if name in node.value else None for name, kind in fields.items()}


def _integer(node: Node) -> int:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.value
    if not _WHOLE.fullmatch(node.text.strip()):
        raise ValueError(f"`{node.text}` is not a whole number")
    return int(node.text)


def _float(node: Node, _: pl.DataType) -> float:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    try:
        return float(node.text)
    except ValueError:
        raise ValueError(f"`{node.text}` is not a number") from None


def _decimal(node: Node, dtype: pl.DataType) -> Decimal:
    scale = dtype.scale if isinstance(dtype, pl.Decimal) else 0
    try:
        value = Decimal(node.text.strip())
    except InvalidOperation:
        raise ValueError(f"`{node.text}` is not a number") from None
    if not value.is_finite():
        raise ValueError(f"`{node.text}` is not a value of {dtype}")
    exact = value.quantize(Decimal(1).scaleb(-scale))
    if exact != value:
        raise ValueError(f"`{node.text}` has more than the {scale} decimal places of {dtype}")
    return exact


def _boolean(node: Node, _: pl.DataType) -> bool:
    if not isinstance(node.value, bool):
        raise ValueError(f"`{node.text}` is neither true nor false")  # noqa: TRY004  callers catch ValueError
    return node.value


def _text(node: Node, _: pl.DataType) -> str:
    return node.text


def _date(node: Node, _: pl.DataType) -> date:
    return _from_iso(node, date.fromisoformat, "a date such as 2026-01-31")


def _time(node: Node, _: pl.DataType) -> time:
    return _from_iso(node, time.fromisoformat, "a time of day such as 09:30:00")


def _moment(node: Node, dtype: pl.DataType) -> datetime:
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    value = _from_iso(node, datetime.fromisoformat, "a moment such as 2026-01-31T09:30:00")
    if zone is None and value.tzinfo is not None:
        raise ValueError(f"`{node.text}` has an offset, and the type {dtype} has no zone")
    return value.replace(tzinfo=ZoneInfo(zone)) if zone and value.tzinfo is None else value


def _duration(node: Node, _: pl.DataType) -> Any:  # noqa: ANN401  a timedelta
    value = read_duration(node.text)
    if value is None:
        raise ValueError(f"`{node.text}` is not a duration such as PT1H30M")
    return value


def _binary(node: Node, _: pl.DataType) -> bytes:
    return _from_iso(node, bytes.fromhex, "bytes in hexadecimal digits")


def _from_iso(node: Node, read: Callable[[str], Value], meant: str) -> Value:
    try:
        return read(node.text.strip())
    except ValueError:
        raise ValueError(f"`{node.text}` is not {meant}") from None


_READERS: dict[type[pl.DataType], Callable[[Node, pl.DataType], Any]] = {
    pl.Float32: _float,
    pl.Float64: _float,
    pl.Decimal: _decimal,
    pl.Boolean: _boolean,
    pl.String: _text,
    pl.Categorical: _text,
    pl.Enum: _text,
    pl.Date: _date,
    pl.Time: _time,
    pl.Datetime: _moment,
    pl.Duration: _duration,
    pl.Binary: _binary,
}
