"""The promises of a pipeline for its page: what is promised, how it stands, and day by day whether it was kept.

Belongs here: from verdicts and recorded states to the page's models. Not here: judging (`etl.promises.judge`),
computing shares of time (`etl.promises.attainment`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from etl.partitions.cron import day_start
from etl.portal.page import KeptDay, Level, PromiseEntry
from etl.portal.words import number, percent
from etl.promises.attainment import attain
from etl.promises.freshness import State
from etl.promises.judge import PromiseVerdict
from etl.promises.state_log import StateInterval
from etl.running import promised_data
from etl.sla.config import PipelineSLA

HISTORY = timedelta(days=42)
LEVELS: dict[State, Level] = {
    State.BROKEN: "bad",
    State.AT_RISK: "notice",
    State.UNMEASURED: "unknown",
    State.RECOVERED: "good",
    State.ON_TRACK: "good",
}
_WORDS: dict[State, str] = {
    State.BROKEN: "broken",
    State.AT_RISK: "at risk",
    State.UNMEASURED: "not measured yet",
    State.RECOVERED: "kept again",
    State.ON_TRACK: "kept",
}
_NAMES = {
    "deadline": "On time",
    "max_age": "Age",
    "failure_rate": "Failed checks",
    "pass_rate": "Passed checks",
    "execution_time": "Duration",
    "min_row_count": "Fewest rows",
    "max_row_count": "Most rows",
    "warnings": "Warnings",
    "consecutive_failures": "Failed runs",
}
ABOUT_DATA = frozenset(_NAMES[each] for each in promised_data.ABOUT_DATA)
"""The names of promises about data."""
_SIMPLE = 5
"""The number of parts of a cron."""


def promises_of(
    pipeline: str,
    sla: PipelineSLA | None,
    verdicts: Sequence[PromiseVerdict],
    intervals: Iterable[StateInterval],
    now: datetime,
    zone: str,
) -> tuple[PromiseEntry, ...]:
    """Return the promises of a pipeline with their history."""
    past: dict[str, list[StateInterval]] = {}
    for each in intervals:
        if each.pipeline == pipeline:
            past.setdefault(each.promise, []).append(each)
    return tuple(_promise(each, sla, history_of(past.get(each.promise, ()), now, zone), zone) for each in verdicts)


def unjudged(pipeline: str, why: str) -> PromiseEntry:
    """Return the entry of a pipeline whose promises could not be judged."""
    return PromiseEntry(
        pipeline=pipeline, name="All promises", says="", state="not known", level="unknown", message=why
    )


def history_of(intervals: Sequence[StateInterval], now: datetime, zone: str) -> tuple[KeptDay, ...]:
    """Return the last days of one promise, each with the hours that were watched and broken."""
    local = ZoneInfo(zone)
    last = now.astimezone(local).date()
    first = (now - HISTORY).astimezone(local).date() + timedelta(days=1)
    months = {first.replace(day=1), last.replace(day=1)}
    months |= {each.replace(day=1) for each in (first + timedelta(days=15), first + timedelta(days=30)) if each <= last}
    found: dict[date, KeptDay] = {}
    for month in sorted(months):
        for attained in attain(intervals, month, timezone=zone):
            found |= {
                each.day: KeptDay(
                    day=each.day.isoformat(), watched=round(each.watched_hours, 4), broken=round(each.broken_hours, 4)
                )
                for each in attained.days
            }
    days = (first + timedelta(days=each) for each in range((last - first).days + 1))
    return tuple(found.get(each, KeptDay(day=each.isoformat(), watched=0.0, broken=0.0)) for each in days)


def history_begins(now: datetime, zone: str) -> datetime:
    """Return the first moment of the shown history."""
    local = ZoneInfo(zone)
    return day_start(local, (now - HISTORY).astimezone(local).date())


def _promise(verdict: PromiseVerdict, sla: PipelineSLA | None, history: tuple[KeptDay, ...], zone: str) -> PromiseEntry:
    watched = sum(each.watched for each in history)
    broken = sum(each.broken for each in history)
    return PromiseEntry(
        pipeline=verdict.pipeline,
        name=_NAMES[verdict.promise],
        says=_says(verdict, sla, zone),
        state=_WORDS[verdict.state],
        level=LEVELS[verdict.state],
        message=verdict.message,
        since=verdict.since,
        due=verdict.due,
        kept_share=1 - broken / watched if watched else None,
        history=history,
    )


def _says(verdict: PromiseVerdict, sla: PipelineSLA | None, zone: str) -> str:
    """Return in words what is promised."""
    limit = verdict.threshold
    fresh = sla.freshness if sla else None
    match verdict.promise:
        case "deadline":
            where = (fresh.timezone if fresh else None) or zone
            days = " on business days" if fresh and fresh.business_days else ""
            return f"there {_cron((fresh.deadline if fresh else None) or '')}{days}, {where}"
        case "max_age":
            return f"never without new data for more than {number(limit or 0)} h"
        case "failure_rate":
            return f"at most {percent(limit)} of the checks of a run fail"
        case "pass_rate":
            return f"at least {percent(limit)} of the checks of a run pass"
        case "execution_time":
            return f"a run takes at most {number(limit or 0)} s"
        case "min_row_count":
            return f"at least {number(limit or 0)} rows"
        case "max_row_count":
            return f"at most {number(limit or 0)} rows"
        case "warnings":
            return "no check warns"
        case "consecutive_failures":
            return f"fewer than {number(limit or 0)} failed runs in a row"


def _cron(text: str) -> str:
    parts = text.split()
    if len(parts) == _SIMPLE and parts[0].isdecimal() and parts[1].isdecimal() and parts[2:] == ["*", "*", "*"]:
        return f"by {int(parts[1]):02}:{int(parts[0]):02} every day"
    return f"at each time of `{text}`"
