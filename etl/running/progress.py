"""The line that reports a step's progress, and the function that reads the line from the event log.

Belongs here: the text and its reader, side by side. Not here: showing it (`etl.cli.follow`), the step (`step`).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Progressed:
    """A finished day or whole table: its rows, how many days are done, and the seconds that are left."""

    rows: int
    done: int
    total: int
    seconds_left: int | None


def progress_line(label: str, *, rows: int, seconds: float, rate: float, done: int, total: int, elapsed: float) -> str:
    """Return the line for a finished day. `elapsed` is the time that all days took so far."""
    left = f", about {elapsed / done * (total - done):.0f} s left" if done < total else ""
    return f"{label}: {rows} rows in {seconds:.2f} s ({rate:.0f} rows/s), {done} of {total}{left}"


_LINE = re.compile(
    r": (?P<rows>\d+) rows in [\d.]+ s \(\S+ rows/s\), (?P<done>\d+) of (?P<total>\d+)(, about (?P<left>\d+) s left)?$"
)


def read_progress(message: str) -> Progressed | None:
    """Read such a line; return None for any other text."""
    found = _LINE.search(message)
    if found is None:
        return None
    left = found["left"]
    return Progressed(int(found["rows"]), int(found["done"]), int(found["total"]), int(left) if left else None)
