"""Samples of failing rows for engines whose library only counts.

Belongs here: fetching the rows that a rule's own expression calls bad. Not here: counting.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from etl.quality.engine import CheckContext, Outcome
from etl.quality.engines.polars import RowSample, fetch_samples
from etl.quality.expressions import RuleFinding, Scope, compile_rules
from etl.quality.rules import AnyRule


def with_samples(
    outcomes: Sequence[Outcome], frame: pl.DataFrame, rules: Sequence[AnyRule], context: CheckContext
) -> list[Outcome]:
    """Add the first failing rows to every outcome with failures: their positions, and the values that may be shown."""
    if not context.sample_size or not any(each.failed for each in outcomes):
        return list(outcomes)
    plan = compile_rules(rules, Scope(context.schema, context.now, context.tables))
    counted = {each.position: RuleFinding(each.failed, each.total) for each in outcomes if each.error is None}
    findings = [counted.get(position, RuleFinding(0, 0)) for position in range(len(rules))]
    samples = fetch_samples(plan, frame, findings, context)
    found = {position: samples.get(position, RowSample()) for position in range(len(rules))}
    return [replace(each, sample=found[each.position].values, rows=found[each.position].rows) for each in outcomes]
