"""Reads several Parquet files of one pipeline as one lazy frame, also if their columns have evolved.

Belongs here: common columns and types. Not here: finding or pinning the files (`lake`).
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from etl.errors import LakeError

_CASTS = pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast")


def scan_files(files: Sequence[tuple[str, Path]]) -> pl.LazyFrame:
    """Scan exactly the given `(name, path)`; a column that a file does not have yet is null there."""
    schema: dict[str, pl.DataType] = {}
    origin: dict[str, str] = {}
    for name, path in files:
        for column, dtype in pl.read_parquet_schema(path).items():
            known = schema.get(column)
            if known is None:
                schema[column], origin[column] = dtype, name
            elif known != dtype:
                schema[column] = _common(column, known, origin[column], dtype, name)
    return pl.scan_parquet(
        [path for _, path in files],
        schema=schema,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=_CASTS,
        glob=False,
        hive_partitioning=False,
    )


def _common(column: str, known: pl.DataType, known_in: str, dtype: pl.DataType, name: str) -> pl.DataType:
    """Return the type that holds both types without loss. Otherwise raise an error with the column and both objects."""
    for wide in (known, dtype):
        if _fits(known, wide) and _fits(dtype, wide):
            return wide
    raise LakeError(
        f"column `{column}` is {known} in {known_in} and {dtype} in {name}",
        "materialize the older partitions again, or cast the column in the transform",
    )


def _fits(narrow: pl.DataType, wide: pl.DataType) -> bool:
    if narrow in (wide, pl.Null):
        return True
    kinds: tuple[list[type[pl.DataType]], ...] = (
        [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128],
        [pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64],
        [pl.Float32, pl.Float64],
    )
    return any(narrow in kind and wide in kind and kind.index(type(narrow)) <= kind.index(type(wide)) for kind in kinds)
