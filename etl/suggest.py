"""Finds the valid name that a user probably meant by a mistyped name.

Belongs here: which names are similar, and the ends of sentences that suggest them. Not here: the whole sentence.
"""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 30


def near(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that are most similar to `word`, ignoring letter case; the nearest is first."""
    lowered = {each.lower(): each for each in known}
    return [lowered[each] for each in get_close_matches(word.lower()[:200], lowered, n=most, cutoff=0.55)]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant by `word`, or None if no name is near."""
    return next(iter(near(word, known)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: it suggests the nearest known name, or lists the known names."""
    names = [*known]
    if close := nearest(word, names):
        return f"; did you mean `{close}`?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"; known: {', '.join(sorted(names)[:SHOWN])}{more}" if names else ""


def hint(word: str, known: Iterable[str], what: str) -> str:
    """A whole sentence: up to three near names, a name that only looks the same, or the known names."""
    names = [*known]
    if alike := [each for each in names if _composed(each) == _composed(word)]:
        return f"`{alike[0]}` looks the same and is written with other characters (accents): copy it from the source"
    if close := near(word, names, 3):
        return f"did you mean {' or '.join(f'`{each}`' for each in close)}?"
    some = ", ".join(f"`{each}`" for each in sorted(names)[:10])
    return f"{what} that exist: {some or 'none'}"


def _composed(name: str) -> str:
    """The name with accents joined to their letters."""
    return unicodedata.normalize("NFC", name)
