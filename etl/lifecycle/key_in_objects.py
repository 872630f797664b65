"""Finds one person's rows in the file of an object, by the types of the key's columns.

Belongs here: the comparison of a column of Arrow with a key's value. Not here: what a type makes of the value
(`etl.warehouse.key_value`), rewriting objects (`subject_objects`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from etl.warehouse.key_value import Family, NotComparableError, read_as
from etl.warehouse.subject_rows import Spellings

_NEVER = None


class PersonRows(NamedTuple):
    """How many rows of an object are the person's; None if it lacks a key column, or `why` it is unknown."""

    rows: int | None
    why: str = ""
    otherwise: int = 0
    """Rows with the value in another spelling, which are not the person's by the column's type."""
    is_text: bool = False
    """Whether a key column is a text."""
    columns: tuple[str, ...] = ()
    """The names of all columns of the object."""


class ObjectKey:
    """The key's columns of one object, and the values as their types read them. Raises NotComparableError."""

    def __init__(self, schema: pa.Schema, names: Sequence[str], key: Mapping[str, str]) -> None:
        """Read the key's values, each one once for its column's type."""
        self.names = list(names)
        self.values: list[pa.Scalar | None] = []
        problem: NotComparableError | None = None
        for name, value in zip(names, key.values(), strict=True):
            try:
                self.values.append(_scalar(value, plain_type(schema.field(name).type), name))
            except NotComparableError as error:
                problem = error
        if problem is not None and _NEVER not in self.values:
            raise problem

    def is_person(self, batch: pa.RecordBatch) -> pa.Array:
        """Return for each row whether all key columns have the person's values. An empty value never has."""
        if _NEVER in self.values:
            return pa.array([False] * batch.num_rows, pa.bool_())
        mask = pa.array([True] * batch.num_rows, pa.bool_())
        for name, value in zip(self.names, self.values, strict=True):
            mask = pc.and_(mask, pc.fill_null(pc.equal(_plain(batch.column(name)), value), fill_value=False))
        return mask


def own_names(schema: pa.Schema, key: Mapping[str, str]) -> list[str] | None:
    """Return the schema's own spelling of the key columns; None if it lacks one."""
    found = {name.lower(): name for name in schema.names}
    try:
        return [found[name.lower()] for name in key]
    except KeyError:
        return None


def count_in(path: Path, key: Mapping[str, str], spellings: Spellings | None = None) -> PersonRows:
    """Count the person's rows in an object's file; with `spellings`, also those that only their texts show."""
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    names = own_names(schema, key)
    if names is None:
        return PersonRows(None, columns=tuple(schema.names))
    try:
        wanted = ObjectKey(schema, names, key)
    except NotComparableError as error:
        return PersonRows(None, error.problem, columns=tuple(schema.names))
    families = {_family(plain_type(schema.field(name).type)) for name in names} - {None}
    rows, otherwise = 0, 0
    for batch in file.iter_batches(columns=names):
        mask = wanted.is_person(batch)
        rows += int(pc.sum(mask).as_py() or 0)
        if spellings is not None:
            _learn(batch.filter(mask), names, spellings)
            written = pc.and_(_written(batch, names, spellings), pc.invert(mask))
            otherwise += int(pc.sum(written).as_py() or 0)
    if spellings is not None:
        known = {each for each in families if each is not None}
        spellings.compared |= known
        if rows:
            spellings.learn_families(known)
    return PersonRows(rows, otherwise=otherwise, is_text=Family.TEXT in families, columns=tuple(schema.names))


def _learn(found: pa.RecordBatch, names: Sequence[str], spellings: Spellings) -> None:
    for name in names if found.num_rows else ():
        texts = pc.unique(_texts(found.column(name))).to_pylist()
        spellings.texts[name.lower()] |= {each for each in texts if each is not None}


def _written(batch: pa.RecordBatch, names: Sequence[str], spellings: Spellings) -> pa.Array:
    mask = pa.array([True] * batch.num_rows, pa.bool_())
    for name in names:
        column = batch.column(name)
        said = pa.array(sorted(spellings.of(name, _family(plain_type(column.type)))), pa.large_string())
        mask = pc.and_(mask, pc.is_in(_texts(column), value_set=said))
    return mask


def _texts(column: pa.Array) -> pa.Array:
    """Return the column's values as texts, by a way that the comparison does not use."""
    plain = _plain(column)
    kind = plain.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if each is None else _decoded(each) for each in plain.to_pylist()], pa.large_string())
    try:
        return plain.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if each is None else str(each) for each in plain.to_pylist()], pa.large_string())


def _decoded(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values, without the way they are stored."""
    if isinstance(kind, pa.DictionaryType):
        return plain_type(kind.value_type)
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _scalar(value: str, kind: pa.DataType, name: str) -> pa.Scalar | None:
    """Return the value in this type; None if the type certainly cannot hold it."""
    if pa.types.is_null(kind):
        return None  # every value of such a column is empty
    family = _family(kind)
    if family is None:
        raise NotComparableError(f"`{name}` is of the type {kind}, which is not compared", "look there")
    found = read_as(value, family)
    if found is None:
        return None
    if family is Family.UUID:
        found = getattr(found, "bytes", b"")
    try:
        if family in (Family.TIMESTAMP, Family.MOMENT):  # a type with fewer digits would round it
            unit = pa.timestamp("us", kind.tz)
            return pa.scalar(found, unit).cast(kind)
        if family is Family.TIME:
            return pa.scalar(found, pa.time64("us")).cast(kind)
        return pa.scalar(found, kind)
    except (pa.ArrowInvalid, OverflowError):
        return None


def _family(kind: pa.DataType) -> Family | None:  # noqa: C901  a table of types
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return Family.TEXT
    if types.is_integer(kind):
        return Family.INTEGER
    if types.is_decimal(kind):
        return Family.DECIMAL
    if types.is_float32(kind):
        return Family.REAL
    if types.is_float64(kind):
        return Family.DOUBLE
    if types.is_boolean(kind):
        return Family.BOOLEAN
    if types.is_date(kind):
        return Family.DATE
    if types.is_timestamp(kind):
        return Family.TIMESTAMP if kind.tz is None else Family.MOMENT
    if types.is_time(kind):
        return Family.TIME
    if types.is_fixed_size_binary(kind):
        return Family.UUID if kind.byte_width == 16 else Family.BINARY  # noqa: PLR2004  the bytes of a UUID
    return Family.BINARY if types.is_binary(kind) or types.is_large_binary(kind) else None
