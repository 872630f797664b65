"""Samples of failing rows for engines whose library only counts.

Belongs here: fetching the rows that a rule's own expression calls bad. Does not: counting.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from etl.quality.engine import CheckContext, Outcome
from etl.quality.engines.polars import fetch_samples
from etl.quality.expressions import Finding, Scope, compile_rules
from etl.quality.rules import AnyRule


def with_samples(
    outcomes: Sequence[Outcome], frame: pl.DataFrame, rules: Sequence[AnyRule], context: CheckContext
) -> list[Outcome]:
    """Add the first failing rows to every outcome that has failures, where columns may be shown."""
    if not context.sample_columns or not context.sample_size or not any(each.failed for each in outcomes):
        return list(outcomes)
    plan = compile_rules(rules, Scope(context.schema, context.now, context.tables))
    counted = {each.position: Finding(each.failed, each.total) for each in outcomes if each.error is None}
    findings = [counted.get(position, Finding(0, 0)) for position in range(len(rules))]
    samples = fetch_samples(plan, frame, findings, context)
    return [replace(each, sample=samples.get(each.position, ())) for each in outcomes]
