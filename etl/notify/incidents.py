"""Groups troubles that have the same cause into one incident.

Belongs here: `Trouble`, `Incident`, grouping by root cause, and the words of the two messages of an incident. Not here:
remembering which messages were sent (`outbox`), and sending (`send`).

An incident is identified by tenant and cause. While it lasts, no further message is sent, even if more troubles join
it. If a pipeline reads from a pipeline in trouble, its trouble belongs to the incident of the pipeline that it reads
from. A broken promise belongs to the failure of the same pipeline.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from etl.notify.targets import SEVERITIES, Event, Severity
from etl.plural import counted

NAMED = 20  # pipelines and details that a message lists; the rest is a number
LONGEST_LINE = 300
_VARYING = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{22}"  # uuid
    r"|0x[0-9a-fA-F]+"
    r"|\b[0-9a-fA-F]{8,}\b"
    r"|\d+"
)


class Trouble(BaseModel):
    """One thing that is wrong with one pipeline right now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Event
    tenant: str
    pipeline: str
    cause: str
    """The cause; it is equal for troubles that one repair would end. See `cause_of`."""
    severity: Severity = "error"
    detail: str = ""
    since: datetime
    owners: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    """What a person can do about it."""


class Incident(BaseModel):
    """All troubles that have one cause, at this moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    cause: str
    events: tuple[Event, ...]
    severity: Severity
    since: datetime
    count: PositiveInt
    root: str
    """The pipeline where it began."""
    covers: tuple[str, ...]
    """The causes of all its troubles. The incident is over when none of these causes is left."""
    pipelines: tuple[str, ...]
    details: tuple[str, ...]
    owners: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()
    """Pipelines that read from the affected pipelines and have no trouble of their own yet."""
    advice: tuple[str, ...] = Field((), exclude=True)
    """What a person can do about its root. Only its first message says it, so it is not stored."""

    @property
    def key(self) -> str:
        """The key that identifies this incident."""
        return f"{self.tenant}:{sha256(self.cause.encode()).hexdigest()[:16]}"


class Message(BaseModel):
    """A message to one target about one incident: that the incident began, or that it is over."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transition: Literal["broken", "recovered"]
    incident: str
    tenant: str
    severity: Severity
    events: tuple[Event, ...]
    title: str
    text: str
    pipelines: tuple[str, ...]
    downstream: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    since: datetime
    at: datetime


def cause_of(text: str) -> str:
    """The part of an error that does not vary: its first line without numbers, ids and addresses."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return _VARYING.sub("#", line)[:LONGEST_LINE]


def group(
    troubles: Iterable[Trouble], upstream: Mapping[tuple[str, str], Collection[str]] | None = None
) -> tuple[Incident, ...]:
    """Return incidents by root cause. `upstream` maps (tenant, pipeline) to the pipelines that this pipeline reads."""
    every = sorted(troubles, key=lambda each: (each.event == "sla", each.since, each.pipeline, each.cause))
    first: dict[
        tuple[str, str], Trouble
    ] = {}  # for each pipeline: a failure is the cause of a broken promise, never the reverse
    for each in every:
        first.setdefault((each.tenant, each.pipeline), each)
    groups: dict[tuple[str, str], list[Trouble]] = {}
    roots: dict[tuple[str, str], str] = {}
    for each in every:
        source = _source(each.tenant, each.pipeline, first, upstream or {})
        origin = first[each.tenant, source]
        joins = source != each.pipeline or (each.event == "sla" and origin.event != "sla")
        cause = origin.cause if joins else each.cause
        groups.setdefault((each.tenant, cause), []).append(each)
        roots.setdefault((each.tenant, cause), source)
    readers = _readers(upstream or {})
    return tuple(
        _incident(tenant, cause, found, roots[tenant, cause], readers) for (tenant, cause), found in groups.items()
    )


def broken_message(incident: Incident, at: datetime) -> Message:
    """Return the message for the beginning of an incident."""
    others = [each for each in incident.pipelines if each != incident.root]
    title = f"[{incident.tenant}] {_what(incident)}"
    lines = [f"Since {incident.since:%Y-%m-%d %H:%M %Z}: {counted(incident.count, 'trouble')}."]
    lines += [f"- {each}" for each in incident.details]
    if others:
        lines.append(f"Affected with {incident.root}: {_list(others)}.")
    if incident.downstream:
        lines.append(f"Downstream of it: {_list(incident.downstream)}.")
    if incident.advice:
        lines += ["What to do:", *(f"- {each}" for each in incident.advice)]
    return _message(incident, "broken", title[:LONGEST_LINE], "\n".join(lines), at)


def recovered_message(incident: Incident, at: datetime) -> Message:
    """Return the message for the end of an incident."""
    minutes = max(0, int((at - incident.since).total_seconds() // 60))
    title = f"[{incident.tenant}] {incident.root}: recovered"
    text = f"It lasted {minutes // 60} h {minutes % 60} min. It was: {_what(incident)}"
    return _message(incident, "recovered", title[:LONGEST_LINE], text, at)


def _source(
    tenant: str,
    pipeline: str,
    troubled: Mapping[tuple[str, str], Trouble],
    upstream: Mapping[tuple[str, str], Collection[str]],
) -> str:
    """Follow the pipelines in trouble that `pipeline` reads from, and return the last pipeline of that path."""
    seen = {pipeline}
    while True:
        above = sorted(
            each for each in upstream.get((tenant, pipeline), ()) if each not in seen and (tenant, each) in troubled
        )
        if not above:
            return pipeline
        pipeline = above[0]
        seen.add(pipeline)


def _readers(upstream: Mapping[tuple[str, str], Collection[str]]) -> dict[tuple[str, str], set[str]]:
    """Return, for each pipeline, the pipelines that read it."""
    readers: dict[tuple[str, str], set[str]] = {}
    for (tenant, reader), sources in upstream.items():
        for source in sources:
            readers.setdefault((tenant, source), set()).add(reader)
    return readers


def _downstream(tenant: str, pipelines: set[str], readers: Mapping[tuple[str, str], set[str]]) -> set[str]:
    """Return every pipeline that reads from `pipelines`, directly or through other pipelines."""
    found, new = set(pipelines), set(pipelines)
    while new:
        new = set().union(*(readers.get((tenant, each), set()) for each in new)) - found
        found |= new
    return found - pipelines


def _incident(
    tenant: str, cause: str, troubles: list[Trouble], root: str, readers: Mapping[tuple[str, str], set[str]]
) -> Incident:
    ordered = sorted(troubles, key=lambda each: (each.pipeline != root, each.event == "sla", each.since, each.pipeline))
    pipelines = {each.pipeline for each in troubles}
    details = dict.fromkeys(_short(f"{each.pipeline}: {each.detail}") for each in ordered if each.detail)
    return Incident(
        tenant=tenant,
        cause=cause,
        events=tuple(sorted({each.event for each in troubles})),
        severity=max((each.severity for each in troubles), key=SEVERITIES.index),
        since=min(each.since for each in troubles),
        count=len(troubles),
        root=root,
        covers=tuple(sorted({each.cause for each in troubles})),
        pipelines=tuple(sorted(pipelines)),
        details=tuple(details)[:NAMED],
        owners=tuple(sorted({owner for each in troubles for owner in each.owners})),
        downstream=tuple(sorted(_downstream(tenant, pipelines, readers))),
        advice=ordered[0].advice,
    )


def _message(
    incident: Incident, transition: Literal["broken", "recovered"], title: str, text: str, at: datetime
) -> Message:
    return Message(
        transition=transition,
        incident=incident.key,
        tenant=incident.tenant,
        severity=incident.severity,
        events=incident.events,
        title=title,
        text=text,
        pipelines=incident.pipelines,
        downstream=incident.downstream,
        owners=incident.owners,
        since=incident.since,
        at=at,
    )


def _what(incident: Incident) -> str:
    return incident.details[0] if incident.details else _short(f"{incident.root}: {incident.cause}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"
