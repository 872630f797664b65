"""Makes a digest of rows that Trino and DuckDB compute alike, so that rows can be compared without moving them.

Belongs here: for each type an expression in Trino's SQL and one in DuckDB's, and the digest of whole rows. Not here:
which rows are compared (`trino_compare`), and the ledger's digests, which each database makes by itself (`digest`).

Each value becomes a text. The texts of a row are joined, and the last 64 bits of their MD5 are the row's number. A
digest is the number of rows and the sum of their numbers. So the order of the rows does not matter, a repeated row
counts each time, and the sum changes if two rows swap a value. If the digests are equal, the rows are equal: for rows
that differ, an equal sum is as improbable as one in 2^64.

The joined text of two rows is equal only if all their values are: each value ends with a semicolon, before a text
stands its number of bytes, and a null is only the semicolon. Equal values are what `etl.pipeline.digest` takes for
equal: 0.0 equals -0.0, and each NaN equals each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, SupportsInt

from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
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

_ARGUMENTS = 100
"""How many texts are joined at once; Trino limits the arguments of a function."""
_NUMBERS = 1 << 64
_EPOCH = "DATE '1970-01-01'"

_AS_TEXT = "CAST({0} AS varchar)"
_FLOAT = "CASE WHEN {nan}({{0}}) THEN 'nan' WHEN {{0}} = 0 THEN '0' ELSE CAST({bits} AS varchar) END"
_DAYS = f"date_diff('day', {_EPOCH}, CAST({{0}} AS date))"
_MOMENT = f"concat(CAST({_DAYS} AS varchar), ' ', substr(CAST({{0}} AS varchar), -15))"
_DUCKDB_MOMENT = (  # of an infinite date, the functions of DuckDB give a null
    f"CASE WHEN isinf({{0}}) THEN CAST({{0}} AS VARCHAR) ELSE concat({_DAYS}, strftime({{0}}, ' %H:%M:%S.%f')) END"
)
_TEXTS: dict[type[IcebergType], tuple[str, str]] = {
    BooleanType: (_AS_TEXT, _AS_TEXT),
    IntegerType: (_AS_TEXT, _AS_TEXT),
    LongType: (_AS_TEXT, _AS_TEXT),
    DecimalType: (_AS_TEXT, "regexp_replace(CAST({0} AS VARCHAR), '^(-?)[.]', '\\10.')"),  # DuckDB may write .5
    UUIDType: (_AS_TEXT, _AS_TEXT),
    FloatType: (
        _FLOAT.format(nan="is_nan", bits="from_big_endian_32(to_ieee754_32({0}))"),
        _FLOAT.format(nan="isnan", bits="CAST(CAST({0} AS BIT) AS INTEGER)"),
    ),
    DoubleType: (
        _FLOAT.format(nan="is_nan", bits="from_big_endian_64(to_ieee754_64({0}))"),
        _FLOAT.format(nan="isnan", bits="CAST(CAST({0} AS BIT) AS BIGINT)"),
    ),
    StringType: (
        "concat(CAST(length(to_utf8({0})) AS varchar), ':', {0})",
        "CAST(strlen(CAST({0} AS VARCHAR)) AS VARCHAR) || ':' || CAST({0} AS VARCHAR)",
    ),
    BinaryType: ("concat('x', to_hex({0}))", "'x' || hex({0})"),
    DateType: (
        f"CAST({_DAYS} AS varchar)",
        f"CASE WHEN isinf({{0}}) THEN 'inf' ELSE CAST({_DAYS} AS VARCHAR) END",
    ),
    TimeType: ("concat('0 ', CAST({0} AS varchar))", _DUCKDB_MOMENT.format(f"({_EPOCH} + CAST({{0}} AS TIME))")),
    TimestampType: (_MOMENT, _DUCKDB_MOMENT.format("CAST({0} AS TIMESTAMP)")),
    TimestamptzType: (
        _MOMENT.format("CAST({0} AT TIME ZONE 'UTC' AS timestamp(6))"),
        _DUCKDB_MOMENT.format("({0} AT TIME ZONE 'UTC')"),
    ),
}
"""The text of a value that is no null: in Trino's SQL, and in DuckDB's in a session whose time zone is UTC."""


@dataclass(frozen=True)
class PortableDigest:
    """The number of some rows, and the last 64 bits of the sum of their numbers."""

    rows: int
    total: int


class PortableColumn(NamedTuple):
    """A column and its type. Without a type, only nulls are equal to what stands on the other side."""

    name: str
    kind: IcebergType | None


def trino_digest(columns: Sequence[PortableColumn], relation: str) -> str:
    """Return the select list of Trino for a digest; `digest_of` reads its values. `relation` is the table's alias."""
    text = _joined([_trino(each.kind, f"{relation}.{quoted(each.name)}") for each in columns] or ["';'"])
    number = f"from_big_endian_64(reverse(substr(md5(to_utf8({text})), 9, 8)))"  # DuckDB's `md5_number_lower`
    return f"count(*), sum(CAST({number} AS decimal(20,0)))"


def duckdb_digest(columns: Sequence[PortableColumn | None]) -> str:
    """Return the select list of DuckDB for a digest; `digest_of` reads its values. None: a column that is not there."""
    texts = [_duckdb(each.kind, quoted(each.name)) if each and each.kind else "';'" for each in columns] or ["';'"]
    return f"count(*), sum(md5_number_lower(concat({', '.join(texts)})))"


def digest_of(rows: int, total: SupportsInt | None) -> PortableDigest:
    """Return the digest from the values of its select list; the sum of no rows is null."""
    return PortableDigest(rows, int(total or 0) % _NUMBERS)  # Trino's numbers have a sign, those of DuckDB have none


def _trino(kind: IcebergType | None, value: str, depth: int = 0) -> str:
    """Return the text of a value, with its end, in Trino's SQL."""
    if kind is None:
        return f"CASE WHEN {value} IS NULL THEN ';' ELSE '!;' END"
    return f"concat(coalesce({_in_trino(kind, value, depth)}, ''), ';')"


def _duckdb(kind: IcebergType, value: str, depth: int = 0) -> str:
    """Return the text of a value, with its end, in DuckDB's SQL."""
    return f"coalesce({_in_duckdb(kind, value, depth)}, '') || ';'"


def _in_trino(kind: IcebergType, value: str, depth: int) -> str:
    """Return the text of a value; null for a null. The entries of a map have no order and are sorted."""
    inner = f"v{depth}"
    match kind:
        case ListType():
            parts = f"transform({value}, {inner} -> {_trino(kind.element_type, inner, depth + 1)})"
        case MapType():
            pair = [_trino(kind.key_type, f"{inner}[1]", depth + 1), _trino(kind.value_type, f"{inner}[2]", depth + 1)]
            parts = f"array_sort(transform(map_entries({value}), {inner} -> concat({', '.join(pair)})))"
        case StructType():
            fields = [_trino(each.field_type, f"{value}.{quoted(each.name)}", depth) for each in kind.fields]
            opened = _joined(["'('", *fields])
            return f"CASE WHEN {value} IS NOT NULL THEN {opened} END"
        case _:
            return _plain(kind)[0].format(value)
    return f"concat(CAST(cardinality({value}) AS varchar), '[', array_join({parts}, ''))"


def _in_duckdb(kind: IcebergType, value: str, depth: int) -> str:
    """Return the text of a value; null for a null."""
    inner = f"v{depth}"
    match kind:
        case ListType():
            parts = f"list_transform({value}, lambda {inner}: {_duckdb(kind.element_type, inner, depth + 1)})"
        case MapType():
            pair = [
                _duckdb(part, f"struct_extract({inner}, '{name}')", depth + 1)
                for name, part in (("key", kind.key_type), ("value", kind.value_type))
            ]
            parts = f"list_sort(list_transform(map_entries({value}), lambda {inner}: {' || '.join(pair)}))"
        case StructType():
            names = [(each, f"struct_extract({value}, {literal('duckdb', each.name)})") for each in kind.fields]
            fields = ["'('", *(_duckdb(each.field_type, name, depth) for each, name in names)]
            return f"CASE WHEN {value} IS NOT NULL THEN concat({', '.join(fields)}) END"
        case _:
            return _plain(kind)[1].format(value)
    return f"CAST(len({parts}) AS VARCHAR) || '[' || array_to_string({parts}, '')"


def _plain(kind: IcebergType) -> tuple[str, str]:
    if type(kind) not in _TEXTS:
        raise WarehouseError(f"values of the type {kind} have no portable text", "compare the values themselves")
    return _TEXTS[type(kind)]


def _joined(parts: Sequence[str]) -> str:
    """Join some texts in Trino's SQL, which joins at least two."""
    while len(parts) > 1:
        parts = [", ".join(parts[at : at + _ARGUMENTS]) for at in range(0, len(parts), _ARGUMENTS)]
        parts = [f"concat({each}, '')" for each in parts]
    return parts[0]
