"""Splits the text of a tenant's `query` into quotes, comments, words and binds.

Belongs here: facts about the text that need no database. Not here: putting values into the text (`etl.sql`).
"""

import re
from collections.abc import Iterator

from etl.errors import SourceError

BINDS = (":window_start", ":window_end")
PARTITION = ":partition"
_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<dollar>\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)\$|\$\$.*?\$\$)
  | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`)
  | (?P<cast>::)
  | (?P<bound>:(?:window_start|window_end|partition)\b)
  | (?P<word>[^\W\d]\w*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(query: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each part, in order. Together, the texts are the whole query."""
    if "\x00" in query:
        raise SourceError("`query` holds the character NUL", "remove it")
    for match in _TOKEN.finditer(query):
        kind = match.lastgroup or "other"
        if kind == "other" and match.group() in "'\"`":
            raise SourceError("`query` has a quote that is not closed", "correct the SQL")
        yield ("dollar" if kind == "tag" else kind), match.group()


def binds_itself(query: str) -> bool:
    """Whether the query bounds its rows by `:window_start` and `:window_end`, or by `:partition`."""
    return any(kind == "bound" for kind, _ in tokens(query))


def binds(query: str) -> tuple[str, ...]:
    """Return each `:name` of the query that stands in the place of a value, once, in order.

    A colon directly behind a name, a number or a bracket belongs to a slice or a path and is not a bind.
    """
    found: dict[str, None] = {}
    before, colon = "", False
    for kind, text in tokens(query):
        if kind == "bound":
            found[text] = None
        elif kind == "word" and colon:
            found[f":{text}"] = None
        colon = text == ":" and not re.search(r"[\w\])\[:'\"]$", before)
        before = text
    return tuple(found)
