"""The protocol that every driver implements, and the models that drivers and their callers share.

Belongs here: the driver, the request, the report, one planned column, and the description of a table. Not here:
which driver reads which database (`reading`), SQL (`etl.sql`), connections (drivers).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from etl.partitions.zones import ZoneName
from etl.query_text import binds_itself
from etl.source.database_url import DatabaseUrl

Mode = Literal["exact", "fast"]
WindowKind = Literal["instant", "wall", "date", "text"]
Progress = Callable[[int], None]


class Window(BaseModel):
    """Rows with `start <= column < end`. A column without a time zone is read as wall-clock time of `naive_timezone`.

    With `outside`, all other rows: also those where the column is null, or holds text that is no date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    start: datetime
    end: datetime
    naive_timezone: ZoneName = "UTC"
    outside: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start.utcoffset() is None or self.end.utcoffset() is None:
            raise ValueError("start and end need a time zone")
        if self.start >= self.end:
            raise ValueError("start must be before end")
        return self

    @property
    def wall_start(self) -> datetime:
        """The wall-clock time of the start in `naive_timezone`."""
        return self.start.astimezone(ZoneInfo(self.naive_timezone)).replace(tzinfo=None)

    @property
    def wall_end(self) -> datetime:
        """The wall-clock time of the end in `naive_timezone`."""
        return self.end.astimezone(ZoneInfo(self.naive_timezone)).replace(tzinfo=None)


class Part(BaseModel):
    """Rows whose `column` has the value `value`. With `outside`, rows whose value is none of `values`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    value: str
    values: tuple[str, ...]
    outside: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """The keys that the condition compares the column with."""
        return self.values if self.outside else (self.value,)


class ExtractRequest(BaseModel):
    """A request for the rows of one table or query: all of them, or those of one window or part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None = None
    query: str | None = None
    schema_name: str | None = None
    columns: tuple[str, ...] = ()
    window: Window | None = None
    windows: tuple[Window, ...] = ()
    """What `window` consists of, one behind the other, if the rows of each go into a file of their own."""
    part: Part | None = None
    sort_by: tuple[str, ...] = ()
    limit: PositiveInt | None = None
    """At most so many rows, for a sample."""
    mode: Mode = "exact"
    statement_timeout_seconds: float | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either a table or a query")
        return self

    @property
    def bounding(self) -> Window | Part | None:
        """The window or part that the driver must select by; None for all rows, or if the query selects by itself."""
        return None if self.query is not None and binds_itself(self.query) else self.window or self.part

    @property
    def subject(self) -> str:
        """The name of the table or query in messages."""
        if self.table is None:
            return "the query"
        return f"table `{self.schema_name}.{self.table}`" if self.schema_name else f"table `{self.table}`"


class ExtractReport(BaseModel):
    """Describes the written file. `rows` is the number in the file's footer, not a number from the driver."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    driver: str
    seconds: float
    comments: Mapping[str, str] = {}
    """What the database's catalogue says of the columns."""


@dataclass(frozen=True)
class PlannedColumn:
    """How one column is read: the source evaluates `carrier`, DuckDB evaluates `restore` on it and gets a `target`.

    The statement calls the carriers c0, c1, ..., so that it never contains the columns' own names as aliases.
    """

    name: str
    target: str  # DuckDB's name of the type in the file
    carrier: str
    restore: str
    carrier_type: str = ""  # DuckDB's name of the carrier's type; empty: the target
    flag: str = ""  # source SQL that is true where not even the carrier can hold the value; selected as f0, f1, ...
    as_is: bool = False  # DuckDB's own reader of this source keeps every value for which `guard` is not true
    guard: str = ""  # source SQL that is true for a value which DuckDB's own reader would change
    comment: str = ""  # what the database's catalogue says of the column


@dataclass(frozen=True)
class ReadPlan:
    """The decisions that a driver makes before it reads the first row."""

    columns: tuple[PlannedColumn, ...]
    relation: str  # the text behind FROM, in the source's SQL
    predicate: str = ""  # the text behind WHERE; empty: all rows
    order: str = ""  # the text behind ORDER BY; empty: any order
    parameters: tuple[tuple[str, date | datetime | str], ...] = ()  # of a driver that binds instead of rendering
    found_schema: str = ""  # where an unqualified table was found
    by_pages: bool = False  # a table of which all or most rows are wanted, in any order: it can be read page by page
    page_filter: str = ""  # the predicate in DuckDB's SQL, for reading by pages
    estimated_rows: int = 0
    windows: int = 0  # of the request: the rows of each go into a file of their own
    window_index: str = ""  # source SQL: which of the request's windows a row is in, from 0 on; travels as k
    page_index: str = ""  # the same in DuckDB's SQL, for reading by pages
    limit: int | None = None  # at most so many rows
    has_limit: bool = True  # whether the source's SQL has LIMIT; otherwise the reader stops after so many rows

    @property
    def comments(self) -> dict[str, str]:
        """What the catalogue says of the columns; a column without a comment is left out."""
        return {each.name: each.comment for each in self.columns if each.comment}

    def select(self) -> str:
        """Return the whole statement in the source's SQL. It selects the carrier of each column."""
        carriers = [f"{each.carrier} AS c{index}" for index, each in enumerate(self.columns)]
        flags = [f"{each.flag} AS f{index}" for index, each in enumerate(self.columns) if each.flag]
        index = [f"{self.window_index} AS k"] if self.window_index else []
        return f"SELECT {', '.join(carriers + flags + index)} {self.tail()}"

    def tail(self) -> str:
        """Return the part of the statement that begins with FROM."""
        where = f" WHERE {self.predicate}" if self.predicate else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        limit = f" LIMIT {self.limit}" if self.limit is not None and self.has_limit else ""
        return f"FROM {self.relation}{where}{order}{limit}"

    def count(self) -> str:
        """Return the statement that counts the rows."""
        return f"SELECT count(*) FROM {self.relation}" + (f" WHERE {self.predicate}" if self.predicate else "")


@dataclass(frozen=True)
class ReadResult:
    """The driver's name for the way in which it read the rows, and its plan."""

    driver: str
    plan: ReadPlan


@dataclass(frozen=True)
class Login:
    """How SQLAlchemy opens a connection. The session is read-only if the database has such sessions."""

    url: DatabaseUrl
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()
    """Statements that run first on each new connection."""
    keep: bool = False
    """Whether the partitions of a range may share a connection. Not if a reader can leave something behind in it."""


class CatalogueColumn(BaseModel):
    """A column of a table or view, as the database declares it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    """The type as the database writes it, such as `numeric(10,2)`; empty if the column declares none."""
    nullable: bool
    comment: str = ""


class CatalogueForeignKey(BaseModel):
    """A foreign key: `columns` refer to `referred_columns` of another table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    schema_name: str | None
    table: str
    referred_columns: tuple[str, ...]


class CatalogueIndex(BaseModel):
    """An index. `columns` does not contain the expressions that the index may also have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    columns: tuple[str, ...]
    unique: bool


class CatalogueTable(BaseModel):
    """A table or view as the database's catalogue describes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str | None
    """None if the database has no schemas."""
    name: str
    is_view: bool
    partition_of: str = ""
    """The table whose partition this one is, if the database keeps the partitions of a table as tables."""
    comment: str = ""
    columns: tuple[CatalogueColumn, ...]
    broken: str = ""
    """Why the database cannot describe it, as of a view whose table is gone; `columns` is empty then."""
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """The columns of unique constraints and of unique indexes over whole columns; the primary key is not repeated."""
    foreign_keys: tuple[CatalogueForeignKey, ...] = ()
    indexes: tuple[CatalogueIndex, ...] = ()
    rows: int | None = None
    """An estimate of the number of rows; None if the database keeps no estimate, as for most views."""


class Driver(Protocol):
    """Reads one kind of database. A driver is a module with these functions; `reading` registers it."""

    def login(self, url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:
        """Return how SQLAlchemy connects. A request adds its time limit and the time zone of its window."""

    def describe(self, url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
        """Describe every table and view that the user may see, except the database's system tables."""

    def timezone(self, url: DatabaseUrl) -> str:
        """Return the zone in which the server writes times without a zone; empty if it has or tells none."""

    def plan(self, url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
        """Decide how each column is read, without reading a row."""

    def count(self, url: DatabaseUrl, request: ExtractRequest) -> int:
        """Return how many rows the request would read now."""

    def size(self, url: DatabaseUrl, request: ExtractRequest) -> int:
        """Return about how many bytes the table takes; 0 if the database does not say."""

    def read(
        self,
        url: DatabaseUrl,
        request: ExtractRequest,
        path: Path,
        footer: Mapping[str, str],
        on_progress: Progress | None,
    ) -> ReadResult:
        """Write the request's rows to `path` as Parquet, in the fastest way that keeps every value exact.

        With `windows` in the request, `path` is a folder with a file for each of them.
        """
