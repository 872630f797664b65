"""What is known of the origin of columns, and the origins that need no query: identity, and what a tenant declares.

Belongs here: `ColumnLineage` and the lineage of extracts of a table, of transforms and of loads. Not here: reading a
query (`etl.lineage.query`), the metadata in Dagster (`etl.running.lineage_metadata`).

A column whose origin cannot be derived has a reason in `unknown`. No origin is guessed from a column's name.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

OTHERS = "*"
"""The key of `column_lineage` that stands for all columns that have no key of their own."""

Table = tuple[str, ...]


class ColumnOrigin(NamedTuple):
    """One column of one table. A table is what the caller names by these words: an asset, or a place in a database."""

    table: Table
    column: str


@dataclass(frozen=True)
class ColumnLineage:
    """The origins of the columns of one table.

    `known` has for each column the columns from which it is made; none for a column that is made from no column, such
    as `count(*)` or a constant. `unknown` has the reason for each column whose origin is not known. `tables` are all
    tables that are read, also those of which no column is known.
    """

    known: Mapping[str, tuple[ColumnOrigin, ...]] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()


def unknown_lineage(columns: Iterable[str], reason: str, tables: Iterable[Table] = ()) -> ColumnLineage:
    """Return a lineage in which every column has the same reason."""
    return ColumnLineage(unknown=dict.fromkeys(columns, reason), tables=tuple(tables))


def identical(columns: Iterable[str], table: Table) -> ColumnLineage:
    """Return the lineage of columns that are copied from the columns with the same names."""
    return ColumnLineage(known={each: (ColumnOrigin(table, each),) for each in columns}, tables=(table,))


def renamed(lineage: ColumnLineage, names: Mapping[Table, Table]) -> ColumnLineage:
    """Return the lineage with other names of the tables. A column of a table that has no name there is unknown."""
    known: dict[str, tuple[ColumnOrigin, ...]] = {}
    unknown = dict(lineage.unknown)
    for column, origins in lineage.known.items():
        missing = sorted({".".join(each.table) for each in origins if each.table not in names})
        if missing:
            unknown[column] = f"it comes from {', '.join(missing)}, which is no asset of the tenant"
        else:
            known[column] = tuple(ColumnOrigin(names[each.table], each.column) for each in origins)
    return ColumnLineage(known, unknown, tuple(names[each] for each in lineage.tables if each in names))


def declared(
    columns: Iterable[str],
    said: Mapping[str, Collection[str]],
    inputs: Mapping[str, Table],
    of_inputs: Mapping[str, Collection[str]],
) -> ColumnLineage:
    """Return the lineage that the key `column_lineage` of a pipeline declares for the `columns` of its transform.

    `inputs` are the tables of the pipelines that the transform reads, and `of_inputs` are their columns, as far as they
    are known. A declared column that an input does not have makes the origin unknown, with that as the reason.
    """
    known: dict[str, tuple[ColumnOrigin, ...]] = {}
    unknown: dict[str, str] = {}
    for column in columns:
        words = said.get(column, ())
        if column not in said:
            words = [f"{each}.{column}" for each in said.get(OTHERS, ())]
            if not words:
                unknown[column] = "a transform is Python: `column_lineage` does not name the column"
                continue
        origins = [origin_of(each, inputs) for each in words]
        missing = [each for each in origins if each.column not in of_inputs.get(each.table[-1], ())]
        if missing:
            unknown[column] = "; ".join(_absence(each, of_inputs) for each in missing)
        else:
            known[column] = tuple(origins)
    return ColumnLineage(known, unknown, tuple(inputs.values()))


def origin_of(text: str, inputs: Mapping[str, Table]) -> ColumnOrigin:
    """Return what `input.column`, or `column` of the only input, means."""
    name, dot, column = text.partition(".")
    if dot and name in inputs:
        return ColumnOrigin(inputs[name], column)
    return ColumnOrigin(next(iter(inputs.values())), text)


def _absence(origin: ColumnOrigin, of_inputs: Mapping[str, Collection[str]]) -> str:
    name = origin.table[-1]
    if name not in of_inputs:
        return f"the columns of {name} were not looked at"
    return f"`column_lineage` names {name}.{origin.column}, and {name} has no such column"
