"""The exact profile with the quantiles of the library's learned schema.

Belongs here: what only the library knows of a column. Not here: the exact counts (`etl.quality.profile`), rules
(`etl.quality.learn`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from etl.quality.engines.truthound.library import library
from etl.quality.frames import Data
from etl.quality.learn import readable
from etl.quality.profile import profile_columns
from etl.quality.results import ColumnProfile, ProfileResult

_Schema = Mapping[str, Any]


def profile(data: Data, columns: Sequence[str] | None, engine: str) -> ProfileResult:
    """Describe columns: exact counts, and the quantiles of the library's schema over the values that are numbers."""
    frame = readable(data)
    exact = profile_columns(frame, columns, engine)
    learned = _learned(frame.lazy(), [*exact.columns])
    described = {name: _with_quantiles(each, learned.get(name)) for name, each in exact.columns.items()}
    return exact.model_copy(update={"columns": described})


def _learned(lazy: pl.LazyFrame, columns: Sequence[str]) -> _Schema:
    """Return the library's schema of the columns that it can learn."""
    library()
    from truthound.schema import learn as learn_schema  # noqa: PLC0415  imported when first used

    schema = lazy.collect_schema()
    able = [name for name in columns if not (schema[name].is_nested() or isinstance(schema[name], pl.Object | pl.Null))]
    if not able:
        return {}
    # New names, because the library builds `<name>__min` from a name; null for NaN, because NaN is not a number.
    chosen = [
        (pl.col(name).fill_nan(None) if schema[name].is_float() else pl.col(name)).alias(f"c{index}")
        for index, name in enumerate(able)
    ]
    learned = learn_schema(lazy.select(chosen), categorical_threshold=0).columns
    return {name: learned[f"c{index}"] for index, name in enumerate(able)}


def _with_quantiles(exact: ColumnProfile, learned: Any) -> ColumnProfile:  # noqa: ANN401  the library has no types
    quantiles = learned.quantiles if learned is not None else None
    if quantiles is None or not all(math.isfinite(each) for each in quantiles.values()):
        return exact
    return exact.model_copy(update={"extra": exact.extra | {"quantiles": dict(quantiles)}})
