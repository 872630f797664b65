"""The order in which runs leave Dagster's queue, and the limits of runs at one time for each tenant.

Belongs here: the tags that a run gets when it is queued, and the tag limits. Not here: the queue itself, which is
Dagster's (`etl.resources.run_queue` only gives it these tags and limits), quotas of rows and bytes (`etl.quotas`).

Dagster's daemon takes the run with the largest `dagster/priority` that no limit blocks. The number is made here:

1. A run with a promise to keep comes before a run without one, and a back-fill comes last.
2. Among these, runs come by turn. The first waiting run of each tenant has the first turn, its second run the second
   turn, and so on. So a tenant with many waiting runs delays another tenant by one run at a time, not by all of them. A
   tenant that begins to queue has the turn that the queue has reached: it gets no turns for the time before.
3. Of runs with the same turn, the run that is due sooner comes first. A tenant's own runs change places so that their
   turns go in the order of its own `dagster/priority`, then by when they are due, then by age.

A tenant's file may give a job a priority. It counts among the tenant's own runs only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo

from dagster import DagsterRun

from etl.config.tenant_config import TenantConfig
from etl.partitions.cron import Cron, deadlines_after, parse_cron
from etl.quotas.quotas_file import Quotas
from etl.running.naming import AssetAddress
from etl.running.run_spans import RANGE_END, RANGE_START

TENANT = "tenant"
PRIORITY = "dagster/priority"
ASKED = "etl/priority_asked"
"""The priority that the tenant's file or a person gave to the run."""
DUE = "etl/due"
"""When the data must be there, for which a schedule started the run."""
BAND = "etl/band"
TURN = "etl/turn"
BACKFILL = "etl/backfill"
"""The tenant of a run that is a back-fill."""
CONTINUES = "etl/continues"
"""The run that was refused by a quota, and that this run continues."""

_DAGSTER_BACKFILL = "dagster/backfill"
_SCHEDULE = "dagster/schedule_name"
_BAND_SIZE, _TURN_SIZE = 10**9, 10**5  # Dagster's pools take a priority of 32 bits
_LAST_TURN, _LATEST = 9_999, _TURN_SIZE - 1
_UNIT = 300
"""Deadlines are compared in units of so many seconds. Within 347 days, each unit has a number of its own."""
REBASE = 1_000
"""When the queue has reached this turn, all turns are counted from one again."""
_NUMBER = re.compile(r"-?[0-9]{1,9}")


class Band(IntEnum):
    """The kinds of runs, the later the more urgent."""

    BACKFILL = 1
    USUAL = 2
    DUE = 3


@dataclass(frozen=True)
class Waiting:
    """A run of one tenant and band that waits in the queue, or is going to."""

    run_id: str
    turn: int
    asked: int = 0
    due: datetime | None = None
    age: int = 0
    """Its place among the tenant's waiting runs; the oldest is 0."""

    @property
    def wish(self) -> tuple[int, datetime, int]:
        """What orders the tenant's own runs."""
        return (-self.asked, self.due or datetime.max.replace(tzinfo=UTC), self.age)


@dataclass(frozen=True)
class Deadline:
    """When the data of a pipeline must be there, again and again."""

    cron: Cron
    zone: ZoneInfo
    business_days: bool


def deadline_of(config: TenantConfig, pipeline: str) -> Deadline | None:
    """Return the deadline that is promised for a pipeline; None if none is."""
    sla = config.sla_of(pipeline)
    promise = sla.freshness if sla else None
    if promise is None or promise.deadline is None:
        return None
    partitions = config.pipelines[pipeline].partitions
    zone = promise.timezone or (partitions.timezone if partitions else "UTC")
    return Deadline(parse_cron(promise.deadline), ZoneInfo(zone), promise.business_days)


def next_deadline(deadline: Deadline, after: datetime) -> datetime:
    """Return the next moment at which the data is due, in UTC."""
    return next(deadlines_after(deadline.cron, deadline.zone, after, business_days=deadline.business_days))


def tenant_of(run: DagsterRun) -> str:
    """Return the tenant of a run: of its assets, or else of its tag; of neither, the name of its code location."""
    owners = {AssetAddress.of(key).tenant for key in run.asset_selection or ()}
    if len(owners) == 1:
        return owners.pop()
    origin = run.remote_job_origin
    return run.tags.get(TENANT) or (origin.location_name if origin else "") or "-"


def band_of(tags: Mapping[str, str]) -> Band:
    """Return the kind of a run by its tags."""
    is_range = tags.get(RANGE_START, "") != tags.get(RANGE_END, "")
    if _DAGSTER_BACKFILL in tags or CONTINUES in tags or (is_range and _SCHEDULE not in tags):
        return Band.BACKFILL
    return Band.DUE if _due(tags) else Band.USUAL


def waiting_of(run: DagsterRun, turn: int, age: int) -> Waiting:
    """Return what orders a run."""
    asked = run.tags.get(ASKED) or (run.tags.get(PRIORITY, "0") if BAND not in run.tags else "0")
    number = int(asked) if _NUMBER.fullmatch(asked) else 0
    return Waiting(run.run_id, turn, number, _due(run.tags), age)


def turn_of(run: DagsterRun) -> int:
    """Return the turn of a queued run; 0 if it was queued without one."""
    text = run.tags.get(TURN, "")
    return int(text) if _NUMBER.fullmatch(text) else 0


def placed(new: DagsterRun, own: Sequence[DagsterRun], reached: int) -> dict[str, dict[str, str]]:
    """Return the tags for the new run, and for the tenant's waiting runs that change places with it, by run.

    `own` are the tenant's waiting runs of the same band, and `reached` is the turn that the queue has reached.
    """
    band = band_of(new.tags)
    turns = [turn_of(each) for each in own]
    last = max([reached, *(turn + 1 for turn in turns)])
    waiting = [waiting_of(run, turn_of(run), age) for age, run in enumerate(own)]
    arriving = waiting_of(new, last, len(own))
    order = sorted([*waiting, arriving], key=lambda each: each.wish)
    found = {}
    for run, turn in zip(order, sorted([*turns, last]), strict=True):
        if run is arriving or run.turn != turn:
            found[run.run_id] = {TURN: str(turn), PRIORITY: str(_priority(band, turn, run.due))}
    tenant = tenant_of(new)
    found[new.run_id] |= {TENANT: tenant, BAND: band.name.lower(), ASKED: str(arriving.asked)}
    if band is Band.BACKFILL:
        found[new.run_id][BACKFILL] = tenant
    return found


def rebased(run: DagsterRun, reached: int) -> dict[str, str]:
    """Return the tags of a run whose turn is counted from one again; `reached` becomes the first turn."""
    turn = max(1, turn_of(run) - reached + 1)
    return {TURN: str(turn), PRIORITY: str(_priority(band_of(run.tags), turn, _due(run.tags)))}


def tag_limits(quotas: Quotas | None, tenants: Iterable[str], at_once: int) -> list[dict[str, Any]]:
    """Return the limits of runs at one time, as Dagster's queue reads them.

    Without a file of quotas, a tenant may have half of the places, and back-fills together half of them too: so a place
    is left for whoever comes next. `at_once` is the number of places, or less than 0 if there is no limit. A tenant
    whose entry in the file has mistakes has the limits of the rest, so that the queue goes on.
    """
    half = max(1, at_once // 2) if at_once >= 0 else None
    quotas = quotas or Quotas()
    names = {*tenants, *quotas.tenants}
    limits = [
        *_limits(TENANT, *_own_and_rest(quotas, names, "concurrent_runs", half)),
        *_limits(BACKFILL, *_own_and_rest(quotas, names, "backfill_runs", 1)),
    ]
    return limits + ([{"key": BACKFILL, "limit": half}] if half is not None else [])


def _own_and_rest(
    quotas: Quotas, names: Iterable[str], key: str, usual: int | None
) -> tuple[dict[str, int | None], int | None]:
    """Return the limit of each tenant, and that of the rest; None is no limit, where the file says so with a null."""
    rest: int | None = getattr(quotas.defaults, key) if key in quotas.defaults.model_fields_set else usual
    own = {name: limits for name, limits in quotas.tenants.items() if key in limits.model_fields_set}
    return {name: getattr(own[name], key) if name in own else rest for name in names}, rest


def _limits(key: str, known: Mapping[str, int | None], rest: int | None) -> Iterable[dict[str, Any]]:
    """Yield the limit of each tenant whose limit is not that of the rest, and the limit of the rest.

    Dagster applies the limit of the rest to every tenant, so it has to be as large as the largest of them.
    """
    largest = None if rest is None or None in known.values() else max([rest, *filter(None, known.values())])
    for name, limit in sorted(known.items()):
        if limit is not None and limit != largest:
            yield {"key": key, "value": name, "limit": limit}
    if largest is not None:
        yield {"key": key, "value": {"applyLimitPerUniqueValue": True}, "limit": largest}


def _priority(band: Band, turn: int, due: datetime | None) -> int:
    late = int(due.timestamp()) // _UNIT % _LATEST if due else _LATEST
    return (int(band) - int(Band.USUAL)) * _BAND_SIZE - min(turn, _LAST_TURN) * _TURN_SIZE - late


def _due(tags: Mapping[str, str]) -> datetime | None:
    try:
        found = datetime.fromisoformat(tags[DUE])
    except (KeyError, ValueError):  # a person may have written the tag
        return None
    return found if found.tzinfo else None
