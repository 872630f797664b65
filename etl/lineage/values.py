"""The columns from which the value of an expression is computed.

Belongs here: which parts of an expression make its value, and which only choose or order rows. Not here: the tables
that columns belong to (`etl.lineage.query`).

`FILTER (WHERE ...)`, `OVER (PARTITION BY ... ORDER BY ...)`, the `ORDER BY` of an aggregate, and everything of a
subquery but its columns only choose or order rows. So does the whole subquery of `EXISTS`. The `ORDER BY` of a
percentile is what the percentile is computed from.
"""

from collections.abc import Iterable, Iterator

from sqlglot import exp

_ONLY_THIS = (exp.Window, exp.Filter, exp.Order, exp.HavingMax, exp.ArgMax, exp.ArgMin)
"""Expressions whose `this` makes the value. Their other parts choose or order rows."""
_OF_THE_ORDER = (exp.PercentileCont, exp.PercentileDisc, exp.Mode)
"""Functions that are computed from the `ORDER BY` in `WITHIN GROUP`."""
_IN_ORDER = (exp.ArrayAgg, exp.GroupConcat)
"""Functions for which the `ORDER BY` in `WITHIN GROUP` is only the order."""


class UnknownOriginError(Exception):
    """The origins of a column are not known; the text says why."""


def value_columns(expression: exp.Expr) -> Iterator[exp.Column]:
    """Yield the columns from which the value of an expression is computed, also those in its subqueries."""
    waiting: list[exp.Expr] = [expression]
    while waiting:
        each = waiting.pop()
        if isinstance(each, exp.Column) and not isinstance(each.this, exp.Star):
            yield each
        else:
            waiting += _parts(each)


def is_star(expression: exp.Expr) -> bool:
    """Whether a column of a SELECT is `*` or `alias.*`."""
    return isinstance(expression, exp.Star) or (
        isinstance(expression, exp.Column) and isinstance(expression.this, exp.Star)
    )


def _parts(expression: exp.Expr) -> Iterable[exp.Expr]:
    """Return the parts of an expression that make its value."""
    if is_star(expression):
        if isinstance(expression, exp.Star) and isinstance(expression.parent, exp.Count):
            return ()
        raise UnknownOriginError("the column is made of whole rows")
    if isinstance(expression, exp.Exists) and isinstance(expression.this, exp.Query):
        return ()
    if isinstance(expression, exp.Query):
        return _selected(expression)
    if isinstance(expression, exp.WithinGroup):
        return _within_group(expression)
    if isinstance(expression, _ONLY_THIS):
        return [expression.this] if expression.this else ()
    return expression.iter_expressions()


def _selected(query: exp.Query) -> Iterable[exp.Expr]:
    """Return the columns of a subquery, or the queries that it is made of."""
    if isinstance(query, exp.Select):
        if any(map(is_star, query.selects)):
            raise UnknownOriginError("the column is made by a subquery that selects `*`")
        return query.selects
    if isinstance(query, exp.Union):
        return query.this, query.expression
    if isinstance(query, exp.SetOperation) or (isinstance(query, exp.Subquery) and isinstance(query.this, exp.Query)):
        return [query.this]  # EXCEPT and INTERSECT have rows of the first query only
    raise UnknownOriginError("the column is made by a subquery that is no SELECT")


def _within_group(group: exp.WithinGroup) -> Iterable[exp.Expr]:
    if isinstance(group.this, _OF_THE_ORDER):
        return group.this, *group.expression.expressions
    if isinstance(group.this, _IN_ORDER):
        return [group.this]
    raise UnknownOriginError("the column is made by a function with WITHIN GROUP that is not known here")
