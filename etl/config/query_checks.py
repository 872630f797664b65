"""Mistakes in the SQL of a `query` that its text shows: binds, bounds, templates, statements that do not read.

Belongs here: what is wrong whatever the database. Not here: splitting the text (`etl.query_text`), running it.
"""

import re
from collections.abc import Iterator

from etl.config.findings import Conflict, KeyPath
from etl.config.pipeline_config import PipelineConfig
from etl.errors import SourceError
from etl.query_text import BINDS, PARTITION, binds, tokens
from etl.suggest import nearest

_TEMPLATE = re.compile(
    r"\{\{\s*[A-Za-z_][\w.\[\]'\"]*\s*(?:\([^{}]*\)|\|[^{}]*)?\s*\}\}"  # Jinja
    r"|\{%.*?%\}"
    r"|'\{\w*(?:start|end|date|day|time|ds)\w*\}'"  # Python's format
    r"|%\(\w+\)s",  # Python's database drivers
    re.DOTALL,
)
_QUOTED_BIND = re.compile(r"['\"](:window_start|:window_end|:partition)['\"]")
_READS = ("select", "with", "values", "table", "from", "show", "pragma", "exec", "execute", "call", "describe")
_BOUNDS = (
    (
        re.compile(r"\bbetween\s+:window_start\s+and\s+:window_end\b(?!\s*-)", re.IGNORECASE),
        "`query` has the window with BETWEEN, so that a row at its end is in two partitions",
    ),
    (
        re.compile(r"<=\s*:window_end\b(?!\s*-)"),
        "`query` has `<= :window_end`, so that a row at the end of the window is in two partitions",
    ),
    (
        re.compile(r"(?<![<>=-])>\s*:window_start\b(?!\s*-)"),
        "`query` has `> :window_start`, so that a row at the beginning of the window is in no partition",
    ),
)


def query_conflicts(at: KeyPath, pipeline: PipelineConfig) -> Iterator[Conflict]:
    """Check the names that a query binds: both bounds of the window, and only if there is a window."""
    if pipeline.query is None:
        return
    try:
        found = binds(pipeline.query)
    except SourceError as error:
        yield Conflict((*at, "query"), error.problem, error.hint)
        return
    yield from _statement(at, pipeline.query)
    both = " and ".join(BINDS)
    static = pipeline.scheme.kind == "static"
    cut = static or pipeline.date_column is not None
    about = frozenset({"query", "date_column", "partitions"})
    for name in found:
        if name not in (*BINDS, PARTITION):
            problem = f"`query` binds `{name}`, which has no value"
            allowed = (PARTITION,) if static else BINDS
            suggestion = nearest(name, allowed) or ""
            yield Conflict((*at, "query"), problem, " and ".join(allowed) if cut else "no binds", suggestion, about)
    known = [name for name in found if name in (*BINDS, PARTITION)]
    if known and not cut:
        problem = f"`query` binds `{known[0]}`, but the pipeline has no partitions"
        yield Conflict((*at, "query"), problem, "a `date_column`, or no binds", about=about)
    elif PARTITION in known and not static:
        problem = f"`query` binds `{PARTITION}`, which only partitions by the values of a column have"
        yield Conflict((*at, "query"), problem, both, about=about)
    elif static and known != [PARTITION] and known:
        problem = f"`query` binds `{known[0]}`, but its partitions are no time"
        yield Conflict((*at, "query"), problem, PARTITION, about=about)
    elif len(known) == 1 == len(found) and not static:
        yield Conflict((*at, "query"), f"`query` binds only `{known[0]}`", f"{both}, or none", about=about)


def _statement(at: KeyPath, query: str) -> Iterator[Conflict]:
    """Refuse a template, a file and a statement that does not read."""
    if template := _TEMPLATE.search(query):
        problem = f"`query` has a template in it, `{template[0]}`, which nothing fills in"
        remedy = f"write {' and '.join(BINDS)}, the bounds of the partition"
        yield Conflict((*at, "query"), problem, remedy=remedy)
    first = next((text for kind, text in tokens(query) if kind not in ("blank", "comment") and text != "("), "")
    if first.lower() not in _READS:
        problem = f"`query` begins with `{first[:60]}` and reads nothing"
        yield Conflict((*at, "query"), problem, remedy="write the SQL itself, which begins with SELECT or WITH")
    if quoted := _QUOTED_BIND.search(query):
        problem = f"`query` has `{quoted[1]}` in quotes, where it is only text"
        yield Conflict((*at, "query"), problem, remedy=f"write {quoted[1]} without quotes")
    plain = "".join(" " if kind in ("comment", "quoted", "escaped", "dollar") else text for kind, text in tokens(query))
    for pattern, problem in _BOUNDS:
        if pattern.search(plain):
            remedy = "a window has its beginning and not its end: write >= :window_start and < :window_end"
            yield Conflict((*at, "query"), problem, remedy=remedy)
