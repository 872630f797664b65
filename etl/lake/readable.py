"""Checks that a finished Parquet file can be read by all supported readers: DuckDB, Polars and pyarrow.

Belongs here: checking a draft before it is published, and the refusal with the column's name. Not here: which values a
source may have (the drivers refuse other values while they read), what a warehouse accepts (`loadable`).

Polars and DuckDB write only valid text, and the drivers refuse invalid text, so no text is read again here. The ranges
of dates and timestamps are in the file's statistics: rows are read only if the statistics are missing.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.errors import LakeError
from etl.parquet import looking_engine
from etl.sql import file_literal

_DAYS = (-719_162, 2_932_896)  # from 0001-01-01 to 9999-12-31, since 1970
_UNITS = {"milliseconds": 1_000, "microseconds": 1_000_000}  # nanoseconds end in the year 2262
_HINT = "nothing was published; cast the column in the transform or the query, or correct its values"


def require_readable(path: Path, name: str) -> None:
    """Raise an error that lists the columns that one of the three readers cannot read, or would read differently.

    `name` is the name of the file's object, for the error.
    """
    try:
        file = pq.ParquetFile(path)
        schema, metadata = file.schema_arrow, file.metadata
    except pa.ArrowNotImplementedError as error:
        raise _refusal(name, _unreadable_columns(path) or [f"pyarrow: {error}"]) from error
    except (pa.ArrowException, OSError) as error:
        raise _refusal(name, [f"it is not complete: {error}"]) from error
    problems = [] if schema.names else ["it has no columns"]
    problems += [
        f"`{each.name}` holds durations, which other readers take for plain numbers"
        for each in schema
        if _holds_duration(each.type)
    ]
    problems += _differences(path, schema)
    problems += [
        f"`{leaf}` holds dates beyond the years 1 to 9999 ({outside} of them)"
        for leaf, first, last, known in _temporal_leaves(metadata)
        if not known and (outside := _outside(file, leaf, first, last))
    ]
    if problems:
        raise _refusal(name, problems)


def _refusal(name: str, problems: list[str]) -> LakeError:
    return LakeError(f"{name}: the file cannot be read by every reader: {'; '.join(problems)}", _HINT)


def _unreadable_columns(path: Path) -> list[str]:
    """Return the columns with a type that pyarrow cannot read, found by writing each column alone and without rows."""
    return [
        f"`{name}` is {dtype}, which other readers cannot read"
        for name, dtype in pl.read_parquet_schema(path).items()
        if not _readable_type(name, dtype)
    ]


def _readable_type(name: str, dtype: pl.DataType) -> bool:
    buffer = io.BytesIO()
    pl.DataFrame(schema={name: dtype}).write_parquet(buffer)
    try:
        pq.ParquetFile(buffer)
    except pa.ArrowException:
        return False
    return True


def _differences(path: Path, schema: pa.Schema) -> list[str]:
    """Return the columns whose names in DuckDB or Polars differ from their names in pyarrow."""
    sql = f"DESCRIBE FROM read_parquet({file_literal(path)}, hive_partitioning = false)"
    with looking_engine() as connection:
        try:
            known = [row[0] for row in connection.execute(sql).fetchall()]
        except duckdb.Error as error:
            return [f"DuckDB: {error}"]
    seen = {"DuckDB": known, "Polars": list(pl.read_parquet_schema(path))}
    return [
        f"`{ours}` is called `{theirs}` by {reader}"
        for reader, names in seen.items()
        for ours, theirs in zip(schema.names, names, strict=False)
        if ours != theirs
    ]


def _holds_duration(kind: pa.DataType) -> bool:
    nested = (kind.field(child).type for child in range(kind.num_fields))
    return pa.types.is_duration(kind) or any(_holds_duration(each) for each in nested)


def _temporal_leaves(metadata: pq.FileMetaData) -> Iterator[tuple[str, int, int, bool]]:
    """Yield each leaf column of dates or timestamps: its path, its limits, and whether statistics prove the limits."""
    for index in range(len(metadata.schema)):
        column = metadata.schema.column(index)
        kind = json.loads(column.logical_type.to_json())
        if kind.get("Type") == "Date":
            first, last = _DAYS
        elif kind.get("Type") == "Timestamp" and kind["timeUnit"] in _UNITS:
            day = 86_400 * _UNITS[kind["timeUnit"]]
            first, last = _DAYS[0] * day, (_DAYS[1] + 1) * day - 1
        else:
            continue
        chunks = (metadata.row_group(group).column(index) for group in range(metadata.num_row_groups))
        yield column.path, first, last, all(_proved(each, first, last) for each in chunks)


def _proved(chunk: pq.ColumnChunkMetaData, first: int, last: int) -> bool:
    found = chunk.statistics
    if found is None:
        return bool(chunk.num_values == 0)
    if not found.has_min_max:
        return bool(found.has_null_count and found.null_count == chunk.num_values)
    return bool(first <= found.min_raw and found.max_raw <= last)


def _outside(file: pq.ParquetFile, leaf: str, first: int, last: int) -> int:
    """Count the values of a leaf column that are outside the limits, by reading its rows."""
    count = 0
    for batch in file.iter_batches(columns=[leaf]):
        for values in _leaf_values(batch.column(0)):
            numbers = values.view(pa.int32() if pa.types.is_date32(values.type) else pa.int64())
            lowest, highest = (pa.scalar(each, numbers.type) for each in (first, last))
            count += pc.sum(pc.or_(pc.less(numbers, lowest), pc.greater(numbers, highest))).as_py() or 0
    return count


def _leaf_values(values: pa.Array) -> Iterator[pa.Array]:
    """Yield the arrays of dates and timestamps inside an array, at any depth."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if pa.types.is_struct(values.type):
        for child in values.flatten():
            yield from _leaf_values(child)
    elif any(is_list(values.type) for is_list in lists):
        yield from _leaf_values(values.flatten())
    elif pa.types.is_map(values.type):
        yield from _leaf_values(values.keys)
        yield from _leaf_values(values.items)
    elif pa.types.is_date32(values.type) or pa.types.is_timestamp(values.type):
        yield values
