"""Reads the text of a partition's key.

Belongs here: the kind of a key, its folder in the lake, its value in the warehouse, and the key after it. Not here:
which keys a pipeline has and when they are complete (`scheme`).

The form of a key shows its kind: `2026-01-05` is a day, `2026-01-05T1300Z` an hour (in UTC, so that an hour that clocks
show twice has two keys), `2026-W02-1` a week (its Monday in ISO 8601), `2026-01` a month. Every other key is a key of a
list. Keys of one unit of time have the same order as their texts.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal

Unit = Literal["hour", "day", "week", "month"]
Kind = Literal["hour", "day", "week", "month", "static"]

UNITS: tuple[Unit, ...] = ("hour", "day", "week", "month")
FORMATS: dict[Unit, str] = {"hour": "%Y-%m-%dT%H%MZ", "day": "%Y-%m-%d", "week": "%G-W%V-%u", "month": "%Y-%m"}
"""The formats of keys for `strftime`."""
FOLDERS: dict[str, Kind] = {"hour": "hour", "dt": "day", "week": "week", "month": "month", "key": "static"}
STATIC_KEY = "letters from a to z, digits, `-` and single `_`, at most 64, not like a date"
_SHAPES: dict[Unit, re.Pattern[str]] = {
    "hour": re.compile(r"\d{4}-\d\d-\d\dT\d{4}Z"),
    "day": re.compile(r"\d{4}-\d\d-\d\d"),
    "week": re.compile(r"\d{4}-W\d\d-1"),
    "month": re.compile(r"\d{4}-\d\d"),
}
_STATIC = re.compile(r"(?!.*__)[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_LIKE_A_DATE = re.compile(r"\d{4}-(\d|W\d)", re.IGNORECASE)
_COLUMN_TYPES: dict[Kind, str] = {
    "hour": "TIMESTAMP",
    "day": "DATE",
    "week": "DATE",
    "month": "DATE",
    "static": "VARCHAR",
}


def kind_of(key: str) -> Kind | None:
    """Return the kind of a key; None if the text cannot be a key."""
    for unit, shape in _SHAPES.items():
        if shape.fullmatch(key):
            try:
                return unit if key_of(unit, begin_of(key)) == key else None
            except ValueError:
                return None
    return "static" if _STATIC.fullmatch(key) and not _LIKE_A_DATE.match(key) else None


def begin_of(key: str) -> date:
    """Return the first day of a day, week or month, or the moment in UTC at which an hour begins."""
    if _SHAPES["hour"].fullmatch(key):
        return datetime.strptime(key, "%Y-%m-%dT%H%MZ").replace(tzinfo=UTC)
    return date.fromisoformat(f"{key}-01" if _SHAPES["month"].fullmatch(key) else key)


def key_of(unit: Unit, begin: date) -> str:
    """Return the key of the partition that contains the date `begin`, or of the hour that begins then (in UTC)."""
    match unit:
        case "hour":
            return f"{begin.isoformat()[:13]}{begin:%M}Z"
        case "week":
            year, week, _ = begin.isocalendar()
            return f"{year:04}-W{week:02}-1"
        case _:
            return begin.isoformat()[: 7 if unit == "month" else 10]


@lru_cache(maxsize=4096)  # promises of many pipelines ask for the same few keys again and again
def moved(key: str, count: int) -> str:
    """Return the key `count` partitions later, or earlier if `count` is negative."""
    unit, begin = kind_of(key), begin_of(key)
    match unit:
        case "hour":
            return key_of("hour", begin + timedelta(hours=count))
        case "month":
            year, month = divmod(begin.year * 12 + begin.month - 1 + count, 12)
            return key_of("month", date(year, month + 1, 1))
        case "week":
            return key_of("week", begin + timedelta(weeks=count))
        case _:
            return key_of("day", begin + timedelta(days=count))


def folder_of(key: str) -> str:
    """Return the name of the partition's folder, in the form that readers of hive partitions understand."""
    kind = kind_of(key)
    return f"{next(name for name, each in FOLDERS.items() if each == kind)}={key}"


def key_in(folder: str) -> str | None:
    """Return the key in a folder's name; None if it is not the folder of a partition."""
    name, _, key = folder.partition("=")
    return key if name in FOLDERS and kind_of(key) == FOLDERS[name] else None


def column_type(key: str) -> str:
    """Return the type of the warehouse's partition column."""
    return _COLUMN_TYPES[kind_of(key) or "static"]


def column_value(key: str) -> str:
    """Write the key as SQL for the partition column: the first day, an hour's beginning in UTC, or the text itself."""
    kind = kind_of(key)
    text = key if kind == "static" else begin_of(key).isoformat()[:19].replace("T", " ")
    return f"CAST('{text}' AS {column_type(key)})"


def key_of_value(value: object, kind: Kind) -> str:
    """Return the key that a value of the partition column means, in a table with keys of this kind."""
    if kind == "static" or not isinstance(value, date):
        return str(value)
    return key_of(kind, value)
