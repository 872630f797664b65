"""How every part of the core collects a frame, and turns its values into JSON.

Belongs here: collecting a plan, and values for JSON. Not here: queries on a frame.
"""

import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

Data = pl.DataFrame | pl.LazyFrame


def is_scan(data: pl.LazyFrame) -> bool:
    """Whether a plan only reads a file, so that a second run costs little and needs no memory."""
    return data.explain(optimized=False).lstrip().startswith(("Parquet SCAN", "DF ["))


def collect(lazy: pl.LazyFrame) -> pl.DataFrame:
    """Collect a plan with the streaming engine, so that memory does not grow with the number of rows."""
    return lazy.collect(engine="streaming")


def plain(value: object) -> Any:  # noqa: ANN401
    """Return a value in a form that JSON can hold, without losing digits."""
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
