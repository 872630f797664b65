"""One tick of the SLA sensor for all tenants of a code location.

Belongs here: reading the event log once for all tenants, and the limits that keep a slow or broken tenant from the
others. Not here: what a tick does for one tenant (`sla_watch`), when a tick happens (`sensor_factory`).

The order: all events are read; every tenant is judged; all states are recorded; the checks are chosen, the worst first;
messages are sent last. A tenant that raises an error, whose files another process holds, or whose target does not
answer, is named as a problem, and the other tenants have their verdicts all the same.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from dagster import DagsterInstance

from etl.config.secrets import learn_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.notify.outbox import Outbox
from etl.running.sla_history import SlaHistory
from etl.running.sla_watch import (
    CHECKS_A_TICK,
    UNREAD,
    Looked,
    SlaWatch,
    Tick,
    Verdicts,
    rank,
    record_states,
    tick_text,
)
from etl.running.subjects import Location
from etl.secrets.scrub import scrub
from etl.settings import Settings

READING = 15.0  # seconds for reading the event log
JUDGING = 15.0  # seconds after which no further tenant is judged; the tenants that are left come first in the next tick
TELLING = 15.0  # seconds for which a tick waits for messages; they are sent on after it
PATIENCE = 2.0  # seconds for which another process may hold a tenant's file


@dataclass
class _Sending:
    """The sending of one tenant's messages, which may last longer than a tick."""

    thread: threading.Thread
    result: tuple[int, int, tuple[str, ...]] = (0, 0, ())


@dataclass
class LocationWatch:
    """Watches the tenants of a location. It lives as long as the location's process, and remembers nothing else."""

    watches: Mapping[str, SlaWatch]
    settings: Settings
    _seconds: dict[str, float] = field(default_factory=dict, init=False)
    """How long each tenant took to judge when it was judged last; a tenant that had to wait has less than nothing."""
    _sending: dict[str, _Sending] = field(default_factory=dict, init=False)
    _written: set[str] = field(default_factory=set, init=False)
    """The tenants of which the last tick wrote checks."""

    @classmethod
    def of(cls, configs: Sequence[TenantConfig], settings: Settings) -> "LocationWatch":
        """Watch these tenants."""
        return cls({each.id: SlaWatch(each, settings, patience=PATIENCE) for each in configs}, settings)

    def tick(
        self, instance: DagsterInstance, now: datetime, cursor: str | None = None, location: Location | None = None
    ) -> Tick:
        """Do one tick for every tenant. Problems are returned, not raised, so that what succeeded is not lost."""
        problems: dict[str, str] = {}
        complete = self._read(instance, now, problems)
        looked = self._look(complete, instance, now, location, problems)
        if not looked and not problems:
            return Tick(UNREAD, judged=False)
        record_states(self.settings, looked.values(), now)
        verdicts: Verdicts = {
            f"{tenant}/{name}": each for tenant, found in looked.items() for name, each in found.verdicts.items()
        }
        tick = Tick("", verdicts=verdicts)
        written = self._write_checks(tick, looked, now, cursor, problems)
        sent, incidents, undelivered = self._tell(looked, now, problems)
        unjudged = [each for found in looked.values() for each in found.unjudged.values()]
        tick.problems = (*problems.values(), *unjudged, *undelivered)
        waiting = len(self.watches) - len(looked) - len(problems)
        later = f"; {waiting} tenant(s) left for the next tick" if waiting else ""
        tick.text = tick_text(verdicts, incidents, sent, written) + later
        return tick

    def confirm_told(self) -> None:
        """Record that the checks of the last tick were written. If that fails for a check, it is written again."""
        for tenant in self._written:
            with suppress(EtlError, sqlite3.Error):
                self.watches[tenant].confirm_told()

    def _read(self, instance: DagsterInstance, now: datetime, problems: dict[str, str]) -> set[str]:
        """Read the event log for all tenants, and return the tenants of which nothing is left to read."""
        readers = []
        for tenant, watch in self.watches.items():
            with _problem_of(tenant, problems):
                learn_tenant(watch.config)
                readers.append(watch.reader)
        history = SlaHistory(readers, scrub, READING)
        complete = history.read(instance, now)
        problems |= {each.tenant: _problem(each.tenant, each.problem) for each in readers if each.problem is not None}
        at_work = history.at_work(instance)
        for tenant in complete:
            self.watches[tenant].at_work = at_work.get(tenant, {})
        return complete

    def _look(
        self,
        tenants: set[str],
        instance: DagsterInstance,
        now: datetime,
        location: Location | None,
        problems: dict[str, str],
    ) -> dict[str, Looked]:
        """Judge the tenants, those that were left last time first and slow ones last."""
        found: dict[str, Looked] = {}
        began = time.monotonic()
        for tenant in sorted(tenants, key=lambda each: (self._seconds.get(each, 0.0), each)):
            at = time.monotonic()
            if at - began > JUDGING:
                self._seconds[tenant] = -1.0
                continue
            with _problem_of(tenant, problems):
                found[tenant] = self.watches[tenant].look(instance, now, location)
            self._seconds[tenant] = round(time.monotonic() - at, 1)
        return found

    def _write_checks(
        self,
        tick: Tick,
        looked: Mapping[str, Looked],
        now: datetime,
        cursor: str | None,
        problems: dict[str, str],
    ) -> int:
        """Choose the checks of all tenants, the worst state first, as many as a tick may write."""
        waiting: list[tuple[int, str, str]] = []
        for tenant, found in looked.items():
            with _problem_of(tenant, problems):
                stale = self.watches[tenant].stale_checks(found.verdicts, now, cursor)
                waiting += [(rank(found.verdicts[name]), tenant, name) for name in stale]
        self._written = set()
        chosen: dict[str, list[str]] = {}
        for _, tenant, name in sorted(waiting)[:CHECKS_A_TICK]:
            chosen.setdefault(tenant, []).append(name)
        for tenant, names in chosen.items():
            self._written.add(tenant)
            with _problem_of(tenant, problems):
                tick.checks += self.watches[tenant].write_checks(names, looked[tenant].verdicts, now)
        return len(tick.checks)

    def _tell(
        self, looked: Mapping[str, Looked], now: datetime, problems: dict[str, str]
    ) -> tuple[int, int, tuple[str, ...]]:
        """Send the messages of all tenants side by side, so that a target that does not answer delays no other."""
        busy = Outbox(self.settings.data_dir / "notify.sqlite").busy_scopes()
        late = time.monotonic() + TELLING
        started: dict[str, _Sending] = {}
        for tenant, found in looked.items():
            earlier = self._sending.get(tenant)
            if earlier is not None and earlier.thread.is_alive():
                problems[tenant] = f"{tenant}: messages of an earlier tick are still being sent"
            elif found.troubles or tenant in busy:
                started[tenant] = self._send(tenant, found, now)
        sent, incidents, undelivered = 0, 0, list[str]()
        for tenant, each in started.items():
            each.thread.join(max(0.0, late - time.monotonic()))
            if each.thread.is_alive():
                problems[tenant] = f"{tenant}: messages are still being sent after {TELLING:.0f} s"
                continue
            sent, incidents = sent + each.result[0], incidents + each.result[1]
            undelivered += each.result[2]
        return sent, incidents, tuple(undelivered)

    def _send(self, tenant: str, looked: Looked, now: datetime) -> _Sending:
        def send() -> None:
            problems: dict[str, str] = {}
            with _problem_of(tenant, problems):
                sending.result = self.watches[tenant].tell(looked, now)
            if problems:
                sending.result = (0, 0, tuple(problems.values()))

        # A daemon: the end of the code server does not wait for a target. The message stays and is sent again.
        sending = _Sending(threading.Thread(target=send, name=f"messages of {tenant}", daemon=True))
        self._sending[tenant] = sending
        sending.thread.start()
        return sending


@contextmanager
def _problem_of(tenant: str, problems: dict[str, str]) -> Iterator[None]:
    """Keep any error of the block as this tenant's problem, so that the other tenants go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  any error belongs to this tenant and is reported
        problems[tenant] = _problem(tenant, error)


def _problem(tenant: str, error: Exception) -> str:
    return f"{tenant} cannot be watched: {type(error).__name__}: {scrub(str(error))}"
