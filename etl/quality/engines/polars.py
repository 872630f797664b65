"""The reference engine: the rules' own expressions, run by Polars in one query.

Belongs here: running a plan over a DataFrame or, streaming, over a LazyFrame; bounded samples. Not here: any semantics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.engine_methods import EngineMethods
from etl.quality.engines.large_keys import CHANGED, added, share, shares_of
from etl.quality.engines.limits import CAPABILITIES
from etl.quality.expressions import ROWS, ExpressionPlan, RuleFinding, Scope, compile_rules
from etl.quality.expressions.rows import is_pattern
from etl.quality.failures import describe_failure
from etl.quality.frames import Data, collect, is_scan, plain
from etl.quality.rules import AnyRule, Unique

FAULTS: tuple[type[BaseException], ...] = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    MemoryError,
)


class PolarsEngine(EngineMethods):
    """Judges every rule of the vocabulary except validators of other libraries."""

    name = "polars"
    capabilities = CAPABILITIES["polars"]

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge all rules in one query."""
        plan = compile_rules(rules, Scope(context.schema, context.now, context.tables))
        row, findings = run_plan(plan, data)
        samples = fetch_samples(plan, data, findings, context)
        outcomes = [outcome_of(position, found, samples.get(position)) for position, found in enumerate(findings)]
        return EngineReport(outcomes, row)


def run_plan(plan: ExpressionPlan, data: Data) -> tuple[int | None, list[RuleFinding | str]]:
    """Run the one query, and a second one for the rules whose shortcut did not show that they pass.

    If a query fails, its rules are run one by one, so that only the rule that fails is an error. The keys of a
    table that is too large for memory are judged apart, in shares.
    """
    try:
        shares = shares_of(data, [each.rule for each in plan.rules])
    except FAULTS as broken:
        return None, [describe_failure(broken, data.lazy().collect_schema())] * len(plan.rules)
    if shares > 1 and isinstance(data, pl.LazyFrame):
        return _run_in_shares(plan, data, shares)
    return _run_at_once(plan, data, once=isinstance(data, pl.LazyFrame) and not is_scan(data))


def _run_in_shares(plan: ExpressionPlan, data: pl.LazyFrame, shares: int) -> tuple[int | None, list[RuleFinding | str]]:
    """Judge each `unique` share by share, and all other rules in one query."""
    others = [position for position, each in enumerate(plan.rules) if not isinstance(each.rule, Unique)]
    rows, found = _run_at_once(plan.part(others), data)
    findings = dict(zip(others, found, strict=True))
    for position, each in enumerate(plan.rules):
        if position in findings:
            continue
        alone = plan.part([position])
        parts = [_run_at_once(alone, share(data, each.rule, number, shares)) for number in range(shares)]
        finding = added([part for _, judged in parts for part in judged])
        counted = None if isinstance(finding, str) else sum(part for part, _ in parts if part is not None)
        findings[position] = CHANGED if counted is not None and rows is not None and counted != rows else finding
    return rows, [findings[position] for position in range(len(plan.rules))]


def _run_at_once(plan: ExpressionPlan, data: Data, *, once: bool = False) -> tuple[int | None, list[RuleFinding | str]]:
    """Run the one query over all the data. `once`: what a second run would cost is unknown, so there is none."""
    if plan.shortcuts and once:
        plan = plan.exactly(range(len(plan.rules)))
    try:
        row = _select(plan, data, plan.select)
    except FAULTS as broken:
        if len(plan.rules) == 1:
            return None, [describe_failure(broken, data.lazy().collect_schema())]
        return _run_each(plan, data)
    found = plan.findings(row)
    unsure = [position for position, each in enumerate(found) if each is None]
    exact = iter(_run_at_once(plan.exactly(unsure), data)[1] if unsure else ())
    return int(row[ROWS]), [_failing(next(exact)) if each is None else each for each in found]


def _failing(found: RuleFinding | str) -> RuleFinding | str:
    """Return the second query's result for a rule that the first query did not show to pass."""
    if isinstance(found, RuleFinding) and not found.failed:
        return CHANGED
    return found


def _run_each(plan: ExpressionPlan, data: Data) -> tuple[int | None, list[RuleFinding | str]]:
    findings: list[RuleFinding | str] = []
    rows: int | None = None
    for position in range(len(plan.rules)):
        seen, found = _run_at_once(plan.exactly([position]), data)
        rows = seen if seen is not None else rows
        findings.extend(found)
    return rows, findings


def _select(plan: ExpressionPlan, data: Data, select: list[pl.Expr]) -> dict[str, Any]:
    if isinstance(data, pl.DataFrame) and not plan.joins:
        return data.select(select).row(0, named=True)
    lazy = plan.prepare(data.lazy()).select(select)
    return collect(lazy).row(0, named=True)


@dataclass(frozen=True, slots=True)
class RowSample:
    """Some failing rows of one rule: their positions, and their values in the columns that may be shown."""

    rows: tuple[int, ...] = ()
    values: tuple[dict[str, Any], ...] = ()


def fetch_samples(
    plan: ExpressionPlan, data: Data, findings: Sequence[RuleFinding | str], context: CheckContext
) -> dict[int, RowSample]:
    """Fetch the first failing rows of every failing rule, restricted to the columns that may be shown."""
    columns = [column for column in context.sample_columns if column in context.schema and not is_pattern(column)]
    failing = [
        (position, compiled.verdict)
        for position, (compiled, found) in enumerate(zip(plan.rules, findings, strict=True))
        if isinstance(found, RuleFinding) and found.failed and compiled.verdict is not None
    ]
    if not context.sample_size or not failing:
        return {}
    if isinstance(data, pl.DataFrame):
        # The rows are in memory already: gather all positions in one query, then pick.
        picks = [
            pl.arg_where(good.not_()).head(context.sample_size).implode().alias(f"{index}") for index, good in failing
        ]
        found = plan.prepare(data.lazy()).select(picks).collect().row(0)
        return {
            index: RowSample(tuple(rows), _shown(data.select(columns)[rows]) if columns else ())
            for (index, _), rows in zip(failing, found, strict=True)
        }
    if not columns and not is_scan(data):
        return {}  # the numbers of the rows are not worth computing a plan a second time
    row = _unused("row", context.schema)
    numbered = data.lazy().with_row_index(row)
    lazy = plan.prepare(numbered)
    shares = shares_of(data, [plan.rules[position].rule for position, _ in failing])
    queries: dict[int, pl.LazyFrame] = {}
    frames: dict[int, pl.DataFrame] = {}
    for position, good in failing:
        rule = plan.rules[position].rule

        def bad(lazy: pl.LazyFrame, good: pl.Expr = good) -> pl.LazyFrame:
            return lazy.filter(good.not_()).select(row, *columns).head(context.sample_size)

        if shares > 1 and isinstance(rule, Unique):
            each = (bad(share(numbered, rule, number, shares)).collect(engine="streaming") for number in range(shares))
            frames[position] = next((found for found in each if found.height), bad(lazy).clear().collect())
        else:
            queries[position] = bad(lazy)
    frames |= zip(queries, pl.collect_all(queries.values(), engine="streaming"), strict=True)
    return {
        position: RowSample(tuple(frame[row].to_list()), _shown(frame.select(columns)) if columns else ())
        for position, frame in frames.items()
    }


def _unused(name: str, schema: pl.Schema) -> str:
    while name in schema:
        name = f"_{name}"
    return name


def _shown(frame: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    # etl: allow row-loop (these are the few rows of a sample)
    return tuple({key: plain(value) for key, value in row.items()} for row in frame.to_dicts())


def outcome_of(position: int, found: RuleFinding | str, sample: RowSample | None) -> Outcome:
    """Turn a finding into the outcome that `check()` expects from an engine."""
    if isinstance(found, str):
        return Outcome(position, error=found)
    sample = sample or RowSample()
    return Outcome(
        position, found.failed, found.total, found.actual, sample=sample.values, rows=sample.rows, message=found.message
    )
