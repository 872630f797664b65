"""The reference engine: the rules' own expressions, run by Polars in one query.

Belongs here: running a plan over a DataFrame or, streaming, over a LazyFrame; bounded samples. Not here: any semantics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from etl.quality.engine import CheckContext, EngineReport, Outcome, Strictness, describe_failure
from etl.quality.engines.limits import CAPABILITIES
from etl.quality.expressions import ROWS, ExpressionPlan, RuleFinding, Scope, compile_rules
from etl.quality.expressions.rows import is_pattern
from etl.quality.frames import Data, collect, is_scan, plain
from etl.quality.results import LearnResult, ProfileResult
from etl.quality.rules import AnyRule

FAULTS: tuple[type[BaseException], ...] = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    MemoryError,
)


class PolarsEngine:
    """Judges every rule of the vocabulary except validators of other libraries."""

    name = "polars"
    capabilities = CAPABILITIES["polars"]

    def check(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge all rules in one query."""
        plan = compile_rules(rules, Scope(context.schema, context.now, context.tables))
        row, findings = run_plan(plan, data)
        samples = fetch_samples(plan, data, findings, context)
        outcomes = [outcome_of(position, found, samples.get(position)) for position, found in enumerate(findings)]
        return EngineReport(outcomes, row)

    def profile(self, data: Data, columns: Sequence[str] | None = None) -> ProfileResult:
        """Describe the columns."""
        from etl.quality.profile import profile_columns  # noqa: PLC0415  only who profiles pays for it

        return profile_columns(data, columns, self.name)

    def learn(self, data: Data, strictness: Strictness = "moderate") -> LearnResult:
        """Derive rules that the data passes."""
        from etl.quality.learn import learn_rules  # noqa: PLC0415  only who learns pays for it

        return learn_rules(data, strictness, self)


def run_plan(plan: ExpressionPlan, data: Data) -> tuple[int | None, list[RuleFinding | str]]:
    """Run the one query, and a second one for the rules whose shortcut did not show that they pass.

    If a query fails, its rules are run one by one, so that only the rule that fails is an error.
    """
    if plan.shortcuts and isinstance(data, pl.LazyFrame) and not is_scan(data):
        plan = plan.exactly(range(len(plan.rules)))  # the cost of a second run of such a plan is unknown
    try:
        row = _select(plan, data, plan.select)
    except FAULTS as broken:
        if len(plan.rules) == 1:
            return None, [describe_failure(broken, data.lazy().collect_schema())]
        return _run_each(plan, data)
    found = plan.findings(row)
    unsure = [position for position, each in enumerate(found) if each is None]
    exact = iter(run_plan(plan.exactly(unsure), data)[1] if unsure else ())
    return int(row[ROWS]), [_failing(next(exact)) if each is None else each for each in found]


def _failing(found: RuleFinding | str) -> RuleFinding | str:
    """Return the second query's result for a rule that the first query did not show to pass."""
    if isinstance(found, RuleFinding) and not found.failed:
        return "the data changed while it was judged"
    return found


def _run_each(plan: ExpressionPlan, data: Data) -> tuple[int | None, list[RuleFinding | str]]:
    findings: list[RuleFinding | str] = []
    rows: int | None = None
    for position in range(len(plan.rules)):
        seen, found = run_plan(plan.exactly([position]), data)
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
    lazy = plan.prepare(data.lazy().with_row_index(row))
    queries = [lazy.filter(good.not_()).select(row, *columns).head(context.sample_size) for _, good in failing]
    frames = pl.collect_all(queries, engine="streaming")
    return {
        position: RowSample(tuple(frame[row].to_list()), _shown(frame.select(columns)) if columns else ())
        for (position, _), frame in zip(failing, frames, strict=True)
    }


def _unused(name: str, schema: pl.Schema) -> str:
    while name in schema:
        name = f"_{name}"
    return name


def _shown(frame: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    return tuple({key: plain(value) for key, value in row.items()} for row in frame.to_dicts())


def outcome_of(position: int, found: RuleFinding | str, sample: RowSample | None) -> Outcome:
    """Turn a finding into the outcome that `check()` expects from an engine."""
    if isinstance(found, str):
        return Outcome(position, error=found)
    sample = sample or RowSample()
    return Outcome(
        position, found.failed, found.total, found.actual, sample=sample.values, rows=sample.rows, message=found.message
    )
