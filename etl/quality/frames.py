"""Frames as every part of the core reads them, and their values as JSON can hold them.

Belongs here: how a plan is collected, and values without types. Not here: what is asked of a frame.
"""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

Data = pl.DataFrame | pl.LazyFrame


def is_scan(data: pl.LazyFrame) -> bool:
    """Whether a plan only reads, so that running it again costs little and needs no memory."""
    return data.explain(optimized=False).lstrip().startswith(("Parquet SCAN", "DF ["))


def collect(lazy: pl.LazyFrame) -> pl.DataFrame:
    """Collect in a stream, so that memory does not grow with the number of rows."""
    return lazy.collect(engine="streaming")


def plain(value: object) -> Any:  # noqa: ANN401
    """Return a value as JSON can hold it, without losing digits."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
