"""Decides which Iceberg type each of DuckDB's types becomes, and what Trino and DuckDB call an Iceberg type.

Belongs here: the rules about types; a type without an exact counterpart is refused by name. Not here: writing a file
(`iceberg_file`), a person's change of a column (`schema_change`).

Iceberg has no integers of 8 and 16 bits and no unsigned ones: they become the next larger type, which keeps every
value.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from etl.errors import WarehouseError
from etl.sql import literal
from etl.warehouse.identifier import quoted

_PLAIN: dict[str, IcebergType] = {
    "boolean": BooleanType(),
    "tinyint": IntegerType(),
    "smallint": IntegerType(),
    "integer": IntegerType(),
    "utinyint": IntegerType(),
    "usmallint": IntegerType(),
    "bigint": LongType(),
    "uinteger": LongType(),
    "ubigint": DecimalType(20, 0),
    "float": FloatType(),
    "double": DoubleType(),
    "varchar": StringType(),
    "enum": StringType(),
    "blob": BinaryType(),
    "uuid": UUIDType(),
    "date": DateType(),
    "time": TimeType(),
    "timestamp": TimestampType(),
    "timestamp_s": TimestampType(),
    "timestamp_ms": TimestampType(),
    "timestamp with time zone": TimestamptzType(),
}
_NAMES: dict[type, tuple[str, str]] = {
    BooleanType: ("boolean", "BOOLEAN"),
    IntegerType: ("integer", "INTEGER"),
    LongType: ("bigint", "BIGINT"),
    FloatType: ("real", "FLOAT"),
    DoubleType: ("double", "DOUBLE"),
    StringType: ("varchar", "VARCHAR"),
    BinaryType: ("varbinary", "BLOB"),
    UUIDType: ("uuid", "UUID"),
    DateType: ("date", "DATE"),
    TimeType: ("time(6)", "TIME"),
    TimestampType: ("timestamp(6)", "TIMESTAMP"),
    TimestamptzType: ("timestamp(6) with time zone", "TIMESTAMP WITH TIME ZONE"),
}
"""What Trino and DuckDB call a type without parts."""


_NOT_NESTED = re.compile(r"\b(BLOB|UUID|TIME)\b")
"""Types that Trino cannot compare inside a list, map or struct; a timestamp with a zone has `TIME` in its name."""


def iceberg_type(kind: Any, column: str, target: str) -> IcebergType:  # noqa: ANN401  a type of DuckDB's library
    """Return the Iceberg type for a type of DuckDB (`DuckDBPyType`). Its inner fields have no numbers yet."""
    return _made(kind, _Numbers(), lambda: _refusal(kind, column, target))


def trino_name(kind: IcebergType) -> str:
    """Return what Trino calls the type."""
    match kind:
        case DecimalType():
            return f"decimal({kind.precision},{kind.scale})"
        case ListType():
            return f"array({trino_name(kind.element_type)})"
        case MapType():
            return f"map({trino_name(kind.key_type)}, {trino_name(kind.value_type)})"
        case StructType():
            return f"row({', '.join(f'{quoted(each.name)} {trino_name(each.field_type)}' for each in kind.fields)})"
        case FixedType():
            return "varbinary"
        case _:
            return _NAMES[type(kind)][0] if type(kind) in _NAMES else str(kind)


def duckdb_name(kind: IcebergType) -> str:
    """Return what DuckDB calls the type."""
    match kind:
        case DecimalType():
            return f"DECIMAL({kind.precision},{kind.scale})"
        case ListType():
            return f"{duckdb_name(kind.element_type)}[]"
        case MapType():
            return f"MAP({duckdb_name(kind.key_type)}, {duckdb_name(kind.value_type)})"
        case StructType():
            fields = ", ".join(f"{quoted(each.name)} {duckdb_name(each.field_type)}" for each in kind.fields)
            return f"STRUCT({fields})"
        case _:
            return _NAMES[type(kind)][1] if type(kind) in _NAMES else "BLOB"


def trino_of_duckdb(kind: str) -> str:
    """Return what Trino calls the column that a load makes from a type of DuckDB; the type itself if it is refused."""
    try:
        return trino_name(iceberg_type(duckdb.type(kind), "", ""))
    except WarehouseError:
        return kind


def field_ids(schema: Schema, names: set[str]) -> str:
    """Return the numbers of these columns and of their inner fields, for the option FIELD_IDS of DuckDB's COPY."""
    return _ids([each for each in schema.fields if each.name in names])


def _ids(fields: list[NestedField]) -> str:
    return "{" + ", ".join(f"{literal('duckdb', f.name)}: {_id(f.field_id, f.field_type)}" for f in fields) + "}"


def _id(number: int, kind: IcebergType) -> str:
    match kind:
        case ListType():
            inner = [NestedField(kind.element_id, "element", kind.element_type)]
        case MapType():
            inner = [NestedField(kind.key_id, "key", kind.key_type, required=True)]
            inner.append(NestedField(kind.value_id, "value", kind.value_type))
        case StructType():
            inner = list(kind.fields)
        case _:
            return str(number)
    return f"{{__duckdb_field_id: {number}, {_ids(inner)[1:]}"


class _Numbers(Iterator[int]):
    """Numbers for inner fields; the table gives them others when the column is added."""

    def __init__(self) -> None:
        self._last = 1000

    def __next__(self) -> int:
        self._last += 1
        return self._last


def _made(kind: Any, numbers: _Numbers, refusal: Callable[[], WarehouseError]) -> IcebergType:  # noqa: ANN401
    name = kind.id
    if name in _PLAIN:
        return _PLAIN[name]
    if name not in ("decimal", "list", "array", "map", "struct"):
        raise refusal()
    if name != "decimal" and _NOT_NESTED.search(str(kind)):
        raise refusal()
    parts = kind.children
    if name == "decimal":
        return DecimalType(parts[0][1], parts[1][1])
    if name in ("list", "array"):
        return ListType(next(numbers), _made(parts[0][1], numbers, refusal), element_required=False)
    if name == "map":
        key, value = (_made(each, numbers, refusal) for _, each in parts)
        return MapType(next(numbers), key, next(numbers), value, value_required=False)
    fields = [NestedField(next(numbers), each, _made(of, numbers, refusal), required=False) for each, of in parts]
    return StructType(*fields)


def _refusal(kind: object, column: str, target: str) -> WarehouseError:
    return WarehouseError(
        f"column `{column}` of {target} is {kind}, which Iceberg has no exact type for",
        "cast it in the transform (to text, a decimal, microseconds or single columns)",
    )
