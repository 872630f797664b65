"""SQL conditions of `where` and `expression`: what is allowed, and which columns they read.

Belongs here: parsing and refusing. Not here: their meaning in Polars (`etl.quality.expressions.sql`).
A condition is one expression over the columns of the row: columns, literals, operators and an allow-list of pure
functions. No query, no table, no file, no function with an effect, no clock.
"""

import difflib
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from etl.quality.moments import is_finer
from etl.quality.regex import check_pattern

MAX_LENGTH = 10_000
MAX_DEPTH = 60

CAST_TYPES = frozenset(
    {
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "INT128",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "VARCHAR",
        "TEXT",
        "DATE",
        "TIMESTAMP",
    }
)

# Node classes that have a meaning here; everything else is refused by name.
ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Paren,
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Is,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.In,
    exp.Between,
    exp.Like,
    exp.ILike,
    exp.Neg,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Mod,
    exp.DPipe,
    exp.Case,
    exp.If,
    exp.Coalesce,
    exp.Nullif,
    exp.Cast,
    exp.DataType,
    exp.DataTypeParam,
    exp.Length,
    exp.Lower,
    exp.Upper,
    exp.Trim,
    exp.Abs,
    exp.StartsWith,
    exp.EndsWith,
    exp.Contains,
    exp.RegexpLike,
    exp.Year,
    exp.Month,
    exp.Day,
    exp.IsNan,
)
FUNCTIONS = (
    "abs, coalesce, nullif, length, lower, upper, trim, starts_with, ends_with, contains, regexp_matches, "
    "year, month, day, isnan, cast"
)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition that is safe to evaluate."""

    text: str
    tree: exp.Expr
    columns: tuple[str, ...]
    """Columns it reads, in order of appearance."""


@lru_cache(maxsize=4096)
def parse_predicate(text: str) -> Predicate:
    """Read a condition. Raises ValueError, which names the place, if it is not an expression over columns."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the condition has {len(text)} characters; {MAX_LENGTH} are allowed")
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect="duckdb") if tree is not None]
    except (SqlglotError, RecursionError) as refused:
        raise ValueError(f"the condition is not SQL: {_first_line(str(refused))}") from refused
    if len(trees) != 1:
        raise ValueError("the condition must be exactly one SQL expression, such as qty > 0 AND status = 'ok'")
    tree = trees[0]
    columns: dict[str, None] = {}
    for node in tree.walk(bfs=False):
        _allow(node)
        if isinstance(node, exp.Column):
            columns[node.name] = None
    if _depth(tree) > MAX_DEPTH:
        raise ValueError(f"the condition is nested deeper than {MAX_DEPTH} levels")
    return Predicate(text, tree, tuple(columns))


def _allow(node: exp.Expr) -> None:
    if not isinstance(node, ALLOWED):
        raise ValueError(_refusal(node))  # noqa: TRY004  the rule is wrong, not a type
    if isinstance(node, exp.Column) and node.args.get("table") is not None:
        raise ValueError(f"`{node.sql()}`: columns stand without a table name; a condition sees one row only")
    if isinstance(node, exp.In) and (node.args.get("query") is not None or node.args.get("unnest") is not None):
        raise ValueError("IN takes a list of values; a query is not allowed")
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        raise ValueError("IF is not allowed; write CASE WHEN ... THEN ... ELSE ... END")  # noqa: TRY004
    if isinstance(node, exp.Between) and node.args.get("symmetric"):
        raise ValueError("BETWEEN SYMMETRIC is not allowed; write the lower bound first, without SYMMETRIC")
    if isinstance(node, exp.RegexpLike) and isinstance(node.expression, exp.Literal):
        check_pattern(str(node.expression.this))
    if isinstance(node, exp.Cast):
        _allow_cast(node)


def _allow_cast(node: exp.Cast) -> None:
    if isinstance(node, exp.TryCast):
        raise ValueError("TRY_CAST is not allowed: a value that it cannot read becomes an unjudged NULL")  # noqa: TRY004
    kind = cast_type(node)
    if kind not in CAST_TYPES:
        raise ValueError(f"CAST to {kind} is not allowed; allowed types are {', '.join(sorted(CAST_TYPES))}")
    value = node.this.unnest()
    if kind in ("DATE", "TIMESTAMP") and isinstance(value, exp.Literal) and value.is_string:
        read_moment(str(value.this), kind)


def cast_type(node: exp.Cast) -> str:
    """Return the name of the type that a CAST casts to."""
    kind = node.to.this
    name = kind.name if isinstance(kind, exp.DataType.Type) else str(kind)
    # The parser's own name for a moment without a zone.
    return "TIMESTAMP" if name == "TIMESTAMPNTZ" else name


def read_moment(text: str, kind: str) -> date:
    """Read what DATE '...' or TIMESTAMP '...' holds."""
    if is_finer(text):
        raise ValueError(f"{kind} '{text}' is finer than a microsecond; write at most six digits after the second")
    try:
        return date.fromisoformat(text) if kind == "DATE" else datetime.fromisoformat(text)
    except ValueError as odd:
        example = "2026-01-31" if kind == "DATE" else "2026-01-31 09:00:00"
        raise ValueError(f"{kind} '{text}': {odd}; write it like {example}") from odd


def _refusal(node: exp.Expr) -> str:
    shown = node.sql(dialect="duckdb")[:60]
    if isinstance(node, exp.Query | exp.Subquery | exp.Table | exp.Exists):
        return f"`{shown}`: queries and tables are not allowed; a condition sees one row only"
    if isinstance(node, exp.Func):
        name = node.name if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        close = difflib.get_close_matches(name.lower(), FUNCTIONS.split(", "), n=1)
        meant = f"; did you mean {close[0]}?" if close and close[0] != name.lower() else f"; allowed are {FUNCTIONS}"
        return f"`{shown}`: the function {name} is not allowed{meant}"
    return f"`{shown}`: {type(node).__name__} is not allowed in a condition"


def _depth(tree: exp.Expr) -> int:
    deepest, pending = 0, [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        deepest = max(deepest, depth)
        pending.extend((child, depth + 1) for child in node.iter_expressions())
    return deepest


def _first_line(text: str) -> str:
    plain = text.replace("\x1b[4m", "").replace("\x1b[0m", "")
    return " ".join(plain.split())[:200]
