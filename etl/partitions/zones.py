"""Checks the names of time zones, and turns timestamps into moments.

Belongs here: the check of a name, with a suggestion. Not here: windows in a zone (`scheme`).
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from etl.suggest import nearest


def moment(timestamp: float) -> datetime:
    """Return the moment of a Unix timestamp in UTC."""
    return datetime.fromtimestamp(timestamp, UTC)


def zone(name: str) -> ZoneInfo:
    """Return the zone with this name. The ValueError for a wrong name suggests a similar one."""
    if name not in zone_names():
        close = nearest(name, sorted(zone_names()))
        meant = f"; did you mean `{close}`?" if close else ""
        raise ValueError(f"`{name}` is not a time zone: write an IANA name such as Asia/Seoul or UTC{meant}")
    return ZoneInfo(name)


@lru_cache(maxsize=1)  # listing them reads a folder
def zone_names() -> frozenset[str]:
    """Return all IANA names."""
    return frozenset(available_timezones())


def _zone_name(value: str) -> str:
    zone(value)
    return value


ZoneName = Annotated[str, AfterValidator(_zone_name)]
