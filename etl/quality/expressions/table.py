"""Every rule that judges the table as a whole: what to aggregate, and the verdict from the aggregates.

Belongs here: size, sums, means, order, recency, schema. Not here: rules about single rows (`rows`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl

from etl.quality.expressions.exact import between, compare_columns, steps
from etl.quality.expressions.literals import Unjudgeable, float_literal
from etl.quality.expressions.rows import Scope, condition, moment_literal, require_columns
from etl.quality.rules import (
    AnyRule,
    ColumnExists,
    Dtype,
    MeanBetween,
    Monotonic,
    Recency,
    RowCount,
    RuleFields,
    SumBetween,
)
from etl.quality.rules.dtypes import has_dtype

ROWS = "__etl_rows"


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """The result of one rule: counts, and what was measured."""

    failed: int
    total: int
    actual: Any = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Numbers to compute, each by a name within the rule, and how they become a finding."""

    judge: Callable[[Mapping[str, Any]], RuleFinding]
    numbers: dict[str, pl.Expr] = field(default_factory=dict)
    sample: pl.Expr | None = None
    """TRUE for good rows and FALSE for bad rows, if single rows can be shown."""


def aggregate(rule: AnyRule, scope: Scope) -> Aggregated:
    """Return how a table rule is judged. Raises `Unjudgeable`."""
    require_columns(rule, scope.schema)
    judge = _JUDGES.get(type(rule))
    if judge is None:
        raise Unjudgeable(f"rules of type {rule.type} are not judged by expressions", "use the engine truthound")
    return judge(rule, scope)


def _one(passed: bool, actual: Any, message: str) -> RuleFinding:  # noqa: ANN401
    return RuleFinding(0 if passed else 1, 1, actual, message)


def _dtype(rule: Dtype, scope: Scope) -> Aggregated:
    actual = scope.schema[rule.column]
    finding = _one(has_dtype(actual, rule.dtype), str(actual), f"the column is {actual}; {rule.dtype} is wanted")
    return Aggregated(lambda _: finding)


def _column_exists(rule: ColumnExists, scope: Scope) -> Aggregated:
    exists = rule.column in scope.schema
    finding = _one(exists, exists, f"the column `{rule.column}` {'exists' if exists else 'does not exist'}")
    return Aggregated(lambda _: finding)


def _row_count(rule: RowCount, scope: Scope) -> Aggregated:
    low, high = (rule.exact, rule.exact) if rule.exact is not None else (rule.min, rule.max)
    wanted = _wanted(low, high)

    def judge(numbers: Mapping[str, Any]) -> RuleFinding:
        rows = int(numbers["rows"])
        return _one(_inside(Fraction(rows), low, high), rows, f"{rows} rows; wanted: {wanted}")

    if rule.where is None:
        return Aggregated(judge, {"rows": pl.len()})
    return Aggregated(judge, {"rows": condition(rule.where, scope).sum()})


def chosen(expr: pl.Expr, rule: RuleFields, scope: Scope) -> pl.Expr:
    """Return the values of the rows that the rule is about; other rows are null."""
    return expr if rule.where is None else pl.when(condition(rule.where, scope)).then(expr)


def _recency(rule: Recency, scope: Scope) -> Aggregated:
    dtype = scope.schema[rule.column]
    newest = moment_literal(dtype, scope.now, rule.timezone, rule.type, rule.column)
    oldest = moment_literal(
        dtype, scope.now - timedelta(hours=rule.max_age_hours), rule.timezone, rule.type, rule.column
    )
    value = chosen(pl.col(rule.column), rule, scope)
    recent = between(value, dtype, oldest, newest)
    known = between(value, dtype, None, newest)

    def judge(numbers: Mapping[str, Any]) -> RuleFinding:
        found = numbers["newest"]
        shown = found.isoformat() if found is not None else None
        text = f"the newest is {shown}" if shown else "there is no moment up to now at all"
        limit = oldest.isoformat() if isinstance(oldest, datetime) else str(oldest)
        return _one(int(numbers["recent"]) > 0, shown, f"{text}; nothing older than {limit} is recent")

    return Aggregated(judge, {"recent": recent.sum(), "newest": pl.when(known).then(value).max()})


def _monotonic(rule: Monotonic, scope: Scope) -> Aggregated:
    dtype = scope.schema[rule.column]
    if not (dtype.is_numeric() or dtype.is_temporal()):
        raise Unjudgeable(f"monotonic judges numbers and points in time, and the column `{rule.column}` is {dtype}")
    value = chosen(pl.col(rule.column), rule, scope)
    known = value.fill_nan(None) if dtype.is_float() else value
    before = known.forward_fill().shift(1)
    operator = {
        ("increasing", False): ">=",
        ("increasing", True): ">",
        ("decreasing", False): "<=",
        ("decreasing", True): "<",
    }[rule.direction, rule.strict]
    kept = compare_columns(known, dtype, operator, before, dtype)
    # The first value has no value before it and is good; a NaN has no order and is bad.
    verdict = pl.when(value.is_not_null()).then(known.is_not_null() & kept.fill_null(value=True))

    def judge(numbers: Mapping[str, Any]) -> RuleFinding:
        return RuleFinding(int(numbers["bad"]), int(numbers["total"]))

    return Aggregated(judge, {"bad": verdict.not_().sum(), "total": value.count()}, verdict)


def _summed(
    rule: MeanBetween | SumBetween, scope: Scope
) -> tuple[pl.Expr, dict[str, pl.Expr], Callable[[Any], Fraction | float]]:
    dtype = scope.schema[rule.column]
    if not dtype.is_numeric():
        raise Unjudgeable(f"{rule.type} judges numbers, and the column `{rule.column}` is {dtype}")
    value = chosen(pl.col(rule.column), rule, scope)
    if dtype.is_float():
        return value, {"sum": value.cast(pl.Float64).sum(), "count": value.count()}, float
    if dtype in (pl.Int128, pl.UInt128):
        raise Unjudgeable(f"a sum over {dtype} may not fit into 128 bits", "cast the column to Int64 or Decimal")
    scale = dtype.scale if isinstance(dtype, pl.Decimal) else 0
    total = steps(value, dtype).cast(pl.Int128).sum()
    largest = steps(value, dtype).cast(pl.Int128).abs().max()
    numbers = {"sum": total, "count": value.count()}
    if dtype.is_decimal():
        numbers["largest"] = largest
    return value, numbers, lambda raw: Fraction(int(raw), 10**scale)


def _mean_between(rule: MeanBetween, scope: Scope) -> Aggregated:
    return _number_between(rule, scope, mean=True)


def _sum_between(rule: SumBetween, scope: Scope) -> Aggregated:
    return _number_between(rule, scope, mean=False)


def _number_between(rule: MeanBetween | SumBetween, scope: Scope, *, mean: bool) -> Aggregated:
    _, numbers, read = _summed(rule, scope)
    word = "mean" if mean else "sum"

    def judge(values: Mapping[str, Any]) -> RuleFinding:
        count = int(values["count"])
        if count == 0:
            return RuleFinding(0, 0, None, f"there is no value, so there is no {word}")
        if values.get("largest") is not None and int(values["largest"]) * count >= 2**127:
            raise Unjudgeable(f"the {word} may not fit into 128 bits", "cast the column to a smaller Decimal")
        amount = read(values["sum"])
        measured = amount / count if mean else amount
        passed = (
            _float_inside(measured, rule.min, rule.max)
            if isinstance(measured, float)
            else _inside(measured, rule.min, rule.max)
        )
        shown = _shown(measured)
        return _one(passed, shown, f"the {word} of {count} values is {shown}; wanted: {_wanted(rule.min, rule.max)}")

    return Aggregated(judge, numbers)


def _float_inside(value: float, low: Any, high: Any) -> bool:  # noqa: ANN401
    if math.isnan(value):
        return False
    least, most = (_float_bound(each) for each in (low, high))
    return (least is None or least <= value) and (most is None or most >= value)


def _float_bound(bound: Any) -> Fraction | float | None:  # noqa: ANN401
    return None if bound is None else float_literal(bound, pl.Float64(), "the bound")


def _inside(value: Fraction, low: Any, high: Any) -> bool:  # noqa: ANN401
    return (low is None or value >= _exactly(low)) and (high is None or value <= _exactly(high))


def _exactly(bound: Any) -> Any:  # noqa: ANN401
    """Return the number as written: 0.1 is a tenth; an infinite bound stays infinite."""
    if isinstance(bound, float):
        return bound if math.isinf(bound) else Fraction(repr(bound))
    return Fraction(bound)


def _shown(value: Fraction | float) -> float | int | str | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return int(value) if value.denominator == 1 else float(value)


def _wanted(low: Any, high: Any) -> str:  # noqa: ANN401
    if low is not None and low == high:
        return f"exactly {low}"
    parts = [f"at least {low}"] if low is not None else []
    parts += [f"at most {high}"] if high is not None else []
    return " and ".join(parts)


# The values of this table are functions of exactly the rule type that is their key.
_JUDGES: dict[type[RuleFields], Callable[..., Aggregated]] = {
    Dtype: _dtype,
    ColumnExists: _column_exists,
    RowCount: _row_count,
    Recency: _recency,
    Monotonic: _monotonic,
    MeanBetween: _mean_between,
    SumBetween: _sum_between,
}
