"""Starts Dagster runs from the command line, through the instance, as Dagster's UI does.

Belongs here: one instance, one workspace, launching a job, why it failed. Not here: which job and why (`demo`), waiting
for it (`follow`), the words for a code location that cannot be loaded (`location_errors`).
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRun

from etl.cli.chosen import Chosen
from etl.cli.location_errors import cannot_load, reachable
from etl.cli.locations import location_of, origins_of
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.partitions.scheme import TimeScheme
from etl.running.compat import (
    CodeLocationOrigin,
    GrpcServerCommand,
    GrpcServerRegistry,
    JobSubsetSelector,
    RemoteRepository,
    WorkspaceLoadTarget,
    WorkspaceProcessContext,
    WorkspaceRequestContext,
    grpc_server as server,
    make_new_run_id,
)
from etl.running.partition_definitions import scheme_of, schemes_of
from etl.running.run_spans import (
    Definition,
    PartitionsOf,
    Range,
    RangesOf,
    Span,
    alike,
    asked,
    bounds,
    newest,
    partition_sets,
    spans,
    spans_of_assets,
    within,
)
from etl.settings import Settings, load_settings

# The run's log is in the instance, where the UI reads it; on the screen it would bury the progress.
QUIET: Mapping[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# Seconds that a code server lives on when this process died without stopping it.
SERVER_LIVES_ON = 45


class Locations(WorkspaceLoadTarget):
    """The code locations of workspace.yaml, or only those of some tenants, because each is a process of its own."""

    def __init__(self, settings: Settings, tenants: Collection[str]) -> None:
        self._settings = settings
        self._tenants = tenants

    def create_origins(self) -> Sequence[CodeLocationOrigin]:
        """Return the code locations; Dagster calls this method of a workspace."""
        every = origins_of(self._settings.project_dir / "workspace.yaml")
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
            with _children_print_to(_log()), _children_hear_no_terminal():
                process = stack.enter_context(WorkspaceProcessContext(instance, target, grpc_server_registry=servers))
            yield process.create_request_context()
    finally:
        # they were told to stop; what one of them still executes is no failure of this command
        with suppress(subprocess.TimeoutExpired):
            servers.wait_for_processes()


def _log() -> Path:
    """Return the file with the output of the code servers."""
    return Path(os.environ["DAGSTER_HOME"]) / "code_servers.log"


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
    with reachable(location, _log()):
        repository = repository_of(context, tenant)
        code = context.get_code_location(location)
        selector = JobSubsetSelector(
            location_name=location,
            repository_name=repository.name,
            job_name=job_name,
            op_selection=None,
            asset_selection=list(assets) or None,
        )
        job = code.get_job(selector)
        plan = code.get_execution_plan(job, QUIET, None, None, instance)
        run = instance.create_run(
            job_name=job_name,
            run_id=make_new_run_id(),
            run_config=QUIET,
            status=None,
            tags={**job.tags, **tags},
            root_run_id=None,
            parent_run_id=None,
            step_keys_to_execute=plan.execution_plan_snapshot.step_keys_to_execute,
            execution_plan_snapshot=plan.execution_plan_snapshot,
            job_snapshot=job.job_snapshot,
            parent_job_snapshot=job.parent_job_snapshot,
            asset_selection=frozenset(assets) or None,
            asset_check_selection=None,
            resolved_op_selection=None,
            op_selection=None,
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
            asset_graph=repository.asset_graph,
        )
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
        raise EtlError(
            f"workspace.yaml has no code location `{tenant}`",
            f"add an entry with `module_name: tenants.{tenant}.definitions` and `location_name: {tenant}`",
        )
    if entry.code_location is None:
        raise cannot_load(location, entry.load_error, _log())
    return next(iter(entry.code_location.get_repositories().values()))


def spans_of(
    repository: RemoteRepository, config: TenantConfig, chosen: Chosen, first: str | None, last: str | None
) -> list[Span]:
    """Return the runs for these partitions of the chosen assets, in order; by default for the newest complete one.

    Of a list of keys, all keys are run by default.
    """
    graph = repository.asset_graph
    partitions = {key: graph.get(key).partitions_def for key in chosen.keys}
    definitions = partition_sets(partitions)
    if not definitions:
        if first is not None:
            problem = f"{chosen.words} has only whole tables, so no partition or range applies to it"
            raise EtlError(problem, "run it without --from, --to and --partition")
        return [Span(None, None, frozenset(partitions), is_all=True)]
    if first is None or last is None:
        found = spans(partitions, newest(definitions))
        if not found:
            word = " or ".join(sorted({_word(each) for each in definitions}))
            raise EtlError(f"{chosen.words} has no {word} yet", f"its first {word} is not complete")
        return found
    wanted = asked(partitions, schemes_of(config, graph, partitions), first, last)
    groups = alike({each for key in wanted if (each := partitions[key]) is not None})
    if len(groups) == 1 and isinstance(scheme_of(groups[0][0]), TimeScheme):
        _refuse_outside(chosen.words, partitions, wanted)
    ranges: dict[AssetKey, Range] = {}
    for key, own in wanted.items():
        definition = partitions[key]
        if definition is not None and (had := within((definition,), own).get(definition)):
            ranges[key] = had
    found = spans_of_assets(partitions, ranges)
    if not found:
        raise EtlError(
            f"no pipeline of {chosen.words} has a {_word(groups[0][0])} from {first} to {last}", "name others"
        )
    return found


def _refuse_outside(words: str, partitions: PartitionsOf, wanted: RangesOf) -> None:
    """Refuse a key that none of the job's assets has, instead of running a smaller range."""
    definitions = {each for key in wanted if (each := partitions[key]) is not None}
    known = [found for found in map(bounds, definitions) if found]
    word = " or ".join(sorted({_word(each) for each in definitions}))
    begin, end = min((each[0] for each in known), default=None), max((each[1] for each in known), default=None)
    for keys in ({first for first, _ in wanted.values()}, {last for _, last in wanted.values()}):
        if begin is None or end is None or not any(begin <= key <= end for key in keys):
            span = f"its {word}s go from {begin} to {end}" if begin else f"no {word} of it is complete yet"
            raise EtlError(f"{words} has no {word} {' or '.join(sorted(keys))}", span)


def _word(definition: Definition) -> str:
    scheme = scheme_of(definition)
    return scheme.word if scheme else "partition"


def failures(instance: DagsterInstance, run_id: str) -> Iterator[str]:
    """Yield why a run failed: each failed step with the message of its cause, or why the run ended without one."""
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
