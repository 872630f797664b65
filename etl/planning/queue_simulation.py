"""Plays a day of Dagster's run queue: which run waits how long, with the real queue and a clock that is driven here.

Belongs here: the clock, and what a run of a simulation does. Not here: which runs there are (`simulated_day`), the
order and the limits (`etl.running.queue_order`).

Nothing of the queue is imitated. The runs are submitted to the run coordinator of a real, temporary instance with the
project's settings. The daemon of Dagster that empties the queue decides which run begins. Only the launcher is another:
it starts no process, and the run ends when the driven clock has reached its end.
"""

import heapq
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import yaml
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun

from etl.running.compat import (
    ConfigurableClassData,
    InMemoryEventLogStorage,
    LaunchRunContext,
    LoadableTargetOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    QueuedRunCoordinatorDaemon,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    RunLauncher,
    SubmitRunContext,
    make_new_run_id,
)
from etl.running.instance import LocalStorage

LOOK = timedelta(seconds=5)
"""How often Dagster's daemon looks at the queue."""
_LOGS = ("dagster.daemon.QueuedRunCoordinatorDaemon", "etl.resources.run_queue")


@dataclass(frozen=True)
class SimulatedRun:
    """A run that somebody or something submits."""

    tenant: str
    what: str
    at: datetime
    seconds: float
    tags: Mapping[str, str] = field(default_factory=dict)
    due: datetime | None = None
    """When its data must be there."""


@dataclass(frozen=True)
class Played:
    """What became of a run. `began` and `ended` are None if it still waits, or is at work, at the end of the day."""

    run: SimulatedRun
    began: datetime | None
    ended: datetime | None

    @property
    def wait(self) -> timedelta | None:
        """How long it waited in the queue."""
        return self.began - self.run.at if self.began else None

    @property
    def is_late(self) -> bool:
        """Whether its data was not there when it was due."""
        return self.run.due is not None and (self.ended is None or self.ended > self.run.due)


class SimulatedLauncher(RunLauncher[Any]):
    """Launches no process: the run is started, and the simulation ends it."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """As Dagster makes a launcher."""
        self._inst_data = inst_data
        self.launched: list[str] = []

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What dagster.yaml says about it."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return its settings: there are none."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "SimulatedLauncher":
        """Make the launcher."""
        del config_value
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Report the run as started."""
        run = context.dagster_run
        _report(self._instance, run, DagsterEventType.RUN_START)
        self.launched.append(run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Do nothing: nobody stops a run of a simulation."""
        del run_id
        return False


class SimulatedStorage(LocalStorage):
    """The usual storage, with the events in memory: a file for the events of each run takes a tenth of a second."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """`base_dir` is the temporary folder."""
        super().__init__(base_dir, inst_data)
        self._event_log_storage = InMemoryEventLogStorage()  # type: ignore[assignment]  # Dagster only asks for its protocol


@dataclass(frozen=True)
class _Context:
    """What the daemon needs of a workspace: the instance. Its runs name no code location."""

    instance: DagsterInstance

    def create_request_context(self) -> None:
        """Return no workspace, because the launcher needs none."""


@contextmanager
def simulated_instance(concurrency: Mapping[str, Any], coordinator: Mapping[str, Any]) -> Iterator[DagsterInstance]:
    """Make a temporary instance with these settings of dagster.yaml."""
    with tempfile.TemporaryDirectory(prefix="etl-simulation-") as folder:
        settings = {
            "telemetry": {"enabled": False},
            "concurrency": dict(concurrency),
            "run_coordinator": dict(coordinator),
            "run_launcher": {"module": SimulatedLauncher.__module__, "class": SimulatedLauncher.__name__},
            "storage": {
                "custom": {
                    "module": SimulatedStorage.__module__,
                    "class": SimulatedStorage.__name__,
                    "config": {"base_dir": folder},
                }
            },
        }
        Path(folder, "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        with DagsterInstance.from_config(folder) as instance:
            yield instance


def play(runs: Sequence[SimulatedRun], until: datetime, instance: DagsterInstance) -> list[Played]:
    """Play these runs up to a moment. Returns them in the order in which they were submitted."""
    launcher = cast("SimulatedLauncher", instance.run_launcher)
    order, events = count(), list[tuple[datetime, int, int, Any]]()
    for run in runs:
        heapq.heappush(events, (run.at, 1, next(order), run))
    submitted: dict[str, SimulatedRun] = {}
    began: dict[str, datetime] = {}
    ended: dict[str, datetime] = {}
    with _silent(), QueuedRunCoordinatorDaemon(interval_seconds=LOOK.total_seconds()) as daemon:
        while events and events[0][0] <= until:
            now = _next_look(events[0][0])
            while events and events[0][0] <= now:
                at, _, _, subject = heapq.heappop(events)
                if isinstance(subject, str):
                    ended[subject] = at
                    stored = instance.get_run_by_id(subject)
                    if stored is not None:
                        _report(instance, stored, DagsterEventType.RUN_SUCCESS)
                else:
                    submitted[_submit(instance, subject)] = subject
            if now > until:
                break
            launcher.launched.clear()
            for _ in daemon.run_iteration(cast("Any", _Context(instance)), fixed_iteration_time=now.timestamp()):
                pass
            for run_id in launcher.launched:
                began[run_id] = now
                heapq.heappush(events, (now + timedelta(seconds=submitted[run_id].seconds), 0, next(order), run_id))
    return [Played(run, began.get(run_id), ended.get(run_id)) for run_id, run in submitted.items()]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the daemon's log of each look, and the queue's log of its file, from the screen, within the block."""
    loggers = [logging.getLogger(each) for each in _LOGS]
    before = [each.disabled for each in loggers]
    for each in loggers:
        each.disabled = True
    try:
        yield
    finally:
        for each, was in zip(loggers, before, strict=True):
            each.disabled = was


def _next_look(at: datetime) -> datetime:
    """Return when the daemon looks next."""
    step = LOOK.total_seconds()
    looks = -(-at.timestamp() // step)
    return datetime.fromtimestamp(looks * step, at.tzinfo)


def _submit(instance: DagsterInstance, run: SimulatedRun) -> str:
    target = LoadableTargetOrigin(module_name=f"tenants.{run.tenant}.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(loadable_target_origin=target, location_name=run.tenant)
    added = instance.add_run(
        DagsterRun(
            job_name=run.what,
            run_id=make_new_run_id(),
            tags={"tenant": run.tenant, **run.tags},
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), run.what),
        )
    )
    instance.run_coordinator.submit_run(SubmitRunContext(added, workspace=cast("Any", None)))
    return added.run_id


def _report(instance: DagsterInstance, run: DagsterRun, kind: DagsterEventType) -> None:
    event = DagsterEvent(event_type_value=kind.value, job_name=run.job_name)
    instance.report_dagster_event(event, run_id=run.run_id)
