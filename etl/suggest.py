"""The valid name that a mistyped one most probably meant.

Belongs here: which names are near, and the ends of sentences that say so. Does not: the sentence around it.
"""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 30


def near(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that are most like `word`, whatever the case of its letters; the nearest first."""
    lowered = {each.lower(): each for each in known}
    return [lowered[each] for each in get_close_matches(word.lower()[:200], lowered, n=most, cutoff=0.55)]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that `word` most probably meant, or None if none is near."""
    return next(iter(near(word, known)), None)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence: which known name is meant, or which there are."""
    names = [*known]
    if close := nearest(word, names):
        return f"; did you mean `{close}`?"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"; known: {', '.join(sorted(names)[:SHOWN])}{more}" if names else ""


def hint(word: str, known: Iterable[str], what: str) -> str:
    """A sentence of its own: up to three near names, a name that only looks the same, or which there are."""
    names = [*known]
    if alike := [each for each in names if _composed(each) == _composed(word)]:
        return f"`{alike[0]}` looks the same and is written with other characters (accents): copy it from the source"
    if close := near(word, names, 3):
        return f"did you mean {' or '.join(f'`{each}`' for each in close)}?"
    some = ", ".join(f"`{each}`" for each in sorted(names)[:10])
    return f"{what} that exist: {some or 'none'}"


def _composed(name: str) -> str:
    """The name with accents joined to their letters, whichever way it was typed."""
    return unicodedata.normalize("NFC", name)
