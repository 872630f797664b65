"""The line with which a step says how far it is, and how a reader of the event log gets it back.

Belongs here: the text and its reader, side by side. Not here: who shows it (`etl.cli.follow`), the step (`step`).
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Progressed:
    """One day, or one whole table, is done: its rows, how many of all are done, seconds that are left."""

    rows: int
    done: int
    total: int
    seconds_left: int | None


def progress_line(label: str, *, rows: int, seconds: float, rate: float, done: int, total: int, elapsed: float) -> str:
    """The line of a day that is done. `elapsed` is how long all days so far took."""
    left = f", about {elapsed / done * (total - done):.0f} s left" if done < total else ""
    return f"{label}: {rows} rows in {seconds:.2f} s ({rate:.0f} rows/s), {done} of {total}{left}"


_LINE = re.compile(
    r": (?P<rows>\d+) rows in [\d.]+ s \(\S+ rows/s\), (?P<done>\d+) of (?P<total>\d+)(, about (?P<left>\d+) s left)?$"
)


def read_progress(message: str) -> Progressed | None:
    """What such a line says; None for any other text."""
    found = _LINE.search(message)
    if found is None:
        return None
    left = found["left"]
    return Progressed(int(found["rows"]), int(found["done"]), int(found["total"]), int(left) if left else None)
