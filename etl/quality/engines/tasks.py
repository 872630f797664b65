"""Turns a rule into a task for a foreign library: a question about one column that the library answers exactly.

Belongs here: rule -> task, shared by the engines of Great Expectations and Pandera. Not here: any library.

Libraries treat nulls, NaN, bounds and types differently from the vocabulary. So a task prepares its column: rows to
which the rule does not apply are null; numbers and points in time are whole steps (a date is a number of days, a
Decimal(12, 2) is a number of cents); the bounds are whole numbers that belong to the range. In this form, every
library understands the rule in the same way.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Literal

import polars as pl

from etl.quality import regex
from etl.quality.expressions.exact import as_text, floats_among, has_steps, is_text, steps, steps_dtype, steps_limits
from etl.quality.expressions.literals import Unjudgeable, float_literal, steps_literal
from etl.quality.expressions.rows import Scope, condition, moment_literal
from etl.quality.expressions.table import chosen
from etl.quality.rules import (
    AnyRule,
    Email,
    InRange,
    InSet,
    IpAddress,
    Length,
    NonNegative,
    NotFuture,
    NotInSet,
    NotNull,
    NotPast,
    Positive,
    Regex,
    RuleFields,
    Unique,
    Url,
    Uuid,
)

Kind = Literal["not_null", "unique", "between", "in_set", "not_in_set", "matches", "length"]
# A placeholder for a moment, used where only the column's type matters.
_SOME_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)


class Unsupported(Exception):  # noqa: N818  it is an answer, not a fault
    """The reason why a library cannot judge a rule exactly."""


@dataclass(frozen=True, slots=True)
class Task:
    """One question. In `columns`, rows that are not judged are null; for `not_null`, exactly the bad rows are null."""

    kind: Kind
    columns: tuple[pl.Expr, ...]
    total: pl.Expr
    """Number of rows that the rule applies to."""
    dtype: pl.DataType
    """Type of the (first) column."""
    low: int | float | None = None
    high: int | float | None = None
    values: tuple[Any, ...] = ()
    pattern: str = ""


def task_of(rule: AnyRule, scope: Scope) -> Task:
    """Return the task for a rule. Raises `Unsupported`, or `Unjudgeable` as the expressions do."""
    ask = _QUESTIONS.get(type(rule))
    if ask is None:
        raise Unsupported(f"rules of type {rule.type} are not supported")
    task: Task = ask(rule, scope)
    return task


def refuse_task(
    rule: AnyRule, schema: pl.Schema | None, further: Callable[[Task, AnyRule, pl.Schema], str | None] | None = None
) -> str | None:
    """Return why a library cannot judge this rule on this schema, or None."""
    if schema is None:
        return None
    try:
        task = task_of(rule, Scope(schema, _SOME_MOMENT, {}))
        return further(task, rule, schema) if further is not None else None
    except Unsupported as reason:
        return str(reason)
    except (Unjudgeable, KeyError):
        return None  # the preflight reports this problem better, in the same way for every engine


def _plain(column: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column in one of the few types that every library knows."""
    if has_steps(dtype):
        return steps(pl.col(column), dtype)
    return as_text(pl.col(column), dtype) if is_text(dtype) else pl.col(column)


def _not_null(rule: NotNull, scope: Scope) -> Task:
    columns = rule.judged_columns
    dtype = scope.schema[columns[0]]
    if len(columns) == 1 and rule.where is None and (has_steps(dtype) or is_text(dtype)):
        return Task("not_null", (_plain(columns[0], dtype),), pl.len(), dtype)
    # A mark stands for the columns: NaN is not null, several columns are one rule, and rows left out are not bad.
    good = pl.all_horizontal(pl.col(columns).is_not_null())
    total = pl.len()
    if rule.where is not None:
        chosen = condition(rule.where, scope)
        good, total = good | chosen.fill_null(value=False).not_(), chosen.sum()
    return Task("not_null", (pl.when(good).then(pl.lit(value=1, dtype=pl.Int8)),), total, pl.Int8())


def _unique(rule: Unique, scope: Scope) -> Task:
    columns = rule.judged_columns
    for column in columns:
        if scope.schema[column].is_nested():
            raise Unjudgeable(f"the column `{column}` cannot be part of a key")
    keys = tuple(chosen(_plain(column, scope.schema[column]), rule, scope) for column in columns)
    total = pl.all_horizontal([key.is_not_null() for key in keys]).sum()
    return Task("unique", keys, total, scope.schema[columns[0]])


def _between(rule: RuleFields, column: str, scope: Scope, low: Any, high: Any, *, closed: Sequence[bool]) -> Task:  # noqa: ANN401
    dtype = scope.schema[column]
    if dtype.is_float():
        value = chosen(pl.col(column).cast(pl.Float64), rule, scope)
        least = -math.inf if low is None else _float_end(low, dtype, up=True, inclusive=closed[0])
        most = math.inf if high is None else _float_end(high, dtype, up=False, inclusive=closed[1])
        return Task("between", (value,), value.count(), pl.Float64(), _ordered(least, most), most)
    if not has_steps(dtype):
        raise Unjudgeable(f"the column `{column}` has no order")
    inner = steps_dtype(dtype)
    lowest, highest = steps_limits(inner)
    if low is not None:
        bound = steps_literal(low, dtype, "the bound")
        lowest = max(lowest, math.ceil(bound) if closed[0] else math.floor(bound) + 1)
    if high is not None:
        bound = steps_literal(high, dtype, "the bound")
        highest = min(highest, math.floor(bound) if closed[1] else math.ceil(bound) - 1)
    value = chosen(steps(pl.col(column), dtype), rule, scope)
    return Task("between", (value,), value.count(), inner, _ordered(lowest, highest), highest)


def _ordered(low: Any, high: Any) -> Any:  # noqa: ANN401
    if low > high:
        raise Unsupported("no value of the column's type can pass; only the vocabulary's own engines judge that")
    return low


def _float_end(value: Any, dtype: pl.DataType, *, up: bool, inclusive: bool) -> float:  # noqa: ANN401
    """Return the outermost float inside the range. NaN is never inside, because both bounds are always given."""
    bound = float_literal(value, dtype, "the bound")
    away = math.inf if up else -math.inf
    try:
        end = float(bound)
    except OverflowError as beyond:
        raise Unsupported(f"the bound {value} is beyond every float") from beyond
    if math.isinf(end):
        if inclusive:
            return end
        raise Unsupported("an infinite bound that does not belong to the range")
    exact = Fraction(end)
    outside = exact < Fraction(bound) if up else exact > Fraction(bound)
    return math.nextafter(end, away) if outside or (exact == Fraction(bound) and not inclusive) else end


def _in_range(rule: InRange, scope: Scope) -> Task:
    ends = (rule.min_inclusive, rule.max_inclusive)
    return _between(rule, rule.column, scope, rule.min, rule.max, closed=ends)


def _positive(rule: Positive, scope: Scope) -> Task:
    return _between(rule, rule.column, scope, 0, None, closed=(False, True))


def _non_negative(rule: NonNegative, scope: Scope) -> Task:
    return _between(rule, rule.column, scope, 0, None, closed=(True, True))


def _not_future(rule: NotFuture, scope: Scope) -> Task:
    now = moment_literal(scope.schema[rule.column], scope.now, rule.timezone, rule.type, rule.column)
    return _between(rule, rule.column, scope, None, now, closed=(True, True))


def _not_past(rule: NotPast, scope: Scope) -> Task:
    dtype = scope.schema[rule.column]
    now = moment_literal(dtype, scope.now, rule.timezone, rule.type, rule.column)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms" and isinstance(now, datetime):
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # to the column's own precision
    return _between(rule, rule.column, scope, now, None, closed=(True, True))


def _set(rule: InSet | NotInSet, scope: Scope) -> Task:
    dtype = scope.schema[rule.column]
    kind: Kind = "in_set" if isinstance(rule, InSet) else "not_in_set"
    if is_text(dtype):
        value = chosen(as_text(pl.col(rule.column), dtype), rule, scope)
        return Task(kind, (value,), value.count(), pl.String(), values=rule.values)
    if dtype.is_float():
        value = chosen(pl.col(rule.column).cast(pl.Float64), rule, scope)
        return Task(kind, (value,), value.count(), pl.Float64(), values=_any(tuple(floats_among(rule.values, dtype))))
    if not has_steps(dtype):
        raise Unsupported(f"a set beside a column of type {dtype}")
    inner = steps_dtype(dtype)
    low, high = steps_limits(inner)
    whole = [steps_literal(each, dtype, "the set's value") for each in rule.values]
    usable = tuple(int(each) for each in whole if each.denominator == 1 and low <= each <= high)
    value = chosen(steps(pl.col(rule.column), dtype), rule, scope)
    return Task(kind, (value,), value.count(), inner, values=_any(usable))


def _any(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise Unsupported("no value of the set can occur in the column")
    return values


def _text(column: str, rule: RuleFields, scope: Scope) -> pl.Expr:
    dtype = scope.schema[column]
    if not is_text(dtype):
        raise Unjudgeable(f"the column `{column}` is no text")
    return chosen(as_text(pl.col(column), dtype), rule, scope)


def _length(rule: Length, scope: Scope) -> Task:
    value = _text(rule.column, rule, scope)
    low, high = (rule.exact, rule.exact) if rule.exact is not None else (rule.min, rule.max)
    return Task("length", (value,), value.count(), pl.String(), low, high)


def _matches(rule: Regex | Email | Url | Uuid | IpAddress, scope: Scope) -> Task:
    value = _text(rule.column, rule, scope)
    if isinstance(rule, Regex):
        pattern = rule.pattern
    elif isinstance(rule, IpAddress):
        pattern = {4: regex.IPV4, 6: regex.IPV6, None: regex.IP}[rule.version]
    else:
        pattern = {Email: regex.EMAIL, Url: regex.URL, Uuid: regex.UUID}[type(rule)]
    return Task("matches", (value,), value.count(), pl.String(), pattern=pattern)


# The values of this table are functions of exactly the rule type that is their key.
_QUESTIONS: dict[type[RuleFields], Callable[..., Task]] = {
    NotNull: _not_null,
    Unique: _unique,
    InRange: _in_range,
    Positive: _positive,
    NonNegative: _non_negative,
    NotFuture: _not_future,
    NotPast: _not_past,
    InSet: _set,
    NotInSet: _set,
    Length: _length,
    Regex: _matches,
    Email: _matches,
    Url: _matches,
    Uuid: _matches,
    IpAddress: _matches,
}
_ASKED = frozenset(str(model.model_fields["type"].default) for model in _QUESTIONS)
# Rules that an engine adds are judged without a task. Rules that it leaves out mean something else in its library.
PANDERA_RULES = _ASKED | {"dtype", "column_exists"}
GREAT_EXPECTATIONS_RULES = _ASKED - {"email", "url"} | {"row_count"}
