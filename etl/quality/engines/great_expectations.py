"""The Great Expectations engine: it judges the rules that the library judges exactly.

Belongs here: tasks as expectations, the library's results as counts. Not here: rules that the library cannot judge.
The library's validator is used without a data context, so nothing is written, sent or global. The library takes
numpy's NaN for null and compares only as exactly as pandas; `_series` chooses a type that holds every value.
"""

import re
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import great_expectations.expectations as gxe
import pandas as pd  # type: ignore[import-untyped, unused-ignore]  # it ships no types
import polars as pl
from great_expectations.core.batch import Batch
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.validator.validator import Validator

from etl.quality.engine import CheckContext, EngineReport, Outcome
from etl.quality.engine_methods import EngineMethods
from etl.quality.engines.classes import CLASSES, class_ranges
from etl.quality.engines.limits import CAPABILITIES, EXACT_FLOATS, float_bounds
from etl.quality.engines.samples import with_samples
from etl.quality.engines.tasks import Task, task_of
from etl.quality.engines.together import judge_together
from etl.quality.expressions import Scope
from etl.quality.failures import describe_failure
from etl.quality.rules import AnyRule, RowCount

Data = pl.DataFrame | pl.LazyFrame
_CLASS = re.compile(r"\\(.)", re.DOTALL)


class GreatExpectationsEngine(EngineMethods):
    """Judges not_null, unique, ranges, sets, lengths, portable patterns and the number of rows."""

    name = "great_expectations"
    capabilities = CAPABILITIES["great_expectations"]

    def judge(self, data: Data, rules: Sequence[AnyRule], context: CheckContext) -> EngineReport:
        """Judge all rules in one batch and one validation."""
        return judge_together(_judge, data, rules, context)


def _judge(frame: pl.DataFrame, rules: Sequence[AnyRule], context: CheckContext) -> list[Outcome]:
    scope = Scope(context.schema, context.now, context.tables)
    counts = {position: rule for position, rule in enumerate(rules) if isinstance(rule, RowCount)}
    tasks = {position: task_of(rule, scope) for position, rule in enumerate(rules) if position not in counts}
    expectations = [_row_count(position, rule) for position, rule in counts.items()]
    expectations += [_expectation(position, task) for position, task in tasks.items()]
    prepared, totals = _prepare(frame, tasks)
    outcomes = []
    for found in _validate(prepared, expectations):
        position = int(found.expectation_config.meta["position"])
        outcomes.append(_outcome(position, found, totals.get(position), frame))
    return with_samples(outcomes, frame, rules, context)


def _prepare(frame: pl.DataFrame, tasks: Mapping[int, Task]) -> tuple[pd.DataFrame, dict[int, int]]:
    """Return the batch, with the columns of each task, and the number of rows that each rule applies to."""
    if not tasks:
        return pd.DataFrame(index=range(frame.height)), {}
    columns = [
        expr.alias(name)
        for position, task in tasks.items()
        for expr, name in zip(task.columns, _names(position, task), strict=True)
    ]
    prepared = frame.select(columns)
    totals = frame.select([task.total.alias(str(position)) for position, task in tasks.items()]).row(0, named=True)
    batch = pd.DataFrame({column.name: _series(column) for column in prepared}, copy=False)
    return batch, {position: int(totals[str(position)] or 0) for position in tasks}


def _names(position: int, task: Task) -> list[str]:
    return [f"{position}_{index}" for index in range(len(task.columns))]


def _series(column: pl.Series) -> "pd.Series[Any]":
    """Return the column in a type of pandas in which no value changes and only nulls are null."""
    dtype = column.dtype
    if dtype.is_integer() or dtype.is_decimal():
        whole = column.cast(pl.Int64)
        if whole.null_count() == 0:
            return pd.Series(whole.to_numpy(), copy=False)
        most = max(abs(int(whole.min() or 0)), abs(int(whole.max() or 0)))  # type: ignore[arg-type]  # an Int64 column
        # A float holds whole numbers of 53 bits, and pandas compares floats much faster than its nullable types.
        return pd.Series(whole.cast(pl.Float64).to_numpy()) if most < EXACT_FLOATS else _arrow(whole)
    if dtype.is_float():
        number = column.cast(pl.Float64)
        if not number.is_nan().any():
            return pd.Series(number.to_numpy())
        # Arrow tells -0.0 from 0.0 in a set. (Polars takes `+ 0.0` for no change, and leaves the sign.)
        return _arrow(number.set(number == 0.0, 0.0))
    return _arrow(column)


def _arrow(column: pl.Series) -> "pd.Series[Any]":
    return column.to_pandas(use_pyarrow_extension_array=True)


def _expectation(position: int, task: Task) -> Any:  # noqa: ANN401  the library ships no types
    names, meta = _names(position, task), {"position": position}
    column = names[0]
    match task.kind:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
        case "unique" if len(names) > 1:
            return gxe.ExpectCompoundColumnsToBeUnique(
                column_list=names, ignore_row_if="any_value_is_missing", meta=meta
            )
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(column=column, meta=meta)
        case "between":
            low, high = float_bounds(task)
            return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, meta=meta)
        case "in_set":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=_set(task), meta=meta)
        case "not_in_set":
            return gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=_set(task), meta=meta)
        case "length":
            return gxe.ExpectColumnValueLengthsToBeBetween(
                column=column, min_value=task.low, max_value=task.high, meta=meta
            )
        case "matches":
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=_for_pandas(task.pattern), meta=meta)


def _set(task: Task) -> list[Any]:
    """Return the values of a set, zero without a sign."""
    return [0.0 if task.dtype.is_float() and each == 0 else each for each in task.values]  # noqa: PD011  a question, no frame


def _for_pandas(pattern: str) -> str:
    r"""Write `$` as `\Z`, because Python's `$` also matches before a last line break; make groups non-capturing."""
    parts = re.findall(r"\\.|\[\^?(?:\\.|[^\]])+\]|\(\?:|.", pattern, re.DOTALL)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if part[0] == "[":
        return _CLASS.sub(lambda found: class_ranges(found[1]) if found[1] in CLASSES else found[0], part)
    if part[0] == "\\" and part[1] in CLASSES:
        return f"[{class_ranges(part[1])}]"
    return {"$": r"\Z", "(": "(?:"}.get(part, part)


def _row_count(position: int, rule: RowCount) -> Any:  # noqa: ANN401
    low, high = (rule.exact, rule.exact) if rule.exact is not None else (rule.min, rule.max)
    return gxe.ExpectTableRowCountToBeBetween(min_value=low, max_value=high, meta={"position": position})


def _validate(batch: pd.DataFrame, expectations: Sequence[Any]) -> list[Any]:
    validator = Validator(
        execution_engine=PandasExecutionEngine(),
        batches=[Batch(data=batch)],
        data_context=SimpleNamespace(progress_bars={"globally": False}),
    )
    # The result has exact counts and no value of the data.
    how = {"result_format": {"result_format": "BASIC", "partial_unexpected_count": 0}, "catch_exceptions": True}
    found: list[Any] = validator.graph_validate([each.configuration for each in expectations], how)
    return found


def _outcome(position: int, found: Any, total: int | None, frame: pl.DataFrame) -> Outcome:  # noqa: ANN401
    raised = _raised(found.exception_info)
    if raised is not None:
        shown = describe_failure(RuntimeError(raised), frame.schema).removeprefix("RuntimeError: ")
        return Outcome(position, error=f"Great Expectations could not judge it: {shown}")
    if total is None:
        rows = found.result.get("observed_value")
        return Outcome(position, 0 if found.success else 1, 1, rows, message=f"{rows} rows")
    failed, seen = found.result.get("unexpected_count"), found.result.get("element_count")
    if not isinstance(failed, int) or seen != frame.height:
        return Outcome(position, error=f"Great Expectations judged {seen} of {frame.height} rows")
    return Outcome(position, failed, total)


def _raised(info: Mapping[str, Any] | None) -> str | None:
    """Return the error that an expectation raised. The information describes one error, or one error per metric."""
    if not info:
        return None
    if "raised_exception" in info:
        return str(info.get("exception_message")) if info["raised_exception"] else None
    return next((reason for each in info.values() if isinstance(each, Mapping) and (reason := _raised(each))), None)
