"""Sends what is made of ended runs to a receiver, one request or more for each run.

Belongs here: which runs are sent, in which order, and what happens if the receiver is away or refuses. Not here: the
bodies (`spans`, `lineage_events`), the memory (`sent`).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dagster import DagsterInstance

from etl.errors import EtlError
from etl.faults import reach
from etl.locks import exclusive
from etl.running.same_log import log_now
from etl.telemetry.ended_runs import EndedRun, ends, read_run
from etl.telemetry.posting import ReceiverAwayError, RefusedError, place, post
from etl.telemetry.sent import SentRuns

SENT, REFUSED, DELETED, OTHER = "sent", "refused", "deleted", "of another tenant"
MEMORY = "telemetry.sqlite"
DAY = 86_400.0


@dataclass(frozen=True)
class Receiver:
    """Where runs are sent, and the bodies that are made of a run."""

    kind: str
    """`traces` or `lineage`."""
    url: str
    headers: Mapping[str, str]
    content_type: str
    bodies: Callable[[EndedRun], Iterable[bytes]]
    timeout: float = 10.0


@dataclass
class Report:
    """What one call has sent. `away` is the problem if the receiver was away; the rest is sent by the next call."""

    sent: int = 0
    requests: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    away: EtlError | None = None


def send_ended_runs(
    instance: DagsterInstance, data_dir: Path, receiver: Receiver, *, tenant: str | None = None, since: float = DAY
) -> Report:
    """Send the runs that have ended since the last call, in their order.

    The first call for a receiver begins with runs that ended in the last `since` seconds, and so does the first call
    with another event log. Two calls for one receiver at
    a time wait for each other. A run that the receiver refuses is named in the report and not sent again.
    """
    key = " ".join((receiver.kind, place(receiver.url), *((tenant,) if tenant else ())))
    lock = data_dir / f"telemetry.{receiver.kind}.lock"
    with exclusive(lock, what=f"the memory of sent {receiver.kind}", error=EtlError):
        memory = SentRuns(data_dir / MEMORY, key)
        return _send(instance, memory, receiver, tenant, since)


def _send(instance: DagsterInstance, memory: SentRuns, receiver: Receiver, tenant: str | None, since: float) -> Report:
    report = Report()
    if not _goes_on(instance, memory):
        memory.begin_again()
    positions, known = memory.positions(), memory.known()
    begin = time.time() - since if not positions else 0.0
    for end in ends(instance, positions):
        if (end.run_id, end.stream) in known:
            continue
        if end.at < begin:
            continue
        run = read_run(instance, end)
        if run is None or (tenant is not None and tenant not in run.tenants):
            memory.add(end, DELETED if run is None else OTHER)
            continue
        try:
            for body in receiver.bodies(run):
                post(receiver.url, body, receiver.content_type, receiver.headers, timeout=receiver.timeout)
                report.requests += 1
        except ReceiverAwayError as error:
            report.away = error
            return report
        except RefusedError as error:
            report.refused[end.run_id] = error.problem
            memory.add(end, REFUSED)
            continue
        reach("telemetry.accepted")
        memory.add(end, SENT)
        report.sent += 1
    return report


def _goes_on(instance: DagsterInstance, memory: SentRuns) -> bool:
    """Whether the event log is still the one from which runs were sent."""
    last = memory.last_event()
    log = log_now(instance, [last.position]) if last is not None else None
    return log is None or last is None or log.goes_on(last.position, last)
