"""Writes good rows to one Parquet file and rejected rows with their reasons to another, and proves that none is lost.

Belongs here: splitting by row rules. Not here: deciding whether a pipeline quarantines, publishing the files.

One streaming pass reads the rows once and writes both files. Rules about single rows decide; rules about the table as
a whole (row_count, mean_between, ...) never reject a row. Before the first row can be judged, `unique` has to know
which keys occur twice, and `foreign_key` which keys exist. A query collects these keys first.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from etl.errors import QualityError
from etl.quality.data import Readable, open_data
from etl.quality.expressions import Scope, Unjudgeable, compile_rules
from etl.quality.failures import describe_failure
from etl.quality.files import parquet_file, read_schema
from etl.quality.rules import AnyRule, check_names, parse_rules

RULES = "_rules"
_READ = "read"
_BAD = "__etl_bad"
# Rows per row group: enough to compress well, and few enough to be held in memory.
_ROW_GROUP = 122_880


@dataclass(frozen=True, slots=True)
class Split:
    """How many rows went where."""

    read: int
    good: int
    rejected: int
    per_rule: dict[str, int]
    """Rejected rows per check name; a row that broke two rules counts for both."""


def split(
    data: Readable,
    rules: Sequence[AnyRule | Mapping[str, Any]],
    good: Path,
    rejected: Path,
    *,
    extra: Mapping[str, str] | None = None,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Split:
    """Write the rows that break no row rule to `good` and the others to `rejected`.

    Rejected rows keep their values, and carry `_rules` (names of the rules they broke) and one column per item of
    `extra`. `metadata` goes into the footer of both files. Raises if a rule cannot be judged: then no row is
    known to be good.
    """
    parsed = parse_rules(rules)
    lazy = open_data(data).lazy()
    schema = read_schema(lazy)
    row_rules = [(rule, name) for rule, name in zip(parsed, check_names(parsed), strict=True) if rule.level == "row"]
    added = dict(extra or {})
    _refuse_clash(schema, [RULES, *added])
    _refuse_types(schema)
    try:
        plan = compile_rules([rule for rule, _ in row_rules], Scope(schema, now or datetime.now(UTC), tables or {}))
    except Unjudgeable as unjudgeable:
        raise QualityError(f"the rows cannot be split: {unjudgeable.problem}", unjudgeable.hint) from unjudgeable
    broken = {
        name: compiled.verdict.not_().fill_null(value=False)
        for (_, name), compiled in zip(row_rules, plan.rules, strict=True)
        if compiled.verdict is not None
    }
    file = parquet_file(data)
    footer = (_footer_of(file) if file is not None else {}) | dict(metadata or {})
    try:
        counts = _write(plan.prepare(lazy), (schema, _types_of(file)), broken, (good, rejected), added, footer)
    except (pl.exceptions.PolarsError, pa.ArrowException) as failed:
        raise QualityError(
            f"the rows cannot be split: {describe_failure(failed, schema)}",
            "a condition that CASTs may have met a value that cannot be read",
        ) from None
    result = Split(
        read=counts[_READ],
        good=_rows_written(good),
        rejected=_rows_written(rejected),
        per_rule={name: counts[f"{index}"] for index, name in enumerate(broken)},
    )
    if result.read != result.good + result.rejected:
        raise QualityError(
            f"{result.read} rows were read, but {result.good} good and {result.rejected} rejected rows were written",
            "neither file may be used; report this as a fault of the program",
        )
    return result


def _write(
    lazy: pl.LazyFrame,
    columns: tuple[pl.Schema, Mapping[str, pa.DataType]],
    broken: Mapping[str, pl.Expr],
    paths: tuple[Path, Path],
    added: Mapping[str, str],
    footer: dict[str, str],
) -> Counter[str]:
    """Write both files and count, in one pass over the rows and with one row group of each in memory."""
    schema, types = columns
    marks = {f"__etl_broken_{index}": expr for index, expr in enumerate(broken.values())}
    reasons = [pl.when(pl.col(mark)).then(pl.lit(name)) for mark, name in zip(marks, broken, strict=True)]
    nothing = pl.lit([], dtype=pl.List(pl.String))
    named = pl.concat_list(reasons).list.drop_nulls() if reasons else nothing
    constants = [pl.lit(value, dtype=pl.String).alias(key) for key, value in added.items()]
    is_bad = pl.any_horizontal(pl.col([*marks])) if marks else pl.lit(value=False)
    marked = lazy.select(*schema, *(expr.alias(mark) for mark, expr in marks.items()))
    judged = marked.with_columns(is_bad.alias(_BAD))
    counts: Counter[str] = Counter()
    empty = pl.DataFrame(schema=schema)
    none_rejected = empty.with_columns(nothing.alias(RULES), *constants)
    with (
        _Writer(paths[0], empty, types, footer) as good,
        _Writer(paths[1], none_rejected, types, footer) as rejected,
    ):
        for batch in judged.collect_batches(maintain_order=True, engine="streaming"):
            counts[_READ] += batch.height
            for index, mark in enumerate(marks):
                counts[f"{index}"] += int(batch[mark].sum())
            good.add(batch.filter(~pl.col(_BAD)).select(*schema))
            rejected.add(batch.filter(pl.col(_BAD)).select(*schema, named.alias(RULES), *constants))
    return counts


class _Writer:
    """A Parquet file that is written one row group at a time, its columns in the Arrow types that `types` names."""

    def __init__(
        self, path: Path, empty: pl.DataFrame, types: Mapping[str, pa.DataType], footer: Mapping[str, str]
    ) -> None:
        self._path, self._footer = path, dict(footer)
        self._waiting: list[pl.DataFrame] = [empty]
        self._rows = 0
        fields = [field.with_type(types.get(field.name, field.type)) for field in _arrow(empty).schema]
        self._schema = pa.schema(fields)
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            # Closing writes a footer, and half a file with a footer looks like a whole file.
            self._file.close()
            self._path.unlink(missing_ok=True)
            return
        self._flush()
        self._file.add_key_value_metadata(self._footer)
        self._file.close()

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows; they are written as soon as there are enough for a row group."""
        if rows.height:
            self._waiting.append(rows)
            self._rows += rows.height
            if self._rows >= _ROW_GROUP:
                self._flush()

    def _flush(self) -> None:
        if self._rows:
            table = _arrow(pl.concat(self._waiting))
            columns = [
                column if column.type == kind else column.cast(kind)
                for column, kind in zip(table.columns, self._schema.types, strict=True)
            ]
            self._file.write_table(pa.table(columns, schema=self._schema), row_group_size=self._rows)
        self._waiting, self._rows = [], 0


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def _types_of(file: Path | None) -> Mapping[str, pa.DataType]:
    """Return the Arrow types of a file's plain columns. Polars has fewer types and writes every time in nanoseconds.

    Text, binary and nested columns differ only in the width of their offsets, and Polars writes the safe width.
    """
    if file is None:
        return {}
    return {field.name: field.type for field in pq.read_schema(file) if pa.types.is_primitive(field.type)}


def _rows_written(path: Path) -> int:
    """Count the rows of a written file by reading the file back."""
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _footer_of(path: Path) -> dict[str, str]:
    """Return the metadata in the file's footer without Arrow's own entry, which describes only that file."""
    return {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}


def _refuse_types(schema: pl.Schema) -> None:
    odd = [f"the column `{name}` is {dtype}" for name, dtype in schema.items() if not _is_writable(name, dtype)]
    if odd:
        raise QualityError(
            f"the rows cannot be written as Parquet: {', '.join(odd)}",
            "cast it in the query or the transform, e.g. whole numbers of 128 bits to Decimal(38, 0) or String",
        )


def _is_writable(name: str, dtype: pl.DataType) -> bool:
    """Try to write such a column without rows. Of an object, Polars would silently write only the address."""
    try:
        pq.write_table(_arrow(pl.DataFrame(schema={name: dtype})), pa.BufferOutputStream())
    except (pa.ArrowException, pl.exceptions.PolarsError):
        return False
    return not isinstance(dtype, pl.Object)


def _refuse_clash(schema: pl.Schema, names: Sequence[str]) -> None:
    clash = [name for name in names if name in schema]
    if clash:
        raise QualityError(
            f"the rows already have columns called {', '.join(clash)}, which are added to rejected rows",
            "rename them in the query or the transform",
        )
