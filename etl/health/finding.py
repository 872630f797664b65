"""What an examination has found.

Belongs here: the result of one examination. Not here: the examinations, and how results are shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    """How the examined thing is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"
    """It could not be examined, so it is not known to be good."""


@dataclass(frozen=True)
class Examined:
    """The state of one thing."""

    place: str
    """Where it is: `environment`, `disk`, `dagster`, or a tenant's id."""
    what: str
    state: Condition
    said: str
    """What was seen, with figures."""
    remedy: str = ""
    """What a person does about it. Empty if it is good."""
    fix: Callable[[], str] | None = None
    """Does the remedy, and returns what was done. None if only a person can do it."""


def good(place: str, what: str, said: str) -> Examined:
    """Return the finding for something that is as it should be."""
    return Examined(place, what, Condition.GOOD, said)


def size(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004  the step between two units
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
