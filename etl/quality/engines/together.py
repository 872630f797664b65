"""A foreign library judges rules together; if that fails, one by one, so that only the rule that fails is an error.

Belongs here: which rules and columns a library gets at once. Not here: how the library judges them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.expressions.rows import is_pattern
from etl.quality.failures import describe_failure
from etl.quality.frames import collect
from etl.quality.rules import AnyRule

Data = pl.DataFrame | pl.LazyFrame
Judge = Callable[[pl.DataFrame, Sequence[AnyRule], CheckContext], list[Outcome]]


def judge_together(judge: Judge, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
    """Judge all rules at once. If that fails, judge each rule alone; only rules that fail alone too are errors."""
    try:
        frame = _read(data, rules, context)
        return EngineReport(judge(frame, rules, context), frame.height)
    except (Exception, pl.exceptions.PanicException) as raised:  # noqa: BLE001  foreign code; becomes the verdict error
        if len(rules) == 1:
            return EngineReport([Outcome(0, error=f"the engine raised {describe_failure(raised, context.schema)}")])
    reports = [judge_together(judge, data, [rule], context) for rule in rules]
    outcomes = [replace(each, position=position) for position, report in enumerate(reports) for each in report.outcomes]
    return EngineReport(outcomes, next((each.row_count for each in reports if each.row_count is not None), None))


def _read(data: Data, rules: Sequence[AnyRule], context: CheckContext) -> pl.DataFrame:
    """Read the columns that these rules need. A column that cannot be read affects only the rules about that column."""
    if isinstance(data, pl.DataFrame):
        return data
    needed = dict.fromkeys((*context.sample_columns, *(column for rule in rules for column in rule.columns_needed)))
    columns = [column for column in needed if column in context.schema and not is_pattern(column)]
    # A frame without columns has no rows either.
    return collect(data.select(columns or pl.int_range(pl.len())))
