"""The vocabulary as one validator: all rules in one query, whatever runs it.

Belongs here: the run and the reconciliation of what was found with what the library reports. Does not: semantics.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.engines.polars import fetch_samples, outcome_of, run_plan
from etl.quality.engines.truthound.library import Run, Task, library
from etl.quality.expressions import Finding, Scope, compile_rules
from etl.quality.rules import AnyRule

Data = pl.DataFrame | pl.LazyFrame
FUSED = "etl_rules"


def check_fused(data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
    """Judge rules of the vocabulary in one run."""
    plan = compile_rules(rules, Scope(context.schema, context.now, context.tables))
    found: list[tuple[int | None, list[Outcome]]] = []

    def validate(lazy: pl.LazyFrame) -> list[Any]:
        # A frame in memory is judged as a frame: collecting its LazyFrame copies nothing, and the query is faster.
        frame = lazy.collect() if isinstance(data, pl.DataFrame) else lazy
        rows, findings = run_plan(plan, frame)
        samples = fetch_samples(plan, frame, findings, context)
        outcomes = [outcome_of(position, each, samples.get(position, ())) for position, each in enumerate(findings)]
        found.append((rows, outcomes))
        return [
            library().issue(_mark(position), each.failed)
            for position, each in enumerate(findings)
            if isinstance(each, Finding) and each.failed
        ]

    run = library().run(data.lazy(), [Task(FUSED, validate)])
    if FUSED in run.broken or len(found) != 1:
        problem = f"Truthound reported: {run.broken.get(FUSED, 'the validator did not run exactly once')}"
        return EngineReport([Outcome(position, error=problem) for position in range(len(rules))])
    rows, outcomes = found[0]
    return EngineReport([_confirmed(outcome, run) for outcome in outcomes], rows)


def _mark(position: int) -> str:
    return f"{FUSED}_{position}"


def _confirmed(outcome: Outcome, run: Run) -> Outcome:
    """Accept a verdict only if the library reports the same number of failing rows as was found."""
    reported = run.counts.get(_mark(outcome.position), 0)
    if outcome.error is None and reported != outcome.failed:
        problem = f"Truthound reported {reported} failing rows where {outcome.failed} were found"
        return Outcome(outcome.position, error=problem)
    return outcome
