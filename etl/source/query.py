"""Writes the condition of a window or part as SQL, and fills the placeholders of a tenant's `query`.

Belongs here: the window's bounds and conditions, the placeholders of a query, and which queries are allowed. Not here:
which columns are read and how (the modules of the databases), quoting (`etl.sql`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from etl.errors import SourceError
from etl.query_text import BINDS, PARTITION, tokens
from etl.source.contract import ExtractRequest, Part, Window, WindowKind
from etl.sql import Dialect, literal

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


_OPENERS = ("select", "with", "values", "table", "(")


def instant(moment: datetime) -> str:
    """Write a moment in UTC with microseconds, in the form that every database reads."""
    utc = moment.astimezone(UTC)
    return utc.strftime("%Y-%m-%d %H:%M:%S.%f")


def wall(moment: datetime) -> str:
    """Write a wall-clock time. Midnight is only the date, which also compares right with `2026-01-01T08:00`."""
    if moment.time() == time.min:
        return moment.strftime("%Y-%m-%d")
    if moment.microsecond == 0:  # a text may leave out seconds that are zero
        return moment.strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def part_predicate(dialect: Dialect, column: str, part: Part) -> str:
    """Return the condition for the rows of a part; with `outside`, for the rows that have none of its values."""
    if not part.outside:
        return f"{column} = {literal(dialect, part.value)}"
    return f"({column} IS NULL OR {column} NOT IN ({', '.join(literal(dialect, each) for each in part.values)}))"


def bounding_predicate(dialect: Dialect, column: str, bounding: Window | Part, kind: WindowKind) -> str:
    """Return the condition for the rows of a window or part. `kind` says how a window's column is compared."""
    if isinstance(bounding, Part):
        return part_predicate(dialect, column, bounding)
    return window_predicate(dialect, column, bounding, kind)


def query_binds(dialect: Dialect, request: ExtractRequest, kind: WindowKind) -> dict[str, str]:
    """Return the literal for each placeholder that the request's query may use."""
    if request.window is not None:
        return dict(zip(BINDS, window_bounds(dialect, request.window, kind), strict=True))
    return {PARTITION: literal(dialect, request.part.value)} if request.part else {}


def window_predicate(dialect: Dialect, column: str, window: Window, kind: WindowKind) -> str:
    """Return the condition `start <= column < end`, or with `outside` its opposite, for a column of this kind."""
    if window.outside:
        return _outside_predicate(dialect, column, window, kind)
    start, end = window_bounds(dialect, window, kind)
    if kind == "text" and not _is_of_days(window):
        # an index can serve the dates; the exact comparison must treat `T` and a blank between date and time alike
        first = literal(dialect, window.wall_start.strftime("%Y-%m-%d"))
        last = literal(dialect, (window.wall_end + timedelta(days=1)).strftime("%Y-%m-%d"))
        flat = _flat(column)
        return f"{column} >= {first} AND {column} < {last} AND {flat} >= {start} AND {flat} < {end}"
    return f"{column} >= {start} AND {column} < {end}"


def _is_of_days(window: Window) -> bool:
    """Whether text can be compared with bare dates, because the window begins and ends at midnight."""
    return all(each.time() == time.min for each in (window.wall_start, window.wall_end))


def _flat(column: str) -> str:
    """Return text with a blank between date and time, where the column may have a `T`."""
    return f"replace({column}, 'T', ' ')"


def window_index(dialect: Dialect, column: str, windows: Sequence[Window], kind: WindowKind) -> str:
    """Which of these adjacent windows a row is in, from 0 on; NULL if the statement of none of them would read the row.

    The comparisons of a search tree find the one window that is possible; the window's own predicate decides.
    """
    flat = {kind == "text" and not _is_of_days(each) for each in windows}
    if len(flat) > 1:  # their predicates compare the text in two ways, so that no one comparison tells them apart
        raise SourceError("some of its windows begin at midnight and others do not", "give the column a type of dates")
    compared = _flat(column) if True in flat else column
    starts = [window_bounds(dialect, each, kind)[0] for each in windows]

    def within(first: int, last: int) -> str:
        if first == last:
            return f"CASE WHEN {window_predicate(dialect, column, windows[first], kind)} THEN {first} END"
        middle = (first + last + 1) // 2
        before, behind = within(first, middle - 1), within(middle, last)
        return f"CASE WHEN {compared} < {starts[middle]} THEN {before} ELSE {behind} END"

    return within(0, len(windows) - 1)


def _outside_predicate(dialect: Dialect, column: str, window: Window, kind: WindowKind) -> str:
    """Return the condition for the rows outside, in a form that can use an index: they may be few among millions."""
    start, end = window_bounds(dialect, window, kind)
    if kind != "text" and dialect != "sqlite":  # SQLite has dates only as text, whatever a column declares
        return f"({column} IS NULL OR {column} < {start} OR {column} >= {end})"
    no_date = {
        "sqlite": f"{column} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'",
        "postgresql": f"{column} !~ '^{_DATE}'",
        "mysql": f"{column} NOT REGEXP '^{_DATE}'",
        "duckdb": f"NOT regexp_matches({column}, '^{_DATE}')",
    }[dialect]
    flat = _flat(column)
    return f"({column} IS NULL OR {flat} < {start} OR {flat} >= {end} OR {no_date})"


def window_bounds(dialect: Dialect, window: Window, kind: WindowKind) -> tuple[str, str]:
    """Return the window's start and end as literals that compare exactly with a column of this kind."""
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
    """Return the first date whose day begins at or after `moment`. With a clock change a day may not begin at 00:00."""
    zone = ZoneInfo(timezone)
    day = moment.astimezone(zone).date()
    begins = datetime.combine(day, time.min, zone).astimezone(UTC)
    return day if moment <= begins else day + timedelta(days=1)


def bind_query(query: str, values: Mapping[str, str], *, colon: str = ":") -> str:
    """Replace `:window_start` and `:window_end`, or `:partition`, by `values`, except in quotes and comments.

    The query must be one SELECT with balanced brackets, because it becomes a sub-query. `colon` replaces every other
    colon, for a caller that binds parameters by `:name`.
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
