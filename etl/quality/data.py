"""Opens what is to be judged: frames of several libraries, rows, and files, as a frame of Polars.

Belongs here: one opener for `check`, `profile`, `learn` and `split`. Not here: judging, reading a tenant's source.

A file is opened as a plan that streams its rows; everything else is already in memory. What cannot be carried exactly
is refused by name, because a value that changed on the way gets a verdict about something else.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from glob import glob
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import polars as pl

from etl.errors import QualityError
from etl.extras import install
from etl.quality.failures import describe_failure, without_secrets
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
_FAR = 2**63 // 1000
"""Seconds that are too many for 64 bits of milliseconds."""
_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?[0-9][0-9.]*")
_ONE_TYPE = "give each column one name and one type that Polars has; cast or leave out the others"
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
        return _in_memory(what, lambda: _from_arrow(data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray):
        return _from_rows(data)
    raise QualityError(
        f"data of type {type(data).__module__}.{type(data).__qualname__} cannot be judged",
        "give a frame of Polars or pandas, a table of Arrow, a relation of DuckDB, a list of dicts, a path or an"
        " address; for an iterator of frames there is `check_batches`",
    )


def parquet_file(data: Readable) -> Path | None:
    """Return the one file of Parquet that this is, or None if it is anything else."""
    if not isinstance(data, str | Path) or "://" in str(data):
        return None
    path = Path(data)
    return path if path.is_file() and _format_of(path.name) == "parquet" else None


def read_schema(frame: Data) -> pl.Schema:
    """Return names and types of the columns, without reading rows."""
    try:
        return frame.schema if isinstance(frame, pl.DataFrame) else frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as broken:
        raise unreadable(broken) from None


def unreadable(broken: BaseException) -> UnreadableData:
    """Return the error for data that a library could not read, without the values and the login that it quotes."""
    return UnreadableData(
        f"the data cannot be read: {describe_failure(broken, ())}", "is it there, complete, and the query right?"
    )


def _open_files(place: Path | str, options: dict[str, Any] | None) -> pl.LazyFrame:
    if not str(place).strip():
        raise QualityError("the path of the data is empty", "is the variable set that it is made from?")
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
        raise unreadable(broken) from None
    except (ValueError, TypeError) as wrong:
        place = files if isinstance(files, str) else ", ".join(map(str, files))
        raise QualityError(
            without_secrets(f"{place} cannot be opened: {wrong}"),
            "are `storage_options` those of the store, as Polars calls them?",
        ) from None


def _plan(files: list[Path] | str, kind: str, options: dict[str, Any] | None) -> pl.LazyFrame:
    if kind == "parquet":
        return pl.scan_parquet(files, glob=isinstance(files, str), hive_partitioning=False, storage_options=options)
    if kind == "jsonl":
        # Each file is looked through for its keys, or those that came late would be dropped without a word.
        each_file = [files] if isinstance(files, str) else files
        plans = [_json_lines(each, options) for each in each_file]
        return plans[0] if len(plans) == 1 else pl.concat(plans, how="diagonal_relaxed")
    options_of_csv: dict[str, Any] = {
        "separator": "\t" if kind == "tsv" else ",",
        "infer_schema_length": None,
        "try_parse_dates": True,
        "glob": isinstance(files, str),
        "storage_options": options,
    }
    plan = pl.scan_csv(files, **options_of_csv)
    schema = read_schema(plan)
    renamed = [each for each in schema if re.search(r"_duplicated_\d+$", each)]
    if renamed:
        raise QualityError(
            f"a column of the file has the name of another: Polars called it `{renamed[0]}`", "rename it"
        )
    floats = [name for name, dtype in schema.items() if dtype.is_float()]
    if floats:
        as_text = pl.scan_csv(files, **options_of_csv, schema_overrides=dict.fromkeys(floats, pl.String))
        _refuse_long_integers(as_text, floats)
    # A row with too many fields is noticed only by who reads all columns.
    return plan.map_batches(lambda frame: frame, streamable=True)


def _json_lines(file: Path | str, options: dict[str, Any] | None) -> pl.LazyFrame:
    plan = pl.scan_ndjson(file, infer_schema_length=None, storage_options=options)
    floats = [name for name, dtype in read_schema(plan).items() if dtype.is_float()]
    if floats:
        line = pl.scan_lines(file, storage_options=options)
        keys = {name: re.escape(json.dumps(name, ensure_ascii=False)) for name in floats}
        numbers = [
            pl.col("line").str.extract(rf"{key}\s*:\s*(-?[0-9]+)\s*[,}}\]]").alias(name) for name, key in keys.items()
        ]
        _refuse_long_integers(line.select(numbers), floats)
    return plan


def _refuse_long_integers(as_text: pl.LazyFrame, floats: list[str]) -> None:
    """Refuse whole numbers that a float cannot hold, in columns that are floats because of others of their values."""
    long = as_text.select(pl.col(floats).cast(pl.String).str.contains(r"^\s*[+-]?[0-9]{16,}\s*$").any())
    for name, found in long.collect(engine="streaming").row(0, named=True).items():
        if found:
            raise QualityError(
                f"the column `{name}` has fractions beside whole numbers of more than 15 digits; no float holds both",
                "open the file yourself, as a column of text or Decimal, and give the frame",
            )


def _in_memory(what: str, convert: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    try:
        return convert()
    except ModuleNotFoundError as missing:
        raise QualityError(f"{what} cannot be read without {missing.name}", install("pandas")) from missing
    except QualityError:
        raise
    except (Exception, pl.exceptions.PanicException) as refused:  # noqa: BLE001  each library has errors of its own
        # No cause: the library's text quotes the values that it could not convert.
        reason = _NUMBER.sub("...", describe_failure(refused, ()))
        raise QualityError(f"{what} cannot be read exactly: {reason}", _ONE_TYPE) from None


def _from_pandas(frame: Any) -> pl.DataFrame:  # noqa: ANN401  importing pandas for its name would cost a second
    """Convert a frame of pandas, or a series. NaN of pandas means that there is no value, as `isna` says: a null."""
    columns = frame.items() if hasattr(frame, "columns") else [(frame.name, frame)]
    for name, column in columns:
        if column.dtype == object:
            _refuse_mixed(name, [each for each in column.tolist() if each is not None and each == each])  # noqa: PLR0124  NaN
        elif str(column.dtype).startswith(("datetime64[s", "timedelta64[s")):
            _refuse_far(name, int(column.dropna().astype("int64").abs().max() or 0) if len(column.dropna()) else 0)
    found = pl.from_pandas(frame)
    return found.to_frame() if isinstance(found, pl.Series) else found


def _from_arrow(data: Any) -> pl.DataFrame:  # noqa: ANN401  importing Arrow for its name would cost a moment
    """Convert what is in Arrow's form. Polars counts milliseconds where Arrow may count seconds."""
    if hasattr(data, "read_all"):
        data = data.read_all()
    for field in getattr(data, "schema", ()):
        if str(getattr(field, "type", "")).startswith(("timestamp[s", "duration[s")):
            column = data.column(field.name)
            values = [each.value for each in column if each.is_valid]
            _refuse_far(field.name, max(map(abs, values), default=0))
    return pl.DataFrame(data)


def _refuse_far(name: object, seconds: int) -> None:
    if seconds >= _FAR:
        raise QualityError(
            f"the column `{name}` has moments or durations too far from zero for Polars", "leave them out"
        )


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
    if not names:
        return pl.DataFrame(height=len(rows))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _in_memory(
        "the list of dicts", lambda: pl.DataFrame([_column(name, values) for name, values in columns.items()])
    )


def _column(name: str, values: list[Any]) -> pl.Series:
    _refuse_mixed(name, values)
    found = pl.Series(name, values)
    # Decimals of different scales, and lists and dicts of different types, are made one type: by losing values.
    if (found.dtype.is_decimal() or found.dtype.is_nested()) and not _same(found.to_list(), values):
        raise QualityError(f"the column `{name}` has values that no one type of Polars holds exactly", _ONE_TYPE)
    return found


def _same(found: object, given: object) -> bool:
    """Whether a value is the one that was given. A key that a dict does not have is a null."""
    if isinstance(found, Mapping) and isinstance(given, Mapping):
        return all(_same(found.get(key), given.get(key)) for key in {*found, *given})
    if isinstance(found, list) and isinstance(given, list | tuple):
        return len(found) == len(given) and all(map(_same, found, given))
    return found == given or (found != found and given != given)  # noqa: PLR0124  NaN


def _refuse_mixed(name: object, values: Sequence[Any]) -> None:
    """Refuse a column of several types, which would be made one type with other values."""
    kinds = {*map(type, values)} - {type(None)}
    if datetime in kinds and len({each.tzinfo is None for each in values if isinstance(each, datetime)}) > 1:
        raise QualityError(f"the column `{name}` has moments with and without a time zone", _ONE_TYPE)
    if time in kinds and any(isinstance(each, time) and each.tzinfo is not None for each in values):
        raise QualityError(f"the column `{name}` has times of day with a zone, which Polars would drop", _ONE_TYPE)
    if len(kinds) < 2 or (kinds == {int, float} and all(_fits(each) for each in values)):  # noqa: PLR2004
        return
    listed = ", ".join(sorted(f"{each.__module__}.{each.__name__}".removeprefix("builtins.") for each in kinds))
    raise QualityError(f"the column `{name}` has values of several types: {listed}", _ONE_TYPE)


def _fits(value: float | None) -> bool:
    """Whether a float holds the number exactly."""
    return not isinstance(value, int) or -_EXACT_FLOAT <= value <= _EXACT_FLOAT
