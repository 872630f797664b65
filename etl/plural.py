"""Numbers of things in words: `1 day`, `1,200 days`."""


def counted(number: int, word: str, plural: str = "") -> str:
    """Return a number with the word for one thing or for several."""
    return f"{number:,} {word if number == 1 else plural or f'{word}s'}"
