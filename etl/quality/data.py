"""Opens what is to be judged: frames of several libraries, rows, and files, as a frame of Polars.

Belongs here: one opener for `check`, `profile`, `learn` and `split`. Not here: judging, reading a tenant's source.

A file is opened as a plan that streams its rows; everything else is already in memory. What cannot be carried exactly
is refused by name, because a value that changed on the way gets a verdict about something else.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import polars as pl

from etl.errors import QualityError
from etl.extras import install
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
_EXACT_FLOAT = 2**53
_PATTERN = re.compile(r"[*?\[]")
_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_COMPRESSED = frozenset({".gz", ".zst"})
_DAMAGED: tuple[type[BaseException], ...] = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    TypeError,
)


class UnreadableData(QualityError):  # noqa: N818  it says what is the case, as the other children of EtlError do
    """The data is not there, cannot be reached or is damaged. It may be there later, so asking again can help."""


def open_data(data: Readable, *, storage_options: Mapping[str, Any] | None = None) -> Data:
    """Return the data as a frame of Polars; files become a plan that has read nothing but its columns.

    A path is a file of Parquet, CSV (`.csv`, `.tsv`) or JSON lines (`.jsonl`, `.ndjson`), by the end of its name; a
    name without a known ending is Parquet. A folder is all its files; `*`, `?`, `[...]` and `**` stand for several
    files, unless a file has just that name. An address such as `s3://bucket/folder/*.parquet` is read with
    `storage_options`, or with the variables `AWS_*` of the process.
    """
    if isinstance(data, pl.DataFrame | pl.LazyFrame):
        return data
    if isinstance(data, str | Path):
        return _open_files(data, dict(storage_options) if storage_options else None)
    library = type(data).__module__.partition(".")[0]
    if library == "pandas":
        return _in_memory("the frame of pandas", lambda: _from_pandas(data))
    if isinstance(data, ArrowStream | ArrowBatch):
        _refuse_wide_integers(data)
        what = f"the {type(data).__name__} of {library.lstrip('_')}"
        return _in_memory(what, lambda: pl.DataFrame(data))  # type: ignore[arg-type]  # Polars has a protocol of its own
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray):
        return _from_rows(data)
    raise QualityError(
        f"data of type {type(data).__module__}.{type(data).__qualname__} cannot be judged",
        "give a frame of Polars or pandas, a table of Arrow, a relation of DuckDB, a list of dicts, a path or an"
        " address; for an iterator of frames there is `check_batches`",
    )


def read_schema(frame: Data) -> pl.Schema:
    """Return names and types of the columns, without reading rows."""
    try:
        return frame.schema if isinstance(frame, pl.DataFrame) else frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as broken:
        reason = str(broken).strip().splitlines()[0]
        raise UnreadableData(
            f"the data cannot be read: {reason}", "is the file complete, and the query right?"
        ) from broken


def _open_files(place: Path | str, options: dict[str, Any] | None) -> pl.LazyFrame:
    if isinstance(place, str) and "://" in place:
        return _scan(place, _format_of(place), options)
    path = Path(place)
    if path.is_file():
        # A path is a name first: `a[1].parquet` is not the file a1.parquet.
        return _scan([path], _format_of(path.name), None)
    if path.is_dir():
        matching = [each for each in path.rglob("*") if not each.name.startswith((".", "_"))]
    elif _PATTERN.search(str(place)):
        matching = [Path(each) for each in glob(str(place), recursive=True)]  # noqa: PTH207  it may be absolute
    else:
        raise UnreadableData(f"there is no file {path}", "give a file of Parquet, CSV or JSON lines, or a frame")
    found = sorted(each for each in matching if each.is_file())
    if not found:
        raise UnreadableData(f"there is no file in {place}", "a check over no file would examine nothing")
    formats = {_format_of(each.name) for each in found}
    if len(formats) > 1:
        raise QualityError(f"{place} has files of {' and '.join(sorted(formats))}", "name files of one kind")
    return _scan(found, formats.pop(), None)


def _format_of(name: str) -> str:
    suffixes = Path(name.partition("?")[0]).suffixes
    ends = [each.lower() for each in suffixes if each.lower() not in _COMPRESSED]
    return _SUFFIXES.get(ends[-1], "parquet") if ends else "parquet"


def _scan(files: list[Path] | str, kind: str, options: dict[str, Any] | None) -> pl.LazyFrame:
    try:
        return _plan(files, kind, options)
    except (pl.exceptions.PolarsError, OSError) as broken:
        reason = str(broken).strip().splitlines()[0]
        raise UnreadableData(f"the data cannot be read: {reason}", "is it there, and complete?") from broken
    except (ValueError, TypeError) as wrong:
        raise QualityError(
            f"{files} cannot be opened: {wrong}", "are `storage_options` those of the store, as Polars calls them?"
        ) from wrong


def _plan(files: list[Path] | str, kind: str, options: dict[str, Any] | None) -> pl.LazyFrame:
    if kind == "parquet":
        return pl.scan_parquet(files, glob=isinstance(files, str), hive_partitioning=False, storage_options=options)
    if kind == "jsonl":
        # Each file is looked through for its keys, or those that came late would be dropped without a word.
        each_file = [files] if isinstance(files, str) else files
        plans = [pl.scan_ndjson(each, infer_schema_length=None, storage_options=options) for each in each_file]
        return plans[0] if len(plans) == 1 else pl.concat(plans, how="diagonal_relaxed")
    plan = pl.scan_csv(
        files,
        separator="\t" if kind == "tsv" else ",",
        infer_schema_length=None,
        try_parse_dates=True,
        glob=isinstance(files, str),
        storage_options=options,
    )
    renamed = [each for each in read_schema(plan) if re.search(r"_duplicated_\d+$", each)]
    if renamed:
        raise QualityError(
            f"a column of the file has the name of another: Polars called it `{renamed[0]}`", "rename it"
        )
    return plan


def _in_memory(what: str, convert: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return convert()
    except ModuleNotFoundError as missing:
        raise QualityError(f"{what} cannot be read without {missing.name}", install("pandas")) from missing
    except _DAMAGED as refused:
        reason = str(refused).strip().splitlines()
        raise QualityError(
            f"{what} cannot be read exactly: {type(refused).__name__}: {reason[0][:200] if reason else ''}",
            "give each column one name and one type that Polars has; cast or leave out the others",
        ) from refused


def _from_pandas(frame: Any) -> pl.DataFrame:  # noqa: ANN401  importing pandas for its name would cost a second
    """Convert a frame of pandas, or a series. NaN of pandas means that there is no value, as `isna` says: a null."""
    found = pl.from_pandas(frame)
    return found.to_frame() if isinstance(found, pl.Series) else found


def _refuse_wide_integers(data: object) -> None:
    """Refuse DuckDB's widest integers, which its Arrow gives as other numbers."""
    for name, kind in zip(getattr(data, "columns", ()), getattr(data, "types", ()), strict=False):
        if str(kind) == "UHUGEINT":
            raise QualityError(f"the column `{name}` is UHUGEINT, which Arrow cannot carry", "cast it to HUGEINT")


def _from_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise QualityError(f"row {place} is a {type(row).__name__}, not a dict", "give a list of dicts")
    names = dict.fromkeys(chain.from_iterable(rows))
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        _refuse_mixed(name, values)
    return _in_memory("the list of dicts", lambda: pl.DataFrame(columns))


def _refuse_mixed(name: str, values: Sequence[Any]) -> None:
    """Refuse a column of several types, which would be made one type with other values."""
    kinds = {*map(type, values)} - {type(None)}
    if len(kinds) < 2 or (kinds == {int, float} and all(_fits(each) for each in values)):  # noqa: PLR2004
        return
    listed = ", ".join(sorted(each.__name__ for each in kinds))
    raise QualityError(f"the column `{name}` has values of several types: {listed}", "give it one type")


def _fits(value: float | None) -> bool:
    """Whether a float holds the number exactly."""
    return not isinstance(value, int) or -_EXACT_FLOAT <= value <= _EXACT_FLOAT
