"""Finds out whether the data of a pipeline is there, and to when.

Belongs here: from what the lake publishes and what the event log says of it to one answer. Not here: promises
(`etl.promises`), comparing rows with the source (`etl.pipeline.verify`).

A partition by time is expected when it has ended. It is there if the lake publishes it and, where the pipeline has a
table, if the newest load that is known loaded this version. The answer names the newest stretch without a gap.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from etl.partitions.keys import moved
from etl.partitions.scheme import PartitionScheme, StaticKeys, TimeScheme
from etl.plural import counted
from etl.portal.made import Loads, Made
from etl.portal.page import Completeness, PartitionCell, PartState
from etl.portal.words import end_of, number, partition, short_moment, span
from etl.promises.freshness import State
from etl.promises.judge import PipelineHistory, PromiseVerdict

SHOWN: Mapping[str, int] = {"hour": 7 * 24, "day": 16 * 7, "week": 52, "month": 36, "static": 120, "whole": 1}
"""How many of the newest partitions of each kind are shown."""
COUNTED = 28
"""Of so many of the newest partitions the numbers of rows are shown."""
_WRONG_AFTER: Mapping[PartState, str] = {
    "failed": "failed",
    "damaged": "is damaged: its object cannot be read",
    "missing": "was published and is gone",
    "outdated": "holds an older version in the table",
}
"""What can be wrong with partitions after the newest complete one, the worst first."""
_FRESHNESS = ("deadline", "max_age")
_NAMED = 2
"""So many partitions before the newest stretch are named, and not only counted."""
_LONG = timedelta(hours=48)
"""Without a promise, data that ended longer ago and is not there is missing, and not only awaited."""


@dataclass(frozen=True)
class KnownData:
    """What was found out about one pipeline."""

    scheme: PartitionScheme
    zone: str
    now: datetime
    published: Collection[str] | None
    """The partitions that the lake publishes, the empty key for a whole table; None if the lake could not be read."""
    made: Mapping[str, Made] = field(default_factory=dict)
    """The newest materialization of the newest partitions, of the stage that publishes."""
    loads: Loads = field(default_factory=Loads)
    history: PipelineHistory | None = None
    verdicts: Sequence[PromiseVerdict] = ()
    gone: Collection[str] = ()
    """The partitions that were published once and that readers do not see any more."""
    damaged: Collection[str] = ()
    """The partitions that have an object which cannot be read; they do not count as published."""

    def freshness(self, *states: State) -> PromiseVerdict | None:
        """Return a promise about freshness that has one of these states."""
        found = (each for each in self.verdicts if each.promise in _FRESHNESS and each.state in states)
        return next(found, None)


def shown_keys(scheme: PartitionScheme, now: datetime) -> tuple[str, ...]:
    """Return the newest partitions that are complete at a moment, in order."""
    most = SHOWN[scheme.kind]
    if isinstance(scheme, TimeScheme):
        newest = scheme.newest_complete(now)
        if newest is None:
            return ()
        first = max(scheme.start, moved(newest, 1 - most))
        return scheme.between(first, newest)
    return scheme.values[:most] if isinstance(scheme, StaticKeys) else ("",)


def completeness(known: KnownData) -> Completeness:
    """Return the answer for one pipeline."""
    scheme = known.scheme
    base = Completeness(level="unknown", answer="", kind=scheme.kind, zone=known.zone)
    if known.published is None:
        return base.model_copy(update={"answer": "It is not known what is published: the lake could not be read."})
    parts = tuple(_part(known, key) for key in shown_keys(scheme, known.now))
    base = base.model_copy(update={"parts": parts, "gone": len(known.gone), "damaged": len(known.damaged)})
    if isinstance(scheme, TimeScheme):
        found = _by_time(known, scheme, base)
    else:
        found = _listed(known, scheme, base) if isinstance(scheme, StaticKeys) else _whole(known, base)
    if not known.damaged or "damaged" in f"{found.answer} {found.detail}":
        return found
    damaged = f"{counted(len(known.damaged), 'object')} {_be(len(known.damaged))} damaged and cannot be read."
    return found.model_copy(update={"level": "bad", "detail": f"{found.detail} {damaged}".strip()})


def _part(known: KnownData, key: str) -> PartitionCell:
    """Describe one partition that was to be there."""
    made, published = known.made.get(key), key in (known.published or ())
    state = _state(known, key, made, published=published)
    return PartitionCell(
        key=key,
        state=state,
        rows=made.rows if made and published else None,
        rejected=made.rejected if made and published else 0,
        published_at=made.at if made and published else None,
        run=made.run_id[:8] if made and published else "",
    )


def _state(known: KnownData, key: str, made: Made | None, *, published: bool) -> PartState:
    if key in known.damaged:
        return "damaged"
    if _failed_since(known, key, made):
        return "failed"
    if not published:
        return _absent(known, key)
    if key in known.loads.outdated:
        return "outdated"
    if key in known.loads.unknown:
        return "not loaded"
    return "empty" if made is not None and made.rows == 0 else "there"


def _absent(known: KnownData, key: str) -> PartState:
    runs = known.history.published.at_work if known.history else ()
    if any(key == (each.partition or "") for each in runs):
        return "at work"
    if key in known.gone or not isinstance(known.scheme, TimeScheme):
        return "missing"
    newest_there = max((each for each in known.published or () if known.scheme.has(each)), default="")
    if key < newest_there:
        return "missing"
    broken = known.freshness(State.BROKEN)
    return "late" if broken is not None and broken.partition is not None and key <= broken.partition else "expected"


def _failed_since(known: KnownData, key: str, made: Made | None) -> bool:
    """Whether the newest known run of the partition failed, and it was not made since."""
    runs = [each for each in known.history.runs if (each.partition or "") == key] if known.history else []
    if not runs or runs[-1].succeeded:
        return False
    return made is None or made.at < runs[-1].ended


def _by_time(known: KnownData, scheme: TimeScheme, base: Completeness) -> Completeness:
    newest = scheme.newest_complete(known.now)
    there = sorted(each for each in known.published or () if scheme.has(each) and newest and each <= newest)
    if newest is None:
        begins = partition(scheme.start, known.zone)
        return base.model_copy(update={"answer": f"Nothing is due yet: the first {scheme.word} is {begins}."})
    expected = scheme.count(scheme.start, newest)
    base = base.model_copy(update={"expected": expected, "there": len(there)})
    if not there:
        answer = f"Nothing of it is there: none of {counted(expected, scheme.word)} is published."
        gone, damaged = (sum(each <= newest for each in lost) for lost in (known.gone, known.damaged))
        if gone or damaged:
            answer = _none_left(gone, damaged, counted(expected, scheme.word))
        is_bad = gone or damaged or known.freshness(State.BROKEN)
        return base.model_copy(update={"answer": answer, "level": "bad" if is_bad else "unknown"})
    wrong = {each.key: each.state for each in base.parts if each.level in ("bad", "unknown")}
    present = set(there) - wrong.keys() - known.loads.unknown - known.loads.outdated
    last = max(present, default=None)
    if last is None:
        return base.model_copy(update=_nothing_sound(base, wrong))
    first = last
    while moved(first, -1) in present:
        first = moved(first, -1)
    base = base.model_copy(update={"complete_to": scheme.complete_at(last), "complete_from": scheme.window(first)[0]})
    before = 0 if first == scheme.start else scheme.count(scheme.start, moved(first, -1))
    gaps = before - sum(each < first for each in present)
    after = 0 if last == newest else scheme.count(moved(last, 1), newest)
    return base.model_copy(update=_judged(known, scheme, (first, last), (gaps, after), wrong))


def _none_left(gone: int, damaged: int, of: str) -> str:
    told = []
    if gone:
        were = "was" if gone == 1 else "were"
        told.append(f"{number(gone)} of {of} {were} published and {_be(gone)} gone")
    if damaged:
        told.append(f"{number(damaged)} of {of} {_be(damaged)} damaged and cannot be read")
    return f"Nothing of it is there: {', and '.join(told)}."


def _nothing_sound(base: Completeness, wrong: Mapping[str, PartState]) -> dict[str, object]:
    states = ", ".join(sorted(set(wrong.values()))) or "not loaded"
    is_bad = any(each.level == "bad" for each in base.parts)
    return {"answer": f"No partition of it is complete ({states}).", "level": "bad" if is_bad else "unknown"}


def _judged(
    known: KnownData,
    scheme: TimeScheme,
    stretch: tuple[str, str],
    counts: tuple[int, int],
    wrong: Mapping[str, PartState],
) -> dict[str, object]:
    """Return answer, detail and level of a pipeline of which at least one partition is complete."""
    (first, last), (gaps, after) = stretch, counts
    to, word = end_of(last, known.zone), scheme.word
    late = known.freshness(State.BROKEN)
    states = {state for key, state in wrong.items() if key > last}
    if gaps:
        pending = f" {counted(after, word)} after it {_be(after)} not there yet." if after else ""
        named = [key for key in wrong if key < first][:_NAMED] if gaps <= _NAMED else []
        what = f"{counted(gaps, word)} before {partition(first, known.zone)}"
        if len(named) == gaps:
            what = " and ".join(partition(key, known.zone) for key in named)
        same = next((each for each in ("missing", "damaged") if named and {wrong[key] for key in named} == {each}), "")
        answer = f"{what} {_be(gaps)} {same or 'not complete'}."
        return {"level": "bad", "answer": answer, "detail": f"From then on it is complete to {to}.{pending}"}
    if found := next((each for each in _WRONG_AFTER if each in states), None):
        what = _WRONG_AFTER[found]
        days = [key for key, state in wrong.items() if key > last and state in _WRONG_AFTER]
        detail = f"{partition(days[0], known.zone)} {what}" + (f", and {len(days) - 1} more." if days[1:] else ".")
        return {"level": "bad", "answer": f"Complete only to {to}.", "detail": detail}
    if late is not None:
        since = f" since {short_moment(late.since, known.zone)}" if late.since else ""
        missing = f"{counted(after, word)} {_be(after)} not there, late{since}." if after else ""
        return {"level": "bad", "answer": f"Late. Complete to {to}.", "detail": missing or f"Late{since}."}
    if "not loaded" in states:
        detail = f"It is not known whether what followed was loaded into the table ({counted(after, word)})."
        return {"level": "unknown", "answer": f"Known to be complete to {to}.", "detail": detail}
    if not after and known.made and all(each.rows == 0 for each in known.made.values()):
        return {"level": "notice", "answer": f"Complete to {to}.", "detail": "Not one row is in it."}
    if not after:
        return {"level": "good", "answer": f"Complete to {to}.", "detail": _next_due(known)}
    risk, due = known.freshness(State.AT_RISK), _due(known)
    waiting = partition(moved(last, 1), known.zone) if after == 1 else counted(after, word)
    if risk is not None:
        return {"level": "notice", "answer": f"Complete to {to}.", "detail": f"{waiting} will probably be late."}
    if due is not None:
        detail = f"{waiting} is not there yet; due by {short_moment(due, known.zone)}."
        return {"level": "good", "answer": f"Complete to {to}.", "detail": detail}
    oldest = scheme.window(moved(last, 1))
    ended = known.now - oldest[1]
    detail = f"{waiting} {_be(after)} not there; ended {span(ended)} ago. Nothing is promised about when it comes."
    is_long = ended > max(_LONG, 2 * (oldest[1] - oldest[0]))
    answer = f"Complete only to {to}." if is_long else f"Complete to {to}."
    return {"level": "bad" if is_long else "notice", "answer": answer, "detail": detail}


def _be(amount: int) -> str:
    return "is" if amount == 1 else "are"


def _due(known: KnownData) -> datetime | None:
    found = [each.due for each in known.verdicts if each.promise == "deadline" and each.due and each.due > known.now]
    return min(found, default=None)


def _next_due(known: KnownData) -> str:
    due = _due(known)
    return f"The next {known.scheme.word} is due by {short_moment(due, known.zone)}." if due else ""


def _listed(known: KnownData, scheme: StaticKeys, base: Completeness) -> Completeness:
    there = [each for each in scheme.values if each in (known.published or ())]
    base = base.model_copy(update={"expected": len(scheme.values), "there": len(there)})
    if not there:
        answer = f"Nothing of it is there: no {scheme.word} is published."
        if is_lost := bool(known.gone or known.damaged):
            answer = _none_left(len(known.gone), len(known.damaged), counted(base.expected, scheme.word))
        return base.model_copy(update={"answer": answer, "level": "bad" if is_lost else "unknown"})
    wrong = [each for each in base.parts if each.level != "good"]
    oldest = min((each.published_at for each in base.parts if each.published_at), default=None)
    base = base.model_copy(update={"complete_to": oldest})
    when = f" The oldest was published at {short_moment(oldest, known.zone)}." if oldest else ""
    if not wrong:
        late = known.freshness(State.BROKEN)
        answer = f"All {counted(len(there), scheme.word)} are there.{when}"
        detail = late.message if late else ""
        return base.model_copy(update={"level": "bad" if late else "good", "answer": answer, "detail": detail})
    is_bad = any(each.level == "bad" for each in wrong)
    names = ", ".join(f"{each.key} ({each.state})" for each in wrong[:5]) + (" and more" if wrong[5:] else "")
    answer = f"{len(base.parts) - len(wrong)} of {len(base.parts)} are complete."
    return base.model_copy(
        update={"level": "bad" if is_bad else "unknown", "answer": answer, "detail": f"{names}.{when}"}
    )


def _whole(known: KnownData, base: Completeness) -> Completeness:
    (part,) = base.parts
    base = base.model_copy(update={"expected": 1, "there": int("" in (known.published or ()))})
    at = part.published_at
    said = f"Published at {short_moment(at, known.zone)}" if at else "Published; it is not known when"
    rows = f", {number(part.rows)} rows" if part.rows is not None else ""
    base = base.model_copy(update={"complete_to": at})
    late = known.freshness(State.BROKEN)
    match part.state:
        case "damaged":
            answer = "The table was published, and its object is damaged: it cannot be read."
            return base.model_copy(update={"level": "bad", "answer": answer, "complete_to": None})
        case "missing" | "late" | "expected" | "at work":
            working = " A run is at work." if part.state == "at work" else ""
            answer = "The table was published and is gone." if known.gone else "The table was never published."
            return base.model_copy(update={"answer": f"{answer}{working}", "level": "bad" if known.gone else "unknown"})
        case "failed":
            detail = f"{said}{rows}." if base.there else ""
            return base.model_copy(update={"level": "bad", "answer": "The newest run failed.", "detail": detail})
        case "outdated":
            detail = "The warehouse holds an older version than is published."
            return base.model_copy(update={"level": "bad", "answer": f"{said}{rows}.", "detail": detail})
        case "not loaded" | "unknown":
            detail = "It is not known whether this was loaded into the table."
            return base.model_copy(update={"answer": f"{said}{rows}.", "detail": detail})
    if late is not None:
        return base.model_copy(update={"level": "bad", "answer": f"Late. {said}{rows}.", "detail": late.message})
    level = "good" if at else "unknown"
    return base.model_copy(update={"level": level, "answer": f"{said}{rows}.", "detail": _next_due(known)})
