"""Runs that code servers start: the way that Dagster's web server takes, with three processes for a run.

Belongs here: starting the code servers of workspace.yaml, and launching runs in them. Not here: when this way is taken
(`runs`), the words for a code location that cannot be loaded (`location_errors`).
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from dagster import AssetKey, DagsterInstance, DagsterRun

from etl.cli.location_errors import cannot_load, log_file, not_in_workspace, reachable
from etl.cli.locations import location_of, origins_of
from etl.running.compat import (
    CodeLocationOrigin,
    GrpcServerCommand,
    GrpcServerRegistry,
    RemoteRepository,
    WorkspaceLoadTarget,
    WorkspaceProcessContext,
    WorkspaceRequestContext,
    grpc_server as server,
    make_new_run_id,
)
from etl.running.new_run import create_run, repository_in
from etl.settings import Settings, load_settings

# Seconds that a code server lives on when this process died without stopping it.
SERVER_LIVES_ON = 45


class Locations(WorkspaceLoadTarget):
    """The code locations of workspace.yaml, or only those of some tenants, because each is a process of its own."""

    def __init__(self, settings: Settings, tenants: Collection[str]) -> None:
        self._settings = settings
        self._tenants = tenants

    def create_origins(self) -> Sequence[CodeLocationOrigin]:
        """Return the code locations; Dagster calls this method of a workspace."""
        every = origins_of(self._settings)
        wanted = {location_of(each, every, self._settings) for each in self._tenants}
        return [each for each in every if not self._tenants or each.location_name in wanted]


@contextmanager
def workspace(
    instance: DagsterInstance, settings: Settings, only: Collection[str] = ()
) -> Iterator[WorkspaceRequestContext]:
    """Start the code locations of workspace.yaml, or `only` those of some tenants. They end with the block."""
    target = Locations(settings, only)
    servers = GrpcServerRegistry(
        instance_ref=instance.get_ref(),
        server_command=GrpcServerCommand.API_GRPC,
        heartbeat_ttl=SERVER_LIVES_ON,
        startup_timeout=instance.code_server_process_startup_timeout,
        wait_for_processes_on_shutdown=False,
        log_level="critical",
    )
    try:
        with servers, ExitStack() as stack:
            with _children_print_to(log_file()), _children_hear_no_terminal():
                process = stack.enter_context(WorkspaceProcessContext(instance, target, grpc_server_registry=servers))
            yield process.create_request_context()
    finally:
        # they were told to stop; what one of them still executes is no failure of this command
        with suppress(subprocess.TimeoutExpired):
            servers.wait_for_processes()


@contextmanager
def _children_hear_no_terminal() -> Iterator[None]:
    """Give code servers that are started within the block, and their runs, a session of their own.

    Ctrl-C in a terminal goes to every process of the command. The command alone shall hear it, and ask the run to stop.
    """
    names = vars(server)  # Dagster has no option for it
    before = names["open_ipc_subprocess"]
    names["open_ipc_subprocess"] = partial(before, start_new_session=True)
    try:
        yield
    finally:
        names["open_ipc_subprocess"] = before


@contextmanager
def _children_print_to(path: Path) -> Iterator[None]:
    """Let processes that are started within the block print to a file: dbt's lines would hide the progress."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with path.open("ab") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    try:
        yield
    finally:
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
            os.close(before)


def launch(
    instance: DagsterInstance,
    context: WorkspaceRequestContext,
    tenant: str,
    job_name: str,
    tags: Mapping[str, str],
    assets: Sequence[AssetKey] = (),
) -> DagsterRun:
    """Create the run of a job, or of some of its assets, and start it at once, without a queue or a daemon."""
    location = _served_by(context, tenant)
    with reachable(location, log_file()):
        repository_of(context, tenant)
        code = context.get_code_location(location)
        run = create_run(instance, code, job_name, make_new_run_id(), tags, assets)
        return instance.launch_run(run.run_id, context)


def _served_by(context: WorkspaceRequestContext, tenant: str) -> str:
    """Return the name of the code location that serves a tenant; the tenant's id if there is none."""
    origins = [each.origin for each in context.get_code_location_entries().values()]
    return location_of(tenant, origins, load_settings()) or tenant


def repository_of(context: WorkspaceRequestContext, tenant: str) -> RemoteRepository:
    """Return the repository of the code location that serves a tenant."""
    location = _served_by(context, tenant)
    entry = context.get_location_entry(location)
    if entry is None:
        raise not_in_workspace(tenant)
    if entry.code_location is None:
        raise cannot_load(location, entry.load_error, log_file())
    return repository_in(entry.code_location)
