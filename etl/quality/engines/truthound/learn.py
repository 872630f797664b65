"""Rules and statistics from the library's learned schema, corrected: nulls, NaN, lost digits, overfitting.

Belongs here: schema to rules, the profile with the schema's quantiles. Does not: judging; every rule is judged by
`check()` on the data it was learned from, and only what passes is returned.
"""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.engine import DataQualityEngine, Strictness
from etl.quality.engines.polars import collect, is_scan
from etl.quality.engines.truthound.library import library
from etl.quality.expressions.exact import is_text
from etl.quality.profile import profile_columns
from etl.quality.results import ColumnProfile, LearnResult, ProfileResult
from etl.quality.rules import AnyRule, Dtype, InRange, InSet, Length, NonNegative, NotNull, Unique, nearest

Data = pl.DataFrame | pl.LazyFrame
# The library takes any 20 values for a set; a set is learned from few values that occur often, and from text only.
_SET_SIZE: dict[Strictness, int] = {"strict": 20, "moderate": 10, "lenient": 0}
_SET_REPEATS = 10
# With fewer rows, "no two are equal" says little about the next delivery.
_UNIQUE_ROWS: dict[Strictness, int] = {"strict": 2, "moderate": 20, "lenient": 10**18}
# Up to this share of nulls, moderate learns that most values are there.
_FEW_NULLS = 0.05
_MARGIN = 10
_Schema = Mapping[str, Any]


def profile(data: Data, columns: Sequence[str] | None, engine: str) -> ProfileResult:
    """Describe columns: exact counts, and the quantiles of the library's schema over the values that are numbers."""
    frame = _readable(data)
    exact = profile_columns(frame, columns, engine)
    learned = _learned(frame.lazy(), [*exact.columns], 0)
    described = {name: _with_quantiles(each, learned.get(name)) for name, each in exact.columns.items()}
    return exact.model_copy(update={"columns": described})


def learn(data: Data, strictness: Strictness, engine: DataQualityEngine) -> LearnResult:
    """Derive rules from the data; what the data itself does not pass is not returned."""
    from etl.quality.check import check  # noqa: PLC0415  check() knows engines by their contract, not this one

    started = time.perf_counter()
    if strictness not in _SET_SIZE:
        raise QualityError(f"there is no strictness `{strictness}`{nearest(strictness, [*_SET_SIZE])}")
    frame = _readable(data)
    exact = profile_columns(frame, None, engine.name)
    learned = _learned(frame.lazy(), [*exact.columns], _SET_SIZE[strictness])
    candidates: list[AnyRule] = []
    for column, dtype in frame.lazy().collect_schema().items():
        candidates += _rules_of(column, dtype, exact.columns[column], learned.get(column), exact.row_count, strictness)
    verdicts = check(frame, candidates, engine=engine, sample_size=0).results if candidates else ()
    return LearnResult(
        rules=tuple(each.rule for each in verdicts if each.status == "passed"),
        strictness=strictness,
        row_count=exact.row_count,
        engine=engine.name,
        execution_time_ms=(time.perf_counter() - started) * 1000,
    )


def _readable(data: Data) -> Data:
    """Collect a plan that computes: it is read several times here, and has to say the same each time."""
    return collect(data) if isinstance(data, pl.LazyFrame) and not is_scan(data) else data


def _learned(lazy: pl.LazyFrame, columns: Sequence[str], largest_set: int) -> _Schema:
    """Return the library's schema of the columns that it can learn."""
    library()
    from truthound.schema import learn as learn_schema  # noqa: PLC0415  imported when first used

    schema = lazy.collect_schema()
    able = [name for name in columns if not (schema[name].is_nested() or isinstance(schema[name], pl.Object | pl.Null))]
    if not able:
        return {}
    # Names of its own, because the library builds `<name>__min` from them; NaN as null, because it is no number.
    chosen = [
        (pl.col(name).fill_nan(None) if schema[name].is_float() else pl.col(name)).alias(f"c{index}")
        for index, name in enumerate(able)
    ]
    learned = learn_schema(lazy.select(chosen), categorical_threshold=largest_set).columns
    return {name: learned[f"c{index}"] for index, name in enumerate(able)}


def _with_quantiles(exact: ColumnProfile, learned: Any) -> ColumnProfile:  # noqa: ANN401  the library has no types
    quantiles = learned.quantiles if learned is not None else None
    if quantiles is None or not all(math.isfinite(each) for each in quantiles.values()):
        return exact
    return exact.model_copy(update={"extra": exact.extra | {"quantiles": dict(quantiles)}})


def _rules_of(
    column: str,
    dtype: pl.DataType,
    exact: ColumnProfile,
    learned: Any,  # noqa: ANN401
    rows: int,
    strictness: Strictness,
) -> list[AnyRule]:
    found: list[AnyRule] = [Dtype(column=column, dtype=str(dtype))] if _has_plain_name(dtype) else []
    filled = rows - exact.null_count
    if filled == 0:
        return found
    found += _presence(column, exact.null_count, rows, strictness)
    if learned is None:
        return found
    # The library counts null as a value; and floats are equal by accident only.
    distinct = exact.unique_count
    if learned.unique and distinct == filled == rows >= _UNIQUE_ROWS[strictness] and not dtype.is_float():
        found.append(Unique(column=column))
    values = learned.allowed_values
    if values and is_text(dtype) and len(values) * _SET_REPEATS <= rows:
        return [*found, InSet(column=column, values=tuple(values))]
    if strictness == "lenient":
        return found + ([NonNegative(column=column)] if dtype.is_numeric() and _at_least_zero(exact.min) else [])
    if exact.max_length is not None:
        least = exact.min_length if strictness == "strict" else None
        return [*found, Length(column=column, min=least, max=exact.max_length)]
    return found + _range(column, dtype, exact, strictness)


def _presence(column: str, nulls: int, rows: int, strictness: Strictness) -> list[AnyRule]:
    if nulls == 0:
        return [NotNull(column=column)]
    allowed = math.ceil(nulls / rows * 2 * 100) / 100
    if strictness == "moderate" and nulls / rows <= _FEW_NULLS:
        return [NotNull(column=column, mostly=round(1 - allowed, 2))]
    return []


def _range(column: str, dtype: pl.DataType, exact: ColumnProfile, strictness: Strictness) -> list[AnyRule]:
    if exact.min is None or exact.max is None or isinstance(dtype, pl.Duration):
        return []
    if dtype.is_temporal():
        # Time moves on: only strict holds the next delivery to the days of this one.
        kept = strictness == "strict"
        return [InRange(column=column, min=_moment(exact.min), max=_moment(exact.max))] if kept else []
    low, high = Decimal(str(exact.min)), Decimal(str(exact.max))
    if not (low.is_finite() and high.is_finite()):
        return []
    if strictness == "moderate":
        margin = (high - low) / _MARGIN
        low, high = (max(Decimal(0), low - margin) if low >= 0 else low - margin), high + margin
    if dtype.is_integer():
        return [InRange(column=column, min=math.floor(low), max=math.ceil(high))]
    if dtype.is_float():
        return [InRange(column=column, min=float(low), max=float(high))]
    return [InRange(column=column, min=low, max=high)]


def _moment(value: Any) -> Any:  # noqa: ANN401
    """Read back a moment that the profile shows as text."""
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(value)
        except (TypeError, ValueError):
            continue
    return value


def _at_least_zero(value: Any) -> bool:  # noqa: ANN401
    return value is not None and Decimal(str(value)) >= 0


def _has_plain_name(dtype: pl.DataType) -> bool:
    odd = pl.Object | pl.Unknown | pl.Categorical | pl.Enum | pl.Null
    return not (dtype.is_nested() or isinstance(dtype, odd))
