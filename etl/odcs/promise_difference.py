"""Compares the promises (`slaProperties`) of two contracts.

Belongs here: what a weaker promise is. Not here: the rest of a contract (`difference`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.odcs.changes import ContractChange, breaking, harmless

_HIGHER_IS_WEAKER = ("latency", "errorrate", "executiontime", "maxrowcount", "consecutivefailures", "timetodetect")
_LOWER_IS_WEAKER = ("passrate", "minrowcount", "retention", "availability", "throughput")
_TIMES = {"s": 1, "m": 2_592_000, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LONG = {
    "sec": "s",
    "second": "s",
    "hr": "h",
    "hour": "h",
    "day": "d",
    "week": "w",
    "month": "m",
    "yr": "y",
    "year": "y",
}


def promise_changes(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], renamed: tuple[str, str] | None = None
) -> Iterator[ContractChange]:
    """Yield the changes of all promises. `renamed` is the new and the old name of the only table, if they differ."""
    before, after = _by_name(old), _by_name(new, renamed)
    for (name, element), promise in before.items():
        at = f"slaProperties.{name}" + (f"({element})" if element else "")
        other = after.get((name, element))
        if other is None:
            yield breaking(at, f"the promise {_shown(promise)} is gone")
        elif _value(promise) != _value(other):
            said = f"{_shown(promise)} becomes {_shown(other)}"
            yield (
                breaking(at, f"{said}, which is weaker or cannot be compared")
                if not _is_stronger(name, promise, other)
                else harmless(at, f"{said}, which is stronger")
            )
    for (name, element), promise in after.items():
        if (name, element) not in before:
            yield harmless(f"slaProperties.{name}", f"the promise {_shown(promise)} is new")


def _by_name(
    promises: Sequence[Mapping[str, Any]], renamed: tuple[str, str] | None = None
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the promises by property and element; an element of a renamed table has the table's old name."""
    found = {}
    for each in promises:
        table, dot, column = str(each.get("element") or "").partition(".")
        name = renamed[1] if renamed and table == renamed[0] else table
        found[str(each["property"]), f"{name}{dot}{column}"] = each
    return found


def _value(promise: Mapping[str, Any]) -> tuple[object, ...]:
    seconds = _number(promise)
    amount = promise.get("value") if seconds is None else seconds
    return amount, promise.get("valueExt"), promise.get("schedule")


def _is_stronger(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    before, after = _number(old), _number(new)
    if before is None or after is None or old.get("valueExt") != new.get("valueExt"):
        return False
    word = name.lower()
    if word in _HIGHER_IS_WEAKER or word == "frequency":
        return after < before
    return word in _LOWER_IS_WEAKER and after > before


def _number(promise: Mapping[str, Any]) -> float | None:
    """Return the value as a number, a time in seconds; None if it is none."""
    value = promise.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    unit = str(promise.get("unit") or "").lower()
    short = _LONG.get(unit.removesuffix("s") if len(unit) > 1 else unit, unit)
    return value * _TIMES.get(short, 1)


def _shown(promise: Mapping[str, Any]) -> str:
    parts = [promise.get("value"), promise.get("unit"), promise.get("valueExt")]
    return " ".join(str(each) for each in parts if each is not None)
