"""Tells whether a published object can be a file of an Iceberg table as it is, without being written anew.

Belongs here: the comparison of a Parquet file's columns with the table's, the partition of such a file. Not here: the
upload (`iceberg_file`), the commit (`iceberg_commit`).

An object has no numbers of columns inside, as files of Iceberg have, and lacks the columns by which the table is cut.
Readers take the numbers from the table's name mapping, and the value of a cut from the file's entry in the manifest.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions.literals import literal
from pyiceberg.schema import Schema
from pyiceberg.table import Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
    TimeType,
)

from etl.warehouse.iceberg_types import duckdb_name

NAME_MAPPING = "schema.name-mapping.default"
_ARROW: dict[type[IcebergType], tuple[pa.DataType, ...]] = {
    BooleanType: (pa.bool_(),),
    IntegerType: (pa.int32(),),
    LongType: (pa.int64(),),
    FloatType: (pa.float32(),),
    DoubleType: (pa.float64(),),
    StringType: (pa.string(), pa.large_string()),
    BinaryType: (pa.binary(), pa.large_binary()),
    DateType: (pa.date32(),),
    TimeType: (pa.time64("us"),),
    TimestampType: (pa.timestamp("us"),),
    TimestamptzType: (pa.timestamp("us", "UTC"),),
}
"""The types of a file that say exactly what the table's type says."""
_DECIMALS = (
    (9, ("INT32", "FIXED_LEN_BYTE_ARRAY")),
    (18, ("INT64", "FIXED_LEN_BYTE_ARRAY")),
    (38, ("FIXED_LEN_BYTE_ARRAY",)),
)
"""How a decimal of so many digits is stored, as PyIceberg expects it where it reads the statistics."""


def map_names(transaction: Transaction, path: Path, constants: Mapping[str, str]) -> bool:
    """Whether the object can be a file of the table, which then knows the numbers of its columns by their names."""
    metadata = transaction.table_metadata
    with pq.ParquetFile(path) as file:
        if not _is_cut_by(metadata, constants) or not _has_same_columns(metadata.schema(), file):
            return False
    mapping = metadata.name_mapping()
    if mapping is None:
        transaction.set_properties({NAME_MAPPING: metadata.schema().name_mapping.model_dump_json()})
        return True
    known = {name: each.field_id for each in mapping.root for name in each.names}
    return all(known.get(each.name) == each.field_id for each in metadata.schema().fields)


def partition_of(metadata: TableMetadata, constants: Mapping[str, str]) -> Record:
    """Return the values by which the table is cut, as a manifest has them."""
    schema = metadata.schema()
    sources = [schema.find_field(each.source_id) for each in metadata.spec().fields]
    return Record(*[_value(each, constants[each.name]) for each in sources])


def _value(field: NestedField, sql: str) -> object:
    if not isinstance(field.field_type, PrimitiveType):
        raise TypeError(f"{field.name} is {field.field_type}")
    return literal(_python(sql, duckdb_name(field.field_type))).to(field.field_type).value


@cache
def _python(sql: str, kind: str) -> Any:  # noqa: ANN401  a value of an expression
    with duckdb.connect(config={"threads": 1}) as engine:
        found = engine.execute(f"SELECT CAST({sql} AS {kind})").fetchone()
    return found[0] if found else None


def _is_cut_by(metadata: TableMetadata, constants: Mapping[str, str]) -> bool:
    """Whether the table is cut by just those columns that the file lacks."""
    fields = metadata.spec().fields
    names = [metadata.schema().find_field(each.source_id).name for each in fields]
    return sorted(names) == sorted(constants) and all(isinstance(each.transform, IdentityTransform) for each in fields)


def _has_same_columns(schema: Schema, file: pq.ParquetFile) -> bool:
    """Whether each column of the file is a plain column of the table, with exactly its type."""
    kinds = {each.name: each.field_type for each in schema.fields}
    return all(
        each.name in kinds and _is_same(kinds[each.name], each.type, file.schema.column(at).physical_type)
        for at, each in enumerate(file.schema_arrow)
    )


def _is_same(kind: IcebergType, arrow: pa.DataType, physical: str) -> bool:
    if isinstance(kind, DecimalType):
        is_exact = pa.types.is_decimal128(arrow) and (arrow.precision, arrow.scale) == (kind.precision, kind.scale)
        return is_exact and physical in next(known for digits, known in _DECIMALS if kind.precision <= digits)
    return arrow in _ARROW.get(type(kind), ())
