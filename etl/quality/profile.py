"""What a table looks like, and which rules it passes: profile and learn of the reference engine.

Belongs here: exact column statistics in one query, rules derived from them. Does not: judging.
"""

import math
import time
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.engine import Strictness
from etl.quality.engines.polars import PolarsEngine, collect, plain
from etl.quality.expressions.exact import as_text, is_text
from etl.quality.results import ColumnProfile, LearnResult, ProfileResult
from etl.quality.rules import AnyRule, Dtype, InRange, InSet, Length, NonNegative, NotNull, Unique, nearest

Data = pl.DataFrame | pl.LazyFrame
# A set is learned only from few values that occur often: anything else would be the data repeated as a rule.
_SET_SIZE = {"strict": 20, "moderate": 10, "lenient": 0}
_SET_REPEATS = 10
# With fewer rows, "no two are equal" says little about the next delivery.
_UNIQUE_ROWS = {"strict": 1, "moderate": 20, "lenient": 10**18}


def profile_columns(data: Data, columns: Sequence[str] | None, engine: str) -> ProfileResult:
    """Describe columns exactly; nulls are no values."""
    started = time.perf_counter()
    lazy = data.lazy()
    schema = lazy.collect_schema()
    for column in columns or ():
        if column not in schema:
            raise QualityError(f"the column `{column}` does not exist{nearest(column, schema)}")
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
    """Return a statistic as JSON can hold it; among infinite values there is no mean and no deviation."""
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


def learn_rules(data: Data, strictness: Strictness, engine: str) -> LearnResult:
    """Derive rules from the data; every one is judged on the data first, and only those that pass are returned."""
    from etl.quality.check import check  # noqa: PLC0415  check() imports the engines' contract, not the engines

    started = time.perf_counter()
    if strictness not in _SET_SIZE:
        raise QualityError(f"there is no strictness `{strictness}`{nearest(strictness, _SET_SIZE)}")
    lazy = data.lazy()
    schema = lazy.collect_schema()
    profile = profile_columns(data, None, engine)
    sets = _small_sets(lazy, schema, profile, strictness)
    candidates: list[AnyRule] = []
    for column, dtype in schema.items():
        candidates += _rules_of(column, dtype, profile.columns[column], profile.row_count, strictness, sets.get(column))
    verdicts = check(data, candidates, engine=PolarsEngine()).results if candidates else ()
    return LearnResult(
        rules=tuple(each.rule for each in verdicts if each.status == "passed"),
        strictness=strictness,
        row_count=profile.row_count,
        engine=engine,
        execution_time_ms=(time.perf_counter() - started) * 1000,
    )


def _small_sets(
    lazy: pl.LazyFrame, schema: pl.Schema, profile: ProfileResult, strictness: Strictness
) -> dict[str, tuple[str, ...]]:
    wanted = []
    for column, dtype in schema.items():
        distinct = profile.columns[column].unique_count or 0
        if is_text(dtype) and 0 < distinct <= _SET_SIZE[strictness] and distinct * _SET_REPEATS <= profile.row_count:
            wanted.append(column)
    if not wanted:
        return {}
    uniques = [
        as_text(pl.col(column), schema[column]).drop_nulls().unique().implode().alias(column) for column in wanted
    ]
    row = collect(lazy.select(uniques)).row(0, named=True)
    return {column: tuple(sorted(row[column])) for column in wanted}


def _rules_of(
    column: str,
    dtype: pl.DataType,
    seen: ColumnProfile,
    rows: int,
    strictness: Strictness,
    values: tuple[str, ...] | None,
) -> list[AnyRule]:
    found: list[AnyRule] = [Dtype(column=column, dtype=name)] if (name := _dtype_name(dtype)) else []
    filled = rows - seen.null_count
    if filled == 0:
        return found
    if seen.null_count == 0:
        found.append(NotNull(column=column))
    distinct = seen.unique_count
    if distinct is not None and distinct == filled >= _UNIQUE_ROWS[strictness] and not dtype.is_float():
        found.append(Unique(column=column))
    if values is not None:
        return [*found, InSet(column=column, values=values)]
    if strictness == "lenient":
        if dtype.is_numeric() and seen.min is not None and Decimal(str(seen.min)) >= 0:
            found.append(NonNegative(column=column))
        return found
    if seen.min_length is not None:
        found.append(_length(column, seen, strictness))
    elif seen.min is not None and seen.max is not None and not isinstance(dtype, pl.Duration):
        found.append(InRange(column=column, min=_bound(seen.min, dtype), max=_bound(seen.max, dtype)))
    return found


def _length(column: str, seen: ColumnProfile, strictness: Strictness) -> Length:
    return Length(column=column, min=seen.min_length if strictness == "strict" else None, max=seen.max_length)


def _bound(value: Any, dtype: pl.DataType) -> Any:  # noqa: ANN401
    """Read back what the profile shows as text."""
    if not isinstance(value, str):
        return value
    if isinstance(dtype, pl.Date):
        return date.fromisoformat(value)
    if isinstance(dtype, pl.Datetime):
        return datetime.fromisoformat(value)
    if dtype.is_float():
        return float(value)
    return value


def _dtype_name(dtype: pl.DataType) -> str | None:
    if dtype.is_nested() or isinstance(dtype, pl.Object | pl.Unknown | pl.Categorical | pl.Enum | pl.Null):
        return None
    return str(dtype)
