"""Compares rows of a warehouse's table with the rows of published objects, value by value.

Belongs here: a table that is only read, the rows that it should have, which of them differ. Not here: which rows a
table should have in each mode, its columns and its ledger (`verify_table`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import polars as pl

from etl.config.pipeline_config import TrinoOutput
from etl.lake.lake import Pinned, scan_pinned
from etl.partitions.keys import Kind, key_of_value
from etl.pipeline.digest import as_published, differences, digest
from etl.pipeline.remedies import Remedies
from etl.pipeline.verdict import Findings, TableVerdict
from etl.warehouse.contract import (
    PARTITION_COLUMN,
    ROW_NUMBER,
    CountedRows,
    ObjectRows,
    RowsOf,
    Warehouse,
    WarehouseTable,
)


class ComparedTable:
    """A table that is only read."""

    def __init__(self, warehouse: Warehouse, output: TrinoOutput, remedies: Remedies) -> None:
        self.warehouse = warehouse
        self.remedies = remedies
        self.output = output
        self.name = warehouse.relation(output.target_schema, output.target_table)

    @cached_property
    def found(self) -> WarehouseTable | None:
        """What stands under the table's name."""
        schema, table = self.output.target_schema, self.output.target_table
        there = {each.name: each for each in self.warehouse.describe([schema])}
        alike = {name.casefold(): each for name, each in there.items()}  # which DuckDB takes for the same name
        return there.get(table) or alike.get(table.casefold())

    def rows(self, partition: str | None = None, load: int | None = None) -> RowsOf:
        """Some rows of it."""
        return RowsOf(self.output.target_schema, self.output.target_table, partition, load)

    def counts(self, *columns: str) -> dict[tuple[object, ...], int]:
        """How many rows have each value of some technical columns."""
        wanted = CountedRows(self.output.target_schema, self.output.target_table, columns)
        return self.warehouse.counts([wanted])[0]

    def counts_by_key(self, column: str, kind: Kind = "static") -> dict[str | None, int]:
        """The same for one column; partitions are named by their keys of this kind."""
        found = self.counts(column)
        return {None if value is None else key_of_value(value, kind): rows for (value,), rows in found.items()}

    def count(self) -> int:
        """All rows."""
        return self.counts()[()]

    def digest(self, schema: pl.Schema, rows: RowsOf) -> Mapping[str, int]:
        """The digest of some columns of some rows, in the types of the object; some rows of them are held at a time."""
        total = Counter(digest(pl.LazyFrame(schema=schema)))
        for batch in self.warehouse.rows_of(rows, schema.names()):
            total.update(digest(as_published(batch, schema)))
        return total


class Expected(NamedTuple):
    """Rows of the table, how many there are, and the object from which they should come."""

    pinned: Pinned
    part: RowsOf
    there: int
    positions: pl.LazyFrame | None = None
    """The positions of the rows that should be in the table; None: all of the object."""

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows that should be in the table."""
        if self.positions is None:
            return scan_pinned([(self.pinned.ref, self.pinned.path)])
        return _numbered(self.pinned).join(self.positions, on=ROW_NUMBER, how="semi").drop(ROW_NUMBER)

    @property
    def wanted(self) -> int:
        """How many rows should be in the table."""
        if self.positions is None:
            return self.pinned.rows
        return int(self.positions.select(pl.len()).collect().item())


def compare_rows(verdict: TableVerdict, table: ComparedTable, expected: Sequence[Expected], max_rows: int) -> None:
    """Compare rows of the table with the expected rows. Only rows that a warehouse cannot compare itself are read."""
    complete = [each for each in expected if _is_complete(verdict, table, each, max_rows)]
    equal = table.warehouse.equal_rows({each.part: ObjectRows(each.pinned.path, each.positions) for each in complete})
    for each in complete:
        if each.part not in equal:
            _values(verdict.of(each.pinned.ref.partition), table, each)


def _is_complete(verdict: TableVerdict, table: ComparedTable, expected: Expected, max_rows: int) -> bool:
    """Whether the table has as many rows as it should, and not too many to compare their values."""
    partition, wanted = expected.pinned.ref.partition, expected.wanted
    found = verdict.of(partition)
    if expected.there != wanted:
        found.differ(f"{wanted} rows published, {expected.there} in {table.name}", table.remedies.load_again(partition))
        return False
    if wanted > max_rows:
        found.skip(
            f"the values of {wanted} rows were not compared: more than {max_rows} (`--max-rows`)",
            table.remedies.verify("--max-rows", str(wanted)),
        )
        return False
    return True


def _values(found: Findings, table: ComparedTable, expected: Expected) -> None:
    """Read the rows of the table and name the columns whose values differ."""
    ref, rows = expected.pinned.ref, expected.rows
    schema = pl.Schema({name: kind for name, kind in rows.collect_schema().items() if kind != pl.Null})
    between = f"the {ref.stage} object and {table.name}"
    for each in differences(digest(rows.select(schema.names())), table.digest(schema, expected.part), between):
        found.differ(each, table.remedies.load_again(ref.partition))


def winners_among(output: TrinoOutput, current: Mapping[str | None, Pinned], max_rows: int) -> pl.DataFrame | None:
    """Return, for each key, the place of its last row by order column, partition and position. None: too many rows.

    Only keys and the order column are read at once; values are read partition by partition.
    """
    if sum(each.rows for each in current.values()) > max_rows:
        return None
    by = [*filter(None, [output.order_column]), PARTITION_COLUMN, ROW_NUMBER]
    frames = [
        _numbered(each)
        .with_columns(pl.lit(partition, dtype=pl.String).alias(PARTITION_COLUMN))
        .select(list(dict.fromkeys([*output.key_columns, *by])))
        for partition, each in current.items()
    ]
    ordered = pl.concat(frames, how="vertical_relaxed").sort(by, descending=True, nulls_last=True)
    last = ordered.unique(list(output.key_columns), keep="first", maintain_order=True)
    return last.select(PARTITION_COLUMN, ROW_NUMBER).collect()


def positions_of(winners: pl.DataFrame | None, partition: str | None) -> pl.LazyFrame | None:
    """Return the positions of the rows of an object that are the last rows of their keys."""
    if winners is None:
        return None
    is_its_own = pl.col(PARTITION_COLUMN).eq_missing(pl.lit(partition, dtype=pl.String))
    return winners.lazy().filter(is_its_own).select(ROW_NUMBER)


def _numbered(pinned: Pinned) -> pl.LazyFrame:
    return scan_pinned([(pinned.ref, pinned.path)]).with_row_index(ROW_NUMBER)
