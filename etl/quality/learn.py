"""Learns rules from the exact profile of a table; the table itself passes these rules.

Belongs here: from a profile to rules; strict, moderate and lenient mean the same for every engine. Not here: judging;
`check()` judges every rule on the data that the rule was learned from, and only rules that pass are returned.
"""

import math
import time
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.checking import check
from etl.quality.engine import DataQualityEngine, Strictness
from etl.quality.expressions.exact import as_text, is_text
from etl.quality.frames import Data, collect, is_scan
from etl.quality.holdout import LEAST_ROWS, Withstood, withstand
from etl.quality.profile import profile_columns
from etl.quality.results import ColumnProfile, LearnResult, ProfileResult
from etl.quality.rules import AnyRule, Dtype, InRange, InSet, Length, NonNegative, NotNull, Unique
from etl.suggest import did_you_mean

# A set is learned only from few values that occur often. Otherwise the rule would only repeat the data.
_SET_SIZE: Mapping[str, int] = {"strict": 20, "moderate": 10, "lenient": 0}
_SET_REPEATS = 10
# With fewer rows, the fact that no two values are equal says little about the next delivery.
_UNIQUE_ROWS: Mapping[str, int] = {"strict": 2, "moderate": 20, "lenient": 10**18}
# Up to this share of nulls, moderate learns that most values are not null.
_FEW_NULLS = 0.05
_MARGIN = 10
# Strict describes the data as it is. The others are for the next delivery, so they are tried on rows held out.
_HOLDOUT: Mapping[str, float] = {"strict": 0.0, "moderate": 0.5, "lenient": 0.5}
_LARGEST_HOLDOUT = 0.5


def learn_rules(
    data: Data, strictness: Strictness, engine: DataQualityEngine, holdout: float | None = None
) -> LearnResult:
    """Derive rules from the data. A rule that the data itself does not pass with `engine` is not returned.

    `holdout` is the share of the rows on which rules are tried that were learned from the other rows; 0 tries nothing.
    """
    started = time.perf_counter()
    if strictness not in _SET_SIZE:
        raise QualityError(f"there is no strictness `{strictness}`{did_you_mean(strictness, _SET_SIZE)}")
    share = _HOLDOUT[strictness] if holdout is None else holdout
    if not 0 <= share <= _LARGEST_HOLDOUT:
        raise QualityError(
            f"a hold-out of {holdout} is not a share from 0 to {_LARGEST_HOLDOUT}", "give for example 0.3"
        )
    frame = readable(data)
    rows, candidates = _candidates(frame, strictness)
    tried = Withstood(tuple(candidates), (), ())
    if share and rows >= LEAST_ROWS:
        tried = withstand(frame, candidates, lambda part: _candidates(part, strictness)[1], engine, share)
    verdicts = check(frame, tried.rules, engine=engine, sample_size=0).results if tried.rules else ()
    return LearnResult(
        rules=tuple(each.rule for each in verdicts if each.status == "passed"),
        strictness=strictness,
        row_count=rows,
        engine=engine.name,
        holdout=share if rows >= LEAST_ROWS else 0.0,
        widened=tried.widened,
        left_out=tried.left_out,
        execution_time_ms=(time.perf_counter() - started) * 1000,
    )


def _candidates(frame: Data, strictness: Strictness) -> tuple[int, list[AnyRule]]:
    """Return the number of rows, and the rules that they suggest."""
    profile = profile_columns(frame, None, "")
    schema = frame.lazy().collect_schema()
    sets = _small_sets(frame.lazy(), schema, profile, strictness)
    found: list[AnyRule] = []
    for column, dtype in schema.items():
        found += _rules_of(column, dtype, profile.columns[column], profile.row_count, strictness, sets.get(column))
    return profile.row_count, found


def readable(data: Data) -> Data:
    """Collect a plan that computes: the data is read several times here, and every read has to give the same rows."""
    return collect(data) if isinstance(data, pl.LazyFrame) and not is_scan(data) else data


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
    found: list[AnyRule] = [Dtype(column=column, dtype=str(dtype))] if _has_plain_name(dtype) else []
    filled = rows - seen.null_count
    if filled == 0:
        return found
    found += _presence(column, seen.null_count, rows, strictness)
    # Nulls say nothing about the values that will come in their place.
    if seen.unique_count == filled == rows >= _UNIQUE_ROWS[strictness] and _can_be_key(dtype, strictness):
        found.append(Unique(column=column))
    if values is not None:
        return [*found, InSet(column=column, values=values)]
    if strictness == "lenient":
        return found + ([NonNegative(column=column)] if dtype.is_numeric() and _at_least_zero(seen.min) else [])
    if seen.max_length is not None:
        least = seen.min_length if strictness == "strict" else None
        return [*found, Length(column=column, min=least, max=seen.max_length)]
    return found + _range(column, dtype, seen, strictness)


def _can_be_key(dtype: pl.DataType, strictness: Strictness) -> bool:
    """Whether distinct values show a key. Floats differ by accident; amounts and moments do so in few rows."""
    return not (dtype.is_float() or (strictness != "strict" and (dtype.is_decimal() or dtype.is_temporal())))


def _presence(column: str, nulls: int, rows: int, strictness: Strictness) -> list[AnyRule]:
    if nulls == 0:
        return [NotNull(column=column)]
    share = nulls / rows
    # Twice as many nulls, or three standard deviations more where there are few rows.
    allowed = math.ceil(max(2 * share, share + 3 * math.sqrt(share / rows)) * 100) / 100
    if strictness == "moderate" and nulls / rows <= _FEW_NULLS:
        return [NotNull(column=column, mostly=round(1 - allowed, 2))]
    return []


def _range(column: str, dtype: pl.DataType, exact: ColumnProfile, strictness: Strictness) -> list[AnyRule]:
    if exact.min is None or exact.max is None or isinstance(dtype, pl.Duration):
        return []
    if dtype.is_temporal():
        # The next delivery has later moments: only strict requires the same range of time.
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
