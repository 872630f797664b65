"""Types of columns as a contract names them: a logical type, and the physical type of the warehouse.

Belongs here: both directions, for DuckDB, PostgreSQL and Trino. Not here: which columns there are (`exporting`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Dialect = Literal["duckdb", "postgres", "trino"]
LOGICAL_TYPES = ("string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean")

_DUCKDB: dict[pl.DataType, str] = {
    pl.Int8(): "TINYINT",
    pl.Int16(): "SMALLINT",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.Int128(): "HUGEINT",
    pl.UInt8(): "UTINYINT",
    pl.UInt16(): "USMALLINT",
    pl.UInt32(): "UINTEGER",
    pl.UInt64(): "UBIGINT",
    pl.Float32(): "FLOAT",
    pl.Float64(): "DOUBLE",
    pl.String(): "VARCHAR",
    pl.Boolean(): "BOOLEAN",
    pl.Date(): "DATE",
    pl.Time(): "TIME",
    pl.Binary(): "BLOB",
    pl.Datetime("us"): "TIMESTAMP",
    pl.Datetime("ms"): "TIMESTAMP_MS",
    pl.Datetime("ns"): "TIMESTAMP_NS",
}
_ELSEWHERE: dict[Dialect, dict[str, str]] = {
    "duckdb": {},
    "postgres": {
        "TINYINT": "smallint",
        "FLOAT": "real",
        "DOUBLE": "double precision",
        "VARCHAR": "text",
        "BLOB": "bytea",
        "TIME": "time",
        "TIMESTAMP_MS": "timestamp",
        "TIMESTAMP_NS": "timestamp",
    },
    "trino": {
        "TINYINT": "integer",
        "SMALLINT": "integer",
        "UTINYINT": "integer",
        "USMALLINT": "integer",
        "UINTEGER": "bigint",
        "UBIGINT": "decimal(20,0)",
        "FLOAT": "real",
        "BLOB": "varbinary",
        "TIME": "time(6)",
        "TIMESTAMP": "timestamp(6)",
        "TIMESTAMP_MS": "timestamp(6)",
        "TIMESTAMP_NS": "timestamp(6)",
    },
}
_ZONED: dict[Dialect, str] = {
    "duckdb": "TIMESTAMP WITH TIME ZONE",
    "postgres": "timestamp with time zone",
    "trino": "timestamp(6) with time zone",
}
_NAMES: dict[str, pl.DataType] = {name: dtype for dtype, name in _DUCKDB.items()} | {
    "INT": pl.Int32(),
    "INT2": pl.Int16(),
    "INT4": pl.Int32(),
    "INT8": pl.Int64(),
    "LONG": pl.Int64(),
    "REAL": pl.Float32(),
    "FLOAT4": pl.Float32(),
    "FLOAT8": pl.Float64(),
    "DOUBLE PRECISION": pl.Float64(),
    "TEXT": pl.String(),
    "STRING": pl.String(),
    "CHAR": pl.String(),
    "CHARACTER": pl.String(),
    "CHARACTER VARYING": pl.String(),
    "NVARCHAR": pl.String(),
    "BOOL": pl.Boolean(),
    "BYTEA": pl.Binary(),
    "VARBINARY": pl.Binary(),
    "BINARY": pl.Binary(),
    "DATETIME": pl.Datetime("us"),
    "TIMESTAMP WITHOUT TIME ZONE": pl.Datetime("us"),
    "TIME WITHOUT TIME ZONE": pl.Time(),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|NUMBER)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_SIZED = re.compile(r"([A-Z][A-Z ]*[A-Z]|[A-Z])\s*\(\s*\d+\s*\)")
_LIST = re.compile(r"(.+)\[\]|(?:ARRAY|LIST)\s*[(<]\s*(.+)\s*[)>]", re.DOTALL)
_WITH_ZONE = re.compile(r"TIMESTAMP(?:TZ|\s*(?:\(\d\))?\s*WITH TIME ZONE)")


@dataclass(frozen=True)
class ContractType:
    """The keys of one property that say its type."""

    logical: str
    physical: str
    options: Mapping[str, Any] = field(default_factory=dict)
    items: "ContractType | None" = None
    """Of an array: the type of its items."""

    def keys(self) -> dict[str, Any]:
        """Return the keys as they stand in a contract."""
        keys: dict[str, Any] = {"logicalType": self.logical, "physicalType": self.physical}
        if self.options:
            keys["logicalTypeOptions"] = dict(self.options)
        if self.items is not None:
            keys["items"] = self.items.keys()
        return keys


def contract_type(dtype: pl.DataType, dialect: Dialect) -> ContractType:
    """Return the type of a column as a contract names it."""
    physical = _physical(dtype, dialect)
    if isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
        return ContractType("array", physical, items=contract_type(inner, dialect))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return ContractType("timestamp", physical, {"timezone": True, "defaultTimezone": dtype.time_zone})
    if physical.startswith("decimal") and dtype.is_integer():
        return ContractType("number", physical)  # Trino has no integer that is large enough
    return ContractType(_logical(dtype), physical)


def column_type(keys: Mapping[str, Any]) -> pl.DataType | None:
    """Return the type that a property of a contract has; None if its keys name no exact type."""
    options = keys.get("logicalTypeOptions") or {}
    if keys.get("logicalType") == "array":
        inner = column_type(keys.get("items") or {})
        return pl.List(inner) if inner is not None else None
    physical = str(keys.get("physicalType") or "").strip()
    found = physical_type(physical, str(options.get("defaultTimezone") or "UTC")) if physical else None
    if found is not None and physical_agrees(found, keys.get("logicalType")):
        return found
    return None


def physical_agrees(dtype: pl.DataType, logical: object) -> bool:
    """Whether a physical type is one of the logical type, if a logical type is named at all."""
    return logical is None or _logical(dtype) == logical or (logical == "number" and dtype.is_integer())


def physical_type(text: str, zone: str = "UTC") -> pl.DataType | None:
    """Return the type that databases call by this name; None for a name that is not known."""
    name = " ".join(text.upper().split())
    if name in _NAMES:
        return _NAMES[name]
    if _WITH_ZONE.fullmatch(name):
        return pl.Datetime("us", zone)
    if found := _DECIMAL.fullmatch(name):
        return pl.Decimal(int(found[1]), int(found[2] or 0)) if 1 <= int(found[1]) <= 38 else None  # noqa: PLR2004  Polars' limit
    if found := _LIST.fullmatch(name):
        inner = physical_type(found[1] or found[2], zone)
        return pl.List(inner) if inner is not None else None
    if (found := _SIZED.fullmatch(name)) and found[1] in _NAMES:
        return _NAMES[found[1]]
    return None


def _physical(dtype: pl.DataType, dialect: Dialect) -> str:
    if isinstance(dtype, pl.Decimal):
        name = {"duckdb": "DECIMAL", "postgres": "numeric", "trino": "decimal"}[dialect]
        return f"{name}({dtype.precision},{dtype.scale})"
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return _ZONED[dialect]
    if isinstance(dtype, pl.List | pl.Array):
        inner = dtype.inner if isinstance(dtype.inner, pl.DataType) else dtype.inner()
        kind = _physical(inner, dialect)
        return f"array({kind})" if dialect == "trino" else f"{kind}[]"
    if isinstance(dtype, pl.Struct):
        return "STRUCT" if dialect == "duckdb" else "row"
    known = _DUCKDB.get(dtype, "VARCHAR")
    return known if dialect == "duckdb" else _ELSEWHERE[dialect].get(known, known.lower())


def _logical(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    kinds: tuple[tuple[type[pl.DataType], str], ...] = (
        (pl.Boolean, "boolean"),
        (pl.Date, "date"),
        (pl.Datetime, "timestamp"),
        (pl.Time, "time"),
        (pl.List, "array"),
        (pl.Array, "array"),
        (pl.Struct, "object"),
    )
    return next((name for kind, name in kinds if isinstance(dtype, kind)), "string")


_WHOLE = (pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128())
_UNSIGNED = (pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64())


def is_wider(old: pl.DataType, new: pl.DataType) -> bool:
    """Whether the new type is of the same kind, and holds all values of the old type and more."""
    for family in (_WHOLE, _UNSIGNED, (pl.Float32(), pl.Float64())):
        if old in family and new in family:
            return family.index(new) > family.index(old)
    if isinstance(old, pl.Decimal) and isinstance(new, pl.Decimal):
        digits = new.precision - new.scale >= old.precision - old.scale
        return digits and new.scale >= old.scale and (new.precision, new.scale) != (old.precision, old.scale)
    return False
