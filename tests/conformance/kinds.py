"""Which rule can be judged on which column, by the families of types that DuckDB sees."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

NUMBERS = frozenset({"integer", "float", "decimal"})
MOMENTS = frozenset({"date", "timestamp", "timestamp_ns", "timestamptz"})
TEXT_RULES = frozenset({"regex", "length", "email", "url", "uuid", "ip_address"})
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_FAMILIES = {
    "integer": {"integer", "int", "number", "numeric"},
    "float": {"float", "number"},
    "decimal": {"decimal", "number"},
    "text": {"string", "str", "text", "varchar", "String"},
    "boolean": {"boolean", "bool", "Boolean"},
    "date": {"date", "Date"},
    "timestamp": {"datetime", "timestamp"},
    "timestamp_ns": {"datetime", "timestamp"},
    "timestamptz": {"datetime", "timestamp"},
    "time": {"time", "Time"},
    "interval": {"duration"},
}
_EXACT = {
    "TINYINT": "Int8", "SMALLINT": "Int16", "INTEGER": "Int32", "BIGINT": "Int64", "UTINYINT": "UInt8", "USMALLINT": "UInt16",
    "UINTEGER": "UInt32", "UBIGINT": "UInt64", "FLOAT": "Float32", "DOUBLE": "Float64",
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The columns of the table, as DuckDB sees them."""

    described: Mapping[str, str]
    types: Mapping[str, pl.DataType]
    others: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls, connection: duckdb.DuckDBPyConnection, types: Mapping[str, pl.DataType], tables: Mapping[str, pl.DataFrame]
    ) -> "Columns":
        described = {
            table: {row[0]: row[1] for row in connection.execute(f'DESCRIBE "{table}"').fetchall()}
            for table in ("t", *tables)
        }
        mine = described.pop("t")
        mine.pop("__n")
        return cls(mine, types, described)

    def kind(self, column: str) -> str:
        return kind_of(self.described[column])

    def zone(self, column: str) -> str:
        return str(self.types[column].time_zone)  # type: ignore[attr-defined]

    def scale(self, column: str) -> int:
        found = re.match(r"DECIMAL\(\d+,(\d+)\)", self.described[column])
        return int(found.group(1)) if found else 0

    def names_of(self, column: str) -> set[str]:
        """Names under which `dtype` knows the column's type."""
        text = self.described[column]
        names = set(_FAMILIES.get(self.kind(column), {"list"} if text.endswith("]") else set()))
        if isinstance(self.types[column], pl.Categorical | pl.Enum):
            names = {"categorical", "category", "enum"}
        if text.startswith("U"):
            names |= {"unsigned", "uint"}
        if text.startswith("STRUCT"):
            names = {"struct"}
        if text.startswith("DECIMAL"):
            names |= {f"Decimal({text[8:-1].replace(',', ', ')})"}
        return names | ({_EXACT[text]} if text in _EXACT else set())


def kind_of(described: str) -> str:
    if described.endswith("]") or described.startswith("STRUCT"):
        return "nested"
    if described.removeprefix("U") in _INTEGERS:
        return "integer"
    if described.startswith("DECIMAL"):
        return "decimal"
    if described in ("FLOAT", "DOUBLE"):
        return "float"
    return {
        "VARCHAR": "text",
        "BOOLEAN": "boolean",
        "DATE": "date",
        "TIMESTAMP_NS": "timestamp_ns",
        "TIMESTAMP WITH TIME ZONE": "timestamptz",
        "TIME": "time",
        "TIME_NS": "time",
        "INTERVAL": "interval",
        "BLOB": "binary",
    }.get(described, "timestamp" if described.startswith("TIMESTAMP") else described)


def judgeable(rule: Any, columns: Columns) -> bool:
    """Whether the rule has an answer at all; where it has none, every engine has to say error."""
    if any(column not in columns.described for column in rule.columns_needed):
        return False
    kinds = [columns.kind(column) for column in rule.judged_columns if column in columns.described]
    kind = kinds[0] if kinds else ""
    match rule.type:
        case "regex" | "length" | "email" | "url" | "uuid" | "ip_address":
            return kind == "text"
        case "positive" | "non_negative":
            return kind in NUMBERS or kind == "interval"
        case "mean_between" | "sum_between":
            return kind in NUMBERS
        case "in_range":
            return kind not in ("text", "boolean") and all(
                fits(kind, each) for each in (rule.min, rule.max) if each is not None
            )
        case "in_set" | "not_in_set":
            return all(fits(kind, each) for each in rule.values)
        case "not_future" | "not_past" | "recency":
            return kind in MOMENTS
        case "monotonic":
            return kind in NUMBERS | MOMENTS | {"time", "interval"}
        case "unique":
            return "nested" not in kinds
        case "compare_columns":
            return comparable(kinds[0], kinds[1], rule.operator)
        case "foreign_key":
            return _referable(rule, columns, kinds)
    return True


def fits(kind: str, value: Any) -> bool:
    """Whether a literal can stand beside a column."""
    match kind:
        case "text":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "float" | "decimal":
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case "date":
            return isinstance(value, date) and not isinstance(value, datetime)
        case "timestamp" | "timestamp_ns":
            return isinstance(value, date) and getattr(value, "tzinfo", None) is None
        case "timestamptz":
            return isinstance(value, date)
        case "time":
            return isinstance(value, time)
        case "interval":
            return isinstance(value, timedelta)
    return False


def comparable(left: str, right: str, operator: str) -> bool:
    if {left, right} == {"float", "decimal"}:
        return False
    if left in NUMBERS and right in NUMBERS:
        return True
    if "timestamptz" in (left, right):
        return left == right
    if left in MOMENTS and right in MOMENTS:
        return True
    if left == right == "boolean":
        return operator in ("==", "!=")
    return left == right and left in ("text", "time", "interval")


def _referable(rule: Any, columns: Columns, kinds: list[str]) -> bool:
    there = columns.others.get(rule.to, {})
    if any(column not in there for column in rule.referenced_columns):
        return False
    other = [kind_of(there[column]) for column in rule.referenced_columns]
    return all(ours == theirs and ours in ("integer", "text") for ours, theirs in zip(kinds, other, strict=True))
