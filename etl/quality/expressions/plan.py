"""Compiles many rules into one query: what to select, and which rule each selected number belongs to.

Belongs here: `compile_rules` and the `ExpressionPlan` it returns, for any engine on Polars. Not here: running it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import polars as pl

from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.rows import Scope, condition, foreign_key_mark, foreign_keys, verdict
from etl.quality.expressions.table import ROWS, Aggregated, RuleFinding, aggregate
from etl.quality.rules import (
    AnyRule,
    ForeignKey,
    InSet,
    NotFuture,
    NotInSet,
    NotNull,
    NotPast,
    Recency,
    Truthound,
    Unique,
)

_CLOCKED = (NotFuture, NotPast, Recency)
_NO_CLOCK = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Numbers that are cheaper to compute. They prove that a rule passes, or they prove nothing."""

    numbers: dict[str, pl.Expr]
    judge: Callable[[Mapping[str, Any]], RuleFinding | None]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One rule, ready to be judged."""

    rule: AnyRule
    verdict: pl.Expr | None
    """For each row TRUE (good), FALSE (bad) or null (not judged); None if the rule does not judge single rows."""
    numbers: dict[str, pl.Expr]
    judge: Callable[[Mapping[str, Any]], RuleFinding]
    shortcut: Shortcut | None = None


@dataclass(frozen=True, slots=True)
class ExpressionPlan:
    """All rules of one check."""

    rules: tuple[Compiled, ...]
    select: list[pl.Expr]
    """Aggregates to select in one query, each with a unique name."""
    names: tuple[dict[str, str], ...] = ()
    """For each rule: the rule's own name of a number -> the number's name in the query."""
    shortcuts: bool = False
    """Whether rules that have a shortcut are judged by the shortcut's numbers."""
    joins: tuple[tuple[pl.LazyFrame, list[pl.Expr]], ...] = field(default=())

    def prepare(self, data: pl.LazyFrame) -> pl.LazyFrame:
        """Add the helper columns that foreign keys need; without foreign keys the data as it is."""
        for keys, ours in self.joins:
            names = [each.meta.output_name() for each in ours]
            data = data.with_columns(ours).join(keys, on=names, how="left", maintain_order="left").drop(names)
        return data

    def exactly(self, positions: Sequence[int]) -> "ExpressionPlan":
        """The plan for some of the rules, without shortcuts."""
        return self.part(positions, shortcuts=False)

    def part(self, positions: Sequence[int], *, shortcuts: bool | None = None) -> "ExpressionPlan":
        """The plan for some of the rules."""
        rules = tuple(self.rules[position] for position in positions)
        joins = self.joins if any(isinstance(each.rule, ForeignKey) for each in rules) else ()
        return _plan(rules, joins, shortcuts=self.shortcuts if shortcuts is None else shortcuts)

    def findings(self, row: Mapping[str, Any]) -> list[RuleFinding | str | None]:
        """Turn the one row that the query returned into the finding of each rule, or the reason why there is none.

        None means that the rule's shortcut did not prove that the rule passes.
        """
        found: list[RuleFinding | str | None] = []
        for compiled, names in zip(self.rules, self.names, strict=True):
            judge = compiled.shortcut.judge if self.shortcuts and compiled.shortcut else compiled.judge
            try:
                found.append(judge({own: row[name] for own, name in names.items()}))
            except Unjudgeable as refused:
                found.append(str(refused))
        return found


def compile_rule(rule: AnyRule, scope: Scope) -> Compiled:
    """Compile one rule. Raises `Unjudgeable` with the reason if the rule cannot judge these columns."""
    if isinstance(rule, ForeignKey | Truthound):
        return _compile(rule, scope)
    names = dict.fromkeys((*rule.columns_needed, *rule.judged_columns))
    columns = tuple((name, scope.schema[name]) for name in names if name in scope.schema)
    kinds = tuple(isinstance(value, bool) for value in rule.values) if isinstance(rule, InSet | NotInSet) else ()
    try:
        return _compile_cached(rule, columns, kinds, scope.now if isinstance(rule, _CLOCKED) else None)
    except Unjudgeable:
        return _compile(rule, scope)  # with all columns, so that the reason can suggest the right name


def compile_rules(rules: Sequence[AnyRule], scope: Scope) -> ExpressionPlan:
    """Compile rules for one query. Raises `Unjudgeable` for the first rule that cannot be judged."""
    joins = {foreign_key_mark(rule): foreign_keys(rule, scope) for rule in rules if isinstance(rule, ForeignKey)}
    return _plan(tuple(compile_rule(rule, scope) for rule in rules), tuple(joins.values()), shortcuts=True)


def _plan(
    compiled: tuple[Compiled, ...], joins: tuple[tuple[pl.LazyFrame, list[pl.Expr]], ...], *, shortcuts: bool
) -> ExpressionPlan:
    select: list[pl.Expr] = [pl.len().alias(ROWS)]
    names: list[dict[str, str]] = []
    shared: dict[str, str] = {}
    for position, each in enumerate(compiled):
        own: dict[str, str] = {}
        numbers = each.shortcut.numbers if shortcuts and each.shortcut else each.numbers
        for key, expr in numbers.items():
            common = _shared_name(key, each.rule)
            name = shared.get(common) if common else None
            if name is None:
                name = ROWS if common == ROWS else f"{position}_{key}"
                if name != ROWS:
                    select.append(expr.alias(name))
                if common:
                    shared[common] = name
            own[key] = name
        names.append(own)
    return ExpressionPlan(compiled, select, tuple(names), shortcuts, joins)


@lru_cache(maxsize=4096)
def _compile_cached(
    rule: AnyRule, columns: tuple[tuple[str, pl.DataType], ...], kinds: tuple[bool, ...], now: datetime | None
) -> Compiled:
    del kinds  # part of the key only: for Python, 1 and True are equal
    return _compile(rule, Scope(dict(columns), now or _NO_CLOCK, {}))


def _compile(rule: AnyRule, scope: Scope) -> Compiled:
    if rule.level == "table":
        table: Aggregated = aggregate(rule, scope)
        return Compiled(rule, table.sample, table.numbers, table.judge)
    good = verdict(rule, scope)
    numbers = {"bad": good.not_().sum(), "total": _judged(rule, good)}
    return Compiled(rule, good, numbers, _count, _all_distinct(rule, scope) if isinstance(rule, Unique) else None)


def _all_distinct(rule: Unique, scope: Scope) -> Shortcut | None:
    """Return a shortcut that counts distinct values: the rule passes if there are as many distinct values as rows.

    This is much faster than finding the repeated values, but only for one column; for several it saves no time.
    """
    if len(rule.judged_columns) > 1:
        return None
    value = pl.col(rule.judged_columns[0])
    if rule.where is not None:
        value = pl.when(condition(rule.where, scope)).then(value)
    return Shortcut({"rows": pl.len(), "total": value.count(), "distinct": value.n_unique()}, _passes_if_distinct)


def _passes_if_distinct(numbers: Mapping[str, Any]) -> RuleFinding | None:
    total = int(numbers["total"])
    nulls = int(numbers["rows"]) > total  # null counts as one more distinct value
    return RuleFinding(0, total) if int(numbers["distinct"]) - nulls == total else None


def _judged(rule: AnyRule, good: pl.Expr) -> pl.Expr:
    """Count the rows that the rule applies to, in a cheaper way where there is one."""
    if rule.where is not None or rule.type == "expression":
        return good.count()
    if isinstance(rule, NotNull):
        return pl.len()
    columns = rule.judged_columns
    return pl.col(columns[0]).count() if len(columns) == 1 else good.count()


def _shared_name(key: str, rule: AnyRule) -> str:
    """Return the same name for a number that several rules need, so that the query computes the number once."""
    if rule.where is not None:
        return ""
    if (key == "total" and isinstance(rule, NotNull)) or key == "rows":
        return ROWS
    if key == "total" and len(rule.judged_columns) == 1 and rule.type != "expression":
        return f"count {rule.judged_columns[0]}"
    return ""


def _count(numbers: Mapping[str, Any]) -> RuleFinding:
    return RuleFinding(int(numbers["bad"] or 0), int(numbers["total"] or 0))
