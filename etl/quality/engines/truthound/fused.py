"""One run of the library: one validator for the whole vocabulary, the validators that rules name, and a comparison.

Belongs here: which tasks run; the counts found here must equal the library's report. Not here: semantics.
"""

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.engines.polars import fetch_samples, outcome_of, run_plan
from etl.quality.engines.truthound.library import ValidationRun, ValidatorTask, library
from etl.quality.expressions import Scope, compile_rules
from etl.quality.frames import collect, is_scan
from etl.quality.rules import AnyRule, Truthound

Data = pl.DataFrame | pl.LazyFrame
_FUSED = "etl_rules"


def check_all(data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
    """Judge all rules in one run."""
    own = [position for position, rule in enumerate(rules) if not isinstance(rule, Truthound)]
    named = [(position, rule) for position, rule in enumerate(rules) if isinstance(rule, Truthound)]
    if named and isinstance(data, pl.LazyFrame) and not is_scan(data):
        data = collect(data)  # each of the library's own validators would run the plan again
    found: dict[int, Outcome] = {}
    rows: list[int | None] = []
    fused = ValidatorTask(_FUSED, _fused(data, rules, own, context, found, rows), (*context.schema,))
    tasks = [fused, *(_task(position, rule, context, found) for position, rule in named)]
    run = library().run(data.lazy(), tasks)
    owners = dict.fromkeys(own, _FUSED) | {position: _mark(position) for position, _ in named}
    outcomes = [_confirmed(position, found.get(position), run, owners[position]) for position in range(len(rules))]
    return EngineReport(outcomes, rows[0] if len(rows) == 1 else None)


def _fused(
    data: Data,
    rules: Sequence[AnyRule],
    own: Sequence[int],
    context: CheckContext,
    found: dict[int, Outcome],
    rows: list[int | None],
) -> Callable[[pl.LazyFrame], list[Any]]:
    plan = compile_rules([rules[position] for position in own], Scope(context.schema, context.now, context.tables))

    def validate(lazy: pl.LazyFrame) -> list[Any]:
        # A frame in memory is used directly: collecting its LazyFrame copies nothing, and the query is faster.
        frame = lazy.collect() if isinstance(data, pl.DataFrame) else lazy
        count, findings = run_plan(plan, frame)
        samples = fetch_samples(plan, frame, findings, context)
        rows.append(count)
        outcomes = [outcome_of(own[index], each, samples.get(index)) for index, each in enumerate(findings)]
        found.update((each.position, each) for each in outcomes)
        return [library().issue(_mark(each.position), each.failed) for each in outcomes if each.failed]

    return validate


def _task(position: int, rule: Truthound, context: CheckContext, found: dict[int, Outcome]) -> ValidatorTask:
    from etl.quality.engines.truthound.named import issues_of, judge  # noqa: PLC0415  loads every validator's module

    def validate(lazy: pl.LazyFrame) -> list[Any]:
        found[position] = judge(rule, position, lazy, context)
        return issues_of(found[position], _mark(position))

    return ValidatorTask(_mark(position), validate, (*context.schema,))


def _mark(position: int) -> str:
    return f"etl_rule_{position}"


def _confirmed(position: int, outcome: Outcome | None, run: ValidationRun, owner: str) -> Outcome:
    """Accept a verdict only if its validator ran to the end and the library reports the same number of failing rows."""
    if owner in run.broken:
        return Outcome(position, error=run.broken[owner])
    if outcome is None:
        return Outcome(position, error="Truthound did not run the validator of this rule")
    reported = run.counts.get(_mark(position), 0)
    if outcome.error is None and reported != outcome.failed:
        problem = f"Truthound reported {reported} failing rows where {outcome.failed} were found"
        return Outcome(position, error=problem)
    return outcome
