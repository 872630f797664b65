"""Compares the columns and tables that a request names with those that exist. An error suggests similar names.

Belongs here: choosing columns, and the errors for missing ones. Not here: reading a catalogue (each driver does).
"""

from collections.abc import Sequence

from etl.errors import SourceError
from etl.source.contract import ExtractRequest, Part
from etl.suggest import hint


def choose(request: ExtractRequest, available: Sequence[str], wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the request's columns (or `wanted`). Raises an error if one of them does not exist."""
    asked = tuple(request.columns if wanted is None else wanted) or tuple(available)
    unknown = [each for each in asked if each not in available]
    if unknown:
        raise SourceError(
            f"{request.subject} has no column {', '.join(f'`{each}`' for each in unknown)}",
            hint(unknown[0], available, "columns"),
        )
    if len(set(asked)) < len(asked):
        raise SourceError(f"`columns` names a column of {request.subject} twice", "name each column once")
    if len({each.lower() for each in asked}) < len(asked):
        raise SourceError(
            f"{request.subject} has columns whose names differ only in upper and lower case",
            "choose with `columns:`, or give them other names in a `query`",
        )
    if not asked:
        raise SourceError(f"{request.subject} has no columns", "grant SELECT on them, or correct the name")
    return asked


def wrong_key(request: ExtractRequest, part: Part, key: str, kind: str) -> SourceError:
    """Return the error for a key of `partitions` that is no value of the column's type."""
    return SourceError(
        f"the key `{key}` of `partitions` is no value of column `{part.column}` of {request.subject}, which is {kind}",
        f"correct `keys` of `partitions: {{by: {part.column}, ...}}`, or choose another column with `by`",
    )


def missing(request: ExtractRequest, tables: Sequence[str]) -> SourceError:
    """Return the error for a table that does not exist, or that the database hides from this user."""
    return SourceError(f"{request.subject} does not exist", hint(str(request.table), tables, "tables"))
