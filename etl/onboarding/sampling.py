"""Reads a bounded part of a table: its columns, some of its rows, and a few figures of the whole table.

Belongs here: what is read, and how a column that cannot be read is found. Not here: what follows from the rows
(`dates`, `keys`, `personal`, `rules`).

The rows are read by the driver that also extracts them, so that a value that would stop an extract is noticed here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import sqlalchemy as sa

from etl.errors import SourceError
from etl.onboarding.limits import SAMPLE_BYTES, Limits
from etl.onboarding.naming import is_allowed
from etl.source.contract import CatalogueTable
from etl.source.database_url import parse
from etl.source.failures import as_source_error
from etl.source.reading import ExtractRequest, Window, connection, extract_to_parquet, planned_schema, table_size

_BINARY = re.compile(r"blob|binary|bytea|image", re.IGNORECASE)
_NAMED = re.compile(r"column `([^`]+)`")
_FEWEST = 200
"""So many rows are read even if they are very wide."""
_COUNTED_BELOW = 5_000_000
"""A larger table is not counted: the estimate of its catalogue is near enough."""
_STEPS_BETWEEN_LOOKS = 100_000
_FAR = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True)
class TableSample:
    """What was read of a table."""

    table: CatalogueTable
    frame: pl.DataFrame
    """The rows that were read: the first ones of the database's order, and the newest ones where they are known."""
    rows: int
    """How many rows the table has."""
    counted: bool
    """False: `rows` is the database's estimate."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Columns that an extract refuses, each with the reason."""
    not_read: tuple[str, ...] = ()
    """Columns that the sample leaves out because their values are large. An extract reads them."""
    note: str = ""
    """Why no row was read, if the table could not be read in time."""

    @property
    def whole(self) -> bool:
        """Whether all rows of the table were read."""
        return self.counted and self.frame.height == self.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an extract can read, in the table's order."""
        return tuple(each.name for each in self.table.columns if each.name not in self.unreadable)


def sampled(url: str, table: CatalogueTable, limits: Limits) -> TableSample:
    """Read the first rows of a table, and count its rows. Raises a SourceError if no column of it can be read."""
    unreadable = _refused_columns(url, table, limits)
    binary = tuple(each.name for each in table.columns if each.name not in unreadable and _BINARY.search(each.type))
    wanted = [each.name for each in table.columns if each.name not in unreadable and each.name not in binary]
    nothing = TableSample(table, pl.DataFrame(), 0, counted=False, unreadable=unreadable, not_read=binary)
    if not wanted:
        return _counted(url, nothing, limits)
    most = _most_rows(url, table, limits)
    while True:
        request = _request(table, wanted, limits, limit=most)
        try:  # etl: allow retry-loop (each attempt leaves out the column that the database has refused)
            frame = rows_of(url, request)
            break
        except SourceError as error:
            named = _NAMED.search(error.problem)
            if named is None or named[1] not in wanted:
                return _counted(url, _with_note(nothing, error), limits)
            unreadable[named[1]] = _first_line(error)
            wanted.remove(named[1])
            if not wanted:
                raise
    found = TableSample(table, frame, frame.height, counted=True, unreadable=unreadable, not_read=binary)
    return found if frame.height < most else _counted(url, found, limits)


def with_newest(url: str, sample: TableSample, column: str, oldest: datetime, limits: Limits) -> TableSample:
    """Add the newest rows, from `oldest` on, to a sample that has only the first rows of the table."""
    aware = oldest if oldest.tzinfo else oldest.replace(tzinfo=UTC)
    window = Window(column=column, start=aware, end=_FAR, naive_timezone="UTC")
    request = _request(sample.table, sample.frame.columns, limits, limit=limits.rows)
    newest = rows_of(url, request.model_copy(update={"window": window}))
    return replace(sample, frame=pl.concat([sample.frame, newest], how="vertical_relaxed"))


def refused_window(url: str, sample: TableSample, column: str, limits: Limits) -> str | None:
    """Return why no extract can select rows by this column, or None if one can."""
    window = Window(column=column, start=_FAR.replace(year=2000), end=_FAR)
    request = _request(sample.table, sample.columns, limits).model_copy(update={"window": window})
    try:
        planned_schema(url, request)
    except SourceError as error:
        return _first_line(error)
    return None


def rows_of(url: str, request: ExtractRequest) -> pl.DataFrame:
    """Return the rows that an extract with this request would publish."""
    with TemporaryDirectory(prefix="etl-sample-") as folder:
        path = Path(folder) / "sample.parquet"
        extract_to_parquet(url, request, path, footer={})
        return pl.read_parquet(path)


def figures(url: str, statement: sa.Executable, limits: Limits) -> list[tuple[Any, ...]]:
    """Return the rows of a statement about a table. Raises a SourceError if it fails or takes too long."""
    with as_source_error(parse(url)), connection(url, limits.seconds) as opened:
        _limit_sqlite(opened, limits.seconds)
        return [tuple(row) for row in opened.execute(statement)]


def selectable(table: CatalogueTable) -> sa.TableClause:
    """Return the table for a statement; SQLAlchemy quotes its names as its database needs."""
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(sa.sql.quoted_name(each.name, quote=True)) for each in table.columns
    ]
    schema = sa.sql.quoted_name(table.schema_name, quote=True) if table.schema_name else None
    return sa.table(sa.sql.quoted_name(table.name, quote=True), *columns, schema=schema)


def _refused_columns(url: str, table: CatalogueTable, limits: Limits) -> dict[str, str]:
    """Return the columns whose types no extract can read. Raises a SourceError if nothing of the table can be read."""
    refused = _refused_names(table)
    rest = tuple(each.name for each in table.columns if each.name not in refused)
    try:
        planned_schema(url, _request(table, rest if refused else (), limits))
    except SourceError as error:
        if _NAMED.search(error.problem) is None:
            raise
    else:
        return refused
    for each in [column for column in table.columns if column.name not in refused]:
        try:
            planned_schema(url, _request(table, (each.name,), limits))
        except SourceError as error:
            refused[each.name] = _first_line(error)
    if len(refused) == len(table.columns):
        raise SourceError(f"no column of it can be read: {next(iter(refused.values()))}")
    return refused


def _refused_names(table: CatalogueTable) -> dict[str, str]:
    """Return the columns that a configuration cannot name, or whose names differ from another only by capitals."""
    refused, seen = dict[str, str](), set[str]()
    for each in table.columns:
        if not is_allowed(each.name):
            refused[each.name] = "its name cannot be written in a configuration: read it by a `query`"
        elif each.name.lower() in seen:
            refused[each.name] = "its name differs from another only by capitals: read it by a `query`"
        seen.add(each.name.lower())
    return refused


def _request(
    table: CatalogueTable, columns: Sequence[str], limits: Limits, *, limit: int | None = None
) -> ExtractRequest:
    return ExtractRequest(
        table=table.name,
        schema_name=table.schema_name,
        columns=tuple(columns),
        limit=limit,
        statement_timeout_seconds=limits.seconds,
    )


def _most_rows(url: str, table: CatalogueTable, limits: Limits) -> int:
    """Return how many rows may be read, so that very wide rows do not fill the memory."""
    if (
        not table.rows or table.is_view or not parse(url).host
    ):  # of a database that is a file, only the size of the file is known
        return limits.rows
    size = table_size(url, _request(table, (), limits))
    return max(_FEWEST, min(limits.rows, SAMPLE_BYTES * table.rows // max(1, size)))


def _counted(url: str, sample: TableSample, limits: Limits) -> TableSample:
    """Add the number of rows of a table of which not all rows were read."""
    estimate = sample.table.rows
    if estimate is not None and estimate >= _COUNTED_BELOW:
        return replace(sample, rows=estimate, counted=False)
    statement = sa.select(sa.func.count()).select_from(selectable(sample.table))
    try:
        ((rows,),) = figures(url, statement, limits)
    except SourceError as error:
        return _with_note(replace(sample, rows=max(estimate or 0, sample.frame.height), counted=False), error)
    return replace(sample, rows=int(rows), counted=True)


def _with_note(sample: TableSample, error: SourceError) -> TableSample:
    return replace(sample, note=sample.note or _first_line(error))


def _first_line(error: SourceError) -> str:
    return error.problem.splitlines()[0]


def _limit_sqlite(opened: sa.Connection, seconds: int) -> None:
    """SQLite has no time limit of its own: it asks after so many steps whether to go on."""
    raw: Any = opened.connection.driver_connection
    if hasattr(raw, "set_progress_handler"):
        end = datetime.now(UTC).timestamp() + seconds
        raw.set_progress_handler(lambda: datetime.now(UTC).timestamp() > end, _STEPS_BETWEEN_LOOKS)
