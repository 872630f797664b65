"""Opens files as plans of Polars: Parquet, CSV and JSON lines, one or several, on a disk or in an object store.

Belongs here: which files an address means, and what of CSV and JSON lines cannot be read exactly. Not here: frames and
rows in memory (`conversions`).

A file of Parquet says its types. The types of CSV and JSON lines are read from their values, all of them.
"""

import json
import re
from glob import glob
from pathlib import Path
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.quality.failures import describe_failure, without_secrets
from etl.quality.frames import Data

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


def parquet_file(data: object) -> Path | None:
    """Return the one file of Parquet that this is, or None if it is anything else."""
    if not isinstance(data, str | Path) or "://" in str(data):
        return None
    path = Path(data)
    return path if path.is_file() and format_of(path.name) == "parquet" else None


def open_files(place: Path | str, options: dict[str, Any] | None) -> pl.LazyFrame:
    """Return the plan that reads the files of a path, a pattern, a folder or an address."""
    if not str(place).strip():
        raise QualityError("the path of the data is empty", "is the variable set that it is made from?")
    if isinstance(place, str) and "://" in place:
        return _scan(place, format_of(place), options)
    path = Path(place)
    if path.is_file():
        # A path is a name first: `a[1].parquet` is not the file a1.parquet.
        return _scan([path], format_of(path.name), None)
    if path.is_dir():
        matching = [each for each in path.rglob("*") if not each.name.startswith((".", "_"))]
    elif _PATTERN.search(str(place)):
        matching = [Path(each) for each in glob(str(place), recursive=True)]  # noqa: PTH207  it may be absolute
    else:
        raise UnreadableData(f"there is no file {path}", "give a file of Parquet, CSV or JSON lines, or a frame")
    found = sorted(each for each in matching if each.is_file())
    if not found:
        raise UnreadableData(f"there is no file in {place}", "a check over no file would examine nothing")
    formats = {format_of(each.name) for each in found}
    if len(formats) > 1:
        raise QualityError(f"{place} has files of {' and '.join(sorted(formats))}", "name files of one kind")
    return _scan(found, formats.pop(), None)


def format_of(name: str) -> str:
    """Return the format that the end of a name says."""
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
