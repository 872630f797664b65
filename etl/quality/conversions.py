"""Turns what is in memory into a frame of Polars: frames of pandas, tables of Arrow, relations of DuckDB, rows.

Belongs here: conversions, and what they would change. Not here: files (`files`). No library is imported for its name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from itertools import chain
from typing import Any

import polars as pl

from etl.errors import QualityError
from etl.extras import install
from etl.quality.failures import describe_failure

_EXACT_FLOAT = 2**53
_FAR = 2**63 // 1000
"""Seconds that are too many for 64 bits of milliseconds."""
_NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?[0-9][0-9.]*")
_ONE_TYPE = "give each column one name and one type that Polars has; cast or leave out the others"


def from_pandas(frame: object) -> pl.DataFrame:
    """Convert a frame or a series of pandas."""
    return _in_memory("the frame of pandas", lambda: _from_pandas(frame))


def from_arrow(data: object) -> pl.DataFrame:
    """Convert what gives its columns in Arrow's form."""
    _refuse_wide_integers(data)
    library = type(data).__module__.partition(".")[0].lstrip("_")
    return _in_memory(f"the {type(data).__name__} of {library}", lambda: _from_arrow(data))


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
            _refuse_far(name, pl.Series(column.dropna().astype("int64").to_numpy()).is_between(-_FAR, _FAR, "none"))
    found = pl.from_pandas(frame)
    return found.to_frame() if isinstance(found, pl.Series) else found


def _from_arrow(data: Any) -> pl.DataFrame:  # noqa: ANN401  importing Arrow for its name would cost a moment
    """Convert what is in Arrow's form. Polars counts milliseconds where Arrow may count seconds."""
    if hasattr(data, "read_all"):
        data = data.read_all()
    for field in getattr(data, "schema", ()):
        if str(getattr(field, "type", "")).startswith(("timestamp[s", "duration[s")):
            _refuse_far(field.name, pl.Series(data.column(field.name).cast("int64")).is_between(-_FAR, _FAR, "none"))
    return pl.DataFrame(data)


def _refuse_far(name: object, near: pl.Series) -> None:
    if not near.all():
        raise QualityError(
            f"the column `{name}` has moments or durations too far from zero for Polars", "leave them out"
        )


def _refuse_wide_integers(data: object) -> None:
    """Refuse DuckDB's widest integers, which its Arrow gives as other numbers."""
    for name, kind in zip(getattr(data, "columns", ()), getattr(data, "types", ()), strict=False):
        if str(kind) == "UHUGEINT":
            raise QualityError(f"the column `{name}` is UHUGEINT, which Arrow cannot carry", "cast it to HUGEINT")


def from_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Convert a list of dicts; a key that a dict does not have is a null."""
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
