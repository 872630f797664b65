"""Exact comparison of a column with a literal or with another column, for every type that has an order.

Belongs here: what `=`, `<` and membership mean per data type. Not here: rules.

Integers, decimals, dates, moments, times and durations are all integers underneath ("steps"), so a bound is turned
into the one integer that separates good from bad, and nothing passes through a float. Every function returns an
expression that is null exactly where a column is null, and FALSE where a float is NaN.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import polars as pl

from etl.quality.expressions.literals import STEPS_PER_SECOND, Unjudgeable, float_literal, steps_literal

# Greater than every 64-bit integer, and much smaller than the greatest 128-bit integer.
_CLIP = float(2**100)
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def is_text(dtype: pl.DataType) -> bool:
    """Whether values are text; categories count as their text."""
    return isinstance(dtype, _TEXT)


def as_text(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return the values as text."""
    return expr if isinstance(dtype, pl.String) else expr.cast(pl.String)


def has_steps(dtype: pl.DataType) -> bool:
    """Whether values are whole numbers of a fixed step."""
    return dtype.is_integer() or dtype.is_decimal() or isinstance(dtype, pl.Date | pl.Datetime | pl.Time | pl.Duration)


def steps(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return the values as integers, in steps."""
    return expr if dtype.is_integer() else expr.to_physical()


def steps_dtype(dtype: pl.DataType) -> pl.DataType:
    """Return the type of `steps`."""
    if dtype.is_integer():
        return dtype
    if dtype.is_decimal():
        return pl.Int128()
    return pl.Int32() if isinstance(dtype, pl.Date) else pl.Int64()


def compare_literal(expr: pl.Expr, dtype: pl.DataType, operator: str, value: Any, what: str = "the value") -> pl.Expr:  # noqa: ANN401
    """Compare a column with a literal."""
    if is_text(dtype):
        if not isinstance(value, str):
            raise Unjudgeable(f"{what} {value!r} is not text, and the column is {dtype}", "write it in quotes")
        return _apply(as_text(expr, dtype), operator, pl.lit(value))
    if isinstance(dtype, pl.Boolean):
        if not isinstance(value, bool) or operator not in ("==", "!="):
            raise Unjudgeable(f"a Boolean column is compared with = true or = false, not {operator} {value!r}")
        return expr if (operator == "==") == value else expr.not_()
    if dtype.is_float():
        return _compare_float(expr, operator, float_literal(value, dtype, what), value)
    if not has_steps(dtype):
        raise Unjudgeable(f"a column of type {dtype} has no order and no equality that a rule could judge")
    return _compare_steps(steps(expr, dtype), steps_dtype(dtype), operator, steps_literal(value, dtype, what))


def between(
    expr: pl.Expr,
    dtype: pl.DataType,
    low: Any,  # noqa: ANN401  a literal of any kind
    high: Any,  # noqa: ANN401
    *,
    low_inclusive: bool = True,
    high_inclusive: bool = True,
) -> pl.Expr:
    """Compare with both bounds at once, so that the values are computed once. A bound may be None."""
    if low is not None and high is not None and has_steps(dtype):
        least = _least(steps_literal(low, dtype, "the bound"), inclusive=low_inclusive)
        most = _most(steps_literal(high, dtype, "the bound"), inclusive=high_inclusive)
        return _between_steps(steps(expr, dtype), steps_dtype(dtype), least, most)
    parts = []
    if low is not None:
        parts.append(compare_literal(expr, dtype, ">=" if low_inclusive else ">", low, "the bound"))
    if high is not None:
        parts.append(compare_literal(expr, dtype, "<=" if high_inclusive else "<", high, "the bound"))
    return parts[0] if len(parts) == 1 else parts[0] & parts[1]


def _least(bound: Fraction, *, inclusive: bool) -> int:
    """Return the least integer on the good side: x >= b is x >= ceil(b), x > b is x >= floor(b) + 1."""
    return math.ceil(bound) if inclusive else math.floor(bound) + 1


def _most(bound: Fraction, *, inclusive: bool) -> int:
    """Return the greatest integer on the good side."""
    return math.floor(bound) if inclusive else math.ceil(bound) - 1


def _between_steps(expr: pl.Expr, dtype: pl.DataType, least: int, most: int) -> pl.Expr:
    low, high = steps_limits(dtype)
    if most < low or least > high or least > most:
        return _always(expr, verdict=False)
    if least <= low and most >= high:
        return _always(expr, verdict=True)
    if least <= low:
        return expr <= pl.lit(most, dtype=dtype)
    if most >= high:
        return expr >= pl.lit(least, dtype=dtype)
    return expr.is_between(pl.lit(least, dtype=dtype), pl.lit(most, dtype=dtype))


def is_in(expr: pl.Expr, dtype: pl.DataType, values: Sequence[Any]) -> pl.Expr:
    """Whether the value is exactly one of a list. NaN is in no list."""
    if is_text(dtype):
        wrong = [value for value in values if not isinstance(value, str)]
        if wrong:
            raise Unjudgeable(
                f"the set has {wrong[0]!r}, which is not text; the column is {dtype}", "write it in quotes"
            )
        return as_text(expr, dtype).is_in(pl.Series(values, dtype=pl.String).implode())
    if isinstance(dtype, pl.Boolean):
        wrong = [value for value in values if not isinstance(value, bool)]
        if wrong:
            raise Unjudgeable(f"the set has {wrong[0]!r}, which is not true or false; the column is {dtype}")
        return expr.is_in(pl.Series(values, dtype=pl.Boolean).implode())
    if dtype.is_float():
        return expr.cast(pl.Float64).is_in(pl.Series(floats_among(values, dtype), dtype=pl.Float64).implode())
    if not has_steps(dtype):
        raise Unjudgeable(f"a column of type {dtype} cannot be compared with a set")
    inner = steps_dtype(dtype)
    low, high = steps_limits(inner)
    whole = [steps_literal(value, dtype, "the set's value") for value in values]
    usable = [int(value) for value in whole if value.denominator == 1 and low <= value <= high]
    return steps(expr, dtype).is_in(pl.Series(usable, dtype=inner).implode())


def floats_among(values: Sequence[Any], dtype: pl.DataType) -> list[float]:
    """Return the values of a set that a float can be equal to, without 2**53 + 1 and numbers beyond every float."""
    return [
        float(value) for value in (float_literal(each, dtype, "the set's value") for each in values) if _is_float(value)
    ]


def compare_columns(
    left: pl.Expr, left_type: pl.DataType, operator: str, right: pl.Expr, right_type: pl.DataType
) -> pl.Expr:
    """Compare two columns exactly; NaN makes every comparison FALSE; null on either side gives null."""
    if is_text(left_type) and is_text(right_type):
        return _apply(as_text(left, left_type), operator, as_text(right, right_type))
    if isinstance(left_type, pl.Boolean) and isinstance(right_type, pl.Boolean):
        if operator not in ("==", "!="):
            raise Unjudgeable("true and false have no order; compare them with == or !=")
        return _apply(left, operator, right)
    if left_type.is_float() and right_type.is_float():
        first, second = left.cast(pl.Float64), right.cast(pl.Float64)
        real = first.is_not_nan() & second.is_not_nan()
        # NULL AND FALSE is FALSE: without this line, a null beside a NaN would be judged.
        return pl.when(first.is_not_null() & second.is_not_null()).then(_apply(first, operator, second) & real)
    if left_type.is_integer() and right_type.is_float():
        return _compare_integer_float(left, left_type, operator, right)
    if left_type.is_float() and right_type.is_integer():
        return _compare_integer_float(right, right_type, MIRRORED[operator], left)
    if has_steps(left_type) and has_steps(right_type):
        return _compare_two_steps(left, left_type, operator, right, right_type)
    raise Unjudgeable(
        f"columns of type {left_type} and {right_type} cannot be compared exactly", "cast one of them in the transform"
    )


MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _apply(left: pl.Expr, operator: str, right: pl.Expr) -> pl.Expr:
    match operator:
        case "==":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


def _always(expr: pl.Expr, *, verdict: bool) -> pl.Expr:
    """TRUE or FALSE for every non-null value."""
    return pl.when(expr.is_not_null()).then(pl.lit(verdict))


def steps_limits(dtype: pl.DataType) -> tuple[int, int]:
    """Return the least and the greatest integer of a type."""
    bits = int("".join(filter(str.isdigit, str(dtype))))
    return (0, 2**bits - 1) if dtype.is_unsigned_integer() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _compare_steps(expr: pl.Expr, dtype: pl.DataType, operator: str, bound: Fraction) -> pl.Expr:
    """Compare integers with any rational number, by the nearest integer that gives the same result."""
    low, high = steps_limits(dtype)
    if operator in ("==", "!="):
        if bound.denominator != 1 or not low <= bound <= high:
            return _always(expr, verdict=operator == "!=")
        return _apply(expr, operator, pl.lit(int(bound), dtype=dtype))
    if operator in (">=", ">"):
        return _between_steps(expr, dtype, _least(bound, inclusive=operator == ">="), high)
    return _between_steps(expr, dtype, low, _most(bound, inclusive=operator == "<="))


def _compare_float(expr: pl.Expr, operator: str, bound: Fraction | float, written: object) -> pl.Expr:
    wide = expr.cast(pl.Float64)
    if isinstance(bound, Fraction) and not _is_float(bound):
        return _compare_unrepresentable(wide, operator, bound)
    if math.isnan(_as_float(bound)):
        raise Unjudgeable(f"{written!r} is no number to compare with")
    limit = pl.lit(_as_float(bound), dtype=pl.Float64)
    # Polars orders NaN above everything, infinity included: an upper end keeps it out.
    if operator in (">", ">="):
        return wide.is_between(limit, pl.lit(math.inf), closed="both" if operator == ">=" else "right")
    compared = _apply(wide, operator, limit)
    return compared & wide.is_not_nan() if operator == "!=" else compared


def _compare_unrepresentable(wide: pl.Expr, operator: str, bound: Fraction) -> pl.Expr:
    """Compare floats with an integer that no float is equal to, such as 2**53 + 1, by the nearest floats."""
    if operator == "==":
        return _always(wide, verdict=False)
    if operator == "!=":
        return _always(wide, verdict=True) & wide.is_not_nan()
    try:
        near = float(bound)
    except OverflowError:
        near = math.inf if bound > 0 else -math.inf
    if math.isinf(near):
        # The integer is greater than every finite float: only infinity is greater still (and so for the least float).
        above = near > 0
        if operator in ("<", "<="):
            return wide < math.inf if above else wide == -math.inf
        return wide == math.inf if above else (wide > -math.inf) & wide.is_not_nan()
    below = near if Fraction(near) < bound else math.nextafter(near, -math.inf)
    if operator in ("<", "<="):
        return wide <= below
    return (wide > below) & wide.is_not_nan()


def _is_float(value: Fraction | float) -> bool:
    if isinstance(value, float):
        return True
    try:
        return Fraction(float(value)) == value
    except OverflowError:
        return False


def _as_float(value: Fraction | float) -> float:
    return float(value)


def _compare_integer_float(integer: pl.Expr, dtype: pl.DataType, operator: str, floating: pl.Expr) -> pl.Expr:
    """Compare an integer column with a float column without rounding the integer."""
    if steps_limits(dtype)[1] >= 2**100:
        raise Unjudgeable(
            f"a column of type {dtype} cannot be compared with floats exactly", "cast one of them in the transform"
        )
    wide = floating.cast(pl.Float64)
    number = integer.cast(pl.Int128)
    # A comparison with x has the same result as a comparison with the next integer above or below x.
    rounded = wide.ceil() if operator in ("<", ">=") else wide.floor()
    whole = rounded.fill_nan(0.0).clip(-_CLIP, _CLIP).cast(pl.Int128)
    compared = _apply(number, operator, whole)
    if operator == "==":
        compared = compared & (wide == wide.floor())
    elif operator == "!=":
        compared = compared | (wide != wide.floor())
    return pl.when(integer.is_not_null() & wide.is_not_null()).then(compared & wide.is_not_nan())


def _compare_two_steps(
    left: pl.Expr, left_type: pl.DataType, operator: str, right: pl.Expr, right_type: pl.DataType
) -> pl.Expr:
    numbers = [dtype.is_integer() or dtype.is_decimal() for dtype in (left_type, right_type)]
    if all(numbers) or left_type == right_type:
        if left_type == right_type:
            return _apply(left, operator, right)
        scales = [dtype.scale if isinstance(dtype, pl.Decimal) else 0 for dtype in (left_type, right_type)]
        common = max(scales)
        return _apply(
            _scaled(left, left_type, common - scales[0]), operator, _scaled(right, right_type, common - scales[1])
        )
    if any(numbers):
        raise Unjudgeable(
            f"columns of type {left_type} and {right_type} cannot be compared", "cast one of them in the transform"
        )
    first, second = _nanoseconds(left, left_type, right_type), _nanoseconds(right, right_type, left_type)
    return _apply(first, operator, second)


def _scaled(expr: pl.Expr, dtype: pl.DataType, digits: int) -> pl.Expr:
    """Bring integers and decimals to one scale, or refuse where 128 bits might not hold the result."""
    if digits == 0:
        return steps(expr, dtype).cast(pl.Int128)
    precision = dtype.precision or 38 if isinstance(dtype, pl.Decimal) else len(str(steps_limits(dtype)[1]))
    if precision + digits > 38:  # noqa: PLR2004  38 decimal digits always fit into 128 bits
        raise Unjudgeable(
            f"a column of type {dtype} cannot be brought to {digits} more digits exactly", "cast it in the transform"
        )
    return steps(expr, dtype).cast(pl.Int128) * pl.lit(10**digits, dtype=pl.Int128)


def _nanoseconds(expr: pl.Expr, dtype: pl.DataType, other: pl.DataType) -> pl.Expr:
    moments = (pl.Date, pl.Datetime)
    comparable = (isinstance(dtype, moments) and isinstance(other, moments)) or type(dtype) is type(other)
    if not comparable:
        raise Unjudgeable(
            f"columns of type {dtype} and {other} cannot be compared", "cast one of them in the transform"
        )
    if (_zone(dtype) is not None and _zone(other) is None) or (_zone(dtype) is None and _zone(other) is not None):
        raise Unjudgeable(
            f"columns of type {dtype} and {other} cannot be compared: only one has a time zone", "give both one"
        )
    per_step = (
        86_400 * 10**9 if isinstance(dtype, pl.Date) else 10**9 // STEPS_PER_SECOND[getattr(dtype, "time_unit", "ns")]
    )
    return steps(expr, dtype).cast(pl.Int128) * pl.lit(per_step, dtype=pl.Int128)


def _zone(dtype: pl.DataType) -> str | None:
    return dtype.time_zone if isinstance(dtype, pl.Datetime) else None
