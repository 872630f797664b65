"""What a literal of a rule means in a comparison with a column: a number of the column's own steps, or a float.

Belongs here: reading numbers, dates, moments and times exactly, or refusing them. Not here: comparing (`exact`).
"""

import math
import struct
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from etl.errors import QualityError
from etl.quality.moments import is_finer
from etl.quality.rules.fields import read_duration

STEPS_PER_SECOND = {"ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH = date(1970, 1, 1)


class Unjudgeable(QualityError):  # noqa: N818  it is a verdict about a rule, not an error of the program
    """A rule that cannot be judged on these columns; it becomes an `error` result."""


def float_literal(value: Any, dtype: pl.DataType, what: str) -> Fraction | float:  # noqa: ANN401
    """Return a number for a comparison with floats: an integer exactly, a fraction as the column's nearest float."""
    number = _number(value, dtype, what)
    if isinstance(number, float):
        return _nearest(number, dtype)
    if isinstance(number, Decimal) and number != number.to_integral_value():
        return _nearest(float(number), dtype)
    return Fraction(number)


def _nearest(number: float, dtype: pl.DataType) -> float:
    """Return a fraction as a column of this type stores it: 0.1 in a Float32 column differs from 0.1 in a Float64."""
    if not isinstance(dtype, pl.Float32) or not math.isfinite(number) or number.is_integer():
        return number
    (narrow,) = struct.unpack("f", struct.pack("f", number))
    return float(narrow) if narrow else number


def steps_literal(value: Any, dtype: pl.DataType, what: str) -> Fraction:  # noqa: ANN401
    """Return a literal in steps of the column's type, exactly; infinity lies beyond every integer."""
    if dtype.is_integer() or dtype.is_decimal():
        number = _number(value, dtype, what)
        if isinstance(number, float):
            if math.isinf(number):
                return Fraction(2**200 if number > 0 else -(2**200))
            number = Decimal(repr(number))  # the number as written: 0.1 is a tenth
        scale = dtype.scale if isinstance(dtype, pl.Decimal) else 0
        return Fraction(number) * Fraction(10**scale)
    if isinstance(dtype, pl.Date):
        return Fraction((_date(value, dtype, what) - _EPOCH).days)
    if isinstance(dtype, pl.Datetime):
        return Fraction(_microseconds(value, dtype, what) * STEPS_PER_SECOND[dtype.time_unit], 1_000_000)
    if isinstance(dtype, pl.Time):
        return Fraction(_time_of_day(value, dtype, what))
    read = read_duration(value) if isinstance(value, str) else None
    value = read if read is not None else value
    if not isinstance(value, timedelta):
        if isinstance(value, int) and not isinstance(value, bool) and value == 0:
            return Fraction(0)
        raise Unjudgeable(f"{what} {value!r} is not a duration, and the column is {dtype}", "write it like PT1H30M")
    micros = value // timedelta(microseconds=1)
    unit = dtype.time_unit if isinstance(dtype, pl.Duration) else "us"
    return Fraction(micros * STEPS_PER_SECOND[unit], 1_000_000)


def _number(value: Any, dtype: pl.DataType, what: str) -> int | float | Decimal:  # noqa: ANN401
    if isinstance(value, str):
        with suppress(InvalidOperation):
            read = Decimal(value)
            # Only a float can be infinite. The text NaN stays a text, because no number is equal to NaN.
            value = value if read.is_nan() else float(read) if read.is_infinite() else read
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unjudgeable(f"{what} {value!r} is not a number, and the column is {dtype}")
    number: int | float | Decimal = value
    return number


def _date(value: Any, dtype: pl.DataType, what: str) -> date:  # noqa: ANN401
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise Unjudgeable(f"{what} {value!r} is not a date, and the column is {dtype}", "write it like 2026-01-31")


def _microseconds(value: Any, dtype: pl.Datetime, what: str) -> int:  # noqa: ANN401
    _refuse_finer(value, what)
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001  the zone is given below
    if not isinstance(value, datetime):
        raise Unjudgeable(
            f"{what} {value!r} is not a moment, and the column is {dtype}", "write it like 2026-01-31T09:00:00"
        )
    if dtype.time_zone is None:
        if value.tzinfo is not None:
            raise Unjudgeable(f"{what} {value} has a time zone, and the column {dtype} has none", "leave the zone out")
        value = value.replace(tzinfo=UTC)
    elif value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(dtype.time_zone))
    since: timedelta = value - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


def _refuse_finer(value: Any, what: str) -> None:  # noqa: ANN401
    if isinstance(value, str) and is_finer(value):
        raise Unjudgeable(f"{what} {value!r} is finer than a microsecond", "write at most six digits after the second")


def _time_of_day(value: Any, dtype: pl.DataType, what: str) -> int:  # noqa: ANN401
    _refuse_finer(value, what)
    if isinstance(value, str):
        with suppress(ValueError):
            value = time.fromisoformat(value)
    if not isinstance(value, time) or value.tzinfo is not None:
        raise Unjudgeable(f"{what} {value!r} is not a time of day, and the column is {dtype}", "write it like 09:00:00")
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return seconds * 10**9 + value.microsecond * 1000
