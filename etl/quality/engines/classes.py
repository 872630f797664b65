r"""The classes `\d`, `\w` and `\s` of a pattern, written out so that every library reads them in the same way.

Belongs here: which characters belong to each class, as ranges of literal characters. Not here: which patterns are
handed to a library (`great_expectations`).

In the vocabulary (Rust's regex crate) the classes are those of Unicode. Python's `re` knows another version of Unicode
and counts no combining marks among `\w`; RE2 knows ASCII only. So Polars computes once which characters belong to a
class, and these characters are written into the pattern.
"""

from functools import cache
from itertools import chain

import polars as pl

CLASSES = "dwsDWS"
_SURROGATES = range(0xD800, 0xE000)
_LAST = 0x110000
_ESCAPED = "\\]^-["


@cache
def class_ranges(letter: str) -> str:
    r"""Return what stands between brackets for the class of that letter, such as `0-9` and more for `d`."""
    points = list(chain(range(_SURROGATES.start), range(_SURROGATES.stop, _LAST)))
    belongs = pl.Series(map(chr, points), dtype=pl.String).str.contains(rf"^\{letter}$").to_list()
    ranges: list[str] = []
    first: int | None = None
    for place, inside in enumerate([*belongs, False]):
        if inside and first is None:
            first = place
        elif not inside and first is not None:
            ranges.append(_range(points[first], points[place - 1]))
            first = None
    return "".join(ranges)


def _range(first: int, last: int) -> str:
    return _literal(first) if first == last else f"{_literal(first)}-{_literal(last)}"


def _literal(point: int) -> str:
    if point < ord(" "):
        return f"\\x{point:02x}"
    return f"\\{chr(point)}" if chr(point) in _ESCAPED else chr(point)
