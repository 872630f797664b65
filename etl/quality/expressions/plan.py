"""Many rules, one query: what to select, and which rule each number belongs to.

Belongs here: `compile_rules` and the `Plan` it returns, which any engine on Polars can use. Does not: running it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from etl.quality.expressions.literals import Unjudgeable
from etl.quality.expressions.rows import Scope, foreign_key_mark, foreign_keys, verdict
from etl.quality.expressions.table import ROWS, Aggregated, Finding, aggregate
from etl.quality.rules import AnyRule, ForeignKey, InSet, NotFuture, NotInSet, NotNull, NotPast, Recency, Truthound

_CLOCKED = (NotFuture, NotPast, Recency)


@dataclass(frozen=True, slots=True)
class Compiled:
    """One rule, ready to be judged."""

    rule: AnyRule
    verdict: pl.Expr | None
    """TRUE good, FALSE bad, null not judged, per row; None if the rule has no verdict about single rows."""
    numbers: dict[str, pl.Expr]
    judge: Callable[[Mapping[str, Any]], Finding]


@dataclass(frozen=True, slots=True)
class Plan:
    """All rules of one check."""

    rules: tuple[Compiled, ...]
    select: list[pl.Expr]
    """Aggregates to select in one query, each under a name of its own."""
    names: tuple[dict[str, str], ...] = ()
    """Per rule: the rule's own name of a number -> its name in the query."""
    joins: tuple[tuple[pl.LazyFrame, list[pl.Expr]], ...] = field(default=())

    def prepare(self, data: pl.LazyFrame) -> pl.LazyFrame:
        """Add the helper columns that foreign keys need; without foreign keys the data as it is."""
        for keys, ours in self.joins:
            names = [each.meta.output_name() for each in ours]
            data = data.with_columns(ours).join(keys, on=names, how="left", maintain_order="left").drop(names)
        return data

    def findings(self, row: Mapping[str, Any]) -> list[Finding | str]:
        """Turn the one row that the query returned into what each rule came to, or why it came to nothing."""
        found: list[Finding | str] = []
        for compiled, names in zip(self.rules, self.names, strict=True):
            try:
                found.append(compiled.judge({own: row[name] for own, name in names.items()}))
            except Unjudgeable as refused:
                found.append(str(refused))
        return found


def compile_rule(rule: AnyRule, scope: Scope) -> Compiled:
    """Make one rule ready. Raises `Unjudgeable` with the reason if these columns cannot be judged by it."""
    if isinstance(rule, ForeignKey | Truthound):
        return _compile(rule, scope)
    needed: tuple[object, ...] = tuple(
        (column, scope.schema.get(column)) for column in (*rule.columns_needed, *rule.judged_columns)
    )
    if isinstance(rule, InSet | NotInSet):
        needed += tuple(isinstance(value, bool) for value in rule.values)  # for Python, 1 and True are equal
    return _compile_cached(rule, needed, scope.now if isinstance(rule, _CLOCKED) else None, _Near(scope))


def compile_rules(rules: Sequence[AnyRule], scope: Scope) -> Plan:
    """Make rules ready for one query. Raises `Unjudgeable` for the first that cannot be."""
    compiled = tuple(compile_rule(rule, scope) for rule in rules)
    select: list[pl.Expr] = [pl.len().alias(ROWS)]
    names: list[dict[str, str]] = []
    shared: dict[str, str] = {}
    for position, each in enumerate(compiled):
        own: dict[str, str] = {}
        for key, expr in each.numbers.items():
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
    joins = {foreign_key_mark(rule): foreign_keys(rule, scope) for rule in rules if isinstance(rule, ForeignKey)}
    return Plan(compiled, select, tuple(names), tuple(joins.values()))


class _Near:
    """The scope of a cached call; equal to any other, because the cache's key holds all that matters."""

    __slots__ = ("scope",)

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Near)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4096)
def _compile_cached(rule: AnyRule, needed: object, now: object, near: _Near) -> Compiled:
    del needed, now
    compiled = _compile(rule, near.scope)
    near.scope = Scope({}, near.scope.now, {})  # the cache keeps the key alive; let it not keep tables alive
    return compiled


def _compile(rule: AnyRule, scope: Scope) -> Compiled:
    if rule.level == "table":
        table: Aggregated = aggregate(rule, scope)
        return Compiled(rule, table.sample, table.numbers, table.judge)
    good = verdict(rule, scope)
    numbers = {"bad": good.not_().sum(), "total": _judged(rule, good)}
    return Compiled(rule, good, numbers, _count)


def _judged(rule: AnyRule, good: pl.Expr) -> pl.Expr:
    """Count the rows that the rule applies to, the cheap way where there is one."""
    if rule.where is not None or rule.type == "expression":
        return good.count()
    if isinstance(rule, NotNull):
        return pl.len()
    columns = rule.judged_columns
    return pl.col(columns[0]).count() if len(columns) == 1 else good.count()


def _shared_name(key: str, rule: AnyRule) -> str:
    """Name numbers that several rules have in common, so that the query computes them once."""
    if rule.where is not None:
        return ""
    if (key == "total" and isinstance(rule, NotNull)) or key == "rows":
        return ROWS
    if key == "total" and len(rule.judged_columns) == 1 and rule.type != "expression":
        return f"count {rule.judged_columns[0]}"
    return ""


def _count(numbers: Mapping[str, Any]) -> Finding:
    return Finding(int(numbers["bad"] or 0), int(numbers["total"] or 0))
