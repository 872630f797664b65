"""Names that were asked for against names that exist, with the nearest ones in the message.

Belongs here: choosing columns, the errors for what is not there. Not here: reading a catalogue (each driver does).
"""

from collections.abc import Sequence

from etl.errors import SourceError
from etl.source.contract import ExtractRequest
from etl.suggest import hint


def choose(request: ExtractRequest, available: Sequence[str], wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """The columns to read (or `wanted`), each of which must exist."""
    asked = tuple(request.columns if wanted is None else wanted) or tuple(available)
    unknown = [each for each in asked if each not in available]
    if unknown:
        raise SourceError(
            f"{request.subject} has no column {', '.join(f'`{each}`' for each in unknown)}",
            hint(unknown[0], available, "columns"),
        )
    if len(set(asked)) < len(asked):
        raise SourceError(f"a column of {request.subject} is asked for twice", "name each column once")
    if len({each.lower() for each in asked}) < len(asked):
        raise SourceError(
            f"{request.subject} has columns whose names differ only in upper and lower case",
            "choose with `columns:`, or give them other names in a `query`",
        )
    if not asked:
        raise SourceError(f"{request.subject} has no columns", "grant SELECT on them, or correct the name")
    return asked


def missing(request: ExtractRequest, tables: Sequence[str]) -> SourceError:
    """The table does not exist, or this user may not know that it does."""
    return SourceError(f"{request.subject} does not exist", hint(str(request.table), tables, "tables"))
