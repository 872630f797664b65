"""Checks the names of time zones, and turns timestamps into moments.

Belongs here: the check of a name, with a suggestion. Not here: windows in a zone (`scheme`).
"""

import re
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
        close = near_zone(name)
        meant = f"; did you mean `{close}`?" if close else ""
        raise ValueError(f"`{name}` is not a time zone: write an IANA name such as Asia/Seoul or UTC{meant}")
    return ZoneInfo(name)


_ABBREVIATIONS = {
    "KST": "Asia/Seoul",
    "JST": "Asia/Tokyo",
    "IST": "Asia/Kolkata",
    "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong",
    "CEST": "Europe/Berlin",
    "BST": "Europe/London",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "AEST": "Australia/Sydney",
}
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])0?([0-9]{1,2})(?::?00)?")


def near_zone(name: str) -> str:
    """Return the zone that was probably meant by a wrong name, or nothing. In `Etc/GMT-9` the sign is turned round."""
    if name.upper() in _ABBREVIATIONS:
        return _ABBREVIATIONS[name.upper()]
    if match := _OFFSET.fullmatch(name.strip()):
        fixed = f"Etc/GMT{'-' if match[1] == '+' else '+'}{int(match[2])}"
        return fixed if fixed in zone_names() else ""
    cities = [
        each for each in sorted(zone_names()) if each.rpartition("/")[2].lower() == name.replace(" ", "_").lower()
    ]
    return cities[0] if cities else nearest(name, sorted(zone_names())) or ""


@lru_cache(maxsize=1)  # listing them reads a folder
def zone_names() -> frozenset[str]:
    """Return all IANA names."""
    return frozenset(available_timezones())


def _zone_name(value: str) -> str:
    zone(value)
    return value


ZoneName = Annotated[str, AfterValidator(_zone_name)]
