"""Tells whether a promise, a limit or a schedule is weaker than before.

Belongs here: which direction of a value is the weaker one. Not here: what is deleted (`destructive`).

What cannot be put in order, such as two deadlines at other moments, counts as weaker: a person decides.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from etl.partitions.cron import deadlines_after, parse_cron
from etl.planning.compare import DefinitionChange, ValueChange

_LEVELS = ("info", "warning", "error", "critical")
_BEGIN, _WEEKS = datetime(2026, 1, 1, tzinfo=UTC), timedelta(weeks=9)
"""The time over which moments of two schedules are compared."""
_Weaker = Literal["more", "less"]
_PROMISES: Mapping[str, _Weaker] = {
    "max_age_hours": "more",
    "max_consecutive_failures": "more",
    "max_execution_time_seconds": "more",
    "max_failure_rate": "more",
    "max_row_count": "more",
    "min_pass_rate": "less",
    "min_row_count": "less",
}
_SETTINGS: Mapping[str, tuple[_Weaker, str]] = {
    "quality.max_quarantine_rate": ("more", "more rows may be set aside before a run stops"),
    "max_shrink": ("more", "more rows may be missing before a run stops"),
    "partitions.lookback_days": ("less", "fewer earlier partitions are read again for late rows"),
    "partitions.lookback": ("less", "fewer earlier partitions are read again for late rows"),
}
_SWITCHES: Mapping[str, tuple[tuple[JsonValue, ...], str]] = {
    "undated": (("ignore", "warn", "fail"), "rows that belong to no partition are watched less"),
    "pii": (("off", "scan"), "columns that look personal are not looked for any more"),
    "schema_changes": (("evolve", "fail"), "a new column does not stop a run any more"),
    "allow_empty": ((True, False), "a partition that had rows may become empty"),
}


def weaker_promise(change: DefinitionChange) -> Iterator[str]:
    """Yield why a changed promise is weaker."""
    name = change.name.rpartition(": ")[2]
    limit = change.value("limit")
    if name == "deadline":
        if any(change.value(each) for each in ("limit", "timezone")):
            words = _rarer(limit, is_due=True) if limit else "holds in another time zone"
            yield from [f"the deadline {words}"] if words else []
        if (days := change.value("business_days")) and days.new:
            yield "the deadline does not count on Saturdays and Sundays any more"
    elif limit and _is_weaker(limit, _PROMISES.get(name)):
        yield f"the promise is weaker: {limit.old} -> {limit.new}"
    level = change.value("alert_level")
    if level and _LEVELS.index(str(level.new)) < _LEVELS.index(str(level.old)):
        yield f"a broken promise is told less loudly: {level.old} -> {level.new}"


def weaker_settings(change: DefinitionChange) -> Iterator[str]:
    """Yield which settings of a pipeline are weaker."""
    for name, (weaker, words) in _SETTINGS.items():
        if (value := change.value(name)) and _is_weaker(value, weaker):
            yield f"{words}: {_shown(value.old)} -> {_shown(value.new)}"
    for name, (order, words) in _SWITCHES.items():
        value = change.value(name)
        if value and {value.old, value.new} <= {*order} and order.index(value.new) < order.index(value.old):
            yield words
    volume = [each for each in change.values if each.name == "volume"]
    for each in volume:
        before, after = _shrink(each.old), _shrink(each.new)
        if before is not None and (after is None or after > before):
            yield "a loss of rows is watched less"
    personal = change.value("pii_columns")
    if personal and isinstance(personal.old, list):
        kept = personal.new if isinstance(personal.new, list) else []
        if gone := [str(each) for each in personal.old if each not in kept]:
            yield f"values of {', '.join(f'`{each}`' for each in gone)} may be shown from now on"


def rarer_schedule(change: DefinitionChange) -> Iterator[str]:
    """Yield why a changed schedule starts fewer runs."""
    if (cron := change.value("cron")) and (words := _rarer(cron)):
        yield f"the schedule {words}"
    if (starts := change.value("starts_by_itself")) and not starts.new:
        yield "the schedule does not start by itself any more"


def fewer_messages(change: DefinitionChange) -> Iterator[str]:
    """Yield why a changed target of messages gets fewer of them."""
    if change.value("mailbox"):
        yield "messages go to another place"
    if (kinds := change.value("on")) and {*_listed(kinds.old)} - {*_listed(kinds.new)}:
        yield f"it gets no messages about {', '.join(sorted({*_listed(kinds.old)} - {*_listed(kinds.new)}))} any more"
    for name in ("owners", "pipelines"):  # an empty list means all
        value = change.value(name)
        if value and value.new and (not value.old or {*_listed(value.old)} - {*_listed(value.new)}):
            yield f"it gets messages about fewer {'pipelines' if name == 'pipelines' else 'owners'}"
    level = change.value("severity")
    ranks = ("None", *_LEVELS)
    if (
        level
        and {str(level.old), str(level.new)} <= {*ranks}
        and ranks.index(str(level.new)) > ranks.index(str(level.old))
    ):
        yield f"it gets only messages from {level.new} on"


def _is_weaker(value: ValueChange, weaker: _Weaker | None) -> bool:
    """Whether a limit is weaker. No limit is the weakest one where more is weaker, and 0 where less is."""
    old, new = _number(value.old), _number(value.new)
    match weaker:
        case "more":
            return old is not None and (new is None or new > old)
        case "less":
            return (new or 0) < (old or 0)
        case _:
            return True


def _rarer(cron: ValueChange, *, is_due: bool = False) -> str:
    """Say how a schedule is weaker: it has fewer moments, or none on some days. Empty if it is not.

    A deadline, which `is_due`, is also weaker if it is later.
    """
    before, after = _moments(cron.old), _moments(cron.new)
    if before is None or after is None:
        return f"is another one: {_shown(cron.old)} -> {_shown(cron.new)}"
    if len(after) < len(before):
        return f"is rarer: {_shown(cron.old)} -> {_shown(cron.new)}"
    days = {each.date() for each in before} - {each.date() for each in after}
    if days:
        return f"is on other days: {_shown(cron.old)} -> {_shown(cron.new)}"
    if is_due and len(after) == len(before) and any(new > old for old, new in zip(before, after, strict=True)):
        return f"is later: {_shown(cron.old)} -> {_shown(cron.new)}"
    return ""


def _moments(cron: JsonValue) -> list[datetime] | None:
    texts = [str(each) for each in cron] if isinstance(cron, list) else [str(cron)]
    try:
        parsed = [parse_cron(each) for each in texts]
    except ValueError:
        return None
    found: set[datetime] = set()
    for each in parsed:
        found |= {*takewhile(lambda at: at < _BEGIN + _WEEKS, deadlines_after(each, ZoneInfo("UTC"), _BEGIN))}
    return sorted(found)


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _shrink(value: JsonValue) -> float | None:
    return _number(value.get("max_shrink")) if isinstance(value, Mapping) else None


def _listed(value: JsonValue) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _shown(value: JsonValue) -> str:
    return "no limit" if value is None else str(value)
