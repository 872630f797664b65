"""Promises as a contract writes them (`slaProperties`), in both directions.

Belongs here: the names and units of properties. Not here: what a promise means (`etl.sla.config`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from etl.sla.config import FreshnessPromise, PipelineSLA

_PLAIN = {
    "errorRate": "max_failure_rate",
    "passRate": "min_pass_rate",
    "executionTime": "max_execution_time_seconds",
    "minRowCount": "min_row_count",
    "maxRowCount": "max_row_count",
    "consecutiveFailures": "max_consecutive_failures",
    "alertOnWarning": "alert_on_warning",
    "alertLevel": "alert_level",
    "judged": "enabled",
}
_UNITS = {"executionTime": "s"}
_SECONDS = {"s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600, "d": 86_400}
_SHARES = ("errorRate", "passRate")
_DUE = "The newest complete partition is there at these moments."
_READ = ("id", "property", "value", "element")
SYNONYMS = {"er": "errorRate", "ly": "latency", "fy": "frequency", "freshness": "latency"}
FREQUENCY_UNITS = {"hour": "h", "day": "d", "week": "w", "month": "m"}
_HOURS = {"h": 1, "hr": 1, "hour": 1, "hours": 1, "d": 24, "day": 24, "days": 24, "w": 168, "week": 168, "weeks": 168}


def sla_properties(sla: PipelineSLA | None, element: str, unit: str | None) -> list[dict[str, Any]]:
    """Return the promises of a pipeline. `unit` is the unit of its partitions: how often new data comes."""
    made: list[dict[str, Any]] = []
    if unit in FREQUENCY_UNITS:
        made.append({"property": "frequency", "value": 1, "unit": FREQUENCY_UNITS[unit], "element": element})
    if sla is None:
        return made
    fresh = sla.freshness
    if fresh is not None and fresh.deadline is not None:
        due: dict[str, Any] = {"property": "timeOfAvailability", "value": fresh.deadline}
        if fresh.timezone is not None:
            due["valueExt"] = fresh.timezone
        due |= {"element": element, "scheduler": "cron", "schedule": fresh.deadline}
        made.append(due | {"description": _DUE})
    if fresh is not None and fresh.business_days:
        made.append({"property": "businessDaysOnly", "value": True, "element": element})
    if fresh is not None and fresh.max_age_hours is not None:
        made.append({"property": "latency", "value": fresh.max_age_hours, "unit": "h", "element": element})
    default = PipelineSLA()
    for name, key in _PLAIN.items():
        value = getattr(sla, key)
        if value != getattr(default, key):
            unit_of = {"unit": _UNITS[name]} if name in _UNITS else {}
            plain = str(value) if key == "alert_level" else value
            made.append({"property": name, "value": plain, **unit_of, "element": element})
    return made


def promise_of(
    properties: Mapping[int, Mapping[str, Any]], table: Mapping[str, Any], left: list[tuple[str, str]]
) -> tuple[dict[str, Any], str | None]:
    """Return the `sla` of a pipeline and the unit of its partitions. What has no counterpart is added to `left`.

    `properties` are the promises about the table, by their places in the contract. Of a promise that is taken over,
    each key that was not read is added too.
    """
    sla: dict[str, Any] = {}
    fresh: dict[str, Any] = {}
    unit: str | None = None
    for index, each in properties.items():
        at = f"slaProperties[{index}]"
        name = SYNONYMS.get(str(each.get("property")), str(each.get("property")))
        reason = ""
        if name == "frequency":
            unit = next((key for key, short in FREQUENCY_UNITS.items() if _is_unit(each, key, short)), None)
            reason = "" if unit else "partitions are of one hour, day, week or month"
        elif name in _OF_FRESHNESS:
            reason = _OF_FRESHNESS[name](each, fresh)
        elif name in _PLAIN:
            reason = _take_plain(name, each, sla)
        else:
            reason = f"there is no promise `{name}`"
        left += [(at, reason)] if reason else _unread(name, each, table, at)
    if fresh:
        sla = {"freshness": fresh, **sla}
    try:
        PipelineSLA.model_validate(sla)
    except ValidationError as error:
        left += [("slaProperties", f"{'.'.join(map(str, each['loc']))}: {each['msg']}") for each in error.errors()]
        sla = {}
    return sla, unit


def _take_plain(name: str, entry: Mapping[str, Any], sla: dict[str, Any]) -> str:
    """Take a promise whose value is a key of `sla`. Returns the reason if it is not taken."""
    if _PLAIN[name] in sla:
        return f"a pipeline has one promise `{name}`"
    value, unit = entry.get("value"), str(entry.get("unit") or "").lower()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if unit and is_number and name == "executionTime":
        seconds = _SECONDS.get(unit) or _SECONDS.get(unit.removesuffix("s"))
        if seconds is None:
            return f"`{unit}` is no unit of seconds, minutes, hours or days"
        value = value * seconds if isinstance(value, int | float) else value
    elif unit in ("%", "percent") and is_number and name in _SHARES:
        value = round(value / 100, 12) if isinstance(value, int | float) else value
    elif unit and not (unit == "rows" and name.endswith("RowCount")):
        return f"its unit `{unit}` has no counterpart"
    sla[_PLAIN[name]] = value
    return ""


def _unread(name: str, entry: Mapping[str, Any], table: Mapping[str, Any], at: str) -> list[tuple[str, str]]:
    """Return the parts of a promise that were not read, although the promise was taken over."""
    read = {*_READ, *(("valueExt", "scheduler", "schedule") if name == "timeOfAvailability" else ("unit",))}
    left = [
        (f"{at}.{key}", "a promise has no such key")
        for key, value in entry.items()
        if key not in read and value is not None and value != _DUE
    ]
    element = str(entry.get("element") or "")
    if element and element not in (str(table["name"]), str(table.get("physicalName"))):
        left.append((f"{at}.element", f"a promise is about the whole pipeline, and not about `{element}`"))
    return left


def _is_unit(entry: Mapping[str, Any], unit: str, short: str) -> bool:
    return entry.get("value") in (1, "1") and str(entry.get("unit", "")).lower() in (short, unit, f"{unit}s")


def _take_deadline(entry: Mapping[str, Any], fresh: dict[str, Any]) -> str:
    if "deadline" in fresh:
        return "a pipeline has one deadline"
    cron = entry.get("schedule") if entry.get("scheduler") == "cron" else entry.get("value")
    said = {"deadline": cron} | ({"timezone": entry["valueExt"]} if entry.get("valueExt") else {})
    try:
        FreshnessPromise.model_validate(said)
    except ValidationError:
        return f"`{cron}` is no cron; a deadline is written `scheduler: cron` and `schedule: 0 9 * * *`"
    fresh.update(said)
    return ""


def _take_latency(entry: Mapping[str, Any], fresh: dict[str, Any]) -> str:
    value, unit = entry.get("value"), str(entry.get("unit") or "h").lower()
    if isinstance(value, bool) or not isinstance(value, int | float) or unit not in _HOURS:
        return f"`{value} {unit}` is no number of hours, days or weeks"
    if "max_age_hours" in fresh:
        return "a pipeline has one latency"
    fresh["max_age_hours"] = value * _HOURS[unit]
    return ""


def _take_business_days(entry: Mapping[str, Any], fresh: dict[str, Any]) -> str:
    fresh["business_days"] = entry.get("value")
    return ""


_OF_FRESHNESS: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], str]] = {
    "timeOfAvailability": _take_deadline,
    "businessDaysOnly": _take_business_days,
    "latency": _take_latency,
}
