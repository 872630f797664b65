"""A tenant's `query` and the window of a partition as SQL.

Belongs here: the window's bounds and conditions, the placeholders of a query, and what a query may be. Not here: which
columns are read and how (the modules of the databases), quoting (`etl.sql`).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from etl.errors import SourceError
from etl.query_text import BINDS, PARTITION, tokens
from etl.source.contract import ExtractRequest, Part, Window, WindowKind
from etl.sql import Dialect, literal

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


_OPENERS = ("select", "with", "values", "table", "(")


def instant(moment: datetime) -> str:
    """A moment in UTC, with microseconds, as every database reads it."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%S.%f")


def wall(moment: datetime) -> str:
    """What the clock showed. Midnight is a bare date, so that it also bounds text with `T` between date and time."""
    if moment.time() == time.min:
        return moment.strftime("%Y-%m-%d")
    if moment.microsecond == 0:  # a text may leave out seconds that are none
        return moment.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def part_predicate(dialect: Dialect, column: str, part: Part) -> str:
    """The rows of one value, for a quoted column; or those of none of the values."""
    if not part.outside:
        return f"{column} = {literal(dialect, part.value)}"
    return f"({column} IS NULL OR {column} NOT IN ({', '.join(literal(dialect, each) for each in part.values)}))"


def bounding_predicate(dialect: Dialect, column: str, bounding: Window | Part, kind: WindowKind) -> str:
    """The rows of a window or of a part, for a quoted column; `kind` is that of a window's column."""
    if isinstance(bounding, Part):
        return part_predicate(dialect, column, bounding)
    return window_predicate(dialect, column, bounding, kind)


def query_binds(dialect: Dialect, request: ExtractRequest, kind: WindowKind) -> dict[str, str]:
    """What stands for each name that the request's query may bind, as literals."""
    if request.window is not None:
        return dict(zip(BINDS, window_bounds(dialect, request.window, kind), strict=True))
    return {PARTITION: literal(dialect, request.part.value)} if request.part else {}


def window_predicate(dialect: Dialect, column: str, window: Window, kind: WindowKind) -> str:
    """`start <= column < end`, exactly, for a quoted column of this kind; or the rows outside of that."""
    if window.outside:
        return _outside_predicate(dialect, column, window, kind)
    start, end = window_bounds(dialect, window, kind)
    if kind == "text" and any(each.time() != time.min for each in (window.wall_start, window.wall_end)):
        # the bare dates bound an index; the exact comparison has to read `T` and a blank between date and time alike
        first = literal(dialect, window.wall_start.strftime("%Y-%m-%d"))
        last = literal(dialect, (window.wall_end + timedelta(days=1)).strftime("%Y-%m-%d"))
        flat = f"replace({column}, 'T', ' ')"
        return f"{column} >= {first} AND {column} < {last} AND {flat} >= {start} AND {flat} < {end}"
    return f"{column} >= {start} AND {column} < {end}"


def _outside_predicate(dialect: Dialect, column: str, window: Window, kind: WindowKind) -> str:
    """Written as conditions for which a database can use an index: it may be a handful of rows among millions."""
    start, end = window_bounds(dialect, window, kind)
    if kind != "text" and dialect != "sqlite":  # SQLite has dates only as text, whatever a column declares
        return f"({column} IS NULL OR {column} < {start} OR {column} >= {end})"
    no_date = {
        "sqlite": f"{column} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'",
        "postgresql": f"{column} !~ '^{_DATE}'",
        "mysql": f"{column} NOT REGEXP '^{_DATE}'",
        "duckdb": f"NOT regexp_matches({column}, '^{_DATE}')",
    }[dialect]
    flat = f"replace({column}, 'T', ' ')"
    return f"({column} IS NULL OR {flat} < {start} OR {flat} >= {end} OR {no_date})"


def window_bounds(dialect: Dialect, window: Window, kind: WindowKind) -> tuple[str, str]:
    """Start and end of the window as literals that compare exactly with a column of this kind."""
    if kind == "instant":
        zone = "+00" if dialect == "postgresql" else ""
        typed = "TIMESTAMPTZ " if dialect == "postgresql" else ""
        start, end = (typed + literal(dialect, instant(each) + zone) for each in (window.start, window.end))
    elif kind == "date":
        typed = "" if dialect == "sqlite" else "DATE "
        start, end = (
            typed + literal(dialect, first_date(each, window.naive_timezone).isoformat())
            for each in (window.start, window.end)
        )
    elif kind == "wall":
        typed = "" if dialect == "sqlite" else "TIMESTAMP "
        start, end = (
            typed + literal(dialect, each.strftime("%Y-%m-%d %H:%M:%S.%f"))
            for each in (window.wall_start, window.wall_end)
        )
    else:
        start, end = (literal(dialect, wall(each)) for each in (window.wall_start, window.wall_end))
    return start, end


def first_date(moment: datetime, timezone: str) -> date:
    """The first date that begins at or after `moment`: a date stands for its first instant, which need not be 00:00."""
    zone = ZoneInfo(timezone)
    day = moment.astimezone(zone).date()
    begins = datetime.combine(day, time.min, zone).astimezone(UTC)
    return day if moment <= begins else day + timedelta(days=1)


def bind_query(query: str, values: Mapping[str, str], *, colon: str = ":") -> str:
    """Put `values` for `:window_start` and `:window_end`, or for `:partition`, outside of quotes and comments.

    The query must be one statement that reads, with balanced brackets, because it becomes a sub-query. `colon` replaces
    every other colon, for a caller that binds parameters by `:name`.
    """
    parts: list[str] = []
    depth, seen, bound = 0, "", set[str]()
    for kind, text in tokens(query.strip().rstrip(";")):
        if kind in ("blank", "comment"):
            parts.append(f"{text}\n".replace(":", colon) if kind == "comment" else text)
            continue
        seen = seen or text.lower()
        if text == ";":
            raise SourceError("`query` holds more than one statement", "keep one SELECT")
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth < 0:
            break
        if kind == "bound":
            bound.add(text)
            if text not in values:
                other = "has no partitions" if not values else f"has {' and '.join(values)}"
                raise SourceError(
                    f"`query` uses `{text}`, but the pipeline {other}",
                    "give it a `date_column`, or remove it",
                )
            parts.append(values[text])
            continue
        parts.append(text.replace(":", colon))
    if depth != 0:
        raise SourceError("`query` has brackets that do not match", "correct the SQL")
    if seen not in _OPENERS:
        raise SourceError(
            f"`query` starts with `{seen or 'nothing'}`", "only SELECT or WITH ... SELECT can be extracted"
        )
    if len(bound) == 1 and len(values) > 1:
        raise SourceError(f"`query` uses only {bound.pop()}", "use both `:window_start` and `:window_end`, or none")
    return "".join(parts).strip()
