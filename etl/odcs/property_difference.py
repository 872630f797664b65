"""Compares our own custom properties of two tables: what the standard has no key for, and what decides about the rows.

Belongs here: for each property, which value promises less. Not here: the rest of a table (`difference`).

A property that is not written has its usual value, so that one that appears with a weaker value is a break. A property
that nobody here knows could not be compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from etl.odcs.changes import ContractChange, breaking, harmless, unknown
from etl.odcs.reading import READS_FROM

_WORDS: dict[str, Sequence[Any]] = {
    "undated": ("ignore", "warn", "fail"),
    "schemaChanges": ("evolve", "fail"),
    "allowEmpty": (True, False),
}
"""The values from the weakest to the strongest."""
_USUAL: dict[str, Any] = {
    "undated": "warn",
    "schemaChanges": "evolve",
    "allowEmpty": False,
    "onFailure": "block",
    "qualityEngine": "truthound",
    "volume": {"max_shrink": 0.5},
}
_LIMITS = ("maxQuarantineRate", "maxShrink")
"""A higher limit lets more happen, and without a limit anything may happen."""
_NOTHING_FOR_CONSUMERS = ("qualityEngine", "safeColumns", "timeoutSeconds")


def property_changes(
    at: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Iterator[ContractChange]:
    """Yield the changes of the custom properties of a table."""
    before = {str(each["property"]): each.get("value") for each in old}
    after = {str(each["property"]): each.get("value") for each in new}
    for name in sorted({*before, *after} - {READS_FROM}):
        one, other = before.get(name, _USUAL.get(name)), after.get(name, _USUAL.get(name))
        if one != other:
            yield from _changes(f"{at}.{name}", name, one, other)


def _changes(at: str, name: str, old: Any, new: Any) -> Iterator[ContractChange]:  # noqa: ANN401  values of properties
    said = f"{_shown(old)} becomes {_shown(new)}"
    if name in _WORDS:
        yield _by_words(at, said, _WORDS[name], old, new)
    elif name in _LIMITS:
        yield _by_limit(at, said, old, new)
    elif name == "volume":
        yield _by_limit(at, said, _share(old), _share(new))
    elif name == "partitions":
        yield from _partition_changes(at, old, new)
    elif name == "onFailure":
        warns = f"{said}: rows that break a rule are delivered"
        yield breaking(at, warns) if new == "warn" else harmless(at, said)
    elif name == "loadMode":
        yield breaking(at, f"{said}: which rows the table holds changes")
    elif name == "orderColumn":
        yield breaking(at, f"{said}: which of the rows with one key is kept changes")
    elif name in _NOTHING_FOR_CONSUMERS:
        yield harmless(at, said)
    elif name == "environments":
        yield from _environment_changes(at, old, new)
    else:
        yield unknown(at, f"{said}, and nobody here knows what it promises")


def _by_words(at: str, said: str, words: Sequence[Any], old: Any, new: Any) -> ContractChange:  # noqa: ANN401
    if old not in words or new not in words:
        return unknown(at, f"{said}, and one of the values is unknown")
    stronger = words.index(new) > words.index(old)
    return harmless(at, f"{said}, which is stronger") if stronger else breaking(at, f"{said}, which is weaker")


def _by_limit(at: str, said: str, old: Any, new: Any) -> ContractChange:  # noqa: ANN401  a number or none
    if any(isinstance(each, bool) or not isinstance(each, int | float | None) for each in (old, new)):
        return unknown(at, f"{said}, and one of the values is no number")
    stronger = new is not None and (old is None or new < old)
    return harmless(at, f"{said}, which is stronger") if stronger else breaking(at, f"{said}, which is weaker")


def _share(volume: Any) -> Any:  # noqa: ANN401  a value of a contract
    if volume == "off":
        return None
    return volume.get("max_shrink", 0.5) if isinstance(volume, Mapping) else volume


_USUAL_PARTITIONS: dict[str, Any] = {
    "by": "day",
    "keys": [],
    "timezone": "UTC",
    "start": "2024-01-01",
    "end": None,
    "lookback_days": 0,
    "lookback": None,
    "in_flight": 1,
    "naive_timezone": None,
}


def _partition_changes(at: str, old: Any, new: Any) -> Iterator[ContractChange]:  # noqa: ANN401  values of properties
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield breaking(at, f"{_shown(old)} becomes {_shown(new)}: rows are divided in another way")
        return
    for key in sorted({*old, *new}):
        one, other = old.get(key, _USUAL_PARTITIONS.get(key)), new.get(key, _USUAL_PARTITIONS.get(key))
        if one != other:
            judge = _OF_PARTITIONS.get(key)
            said = f"{_shown(one)} becomes {_shown(other)}"
            place = f"{at}.{key}"
            if judge is None:
                yield unknown(place, f"{said}, and nobody here knows what it promises")
            else:
                effect, reason = judge(one, other)
                yield ContractChange("breaking" if effect else "harmless", place, f"{said}: {reason}")


def _start(old: Any, new: Any) -> tuple[bool, str]:  # noqa: ANN401
    return (True, "earlier rows are gone") if str(new) > str(old) else (False, "there are earlier rows")


def _end(old: Any, new: Any) -> tuple[bool, str]:  # noqa: ANN401
    fewer = new is not None and (old is None or str(new) < str(old))
    return (True, "later rows no longer come") if fewer else (False, "later rows come")


def _lookback(old: Any, new: Any) -> tuple[bool, str]:  # noqa: ANN401
    numbers = [each if isinstance(each, int) else 0 for each in (old, new)]
    return (True, "late rows are missed") if numbers[1] < numbers[0] else (False, "late rows come for longer")


def _keys(old: Any, new: Any) -> tuple[bool, str]:  # noqa: ANN401
    gone = [str(each) for each in old or [] if each not in (new or [])]
    return (True, f"the rows of {', '.join(gone)} no longer come") if gone else (False, "there are more rows")


def _other(_old: Any, _new: Any) -> tuple[bool, str]:  # noqa: ANN401
    return True, "a row may belong to another partition"


def _speed(_old: Any, _new: Any) -> tuple[bool, str]:  # noqa: ANN401
    return False, "the rows are the same"


_OF_PARTITIONS: dict[str, Callable[[Any, Any], tuple[bool, str]]] = {
    "by": _other,
    "timezone": _other,
    "naive_timezone": _other,
    "start": _start,
    "end": _end,
    "lookback": _lookback,
    "lookback_days": _lookback,
    "keys": _keys,
    "in_flight": _speed,
}


def _environment_changes(at: str, old: Any, new: Any) -> Iterator[ContractChange]:  # noqa: ANN401  values of properties
    before, after = (each if isinstance(each, Mapping) else {} for each in (old, new))
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield unknown(
                f"{at}.{name}",
                f"the values of this environment have changed: compare both sides with DAGSTER_ENVIRONMENT={name}",
            )


def _shown(value: Any) -> str:  # noqa: ANN401  values of properties
    return "none" if value is None else f"`{value}`"
