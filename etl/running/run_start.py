"""Starting the process of a run: in which code location, and for which partition if the run names none.

Belongs here: what the run launcher decides before a run starts. Not here: whether a run's process is alive
(`run_worker`), cutting a range into runs (`run_spans`).
"""

from dagster import DagsterInstance, DagsterRun, DefaultRunLauncher

from etl.errors import EtlError
from etl.running.compat import (
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    BaseWorkspaceRequestContext,
    CodeLocation,
    CodePointer,
    FileCodePointer,
    GrpcServerCodeLocation,
    LaunchRunContext,
    ModuleCodePointer,
)
from etl.running.run_spans import key_for


def launch_in(instance: DagsterInstance, context: LaunchRunContext) -> None:
    """Start the run in its code location. Raises an error with the remedy if the location is missing."""
    run = context.dagster_run
    location = location_of_run(run, context.workspace)
    name_partition(instance, run, location)
    if not isinstance(location, GrpcServerCodeLocation):
        raise EtlError(f"the code location `{location.name}` is no server of its own", "serve it from workspace.yaml")
    DefaultRunLauncher.launch_run_from_grpc_client(instance, run, location.client)


def name_partition(instance: DagsterInstance, run: DagsterRun, location: CodeLocation) -> None:
    """Give the newest complete partition to a run of partitioned assets that names none."""
    if not {PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG} & set(run.tags):
        key = _newest(run, location)
        if key is not None:
            instance.add_run_tags(run.run_id, {PARTITION_NAME_TAG: key})


def location_name_of(run: DagsterRun) -> str:
    """The name of the code location from which the run was launched. Raises an error if the run does not say it."""
    origin = run.remote_job_origin
    if origin is None:
        raise EtlError(f"run {run.run_id} does not say where its code is", "launch it again: `etl run`")
    return origin.repository_origin.code_location_origin.location_name


def location_of_run(run: DagsterRun, workspace: BaseWorkspaceRequestContext | None) -> CodeLocation:
    """The location that the run names, or the location that serves the same module under another name.

    `dagster job launch -m tenants.acme.definitions` names the location after the module. The daemon, which starts the
    run later, uses the location's name in workspace.yaml.
    """
    origin = run.remote_job_origin
    if workspace is None or origin is None:
        raise EtlError(f"run {run.run_id} does not say where its code is", "launch it again: `etl run`")
    wanted = origin.repository_origin.code_location_origin
    if workspace.has_code_location_name(wanted.location_name):
        return workspace.get_code_location(wanted.location_name)
    code = run.job_code_origin
    target = _place(code.repository_origin.code_pointer) if code else None
    for location in workspace.code_locations:
        if target is not None and target in map(_place, location.repository_code_pointer_dict.values()):
            return location
    served = ", ".join(sorted(workspace.code_location_names)) or "none"
    raise EtlError(
        f"run {run.run_id} was launched from the code location `{wanted.location_name}`, which is not served here",
        f"launch it from one that is: `dagster job launch -w workspace.yaml -l NAME`, NAME being one of: {served}",
    )


def _place(pointer: CodePointer | None) -> tuple[str, ...] | None:
    """The module or the file of a location and the name in it; the folder from which it was loaded is left out."""
    match pointer:
        case ModuleCodePointer():
            return (pointer.module, pointer.fn_name)
        case FileCodePointer():
            return (pointer.python_file, pointer.fn_name)
        case _:
            return None


def _newest(run: DagsterRun, location: CodeLocation) -> str | None:
    """The newest complete partition of the run's assets: Dagster itself cannot execute them without one."""
    origin = run.remote_job_origin
    if origin is None:
        return None
    repository = location.get_repository(origin.repository_origin.repository_name)
    if run.asset_selection:
        keys = set(run.asset_selection)
    elif repository.has_job(run.job_name):
        keys = set(repository.get_asset_keys_in_job(run.job_name))
    else:
        return None
    graph = repository.asset_graph
    return key_for({key: graph.get(key).partitions_def for key in keys if graph.has(key)})
