"""Checks a Parquet file before a load: it is the requested object, and the load will not change any of its values.

Belongs here: checks of the file before a transaction begins. Not here: the warehouse's own columns (`schema_change`).
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.errors import WarehouseError
from etl.lake.footer import KEY, read_footer
from etl.sql import file_literal
from etl.warehouse.contract import TECHNICAL_COLUMNS, LoadRequest

_FILE_ROW = "file_row_number"
_NANOSECONDS = "its nanoseconds would be cut off"


@dataclass(frozen=True)
class Loadable:
    """A file that has passed the checks."""

    path: Path
    untyped: frozenset[str]
    """The columns that hold only nulls and were written without a type."""
    columns: tuple[str, ...]
    """The names of all columns."""

    def select(self, number: str = "") -> str:
        """Return the SELECT for the rows in DuckDB's SQL. `number` names a column for the row's position, if given."""
        rows = f"read_parquet({file_literal(self.path)}, hive_partitioning = false"
        if not number:
            return f"SELECT * FROM {rows})"
        if _FILE_ROW in (each.casefold() for each in self.columns):  # DuckDB refuses its option beside such a column
            return f"SELECT *, row_number() OVER () - 1 AS {number} FROM {rows})"
        return f"SELECT * EXCLUDE ({_FILE_ROW}), {_FILE_ROW} AS {number} FROM {rows}, {_FILE_ROW} = true)"


def read_loadable(request: LoadRequest, path: Path) -> Loadable:
    """Compare the file with the request, and refuse columns whose values a warehouse would change."""
    name = f"the object of {request.target}"
    if not path.is_file():
        raise WarehouseError(f"{name} does not exist: {path}", "materialize the stage before the load")
    footer = read_footer(path, name)
    if footer.rows != request.rows:
        raise WarehouseError(f"{name} holds {footer.rows} rows, {request.rows} were expected", "run the load again")
    if KEY.encode() in footer.key_values:
        found = footer.stamp(name).version
        if found != request.version:
            raise WarehouseError(
                f"{name} was replaced while the load began: version {found[:12]}, expected {request.version[:12]}",
                "run the load again",
            )
    _check_names(request, footer.schema.names)
    for field in footer.schema:
        reason = _changes_silently(field.type)
        if reason == _NANOSECONDS and not pa.types.is_nested(field.type) and not _has_nanoseconds(path, field.name):
            continue
        if reason:
            raise WarehouseError(
                f"column `{field.name}` of {request.target} is {field.type}: {reason}", "cast it in the transform"
            )
    untyped = frozenset(field.name for field in footer.schema if pa.types.is_null(field.type))
    return Loadable(path, untyped, tuple(footer.schema.names))


def typed_columns(path: Path) -> dict[str, str]:
    """Return the columns of an object with DuckDB's types, except columns that were written without a type."""
    footer = read_footer(path, str(path))
    untyped = {field.name for field in footer.schema if pa.types.is_null(field.type)}
    described = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet({file_literal(path)}, hive_partitioning = false)")
    return {name: kind for name, kind, *_ in described.fetchall() if name not in untyped}


def _check_names(request: LoadRequest, names: list[str]) -> None:
    """Refuse column names that DuckDB would change, and those of the technical columns."""
    seen: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if folded in seen:
            raise WarehouseError(
                f"{request.target}: the columns `{seen[folded]}` and `{name}` differ by case only",
                "rename one of them in the transform",
            )
        seen[folded] = name
        if not name or "\0" in name:
            raise WarehouseError(f"{request.target}: a column has no usable name", "name it in the transform")
        if folded in TECHNICAL_COLUMNS:
            raise WarehouseError(
                f"{request.target}: the column name `{name}` belongs to the loader", "rename it in the transform"
            )


def _changes_silently(kind: pa.DataType) -> str:
    """Return why a warehouse would change values of this type without an error; empty if it would not."""
    for child in range(kind.num_fields):
        reason = _changes_silently(kind.field(child).type)
        if reason:
            return reason
    if pa.types.is_decimal256(kind):
        return "more than 38 digits would become a floating point number"
    if pa.types.is_duration(kind):
        return "a duration would become a bare number"
    if pa.types.is_timestamp(kind) and kind.unit == "ns" and kind.tz:
        return _NANOSECONDS
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return _NANOSECONDS
    return ""


def _has_nanoseconds(path: Path, column: str) -> bool:
    """Whether a value has nanoseconds. Polars writes every time of day in nanoseconds, even if they are all zero."""
    for batch in pq.ParquetFile(path).iter_batches(columns=[column]):
        values = batch.column(0).view(pa.int64())
        whole = pc.multiply(pc.divide(values, 1000), 1000)
        if pc.any(pc.not_equal(values, whole)).as_py():
            return True
    return False
