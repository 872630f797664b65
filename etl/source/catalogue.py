"""Names that were asked for against names that exist, with the nearest ones in the message.

Belongs here: choosing columns, the errors for what is not there. Does not: reading a catalogue (each driver does).
"""

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from etl.errors import SourceError
from etl.source.contract import ExtractRequest


def choose(request: ExtractRequest, available: Sequence[str], wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """The columns to read (or `wanted`), each of which must exist."""
    asked = tuple(request.columns if wanted is None else wanted) or tuple(available)
    unknown = [each for each in asked if each not in available]
    if unknown:
        raise SourceError(
            f"{request.subject} has no column {', '.join(f'`{each}`' for each in unknown)}",
            nearest(unknown[0], available, "columns"),
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
    return SourceError(f"{request.subject} does not exist", nearest(str(request.table), tables, "tables"))


def nearest(name: str, available: Sequence[str], what: str) -> str:
    """A hint with the names that come closest."""
    alike = [each for each in available if _composed(each) == _composed(name)]
    if alike:
        return f"`{alike[0]}` looks the same and is written with other characters (accents): copy it from the source"
    lowered = {each.lower(): each for each in available}
    close = [lowered[each] for each in get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.5)]
    if close:
        return f"did you mean {' or '.join(f'`{each}`' for each in close)}?"
    some = ", ".join(f"`{each}`" for each in sorted(available)[:10])
    return f"{what} that exist: {some or 'none'}"


def _composed(name: str) -> str:
    """The name with accents joined to their letters, whichever way it was typed."""
    return unicodedata.normalize("NFC", name)
