"""Decides the time zone of a tenant's days, and says whether it is a guess.

Belongs here: from what the server tells to a name that a configuration may contain. Not here: asking the server.
"""

from dataclasses import dataclass

from etl.errors import SourceError
from etl.partitions.zones import zone_names
from etl.source.reading import server_timezone

_ALIASES = {"Etc/UTC": "UTC", "Etc/UCT": "UTC", "GMT": "UTC", "Etc/GMT": "UTC", "+00:00": "UTC", "Zulu": "UTC"}


@dataclass(frozen=True)
class Zone:
    """The zone in which days begin and end."""

    name: str
    why: str
    is_guess: bool


def zone_of(url: str, asked: str | None) -> Zone:
    """Return the zone that a person asked for, or the server's own, or else UTC."""
    if asked is not None:
        return Zone(asked, "as asked with --timezone", is_guess=False)
    try:
        told = server_timezone(url)
    except SourceError as error:
        return Zone("UTC", f"a guess: the server's own zone could not be asked ({error.problem})", is_guess=True)
    name = _ALIASES.get(told, told)
    if name in zone_names():
        return Zone(name, "the server's own zone", is_guess=False)
    if told:
        return Zone("UTC", f"a guess: the server's zone `{told}` is no name of a time zone", is_guess=True)
    return Zone("UTC", "a guess: this database tells no time zone", is_guess=True)
