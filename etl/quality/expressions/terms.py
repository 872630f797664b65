"""Values inside a SQL condition: a literal, or an expression of which the type is known.

Belongs here: arithmetic and comparison of such values, exact or refused. Not here: SQL's syntax (`sql`).

Integers and decimals are one kind, `Exact`: a 128-bit whole number of steps, and the number of digits behind the point.
Every operation computes the number of digits of its result, and an operation whose result might not fit is refused.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from etl.quality.expressions.exact import (
    MIRRORED,
    as_text,
    compare_columns,
    compare_literal,
    is_text,
    steps,
    steps_limits,
)
from etl.quality.expressions.literals import Unjudgeable

MAX_DIGITS = 38
MAX_FLOAT_DIGITS = 30
WORD_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Term:
    """A value of a condition: a literal (`expr` is None) or an expression."""

    expr: pl.Expr | None
    dtype: pl.DataType
    value: Any = None
    digits: int = 0
    """For exact numbers: how many decimal digits the steps may have."""

    @property
    def is_null(self) -> bool:
        """Whether the term is the literal NULL."""
        return self.expr is None and self.value is None

    @property
    def is_exact(self) -> bool:
        """Whether the term is an integer or a decimal."""
        return self.dtype.is_integer() or self.dtype.is_decimal()

    @property
    def scale(self) -> int:
        """Digits behind the point."""
        return self.dtype.scale if isinstance(self.dtype, pl.Decimal) else 0


NULL = Term(None, pl.Null())


def of_column(name: str, dtype: pl.DataType) -> Term:
    """Return a column as a term."""
    if dtype.is_integer():
        return Term(pl.col(name), dtype, digits=len(str(steps_limits(dtype)[1])))
    if isinstance(dtype, pl.Decimal):
        return Term(pl.col(name), dtype, digits=dtype.precision or MAX_DIGITS)
    if is_text(dtype):
        return Term(as_text(pl.col(name), dtype), pl.String())
    return Term(pl.col(name), dtype)


def of_literal(value: bool | Decimal | str | date | datetime) -> Term:
    """Return a literal as a term."""
    if isinstance(value, bool):
        return Term(None, pl.Boolean(), value)
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        scale = max(0, -exponent) if isinstance(exponent, int) else 0
        digits = len(str(abs(int(value.scaleb(scale)))))
        return Term(None, pl.Decimal(MAX_DIGITS, min(scale, MAX_DIGITS)), value, digits)
    if isinstance(value, str):
        return Term(None, pl.String(), value)
    return Term(None, pl.Datetime("us") if isinstance(value, datetime) else pl.Date(), value)


def boolean(term: Term, what: str) -> pl.Expr:
    """Return a term as a truth value."""
    if term.is_null:
        return pl.lit(None, dtype=pl.Boolean)
    if not isinstance(term.dtype, pl.Boolean):
        raise Unjudgeable(f"{what} is {term.dtype}, not a truth value", "compare it with something")
    return pl.lit(bool(term.value)) if term.expr is None else term.expr


def text(term: Term, what: str) -> pl.Expr:
    """Return a term as text."""
    if term.is_null:
        return pl.lit(None, dtype=pl.String)
    if not isinstance(term.dtype, pl.String):
        raise Unjudgeable(f"{what} takes text, not {term.dtype}", "CAST it to VARCHAR")
    return pl.lit(term.value, dtype=pl.String) if term.expr is None else term.expr


def materialize(term: Term) -> pl.Expr:
    """Return a term as an expression of its type."""
    if term.expr is not None:
        return term.expr
    if term.is_exact:
        return pl.lit(int(Decimal(term.value).scaleb(term.scale)), dtype=pl.Int128)
    return pl.lit(term.value, dtype=term.dtype)


def whole_steps(term: Term, scale: int | None = None) -> pl.Expr:
    """Return an exact number as 128-bit steps, brought to a number of digits behind the point."""
    raised = (scale if scale is not None else term.scale) - term.scale
    require_digits(term.digits + raised)
    expr = materialize(term)
    base = expr if term.expr is None else steps(expr, term.dtype).cast(pl.Int128)
    return base * pl.lit(10**raised, dtype=pl.Int128) if raised else base


def require_digits(digits: int) -> None:
    """Refuse a number of digits that might not fit into 128 bits."""
    if digits > MAX_DIGITS:
        raise Unjudgeable(f"the arithmetic may need {digits} digits; {MAX_DIGITS} are exact", "CAST one side to DOUBLE")


def narrow(term: Term) -> Term:
    """Make a wide column usable in arithmetic: its values have to fit into 64 bits, else the rule is an error."""
    if term.expr is None or term.digits <= WORD_DIGITS:
        return term
    return exact(steps(term.expr, term.dtype).cast(pl.Int64, strict=True).cast(pl.Int128), term.scale, WORD_DIGITS)


def exact(expr: pl.Expr, scale: int, digits: int) -> Term:
    """Return steps as an exact number. Their Polars type stays Int128; only the term knows the point."""
    require_digits(digits)
    if scale == 0:
        return Term(expr, pl.Int128(), digits=digits)
    return Term(expr, pl.Decimal(MAX_DIGITS, scale), digits=digits)


def as_float(term: Term) -> pl.Expr:
    """Return a number as a float64; exact numbers lose digits beyond 53 bits."""
    if term.is_null:
        return pl.lit(None, dtype=pl.Float64)
    if term.expr is None:
        if not isinstance(term.value, Decimal):
            raise Unjudgeable(f"{term.value!r} is not a number")
        return pl.lit(float(term.value), dtype=pl.Float64)
    if term.dtype.is_float():
        return term.expr.cast(pl.Float64)
    if term.is_exact:
        wide = whole_steps(term).cast(pl.Float64)
        return wide / pl.lit(float(10**term.scale)) if term.scale else wide
    raise Unjudgeable(f"{term.dtype} is not a number")


def add(left: Term, right: Term, sign: int) -> Term:
    """Sum or difference."""
    if left.is_null or right.is_null:
        return NULL
    if left.is_exact and right.is_exact:
        left, right = narrow(left), narrow(right)
        scale = max(left.scale, right.scale)
        first, second = whole_steps(left, scale), whole_steps(right, scale)
        digits = max(left.digits - left.scale, right.digits - right.scale) + scale + 1
        return exact(first + second if sign > 0 else first - second, scale, digits)
    first, second = as_float(left), as_float(right)
    return Term(first + second if sign > 0 else first - second, pl.Float64())


def multiply(left: Term, right: Term) -> Term:
    """Product."""
    if left.is_null or right.is_null:
        return NULL
    if left.is_exact and right.is_exact:
        left, right = narrow(left), narrow(right)
        require_digits(left.digits + right.digits)
        return exact(whole_steps(left) * whole_steps(right), left.scale + right.scale, left.digits + right.digits)
    return Term(as_float(left) * as_float(right), pl.Float64())


def divide(left: Term, right: Term) -> Term:
    """Quotient, always a float64; a division by zero gives infinity or NaN, as for floats."""
    return Term(as_float(left) / as_float(right), pl.Float64())


def remainder(left: Term, right: Term) -> Term:
    """Remainder of integers with the sign of the dividend, as in SQL; a division by zero gives NULL."""
    if left.is_null or right.is_null:
        return NULL
    if not (left.is_exact and right.is_exact and left.scale == right.scale == 0):
        raise Unjudgeable("% takes integers")
    dividend, divisor = whole_steps(left), whole_steps(right)
    safe = pl.when(divisor != 0).then(divisor)
    rest = dividend % safe
    # Polars gives the remainder the sign of the divisor.
    turned = (rest != 0) & ((dividend < 0) != (safe < 0))
    return exact(pl.when(turned).then(rest - safe).otherwise(rest), 0, max(left.digits, right.digits))


def negate(term: Term) -> Term:
    """Change the sign."""
    if term.is_null:
        return NULL
    if term.expr is None and isinstance(term.value, Decimal):
        return of_literal(-term.value)
    if term.is_exact:
        return exact(pl.lit(0, dtype=pl.Int128) - whole_steps(term), term.scale, term.digits)
    return Term(-as_float(term), pl.Float64())


def compare(left: Term, operator: str, right: Term) -> pl.Expr:
    """Compare two terms exactly, or refuse."""
    if left.is_null or right.is_null:
        return pl.lit(None, dtype=pl.Boolean)
    if left.expr is None and right.expr is None:
        raise Unjudgeable("the condition compares two literals", "compare a column with a literal")
    if left.expr is None:
        return compare(right, MIRRORED[operator], left)
    if left.is_exact and right.is_exact:
        return _compare_exact(left, operator, right)
    if right.expr is None:
        return compare_literal(left.expr, left.dtype, operator, right.value, "the literal")
    if left.is_exact and right.dtype.is_float():
        return _compare_with_float(left, operator, right)
    if right.is_exact and left.dtype.is_float():
        return _compare_with_float(right, MIRRORED[operator], left)
    return compare_columns(left.expr, left.dtype, operator, materialize(right), right.dtype)


def _compare_exact(left: Term, operator: str, right: Term) -> pl.Expr:
    expr = materialize(left)
    if right.expr is None:
        if left.dtype.is_integer():
            return compare_literal(expr, left.dtype, operator, right.value)
        # A literal of any length can be compared with the steps.
        return compare_literal(whole_steps(left), pl.Int128(), operator, Decimal(right.value).scaleb(left.scale))
    if left.dtype == right.dtype:
        return compare_columns(whole_steps(left), pl.Int128(), operator, whole_steps(right), pl.Int128())
    scale = max(left.scale, right.scale)
    return compare_columns(whole_steps(left, scale), pl.Int128(), operator, whole_steps(right, scale), pl.Int128())


def _compare_with_float(left: Term, operator: str, right: Term) -> pl.Expr:
    if left.scale:
        raise Unjudgeable("a decimal and a float cannot be compared exactly", "CAST the decimal to DOUBLE")
    if left.digits > MAX_FLOAT_DIGITS:
        raise Unjudgeable(
            f"an integer of {left.digits} digits and a float cannot be compared exactly", "CAST it to DOUBLE"
        )
    # The number fits into 100 bits. Int64 is given as its type, because a wider type would be refused.
    return compare_columns(whole_steps(left), pl.Int64(), operator, materialize(right), pl.Float64())
