"""Starts Dagster runs from the command line, and says why a run failed.

Belongs here: in which of two ways a run is started. Not here: the two ways (`child`, `code_servers`), which job and why
(`run_plan`, `demo`), waiting for the run (`follow`).

A run of a tenant takes one process beside the command: the process loads the tenant's code location, creates the run,
and executes it (`child`). Code servers, as Dagster's web server has them, are started only where the process of a run
must be another one than the process that describes the location:

- The location is a `grpc_server` of workspace.yaml, or names another Python: its code is not here.
- dagster.yaml names a run launcher that is not `LocalRunLauncher`, such as one for containers: it starts the process.
  Dagster's own default launcher ends a run by asking its code server, so it needs one too.
- The location is `etl.all`, or a shard of it: it has to load the code of all tenants to find out what they share, and
  the process of a run must load only the code of its own tenant.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRunStatus

from etl.cli.child import Child
from etl.cli.location_errors import not_in_workspace
from etl.cli.locations import ALL, location_of, origins_of
from etl.cli.messages import Plan, PlannedRun, Request, Wanted
from etl.config.config_loader import load_tenant
from etl.resources.run_worker import LocalRunLauncher
from etl.running.compat import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    WorkspaceRequestContext,
    make_new_run_id,
    serialize_value,
)
from etl.settings import Settings

AT_ONCE = (os.cpu_count() or 1) + 1
"""So many processes load a location at one time: each has a limited time for it."""


@dataclass(frozen=True)
class StartedRun:
    """A run that was started. `child` executes it, or else a process of a code server."""

    run_id: str
    child: Child | None = None

    def stop(self, instance: DagsterInstance) -> None:
        """Ask the run to stop."""
        if self.child is not None:
            self.child.interrupt(self.run_id, instance)
        else:
            instance.run_launcher.terminate(self.run_id)

    def notice_end(self, instance: DagsterInstance) -> None:
        """Report the run as failed if its process has ended without saying so. A code server does this itself."""
        if self.child is not None:
            self.child.notice_end(self.run_id, instance)

    def await_end(self) -> None:
        """Wait for the end of the run's process; the run has ended."""
        if self.child is not None:
            self.child.await_end()


class Runs:
    """Plans and starts the runs of some tenants."""

    def __init__(
        self,
        instance: DagsterInstance,
        settings: Settings,
        entries: Mapping[str, ManagedGrpcPythonEnvCodeLocationOrigin],
        servers: WorkspaceRequestContext | None,
        held: Callable[[], AbstractContextManager[None]],
    ) -> None:
        """Do not call this; use `runs_of`."""
        self._instance, self._settings, self._entries, self._servers = instance, settings, entries, servers
        self._held = held
        self.started: list[StartedRun] = []
        """Every run that was started."""
        self._waiting: dict[str, Child] = {}
        """By tenant, the process that can execute the first run of the plan."""
        self._children: list[Child] = []

    def plan(self, tenant: str, wanted: Wanted, tags: Mapping[str, str]) -> Plan:
        """Return the runs for what a person wants, each with these tags. Raises an error if there is none."""
        if tenant in self._entries:
            asked = Request(tenant=tenant, entry=self._entry(tenant), wanted=wanted, tags=dict(tags))
            child = self._waiting[tenant] = self._child(asked)
            return child.planned()
        from etl.cli.code_servers import repository_of  # noqa: PLC0415  only for this way
        from etl.cli.run_plan import plan  # noqa: PLC0415  only for this way

        config = load_tenant(tenant, self._settings)
        return plan(repository_of(self._context(), tenant), config, self._settings, wanted, tags)

    def start(self, runs: Sequence[tuple[str, PlannedRun]]) -> list[StartedRun]:
        """Start runs, each of a tenant. While one begins, the processes of the next ones load their locations."""
        children: list[Child | None] = []
        started = []
        for number, (tenant, run) in enumerate(runs):
            children += [self._child_of(*each) for each in runs[len(children) : number + AT_ONCE]]
            started.append(self._start(tenant, run, children[number]))
        return started

    def _child_of(self, tenant: str, run: PlannedRun) -> Child | None:
        child = self._waiting.pop(tenant, None)
        if child is None and tenant in self._entries:
            child = self._child(Request(tenant=tenant, entry=self._entry(tenant), run=run))
        return child

    def _start(self, tenant: str, run: PlannedRun, child: Child | None) -> StartedRun:
        if child is not None:
            child.planned()
            run_id = make_new_run_id()
            with self._held():
                child.go(run_id, self._instance)
                self.started.append(StartedRun(run_id, child))
            return self.started[-1]
        from etl.cli.code_servers import launch  # noqa: PLC0415  only for this way

        assets = [AssetKey(list(each)) for each in run.assets]
        with self._held():
            launched = launch(self._instance, self._context(), tenant, run.job, run.tags, assets)
            self.started.append(StartedRun(launched.run_id))
        return self.started[-1]

    def close(self) -> None:
        """End the processes that execute no run."""
        for child in self._children:
            child.dismiss()

    def _child(self, asked: Request) -> Child:
        name = self._entries[asked.tenant].location_name
        self._children.append(Child(asked, name, self._instance.code_server_process_startup_timeout, self._settings))
        return self._children[-1]

    def _entry(self, tenant: str) -> str:
        return serialize_value(self._entries[tenant])

    def _context(self) -> WorkspaceRequestContext:
        if self._servers is None:
            raise RuntimeError("no code server was started")
        return self._servers


@contextmanager
def runs_of(
    instance: DagsterInstance,
    settings: Settings,
    tenants: Collection[str],
    held: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[Runs]:
    """Prepare the start of runs of these tenants. Runs go on after the block; other processes end with it.

    A signal must not arrive between the start of a run and its entry in `started`: that happens within `held`.
    """
    origins = origins_of(settings)
    entries: dict[str, ManagedGrpcPythonEnvCodeLocationOrigin] = {}
    for tenant in tenants:
        name = location_of(tenant, origins, settings)
        entry = next((each for each in origins if each.location_name == name), None)
        if entry is None:
            raise not_in_workspace(tenant)
        if isinstance(entry, ManagedGrpcPythonEnvCodeLocationOrigin) and _is_one_process_enough(instance, entry):
            entries[tenant] = entry
    with ExitStack() as stack:
        servers = None
        if served := set(tenants) - set(entries):
            from etl.cli.code_servers import workspace  # noqa: PLC0415  only for this way

            servers = stack.enter_context(workspace(instance, settings, served))
        runs = Runs(instance, settings, entries, servers, held)
        stack.callback(runs.close)
        yield runs


def _is_one_process_enough(instance: DagsterInstance, entry: ManagedGrpcPythonEnvCodeLocationOrigin) -> bool:
    """Whether a run of this location can be executed by the process that describes the location."""
    target = entry.loadable_target_origin
    return (
        isinstance(instance.run_launcher, LocalRunLauncher)
        and target.module_name != ALL
        and target.executable_path in (None, sys.executable)
    )


def failures(instance: DagsterInstance, run_id: str) -> Iterator[str]:
    """Yield why a run failed: each failed step with the message of its cause, or why the run ended without one."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        yield f"{run_id}: the run was deleted while it was at work. What it published stays; run the same command again"
        return
    if run.status == DagsterRunStatus.CANCELED:
        yield f"{run_id}: the run was asked to stop (Terminate in Dagster's UI, or a signal), and has stopped"
        return
    steps = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
    for record in steps:
        event = record.event_log_entry.dagster_event
        failure = event.step_failure_data if event else None
        if event is not None and failure is not None and failure.error is not None:
            error = failure.error.cause or failure.error
            yield f"{event.step_key}: {error.message.strip()}"
        elif event is not None:
            yield f"{event.step_key}: {event.message}"
    if not steps:
        yield f"{run_id}: {_why_it_ended(instance, run_id)}"


def _why_it_ended(instance: DagsterInstance, run_id: str) -> str:
    """Return why a run without a failed step ended. Its failure says so, or an earlier event of a code server."""
    ends = {DagsterEventType.ENGINE_EVENT, DagsterEventType.RUN_FAILURE}
    events = [each.dagster_event for each in instance.all_logs(run_id, of_type=ends) if each.dagster_event]
    said = [
        each.message
        for each in events[-2:]
        if each.message and not (each.is_engine_event and "pid" in each.engine_event_data.metadata)  # it only began
    ]
    return " ".join(said) or "it failed, and left no word why"
