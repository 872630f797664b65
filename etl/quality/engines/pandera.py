"""The Pandera engine: it judges the rules that `pandera.polars` judges exactly.

Belongs here: tasks as Pandera's columns and checks, Pandera's errors as counts. Not here: rules that Pandera cannot
judge. Pandera skips data checks on a LazyFrame, and if its environment variables ask for that. So Pandera gets a
DataFrame and a fixed configuration. Pandera takes NaN for null and null for a duplicate: `tasks` removes both before.
"""

from collections.abc import Sequence
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaError, SchemaErrorReason, SchemaErrors

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.engine_methods import EngineMethods
from etl.quality.engines.limits import CAPABILITIES, PANDERA_DTYPES
from etl.quality.engines.samples import with_samples
from etl.quality.engines.tasks import Task, task_of
from etl.quality.engines.together import judge_together
from etl.quality.expressions import Scope
from etl.quality.failures import describe_failure
from etl.quality.rules import AnyRule, ColumnExists, Dtype

Data = pl.DataFrame | pl.LazyFrame


class PanderaEngine(EngineMethods):
    """Judges not_null, unique, ranges, sets, lengths, patterns, types and the presence of columns."""

    name = "pandera"
    capabilities = CAPABILITIES["pandera"]

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge each `unique`, which must not see nulls, in its own validation; all other rules in one validation."""
        return judge_together(_judge, data, rules, context)


def _judge(frame: pl.DataFrame, rules: Sequence[AnyRule], context: CheckContext) -> list[Outcome]:
    scope = Scope(context.schema, context.now, context.tables)
    tasks = {
        position: task_of(rule, scope)
        for position, rule in enumerate(rules)
        if not isinstance(rule, Dtype | ColumnExists)
    }
    totals = _totals(frame, tasks)
    outcomes = _schema_outcomes(context.schema, rules)
    of_rows = {position: task for position, task in tasks.items() if task.kind != "unique"}
    outcomes += _judge_rows(frame, of_rows, totals, context)
    outcomes += [
        _judge_unique(frame, position, task, totals[position], context)
        for position, task in tasks.items()
        if task.kind == "unique"
    ]
    return with_samples(outcomes, frame, rules, context)


def _totals(frame: pl.DataFrame, tasks: dict[int, Task]) -> dict[int, int]:
    if not tasks:
        return {}
    row = frame.select([task.total.alias(str(position)) for position, task in tasks.items()]).row(0, named=True)
    return {position: int(row[str(position)] or 0) for position in tasks}


def _schema_outcomes(schema: pl.Schema, rules: Sequence[AnyRule]) -> list[Outcome]:
    """Judge types and presence of columns on a frame without rows: only the schema matters."""
    head = schema.to_frame()
    outcomes = []
    for position, rule in enumerate(rules):
        if isinstance(rule, Dtype):
            wanted, expected = PANDERA_DTYPES[rule.dtype], SchemaErrorReason.WRONG_DATATYPE
            shown: Any = str(schema[rule.column])
        elif isinstance(rule, ColumnExists):
            wanted, expected = None, SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME
            shown = rule.column in schema
        else:
            continue
        found = _validate(head, pa.DataFrameSchema({rule.column: pa.Column(wanted, nullable=True)}))
        strange = [each for each in found if each.reason_code is not expected]
        if strange:
            outcomes.append(Outcome(position, error=_strange(strange[0], schema)))
        else:
            outcomes.append(Outcome(position, len(found[:1]), 1, shown))
    return outcomes


def _judge_rows(
    frame: pl.DataFrame, tasks: dict[int, Task], totals: dict[int, int], context: CheckContext
) -> list[Outcome]:
    if not tasks:
        return []
    prepared = frame.select([task.columns[0].alias(str(position)) for position, task in tasks.items()])
    columns = {
        str(position): pa.Column(None, _checks(task), nullable=task.kind != "not_null", required=True)
        for position, task in tasks.items()
    }
    failed: dict[int, int] = {}
    errors: dict[int, str] = {}
    for each in _validate(prepared, pa.DataFrameSchema(columns)):
        position = int(each.schema.name)
        if each.reason_code in (SchemaErrorReason.DATAFRAME_CHECK, SchemaErrorReason.SERIES_CONTAINS_NULLS):
            failed[position] = int(each.check_output.to_series().not_().sum())
        else:
            errors[position] = _strange(each, context.schema)
    return [
        Outcome(position, error=errors[position])
        if position in errors
        else Outcome(position, failed.get(position, 0), totals[position])
        for position in tasks
    ]


def _checks(task: Task) -> list[pa.Check]:
    # One failure case is enough: the counts come from the whole output of the check.
    match task.kind:
        case "between":
            return [pa.Check.in_range(task.low, task.high, n_failure_cases=1)]
        case "in_set":
            return [pa.Check.isin(pl.Series(task.values, dtype=task.dtype), n_failure_cases=1)]
        case "not_in_set":
            return [pa.Check.notin(pl.Series(task.values, dtype=task.dtype), n_failure_cases=1)]
        case "length":
            return [pa.Check.str_length(task.low, task.high, n_failure_cases=1)]
        case "matches":
            # By its name, because `Check.str_contains` first compiles the pattern in Python's syntax, which differs.
            options = {"n_failure_cases": 1}
            return [pa.Check.from_builtin_check_name("str_contains", options, error="matches", pattern=task.pattern)]
        case _:
            return []


def _judge_unique(frame: pl.DataFrame, position: int, task: Task, total: int, context: CheckContext) -> Outcome:
    names = [f"key_{index}" for index in range(len(task.columns))]
    keys = frame.select([key.alias(name) for key, name in zip(task.columns, names, strict=True)]).drop_nulls()
    # Pandera's report of duplicates holds whole numbers of 64 bits only; wider numbers are compared as text.
    keys = keys.cast({pl.Int128: pl.String, pl.UInt128: pl.String, pl.UInt64: pl.String})
    columns = {name: pa.Column(None, nullable=True) for name in names}
    schema = pa.DataFrameSchema(columns, unique=names, report_duplicates="all")
    found = _validate(keys, schema)
    if any(each.reason_code is not SchemaErrorReason.DUPLICATES for each in found):
        return Outcome(position, error=_strange(found[0], context.schema))
    failed = int(found[0].check_output.get_column("check_output").not_().sum()) if found else 0
    return Outcome(position, failed, total)


def _validate(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> list[SchemaError]:
    """Validate everything, whatever the environment variables say; return the errors."""
    with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as found:
            errors: list[SchemaError] = found.schema_errors
            return errors
    return []


def _strange(error: SchemaError, schema: pl.Schema) -> str:
    return f"Pandera could not judge it: {describe_failure(error, schema)}"
