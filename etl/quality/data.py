"""Opens what is to be judged: frames of several libraries, rows, and files, as a frame of Polars.

Belongs here: what can be judged, and one opener for `check`, `profile`, `learn` and `split`. Not here: how files are
opened (`files`) and what is in memory is converted (`conversions`), judging, reading a tenant's source.

What cannot be carried exactly is refused by name: a value that changed on the way gets a verdict about something else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import polars as pl

from etl.errors import QualityError
from etl.quality.conversions import from_arrow, from_pandas, from_rows
from etl.quality.files import open_files
from etl.quality.frames import Data


@runtime_checkable
class ArrowStream(Protocol):
    """A table of Arrow, a relation of DuckDB, a frame of pandas: whatever gives its columns in Arrow's form."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows as a stream of Arrow."""


@runtime_checkable
class ArrowBatch(Protocol):
    """One record batch of Arrow."""

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        """Return the rows as one array of Arrow."""


Readable: TypeAlias = pl.DataFrame | pl.LazyFrame | ArrowStream | ArrowBatch | Sequence[Mapping[str, Any]] | Path | str
"""What can be judged."""


def open_data(data: Readable, *, storage_options: Mapping[str, Any] | None = None) -> Data:
    """Return the data as a frame of Polars; files become a plan that streams their rows.

    A path is a file of Parquet, CSV (`.csv`, `.tsv`) or JSON lines (`.jsonl`, `.ndjson`), by the end of its name; a
    name without a known ending is Parquet. A folder is all its files; `*`, `?`, `[...]` and `**` stand for several
    files, unless a file has just that name. An address such as `s3://bucket/folder/*.parquet` is read with
    `storage_options`, or with the variables `AWS_*` of the process.
    """
    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        return data
    if isinstance(data, str | Path):
        return open_files(data, dict(storage_options) if storage_options else None)
    if type(data).__module__.partition(".")[0] == "pandas":
        return from_pandas(data)
    if isinstance(data, ArrowStream | ArrowBatch):
        return from_arrow(data)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray):
        return from_rows(data)
    raise QualityError(
        f"data of type {type(data).__module__}.{type(data).__qualname__} cannot be judged",
        "give a frame of Polars or pandas, a table of Arrow, a relation of DuckDB, a list of dicts, a path or an"
        " address; for an iterator of frames there is `check_batches`",
    )
