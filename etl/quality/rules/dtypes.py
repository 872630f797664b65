"""Names of data types: what the rule `dtype` accepts, and whether a column has that type.

Belongs here: reading a name and comparing it with a Polars type. Not here: anything about rows.
"""

import difflib
import re
from functools import lru_cache

import polars as pl

FAMILIES: dict[str, tuple[type[pl.DataType], ...]] = {
    "integer": (
        pl.Int8,
        pl.Int16,
        pl.Int32,
        pl.Int64,
        pl.Int128,
        pl.UInt8,
        pl.UInt16,
        pl.UInt32,
        pl.UInt64,
        pl.UInt128,
    ),
    "unsigned": (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128),
    "float": (pl.Float32, pl.Float64),
    "decimal": (pl.Decimal,),
    "string": (pl.String,),
    "boolean": (pl.Boolean,),
    "date": (pl.Date,),
    "datetime": (pl.Datetime,),
    "time": (pl.Time,),
    "duration": (pl.Duration,),
    "binary": (pl.Binary,),
    "categorical": (pl.Categorical, pl.Enum),
    "list": (pl.List, pl.Array),
    "struct": (pl.Struct,),
    "null": (pl.Null,),
}
FAMILIES["number"] = (*FAMILIES["integer"], *FAMILIES["float"], pl.Decimal)
ALIASES = {
    "int": "integer",
    "uint": "unsigned",
    "numeric": "number",
    "str": "string",
    "text": "string",
    "varchar": "string",
    "bool": "boolean",
    "timestamp": "datetime",
    "array": "list",
    "bytes": "binary",
    "bigint": "Int64",
    "double": "Float64",
    "utf8": "String",
    "enum": "categorical",
    "category": "categorical",
}
_KINDS: tuple[type[pl.DataType], ...] = (
    *FAMILIES["integer"],
    *FAMILIES["float"],
    pl.String,
    pl.Boolean,
    pl.Date,
    pl.Time,
    pl.Binary,
    pl.Null,
)
_PLAIN: dict[str, pl.DataType] = {str(kind()): kind() for kind in _KINDS}
_LOWER = {name.lower(): name for name in _PLAIN}
_SHORT = {
    **{f"i{bits}": f"Int{bits}" for bits in (8, 16, 32, 64, 128)},
    **{f"u{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64, 128)},
    **{f"f{bits}": f"Float{bits}" for bits in (32, 64)},
}
_USUAL: dict[type[pl.DataType], pl.DataType] = {
    pl.Int64: pl.Int64(),
    pl.UInt64: pl.UInt64(),
    pl.Float64: pl.Float64(),
    pl.String: pl.String(),
    pl.Boolean: pl.Boolean(),
    pl.Date: pl.Date(),
    pl.Datetime: pl.Datetime("us"),
    pl.Time: pl.Time(),
    pl.Duration: pl.Duration("us"),
    pl.Binary: pl.Binary(),
    pl.Null: pl.Null(),
}
_CALL = re.compile(r"^\s*(\w+)\s*[\(\[](.*)[\)\]]\s*$", re.DOTALL)


def check_dtype_name(name: str) -> str:
    """Refuse a name that is not the name of a data type."""
    _read(name)
    return name


def dtype_name(dtype: pl.DataType) -> str:
    """Return the short name of a type, such as `Decimal(12, 2)` or `Datetime('us', 'UTC')`."""
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return f"Datetime('{dtype.time_unit}'" + (f", '{dtype.time_zone}')" if dtype.time_zone else ")")
    return str(dtype)


def is_family(name: str) -> bool:
    """Return whether the name stands for several types, such as `integer`."""
    return isinstance(_read(name), tuple)


def has_dtype(actual: pl.DataType, name: str) -> bool:
    """Return whether a column of type `actual` has the type of that name."""
    wanted = _read(name)
    return isinstance(actual, wanted) if isinstance(wanted, tuple) else actual == wanted


def exact_dtype(name: str) -> pl.DataType:
    """Return the one type of that name. Of a family, the type that is usual for it: `integer` is Int64.

    Raises ValueError if the name is unknown, or if its family has no usual type, such as `decimal` without digits.
    """
    wanted = _read(name)
    if not isinstance(wanted, tuple):
        return wanted
    usual = next((_USUAL[kind] for kind in wanted if kind in _USUAL), None)
    if usual is None or name.strip().lower() in ("number", "numeric"):
        raise ValueError(f"`{name}` is more than one type; write one of them, e.g. Decimal(12, 2) or List(Int64)")
    return usual


@lru_cache(maxsize=1024)
def _read(name: str) -> pl.DataType | tuple[type[pl.DataType], ...]:
    """Return the one type, or the family of types, that a name stands for."""
    plain = name.strip()
    if plain in _PLAIN:
        return _PLAIN[plain]
    # Families are written in lower case, Polars' own names are not. `date` and `Date` are equal; `Datetime` is any one.
    word = ALIASES.get(plain.lower(), plain)
    word = _SHORT.get(word, word)
    if word.lower() in FAMILIES:
        return FAMILIES[word.lower()]
    if word.lower() in _LOWER:
        return _PLAIN[_LOWER[word.lower()]]
    call = _CALL.match(plain)
    if call is not None:
        return _read_call(call.group(1).lower(), call.group(2), name)
    close = difflib.get_close_matches(plain.lower(), [*FAMILIES, *ALIASES, *_LOWER], n=1)
    raise ValueError(
        f"`{name}` is not a data type" + (f"; did you mean `{_LOWER.get(close[0], close[0])}`?" if close else "")
    )


def _read_call(kind: str, inside: str, name: str) -> pl.DataType:
    # `Decimal(precision=10, scale=2)` is how Polars itself writes Decimal(10, 2).
    words = [part.rpartition("=")[2].strip().strip("'\"") for part in inside.split(",")]
    if kind in ("decimal", "numeric") and len(words) == 2 and all(word.isdigit() for word in words):  # noqa: PLR2004
        return pl.Decimal(int(words[0]), int(words[1]))
    if kind in ("datetime", "timestamp") and words[0] in ("ms", "us", "ns"):
        zone = words[1] if len(words) > 1 else None
        return pl.Datetime(words[0], zone if zone and zone != "None" else None)  # type: ignore[arg-type]
    if kind == "duration" and words in (["ms"], ["us"], ["ns"]):
        return pl.Duration(words[0])  # type: ignore[arg-type]
    if kind == "list":
        inner = _read(inside)
        if isinstance(inner, tuple):
            raise ValueError(f"`{name}`: a list needs one exact inner type, such as Int64")
        return pl.List(inner)
    raise ValueError(
        f"`{name}` is not a data type; write it as Polars does, e.g. Decimal(38, 2) or Datetime('us', 'UTC')"
    )
