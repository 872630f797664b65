"""Writes a unit test as YAML that people read and change: one line for each row.

Belongs here: the text of values, rows and types. Not here: which rows (`recording`).

PyYAML is not used, because it writes a moment in a row as `!!timestamp '...'`. What is written here is read back by
`etl.config.yaml_source`, which allows the same values without quotes as a person would write.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from etl.config.yaml_source import resolve_plain
from etl.quality.rules.dtypes import dtype_name, exact_dtype

_PLAIN = re.compile(r"[^\W\d_](?:[\w ./@+()'-]*[\w)])?")
_RAW = re.compile("[ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\U00010000-\U0010ffff]")
"""A character that every reader of YAML takes as it is; some take others for line breaks."""
_DURATION = TypeAdapter(timedelta)


def yaml_line(value: Any) -> str:  # noqa: ANN401  a value of any type
    """Return a value as YAML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_line(str(key))}: {yaml_line(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(yaml_line(each) for each in value) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str | bytes | time | timedelta):
        return _text(value)
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else format(value, "f" if isinstance(value, Decimal) else "")


def row_lines(key: str, rows: Sequence[Mapping[str, Any]], indent: int) -> list[str]:
    """Return a key with one line for each row below it."""
    space = " " * indent
    if not rows:
        return [f"{space}{key}: []"]
    return [f"{space}{key}:", *(f"{space}  - {yaml_line(dict(row))}" for row in rows)]


def type_names(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Return the types as a unit test names them. A type that has no such name is left out."""
    named = {}
    for name, dtype in schema.items():
        text = dtype_name(dtype)
        try:
            if exact_dtype(text) == dtype:
                named[name] = text
        except ValueError:
            continue
    return named


def _float(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return repr(value)


def _text(value: str | bytes | time | timedelta) -> str:
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(_DURATION.dump_python(value, mode="json"))
    text = value.hex() if isinstance(value, bytes) else value
    if _PLAIN.fullmatch(text) and resolve_plain(text) == text:
        return text
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    """Return a character as it stands between double quotes of YAML."""
    if character in '"\\':
        return f"\\{character}"
    if _RAW.fullmatch(character):
        return character
    return f"\\u{ord(character):04x}"
