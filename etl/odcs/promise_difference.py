"""Compares the promises (`slaProperties`) of two contracts.

Belongs here: what a weaker promise is. Not here: the rest of a contract (`difference`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.odcs.changes import ContractChange, breaking, harmless, unknown
from etl.odcs.promises import SYNONYMS

_HIGHER_IS_WEAKER = (
    "latency",
    "errorrate",
    "executiontime",
    "maxrowcount",
    "consecutivefailures",
    "timetodetect",
    "timetonotify",
    "timetorepair",
    "frequency",
)
_LOWER_IS_WEAKER = ("passrate", "minrowcount", "retention", "availability", "throughput")
_UNORDERED = ("timeofavailability", "generalavailability")
_ENDS = ("endofsupport", "endoflife")
"""An end that is promised takes something away, and a later one takes less."""
_WORDS: dict[str, Sequence[object]] = {
    "judged": (False, True),
    "businessdaysonly": (True, False),
    "alertonwarning": (False, True),
    "alertlevel": ("info", "warning", "error", "critical"),
}
"""The values from the weakest to the strongest."""
_USUAL: dict[str, object] = {
    "judged": True,
    "businessdaysonly": False,
    "alertonwarning": False,
    "alertlevel": "error",
}
"""What is meant if the promise is not written."""
_KNOWN = frozenset({*_HIGHER_IS_WEAKER, *_LOWER_IS_WEAKER, *_UNORDERED, *_ENDS, *_WORDS})
Subject = tuple[str, str, int]
"""Property, element, and a number if there are several of them."""
_NO_ORDER = "which cannot be compared or put in order, and counts as a break"
_NOBODY_KNOWS = "nobody here knows what it promises"
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
    for subject in dict.fromkeys((*before, *after)):
        yield from _changes(subject, before.get(subject), after.get(subject))


def _changes(
    subject: Subject, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[ContractChange]:
    name, element, number = subject
    at = f"slaProperties.{name}" + (f"({element})" if element else "") + (f"#{number + 1}" if number else "")
    word = name.lower()
    if old is not None and new is not None and _value(old) == _value(new):
        return
    if word not in _KNOWN:
        yield unknown(at, f"{_said(old, new)}, and {_NOBODY_KNOWS}")
    elif word in _WORDS:
        yield from _by_words(at, word, old, new)
    elif new is None:
        yield harmless(at, _said(old, new)) if word in _ENDS else breaking(at, _said(old, new))
    elif old is None:
        yield breaking(at, _said(old, new)) if word in _ENDS else harmless(at, _said(old, new))
    else:
        stronger = _is_stronger(word, old, new)
        order = {True: "which is stronger", False: "which is weaker", None: _NO_ORDER}[stronger]
        yield (harmless if stronger else breaking)(at, f"{_said(old, new)}, {order}")


def _by_words(
    at: str, word: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[ContractChange]:
    order = _WORDS[word]
    one, other = (_USUAL[word] if each is None else each.get("value") for each in (old, new))
    said = f"{one} becomes {other}"
    if one not in order or other not in order:
        yield unknown(at, f"{said}, and one of the values is unknown")
    elif order.index(other) < order.index(one):
        nothing_left = ": no promise of this table is judged any more" if word == "judged" else ""
        yield breaking(at, f"{said}, which is weaker{nothing_left}")
    elif one != other:
        yield harmless(at, f"{said}, which is stronger")


def _said(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    if new is None:
        return f"the promise {_shown(old or {})} is gone"
    return f"the promise {_shown(new)} is new" if old is None else f"{_shown(old)} becomes {_shown(new)}"


def _by_name(
    promises: Sequence[Mapping[str, Any]], renamed: tuple[str, str] | None = None
) -> dict[Subject, Mapping[str, Any]]:
    """Return the promises by property and element, several of the same by their order.

    An element of a renamed table has the table's old name.
    """
    found: dict[Subject, Mapping[str, Any]] = {}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for each in promises:
        table, dot, column = str(each.get("element") or "").partition(".")
        name = renamed[1] if renamed and table == renamed[0] else table
        kind = SYNONYMS.get(str(each["property"]), str(each["property"]))
        subject = (kind, f"{name}{dot}{column}")
        found[(*subject, counts[subject])] = each
        counts[subject] += 1
    return found


def _value(promise: Mapping[str, Any]) -> tuple[object, ...]:
    seconds = _number(promise)
    amount = promise.get("value") if seconds is None else seconds
    return amount, promise.get("valueExt"), promise.get("schedule")


def _is_stronger(word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool | None:
    """Whether the new promise is stronger; None if the two cannot be put in order."""
    if old.get("valueExt") != new.get("valueExt"):
        return None
    if word in _ENDS:
        return str(new.get("value")) > str(old.get("value"))
    before, after = _number(old), _number(new)
    if before is None or after is None or before == after or word in _UNORDERED:
        return None
    return (after < before) == (word in _HIGHER_IS_WEAKER)


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
