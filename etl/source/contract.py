"""What is asked of a source and what it answers: the protocol of a driver, and the models that every driver shares.

Belongs here: the driver, the request, the report, one planned column, and the description of a table. Not here:
which driver reads which database (`reading`), SQL (`etl.sql`), connections (drivers).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, model_validator

from etl.partitions.zones import ZoneName
from etl.query_text import binds_itself
from etl.source.database_url import DatabaseUrl

Mode = Literal["exact", "fast"]
WindowKind = Literal["instant", "wall", "date", "text"]
Progress = Callable[[int], None]


class Window(BaseModel):
    """Half open: `start <= column < end`. A column without a time zone is read as wall clock of `naive_timezone`.

    `outside`: all rows that are not in it, those without a value and with text that is no date among them.
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
        """What a clock in `naive_timezone` shows at the start."""
        return self.start.astimezone(ZoneInfo(self.naive_timezone)).replace(tzinfo=None)

    @property
    def wall_end(self) -> datetime:
        """What a clock in `naive_timezone` shows at the end."""
        return self.end.astimezone(ZoneInfo(self.naive_timezone)).replace(tzinfo=None)


class Part(BaseModel):
    """The rows whose `column` has the value `value`; `outside`: those that have none of `values`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    value: str
    values: tuple[str, ...]
    outside: bool = False


class ExtractRequest(BaseModel):
    """One table or one query, whole or one window or part of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str | None = None
    query: str | None = None
    schema_name: str | None = None
    columns: tuple[str, ...] = ()
    window: Window | None = None
    part: Part | None = None
    sort_by: tuple[str, ...] = ()
    mode: Mode = "exact"
    statement_timeout_seconds: float | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("give a table or a query, not both and not neither")
        return self

    @property
    def bounding(self) -> Window | Part | None:
        """What has to bound the rows; None where all are wanted, or the query does it by its own binds."""
        return None if self.query is not None and binds_itself(self.query) else self.window or self.part

    @property
    def subject(self) -> str:
        """The name of the table or query in messages."""
        if self.table is None:
            return "the query"
        return f"table `{self.schema_name}.{self.table}`" if self.schema_name else f"table `{self.table}`"


class ExtractReport(BaseModel):
    """The written file. `rows` is the number in the file's footer, not a number from the driver."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    driver: str
    seconds: float


@dataclass(frozen=True)
class PlannedColumn:
    """How one column travels: `carrier` in the source's SQL, `restore` in DuckDB's SQL over the carrier, then `target`.

    In the statement the carriers are called c0, c1, ...: a column's name never meets the SQL that a driver composes.
    """

    name: str
    target: str  # DuckDB's name of the type in the file
    carrier: str
    restore: str
    carrier_type: str = ""  # DuckDB's name of the carrier's type; empty: the target
    flag: str = ""  # source SQL that is true where not even the carrier can hold the value; travels as f0, f1, ...
    as_is: bool = False  # DuckDB's own reader of this source keeps the value, once `guard` found nothing
    guard: str = ""  # source SQL that is true for a value which DuckDB's own reader would change


@dataclass(frozen=True)
class ReadPlan:
    """Everything that is decided before the first row is read."""

    columns: tuple[PlannedColumn, ...]
    relation: str  # what stands behind FROM, in the source's SQL
    predicate: str = ""  # what stands behind WHERE, or nothing
    order: str = ""  # what stands behind ORDER BY, or nothing
    parameters: tuple[tuple[str, date | datetime | str], ...] = ()  # of a driver that binds instead of rendering
    found_schema: str = ""  # where an unqualified table was found
    by_pages: bool = False  # a table of which all or most rows are wanted, in any order: it can be read page by page
    page_filter: str = ""  # the predicate in DuckDB's SQL, for reading by pages
    estimated_rows: int = 0

    def select(self) -> str:
        """The whole statement in the source's SQL, every column by its exact carrier."""
        carriers = [f"{each.carrier} AS c{index}" for index, each in enumerate(self.columns)]
        flags = [f"{each.flag} AS f{index}" for index, each in enumerate(self.columns) if each.flag]
        return f"SELECT {', '.join(carriers + flags)} {self.tail()}"

    def tail(self) -> str:
        """The statement from FROM on."""
        where = f" WHERE {self.predicate}" if self.predicate else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        return f"FROM {self.relation}{where}{order}"

    def count(self) -> str:
        """How many rows the statement would return."""
        return f"SELECT count(*) FROM {self.relation}" + (f" WHERE {self.predicate}" if self.predicate else "")


@dataclass(frozen=True)
class ReadResult:
    """How the rows were read, and the plan of the read."""

    driver: str
    plan: ReadPlan


@dataclass(frozen=True)
class Login:
    """How SQLAlchemy opens a connection that can only read, where the database can promise that."""

    url: DatabaseUrl
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    settings: Sequence[str] = ()
    """Statements that each new connection runs first."""


class CatalogueColumn(BaseModel):
    """A column of a table or view, as the database declares it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    type: str
    """In the database's own words, such as `numeric(10,2)`; empty where it declares none."""
    nullable: bool
    comment: str = ""


class CatalogueForeignKey(BaseModel):
    """Columns whose values stand in a table's key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[str, ...]
    schema_name: str | None
    table: str
    referred_columns: tuple[str, ...]


class CatalogueIndex(BaseModel):
    """An index, with the columns that it orders. `columns` leaves out what is an expression."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    columns: tuple[str, ...]
    unique: bool


class CatalogueTable(BaseModel):
    """What a database's catalogue says about a table or view."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_name: str | None
    """None where the database has no schemas."""
    name: str
    is_view: bool
    comment: str = ""
    columns: tuple[CatalogueColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    """Of constraints and of unique indexes over whole columns, without the primary key."""
    foreign_keys: tuple[CatalogueForeignKey, ...] = ()
    indexes: tuple[CatalogueIndex, ...] = ()
    rows: int | None = None
    """About how many rows it has; None where the database does not keep that, as for most views."""


class Driver(Protocol):
    """How one kind of database is read. A driver is a module with these functions, registered in `reading`."""

    def login(self, url: DatabaseUrl, request: ExtractRequest | None = None) -> Login:
        """How SQLAlchemy connects; a request adds its time limit and the time zone of its window."""

    def describe(self, url: DatabaseUrl) -> tuple[CatalogueTable, ...]:
        """Every table and view that the login may see, without those of the database itself."""

    def plan(self, url: DatabaseUrl, request: ExtractRequest) -> ReadPlan:
        """How each column travels, decided without reading a row."""

    def count(self, url: DatabaseUrl, request: ExtractRequest) -> int:
        """How many rows the request would read now."""

    def read(
        self,
        url: DatabaseUrl,
        request: ExtractRequest,
        path: Path,
        footer: Mapping[str, str],
        on_progress: Progress | None,
    ) -> ReadResult:
        """Write the request's rows to `path` as Parquet, by the fastest way that keeps every value."""
