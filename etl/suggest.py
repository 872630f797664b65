"""The nearest valid name to a mistyped one.

Belongs here: `nearest`. Does not: the sentence around it.
"""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(found: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `found` most probably meant, or None if none is near."""
    lowered = {each.lower(): each for each in allowed}
    close = get_close_matches(found.lower()[:200], lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None
