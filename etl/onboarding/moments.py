"""The columns of a sample that hold dates, as moments that can be compared.

Belongs here: which columns hold dates, whatever their type, and figures of each. Not here: which of them divides the
table into partitions (`dates`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

_ISO = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?$"
_EPOCH = ((1e9, 2.2e9, "seconds"), (1e12, 2.2e12, "milliseconds"), (1e15, 2.2e15, "microseconds"))
_MOST = 0.99
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DateColumn:
    """A column with dates. All moments are wall-clock times of the tenant's zone."""

    name: str
    moments: pl.Series
    """One for each row of the sample, null where the column is empty or holds no date."""
    kind: str
    """`date`, `timestamp`, `timestamptz` or `text`."""
    future: float
    """The share of the filled values that are more than a day after now."""

    @property
    def empty(self) -> float:
        """The share of the rows without a date."""
        return self.moments.null_count() / len(self.moments) if len(self.moments) else 1.0

    @property
    def days(self) -> int:
        """The number of different days."""
        return self.moments.dt.date().drop_nulls().n_unique()

    @property
    def first(self) -> datetime:
        """The earliest moment."""
        return _as_datetime(self.moments.min())

    @property
    def last(self) -> datetime:
        """The latest moment."""
        return _as_datetime(self.moments.max())


def date_columns(frame: pl.DataFrame, timezone: str, now: datetime) -> dict[str, DateColumn]:
    """Return the columns of dates, and of text in which nearly all values are dates such as 2026-01-05 or longer."""
    here = now.astimezone(ZoneInfo(timezone)).replace(tzinfo=None)
    found = dict[str, DateColumn]()
    for series in frame:
        moments, kind = _moments(series, timezone)
        if moments is None or moments.null_count() == len(moments):
            continue
        filled = len(moments) - moments.null_count()
        future = int((moments > here + _DAY).sum()) / filled
        found[series.name] = DateColumn(series.name, moments, kind, future)
    return found


def epoch_unit(series: pl.Series) -> str:
    """Return the unit of a column of numbers that look like the time since 1970; empty if they do not."""
    if not series.dtype.is_numeric() or series.null_count() == len(series):
        return ""
    low, high = series.min(), series.max()
    for least, most, unit in _EPOCH:
        if isinstance(low, int | float) and isinstance(high, int | float) and least <= low and high <= most:
            return unit
    return ""


def _moments(series: pl.Series, timezone: str) -> tuple[pl.Series | None, str]:
    dtype = series.dtype
    if isinstance(dtype, pl.Date):
        return series.cast(pl.Datetime("us")), "date"
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return series.cast(pl.Datetime("us")), "timestamp"
        local = series.dt.convert_time_zone(timezone).dt.replace_time_zone(None)
        return local.cast(pl.Datetime("us")), "timestamptz"
    if isinstance(dtype, pl.String):
        filled = series.drop_nulls()
        if len(filled) and filled.head(100).str.contains(_ISO).all() and _share(filled.str.contains(_ISO)) >= _MOST:
            flat = series.str.replace("T", " ", literal=True).str.slice(0, 19)
            timed = flat.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
            short = flat.str.to_datetime("%Y-%m-%d %H:%M", strict=False, time_unit="us")
            dated = flat.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            return timed.fill_null(short).fill_null(dated), "text"
    return None, ""


def _share(flags: pl.Series) -> float:
    return float(flags.sum() or 0) / max(1, len(flags))


def _as_datetime(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    raise TypeError("a column of dates without a date")  # `date_columns` leaves such columns out
