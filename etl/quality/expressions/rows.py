"""Every rule that judges rows, as one three-valued expression: TRUE good, FALSE bad, null not judged.

Belongs here: the meaning of each row rule; this is the definition. Not here: counting (`plan`), sums
and order (`table`).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from etl.quality import regex
from etl.quality.expressions.exact import (
    as_text,
    between,
    compare_columns,
    compare_literal,
    is_in,
    is_text,
    steps,
)
from etl.quality.expressions.literals import Unjudgeable
from etl.quality.rules import (
    AnyRule,
    CompareColumns,
    Email,
    Expression,
    ForeignKey,
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
from etl.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule's meaning depends on besides the rule."""

    schema: Mapping[str, pl.DataType]
    now: datetime
    tables: Mapping[str, pl.LazyFrame]


def require_columns(rule: AnyRule, schema: Mapping[str, pl.DataType]) -> None:
    """Refuse a rule about a column that does not exist."""
    for column in rule.columns_needed:
        if column not in schema:
            raise Unjudgeable(f"the column `{column}` does not exist{did_you_mean(column, schema)}")
        if is_pattern(column):
            raise Unjudgeable(
                f"Polars reads the name of the column `{column}` as a pattern for other columns", "rename it"
            )
        if isinstance(schema[column], pl.Object | pl.Unknown):
            raise Unjudgeable(f"the column `{column}` has the type {schema[column]}, whose values no rule can judge")


def is_pattern(column: str) -> bool:
    """Whether Polars reads a name as a pattern, and would judge all columns that match the pattern."""
    return column == "*" or (column.startswith("^") and column.endswith("$"))


def condition(text: str, scope: Scope) -> pl.Expr:
    """Turn a SQL condition into an expression: TRUE, FALSE or null."""
    from etl.quality.expressions.sql import translate  # noqa: PLC0415  sqlglot is slow to import

    return translate(text, scope.schema)


def verdict(rule: AnyRule, scope: Scope) -> pl.Expr:
    """Return the verdict of a row rule, `where` included. Raises `Unjudgeable`."""
    require_columns(rule, scope.schema)
    judge = _JUDGES.get(type(rule))
    if judge is None:
        raise Unjudgeable(f"a rule of type {rule.type} gives no verdict about single rows")
    if rule.where is None:
        return judge(rule, scope)
    chosen = condition(rule.where, scope)
    if isinstance(rule, Unique):
        return _unique_among(rule, scope, chosen)
    return pl.when(chosen).then(judge(rule, scope))


def foreign_key_mark(rule: ForeignKey) -> str:
    """Return the name of the helper column that says whether the key exists in the other table."""
    key = repr((rule.to, rule.judged_columns, rule.referenced_columns))
    return f"__etl_found_{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _not_null(rule: NotNull, scope: Scope) -> pl.Expr:
    del scope
    columns = rule.judged_columns
    return pl.col(columns[0]).is_not_null() if len(columns) == 1 else pl.all_horizontal(pl.col(columns).is_not_null())


def _unique(rule: Unique, scope: Scope) -> pl.Expr:
    _require_keys(rule, scope.schema)
    columns = rule.judged_columns
    if len(columns) == 1:  # faster than `is_unique`, which looks up one row after the other
        return pl.when(pl.col(columns[0]).is_not_null()).then(pl.len().over(columns[0]) == 1)
    return _unique_among(rule, scope, pl.lit(value=True))


def _unique_among(rule: Unique, scope: Scope, chosen: pl.Expr) -> pl.Expr:
    """Judge uniqueness among the chosen rows. All other rows get the same null key, which is not judged."""
    _require_keys(rule, scope.schema)
    judged = chosen & pl.all_horizontal(pl.col(rule.judged_columns).is_not_null())
    key = pl.when(judged).then(pl.struct(rule.judged_columns))
    return pl.when(judged).then(key.is_unique())


def _require_keys(rule: AnyRule, schema: Mapping[str, pl.DataType]) -> None:
    for column in rule.judged_columns:
        if schema[column].is_nested():
            raise Unjudgeable(f"the column `{column}` has the type {schema[column]}, which cannot be part of a key")


def _text(column: str, rule: RuleFields, scope: Scope) -> pl.Expr:
    dtype = scope.schema[column]
    if not is_text(dtype):
        kind = getattr(rule, "type", "")
        raise Unjudgeable(
            f"{kind} judges text, and the column `{column}` is {dtype}", "cast it to text in the transform"
        )
    return as_text(pl.col(column), dtype)


def _pattern(column: str, pattern: str, rule: RuleFields, scope: Scope) -> pl.Expr:
    return _text(column, rule, scope).str.contains(pattern)


def _regex(rule: Regex, scope: Scope) -> pl.Expr:
    return _pattern(rule.column, rule.pattern, rule, scope)


def _email(rule: Email, scope: Scope) -> pl.Expr:
    return _pattern(rule.column, regex.EMAIL, rule, scope)


def _url(rule: Url, scope: Scope) -> pl.Expr:
    return _pattern(rule.column, regex.URL, rule, scope)


def _uuid(rule: Uuid, scope: Scope) -> pl.Expr:
    return _pattern(rule.column, regex.UUID, rule, scope)


def _ip_address(rule: IpAddress, scope: Scope) -> pl.Expr:
    pattern = {4: regex.IPV4, 6: regex.IPV6, None: regex.IP}[rule.version]
    return _pattern(rule.column, pattern, rule, scope)


def _length(rule: Length, scope: Scope) -> pl.Expr:
    count = _text(rule.column, rule, scope).str.len_chars()
    if rule.exact is not None:
        return between(count, pl.UInt32(), rule.exact, rule.exact)
    return between(count, pl.UInt32(), rule.min, rule.max)


def _ordered(column: str, rule: RuleFields, scope: Scope) -> pl.DataType:
    dtype = scope.schema[column]
    if not (dtype.is_numeric() or dtype.is_temporal()):
        kind = getattr(rule, "type", "")
        raise Unjudgeable(f"{kind} judges numbers and points in time, and the column `{column}` is {dtype}")
    return dtype


def _in_range(rule: InRange, scope: Scope) -> pl.Expr:
    dtype = _ordered(rule.column, rule, scope)
    return between(
        pl.col(rule.column),
        dtype,
        rule.min,
        rule.max,
        low_inclusive=rule.min_inclusive,
        high_inclusive=rule.max_inclusive,
    )


def _sign(column: str, operator: str, rule: RuleFields, scope: Scope) -> pl.Expr:
    dtype = scope.schema[column]
    if not (dtype.is_numeric() or isinstance(dtype, pl.Duration)):
        kind = getattr(rule, "type", "")
        raise Unjudgeable(f"{kind} judges numbers, and the column `{column}` is {dtype}")
    return compare_literal(pl.col(column), dtype, operator, 0)


def _positive(rule: Positive, scope: Scope) -> pl.Expr:
    return _sign(rule.column, ">", rule, scope)


def _non_negative(rule: NonNegative, scope: Scope) -> pl.Expr:
    return _sign(rule.column, ">=", rule, scope)


def _in_set(rule: InSet, scope: Scope) -> pl.Expr:
    return is_in(pl.col(rule.column), scope.schema[rule.column], rule.values)


def _not_in_set(rule: NotInSet, scope: Scope) -> pl.Expr:
    return is_in(pl.col(rule.column), scope.schema[rule.column], rule.values).not_()


def moment_literal(dtype: pl.DataType, at: datetime, zone: str, kind: str, column: str) -> object:
    """Return a moment in the column's type: as a date, or as a date with time, with or without a zone."""
    local = at.astimezone(ZoneInfo(zone))
    if isinstance(dtype, pl.Date):
        return local.date()
    if isinstance(dtype, pl.Datetime):
        return local.replace(tzinfo=None) if dtype.time_zone is None else at.astimezone(UTC)
    raise Unjudgeable(
        f"{kind} judges dates and moments, and the column `{column}` is {dtype}", "parse it in the transform"
    )


def _not_future(rule: NotFuture, scope: Scope) -> pl.Expr:
    dtype = scope.schema[rule.column]
    now = moment_literal(dtype, scope.now, rule.timezone, rule.type, rule.column)
    return compare_literal(pl.col(rule.column), dtype, "<=", now)


def _not_past(rule: NotPast, scope: Scope) -> pl.Expr:
    dtype = scope.schema[rule.column]
    now = moment_literal(dtype, scope.now, rule.timezone, rule.type, rule.column)
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ms" and isinstance(now, datetime):
        # Rounded down to the column's precision: the current millisecond is not past.
        now -= timedelta(microseconds=now.microsecond % 1000)
    return compare_literal(pl.col(rule.column), dtype, ">=", now)


def _compare_columns(rule: CompareColumns, scope: Scope) -> pl.Expr:
    left, right = scope.schema[rule.left], scope.schema[rule.right]
    return compare_columns(pl.col(rule.left), left, rule.operator, pl.col(rule.right), right)


def _expression(rule: Expression, scope: Scope) -> pl.Expr:
    return condition(rule.expression, scope)


def _foreign_key(rule: ForeignKey, scope: Scope) -> pl.Expr:
    foreign_keys(rule, scope)
    present = pl.all_horizontal(pl.col(rule.judged_columns).is_not_null())
    return pl.when(present).then(pl.col(foreign_key_mark(rule)).is_not_null())


def foreign_keys(rule: ForeignKey, scope: Scope) -> tuple[pl.LazyFrame, list[pl.Expr]]:
    """Return the other table's distinct keys with the mark, and this table's key to join on. Raises `Unjudgeable`."""
    if rule.to not in scope.tables:
        raise Unjudgeable(
            f"the table `{rule.to}` was not given to the check{did_you_mean(rule.to, scope.tables)}",
            "pass it in `tables`",
        )
    table = scope.tables[rule.to]
    there = table.collect_schema()
    mark = foreign_key_mark(rule)
    ours, theirs = [], []
    for index, (column, other) in enumerate(zip(rule.judged_columns, rule.referenced_columns, strict=True)):
        if other not in there or is_pattern(other):
            raise Unjudgeable(f"the table `{rule.to}` has no column `{other}`{did_you_mean(other, there)}")
        mine, foreign = _join_keys(column, scope.schema[column], other, there[other])
        ours.append(mine)
        theirs.append(foreign.alias(f"{mark}_{index}"))
    names = [f"{mark}_{index}" for index in range(len(theirs))]
    keys = table.select(theirs).drop_nulls().unique().with_columns(pl.lit(value=True).alias(mark))
    return keys, [mine.alias(name) for mine, name in zip(ours, names, strict=True)]


def _join_keys(column: str, mine: pl.DataType, other: str, foreign: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """Bring both sides of a key to one type without changing a value."""
    left, right = pl.col(column), pl.col(other)
    if is_text(mine) and is_text(foreign):
        return as_text(left, mine), as_text(right, foreign)
    if mine.is_integer() and foreign.is_integer():
        return (left, right) if mine == foreign else (left.cast(pl.Int128), right.cast(pl.Int128))
    if mine == foreign and not mine.is_nested() and not isinstance(mine, pl.Object | pl.Unknown):
        return (steps(left, mine), steps(right, foreign)) if mine.is_decimal() else (left, right)
    raise Unjudgeable(
        f"`{column}` is {mine} and `{other}` is {foreign}: they cannot be compared as keys",
        "cast one of them in the transform",
    )


# The values of this table are functions of exactly the rule type that is their key.
_JUDGES: dict[type[RuleFields], Callable[..., pl.Expr]] = {
    NotNull: _not_null,
    Unique: _unique,
    Regex: _regex,
    InRange: _in_range,
    InSet: _in_set,
    NotInSet: _not_in_set,
    NotFuture: _not_future,
    NotPast: _not_past,
    Length: _length,
    Positive: _positive,
    NonNegative: _non_negative,
    ForeignKey: _foreign_key,
    Expression: _expression,
    Email: _email,
    Url: _url,
    Uuid: _uuid,
    IpAddress: _ip_address,
    CompareColumns: _compare_columns,
}
