"""Decides how each type of MySQL or MariaDB is read: as a carrier that connectorx and pymysql keep exactly, then cast.

Belongs here: planning a column from the server's description of a result's column. Not here: connections.
"""

from dataclasses import dataclass

from etl.errors import SourceError
from etl.source.contract import PlannedColumn, WindowKind
from etl.source.writer import complain, in_calendar, strict_cast
from etl.sql import quote

WIDEST = 38  # digits of a decimal in Arrow, Parquet, Polars and DuckDB
_UNSIGNED, _ENUM, _SET = 32, 256, 2048  # flags of the protocol
_BINARY = 63  # the character set of bytes
_INTEGERS = {1: "TINYINT", 2: "SMALLINT", 9: "INTEGER", 3: "INTEGER", 8: "BIGINT"}
_INTEGER_NAMES = {1: "tinyint", 2: "smallint", 9: "mediumint", 3: "int", 8: "bigint"}
_FLOAT, _DOUBLE, _YEAR, _BIT, _JSON, _GEOMETRY, _NULL = 4, 5, 13, 16, 245, 255, 6
_DECIMALS, _DATES, _DATETIME, _TIMESTAMP, _TIME = (0, 246), (10, 14), 12, 7, 11
_BLOBS, _STRINGS = (249, 250, 251, 252), (15, 253, 254)
_DAY, _MINUTES = r"[0-9]{4}-[0-9]{2}-[0-9]{2}", r":[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?"


@dataclass(frozen=True)
class ResultField:
    """A column of a result as the protocol describes it."""

    code: int
    flags: int
    charset: int
    length: int
    scale: int

    @property
    def unsigned(self) -> bool:
        """Whether a number has no sign."""
        return bool(self.flags & _UNSIGNED)


def window_kind(field: ResultField) -> WindowKind | None:
    """Return how a date column of this type is compared; None if it cannot be compared with a date."""
    if field.code in _DATES:
        return "date"
    if field.code in _STRINGS and field.charset != _BINARY:
        return "text"
    return {_DATETIME: "wall", _TIMESTAMP: "instant"}.get(field.code)  # type: ignore[return-value]  # literals


def cast_of_key(field: ResultField) -> str:
    """Return the type to which a partition's key is cast to check it; empty if every text is a value of the column."""
    if field.code in (*_INTEGERS, *_DECIMALS, _FLOAT, _DOUBLE, _YEAR, _BIT):
        return "DECIMAL(65, 30)"
    return {**dict.fromkeys(_DATES, "DATE"), _DATETIME: "DATETIME(6)", _TIMESTAMP: "DATETIME(6)"}.get(field.code, "")


def display(field: ResultField) -> str:
    """Return the type's name for messages."""
    if field.code in _INTEGERS:
        return _INTEGER_NAMES[field.code] + (" unsigned" if field.unsigned else "")
    if field.code in _DECIMALS:
        return f"decimal({_precision(field)},{field.scale})" + (" unsigned" if field.unsigned else "")
    if field.flags & _ENUM:
        return "enum"
    if field.flags & _SET:
        return "set"
    if field.code in _BLOBS:
        return "blob" if field.charset == _BINARY else "text"
    if field.code in _STRINGS:
        return "varbinary" if field.charset == _BINARY else "varchar"
    names = {
        _FLOAT: "float",
        _DOUBLE: "double",
        _YEAR: "year",
        _BIT: f"bit({field.length})",
        _JSON: "json",
        _GEOMETRY: "geometry",
        _NULL: "null",
        _DATETIME: "datetime",
        _TIMESTAMP: "timestamp",
        _TIME: "time",
    }
    return "date" if field.code in _DATES else names.get(field.code, f"type {field.code}")


def planned(index: int, name: str, field: ResultField) -> PlannedColumn:
    """Decide how a column is read. Raises an error with the column's name if no exact way exists."""
    source, carrier = quote("mysql", name), f"c{index}"
    text = f"CAST({source} AS CHAR)"
    if field.code in _INTEGERS or field.code == _YEAR:
        target = "SMALLINT" if field.code == _YEAR else _INTEGERS[field.code]
        if field.unsigned and field.code != _YEAR:
            target = f"U{target}"
        if target == "UBIGINT":
            return PlannedColumn(name, target, text, strict_cast(carrier, target, name), "VARCHAR")
        return PlannedColumn(name, target, f"CAST({source} AS SIGNED)", strict_cast(carrier, target, name), "BIGINT")
    if field.code == _BIT:
        text = f"CAST(CAST({source} AS UNSIGNED) AS CHAR)"
        return PlannedColumn(name, "UBIGINT", text, strict_cast(carrier, "UBIGINT", name), "VARCHAR")
    if field.code in (_FLOAT, _DOUBLE):  # as text a float would lose digits; as a double it loses none
        target = "FLOAT" if field.code == _FLOAT else "DOUBLE"
        return PlannedColumn(name, target, f"({source} + 0e0)", f"CAST({carrier} AS {target})", "DOUBLE")
    if field.code in _DECIMALS:
        return _decimal(index, name, field)
    if field.code in (*_DATES, _DATETIME, _TIMESTAMP, _TIME):
        return _temporal(index, name, field)
    if field.code in (*_STRINGS, *_BLOBS) and field.charset == _BINARY:
        return PlannedColumn(name, "BLOB", source, carrier)
    if field.code in (*_STRINGS, *_BLOBS, _JSON, _NULL):
        return PlannedColumn(name, "VARCHAR", text, carrier)
    raise SourceError(
        f"column `{name}` has the type {display(field)}, which cannot be carried exactly",
        "leave it out with `columns:`, or read it by a `query` with a function like ST_AsText",
    )


def _precision(field: ResultField) -> int:
    return field.length - (1 if field.scale else 0) - (0 if field.unsigned else 1)


def _decimal(index: int, name: str, field: ResultField) -> PlannedColumn:
    carrier, precision = f"c{index}", _precision(field)
    places = field.scale if precision <= WIDEST else min(field.scale, 18)
    target = f"DECIMAL({min(precision, WIDEST)},{places})"
    restore = strict_cast(carrier, target, name)
    if places < field.scale:
        fraction = f"rtrim(split_part({carrier}, '.', 2), '0')"
        why = f"holds a number with more than {places} decimal places"
        restore = complain(f"length({fraction}) > {places}", name, why, restore)
    return PlannedColumn(name, target, f"CAST({quote('mysql', name)} AS CHAR)", restore, "VARCHAR")


def _temporal(index: int, name: str, field: ResultField) -> PlannedColumn:
    """Read a date or time as text. A zero date, or a time of 24 hours or more, stops the extract."""
    source, carrier = quote("mysql", name), f"c{index}"
    if field.code == _TIMESTAMP:  # the stored instant, whatever the session's time zone; a zero timestamp says 0
        seconds = f"CAST({carrier} AS DECIMAL(20, 6))"
        restore = complain(
            f"{seconds} = 0",
            name,
            "holds the zero timestamp 0000-00-00 00:00:00",
            f"make_timestamptz(CAST({seconds} * 1000000 AS BIGINT))",
        )
        text = f"CAST(UNIX_TIMESTAMP({source}) AS CHAR)"
        return PlannedColumn(name, "TIMESTAMPTZ", text, restore, "VARCHAR")
    target, shape = {
        _DATETIME: ("TIMESTAMP", f"{_DAY} [0-9]{{2}}{_MINUTES}"),
        _TIME: ("TIME", f"([01][0-9]|2[0-3]){_MINUTES}"),
    }.get(field.code, ("DATE", _DAY))
    bad = f"{carrier} IS NOT NULL AND NOT regexp_full_match({carrier}, '{shape}')"
    why = {
        "TIME": "holds a time below zero or beyond 24 hours",
        "DATE": "holds a zero date",
        "TIMESTAMP": "holds a zero date",
    }[target]
    fits = f"TRY_CAST({carrier} AS {target})"
    within = fits if target == "TIME" else in_calendar(fits, target, name, fits)  # MySQL stores the year 0 as well
    restore = complain(f"{bad} OR {carrier} IS NOT NULL AND {fits} IS NULL", name, why, within)
    return PlannedColumn(name, target, f"CAST({source} AS CHAR)", restore, "VARCHAR")
