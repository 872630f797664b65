"""Compares two frames column by column and reports whether the distribution of the values changed.

Belongs here: the comparison; it gives no verdict without values. Not here: rules; drift is a report, not a check.

The library's own comparison leaves out a column that is missing, calls an empty column unchanged, does not see that
values became null, and loops in Python over every value. The library's measures are computed here over counts, in
Polars; tests compare the results with the library's detectors and with scipy.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

from etl.errors import QualityError
from etl.quality.engines.truthound.measures import categories, chi_square, js, ks, psi
from etl.quality.expressions.exact import as_text, is_text
from etl.quality.frames import collect
from etl.suggest import did_you_mean

Data = pl.DataFrame | pl.LazyFrame
Method = Literal["auto", "psi", "ks", "chi2", "js"]
State = Literal["drifted", "stable", "unknown"]
# The library's thresholds: a column drifted if PSI or divergence is 0.1 or more, or a test's probability is below 0.05.
_DISTANCE, _PROBABILITY = 0.1, 0.05
_NULL_RATE = 0.05
_FEWEST = 5
_METHODS: tuple[Method, ...] = ("auto", "psi", "ks", "chi2", "js")


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What was found out about one column."""

    column: str
    state: State
    method: str
    reason: str
    statistic: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    base_null_rate: float | None = None
    current_null_rate: float | None = None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """All columns that were compared."""

    columns: tuple[ColumnDrift, ...]
    base_rows: int
    current_rows: int

    @property
    def drifted(self) -> tuple[str, ...]:
        """Columns that changed."""
        return tuple(each.column for each in self.columns if each.state == "drifted")

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns about which nothing can be said."""
        return tuple(each.column for each in self.columns if each.state == "unknown")

    @property
    def is_stable(self) -> bool:
        """Whether every column was compared and none changed."""
        return bool(self.columns) and all(each.state == "stable" for each in self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def compare_drift(
    base: Data,
    current: Data,
    columns: Sequence[str] | None = None,
    method: Method = "auto",
    *,
    threshold: float | None = None,
) -> DriftReport:
    """Compare columns of two frames; without `columns` all of both, and a column that one of them lacks is an error.

    `auto` is PSI for numbers and chi-square for the rest; `ks` is for numbers, `chi2` for categories, `js` for both.
    """
    if method not in _METHODS:
        raise QualityError(f"there is no drift method `{method}`{did_you_mean(method, _METHODS)}")
    if threshold is not None and not threshold > 0:
        raise QualityError(f"a drift threshold of {threshold} decides nothing", "give a positive number")
    before, after = base.lazy(), current.lazy()
    old, new = before.collect_schema(), after.collect_schema()
    chosen = [*dict.fromkeys((*old, *new))] if columns is None else [*columns]
    if not chosen:
        raise QualityError("there is no column to compare", "name at least one column")
    for column in chosen:
        for which, schema in (("base", old), ("current", new)):
            if column not in schema:
                raise QualityError(
                    f"the {which} frame has no column `{column}`{did_you_mean(column, schema)}",
                    "name the columns that both frames have in `columns`",
                )
    rows = tuple(int(collect(each.select(pl.len())).item()) for each in (before, after))
    found = tuple(_compare(column, before, after, old[column], new[column], method, threshold) for column in chosen)
    return DriftReport(found, *rows)


def _compare(
    column: str,
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    old: pl.DataType,
    new: pl.DataType,
    method: Method,
    threshold: float | None,
) -> ColumnDrift:
    if old.is_temporal() and old == new and not isinstance(old, pl.Duration):  # moments are distributed as numbers are
        before, after = (each.select(pl.col(column).to_physical()) for each in (before, after))
        old = new = pl.Int64()
    numeric = old.is_numeric() and new.is_numeric()
    if not numeric and not _alike(old, new):
        return ColumnDrift(column, "drifted", "type", f"the column was {old} and is {new}")
    used = ("psi" if numeric else "chi2") if method == "auto" else method
    if used in ("psi", "ks") and not numeric:
        raise QualityError(f"{used} compares numbers, and the column `{column}` is {old}", "use chi2, js or auto")
    if old.is_nested() or isinstance(old, pl.Object | pl.Null):
        return ColumnDrift(column, "unknown", used, f"a column of type {old} has no distribution to compare")
    series = [collect(each.select(pl.col(column))).to_series() for each in (before, after)]
    nulls = [_missing_rate(each) for each in series]
    filled = [_values(each, numeric=numeric) for each in series]
    if any(each.is_empty() for each in series):
        return ColumnDrift(column, "unknown", used, "one of the frames has no rows")
    rates = {"base_null_rate": nulls[0], "current_null_rate": nulls[1]}
    if abs(nulls[0] - nulls[1]) > _NULL_RATE:
        reason = f"the share of missing values went from {nulls[0]:.1%} to {nulls[1]:.1%}"
        return ColumnDrift(column, "drifted", "null_rate", reason, abs(nulls[0] - nulls[1]), None, _NULL_RATE, **rates)
    if min(len(each) for each in filled) < _FEWEST:
        reason = f"fewer than {_FEWEST} values on one side: nothing can be said"
        return ColumnDrift(column, "unknown", used, reason, **rates)
    if not numeric and sum(map(len, filled)) < _FEWEST * pl.concat(filled).n_unique():
        reason = f"its values stand there fewer than {_FEWEST} times on average: their shares say nothing"
        return ColumnDrift(column, "unknown", used, reason, **rates)
    statistic, p_value = _measure(used, filled[0], filled[1], numeric=numeric)
    limit = threshold if threshold is not None else (_PROBABILITY if p_value is not None else _DISTANCE)
    drifted = p_value < limit if p_value is not None else statistic >= limit
    told = f"p = {p_value:.4g}" if p_value is not None else f"{used} = {statistic:.4g}"
    state: State = "drifted" if drifted else "stable"
    return ColumnDrift(column, state, used, f"{told}, threshold {limit:g}", statistic, p_value, limit, **rates)


def _measure(used: str, base: pl.Series, current: pl.Series, *, numeric: bool) -> tuple[float, float | None]:
    if used == "psi":
        return psi(base, current), None
    if used == "ks":
        return ks(base, current)
    if used == "js":
        return js(base, current, numeric=numeric), None
    return chi_square(*categories(base, current))


def _alike(old: pl.DataType, new: pl.DataType) -> bool:
    return old == new or (is_text(old) and is_text(new)) or type(old) is type(new) is pl.Datetime


def _missing_rate(series: pl.Series) -> float:
    """Return the share of values that are null or NaN."""
    missing = series.null_count() + int((series.is_nan().sum() or 0) if series.dtype.is_float() else 0)
    return missing / len(series) if len(series) else 0.0


def _values(series: pl.Series, *, numeric: bool) -> pl.Series:
    if numeric:
        return series.cast(pl.Float64).fill_nan(None).drop_nulls()
    known = series.drop_nulls()
    return (
        known.to_frame().select(as_text(pl.col(series.name), series.dtype)).to_series()
        if is_text(series.dtype)
        else known
    )
