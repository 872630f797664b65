"""Finds the columns that identify a row: declared by the database, or else measured.

Belongs here: the key of a table and the reason. Not here: the rules that are made of it (`rules`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import polars as pl
import sqlalchemy as sa

from etl.errors import SourceError
from etl.onboarding.limits import Limits
from etl.onboarding.sampling import TableSample, figures, selectable

LIKE_A_KEY = re.compile(r"(?:^|_|[a-z](?=I))(?:id|key|code|no|nr|num|number|uuid|guid)$", re.IGNORECASE)
_LEAST_ROWS = 20
"""In fewer rows, values differ by chance."""
_MOST_COUNTED = 5_000_000
_MOST_PARTS = 6


@dataclass(frozen=True)
class Key:
    """The key's columns, empty if none is known."""

    columns: tuple[str, ...]
    why: str
    declared: bool = False
    """Whether the database itself makes sure that the key is unique and filled."""


def find_key(url: str, sample: TableSample, limits: Limits) -> Key:
    """Return the primary key, or a unique key without empty values, or columns that are unique in the rows read."""
    table, readable = sample.table, set(sample.columns)
    if table.primary_key and readable.issuperset(table.primary_key):
        return Key(table.primary_key, "the primary key", declared=True)
    filled = {each.name for each in table.columns if not each.nullable}
    for columns in table.unique_keys:
        if filled.issuperset(columns) and readable.issuperset(columns):
            return Key(columns, "the database declares it unique and never empty", declared=True)
    if sample.frame.height < _LEAST_ROWS:
        return Key((), f"none is declared, and {sample.frame.height} rows are too few to measure one")
    for candidate in _unique_columns(sample.frame):
        if sample.whole:
            return Key(candidate, f"none is declared; unique and filled in all {sample.rows:,} rows")
        if (why := _unique_everywhere(url, sample, candidate, limits)) is not None:
            return Key(candidate, why)
    if sample.whole and (pair := _unique_pair(sample.frame)):
        return Key(pair, f"none is declared; together unique and filled in all {sample.rows:,} rows")
    return Key((), "none is declared, and no column is unique in the rows that were read")


def _unique_columns(frame: pl.DataFrame) -> Iterator[tuple[str]]:
    """Yield the columns without equal or empty values, those first whose names are like a key's."""
    unique = [each.name for each in frame if _can_be_key(each) and each.n_unique() == frame.height]
    for name in sorted(unique, key=lambda each: (not LIKE_A_KEY.search(each), frame.columns.index(each))):
        yield (name,)


def _unique_pair(frame: pl.DataFrame) -> tuple[str, ...]:
    parts = [each.name for each in frame if _can_be_key(each) and LIKE_A_KEY.search(each.name)][:_MOST_PARTS]
    return next((pair for pair in combinations(parts, 2) if frame.select(pair).n_unique() == frame.height), ())


def _can_be_key(series: pl.Series) -> bool:
    return not series.null_count() and (series.dtype.is_integer() or isinstance(series.dtype, pl.String))


def _unique_everywhere(url: str, sample: TableSample, columns: tuple[str], limits: Limits) -> str | None:
    """Return the reason if the whole table has no two equal values, or if the table is too large to be asked."""
    if sample.rows > _MOST_COUNTED:
        return f"none is declared; unique in the {sample.frame.height:,} rows that were read, which is a guess"
    table = selectable(sample.table)
    column = table.c[columns[0]]
    try:
        statement = sa.select(sa.func.count(), sa.func.count(sa.distinct(column))).select_from(table)
        ((rows, different),) = figures(url, statement, limits)
    except SourceError:
        return f"none is declared; unique in the {sample.frame.height:,} rows that were read, which is a guess"
    return f"none is declared; unique and filled in all {rows:,} rows" if rows == different else None
