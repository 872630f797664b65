"""Computes exact statistics of the columns of a table, in one query.

Belongs here: the statistics. Not here: rules that are derived from them (`learn`).
"""

import math
import time
from collections.abc import Sequence
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.expressions.exact import as_text, is_text
from etl.quality.frames import Data, collect, plain
from etl.quality.results import ColumnProfile, ProfileResult
from etl.suggest import did_you_mean


def profile_columns(data: Data, columns: Sequence[str] | None, engine: str) -> ProfileResult:
    """Describe columns exactly; nulls are no values."""
    started = time.perf_counter()
    lazy = data.lazy()
    schema = lazy.collect_schema()
    for column in columns or ():
        if column not in schema:
            raise QualityError(f"the column `{column}` does not exist{did_you_mean(column, schema)}")
    chosen = [*schema] if columns is None else [*columns]
    numbers = {
        (index, key): expr
        for index, column in enumerate(chosen)
        for key, expr in _statistics(column, schema[column]).items()
    }
    selected = [pl.len().alias("rows"), *(expr.alias(f"{index}_{key}") for (index, key), expr in numbers.items())]
    row = collect(lazy.select(selected)).row(0, named=True)
    found: dict[str, dict[str, Any]] = {column: {} for column in chosen}
    for index, key in numbers:
        found[chosen[index]][key] = _shown(key, row[f"{index}_{key}"])
    return ProfileResult(
        columns={column: ColumnProfile(dtype=str(schema[column]), **values) for column, values in found.items()},
        row_count=int(row["rows"]),
        engine=engine,
        execution_time_ms=(time.perf_counter() - started) * 1000,
    )


def _shown(key: str, value: Any) -> Any:  # noqa: ANN401
    """Return a statistic in a form that JSON can hold; infinite values have no mean and no deviation."""
    if key in ("mean", "std") and value is not None and not math.isfinite(value):
        return None
    return plain(value)


def _statistics(name: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    column = pl.col(name)
    found = {"null_count": column.null_count()}
    if dtype.is_nested() or isinstance(dtype, pl.Object | pl.Null):
        return found
    found["unique_count"] = column.drop_nulls().n_unique()
    if is_text(dtype):
        count = as_text(column, dtype).str.len_chars()
        return found | {"min_length": count.min(), "max_length": count.max()}
    value = column.fill_nan(None) if dtype.is_float() else column
    if dtype.is_numeric() or dtype.is_temporal():
        found |= {"min": value.min(), "max": value.max()}
    if dtype.is_numeric():
        found |= {"mean": value.cast(pl.Float64).mean(), "std": value.cast(pl.Float64).std()}
    return found
