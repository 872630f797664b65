"""A run that is created and executed in this process, which loads the code location once for both.

Belongs here: loading a location as a code server of Dagster does, and executing a run as Dagster's own process of a run
does. Not here: creating the run (`new_run`), which process does this and for whom (`etl.cli.run_child`), runs that a
code server starts (`run_start`).
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
from dagster_shared.record import copy

from etl.errors import EtlError
from etl.running.compat import (
    CodeLocationOrigin,
    EngineEventData,
    ExecutionPlanSnapshotArgs,
    InProcessCodeLocation,
    InProcessCodeLocationOrigin,
    JobSubsetSelector,
    KnownExecutionState,
    ManagedGrpcPythonEnvCodeLocationOrigin,
    ReconstructableJob,
    RemoteExecutionPlan,
    RemoteJob,
    RemoteJobSubsetResult,
    core_execute_run,
    get_external_execution_plan_snapshot,
    get_external_pipeline_subset_result,
    get_python_environment_entry_point,
    serializable_error_info_from_exc_info,
)
from etl.running.new_run import repository_in
from etl.running.run_start import name_partition
from etl.running.worker_process import recorded_worker

logger = logging.getLogger(__name__)


class OwnLocation(InProcessCodeLocation):
    """A code location in this process. Its runs are recorded as runs of the entry in workspace.yaml.

    So Dagster's web server and its daemon know where the code of the run is, and can execute it again.
    """

    def __init__(self, entry: ManagedGrpcPythonEnvCodeLocationOrigin, instance: DagsterInstance) -> None:
        """Load what the entry names. Raises the error that the location's code raises."""
        self._entry = entry
        target = entry.loadable_target_origin
        # The arguments of `dagster api grpc`, and what that command makes of them.
        super().__init__(
            InProcessCodeLocationOrigin(
                loadable_target_origin=copy(
                    target,
                    executable_path=sys.executable,
                    working_directory=target.working_directory or str(Path.cwd()),
                ),
                container_image=os.environ.get("DAGSTER_CURRENT_IMAGE"),
                container_context={},
                entry_point=get_python_environment_entry_point(sys.executable) if target.executable_path else None,
                location_name=entry.location_name,
            ),
            instance,
        )

    @property
    def origin(self) -> CodeLocationOrigin:  # type: ignore[override]
        """The entry in workspace.yaml."""
        return self._entry

    # A code server makes the plan, and the job of a selection of assets, a little differently. Both are stored.
    def get_execution_plan(
        self,
        remote_job: RemoteJob,
        run_config: Mapping[str, object],
        step_keys_to_execute: Sequence[str] | None,
        known_state: KnownExecutionState | None,
        instance: DagsterInstance | None = None,
    ) -> RemoteExecutionPlan:
        """Plan the execution of a job."""
        definition = self._get_repo_def(remote_job.repository_handle.repository_name)
        planned = ExecutionPlanSnapshotArgs(
            job_origin=remote_job.get_remote_origin(),
            op_selection=remote_job.op_selection or [],
            run_config=run_config,
            step_keys_to_execute=step_keys_to_execute,
            job_snapshot_id=remote_job.identifying_job_snapshot_id,
            known_state=known_state,
            instance_ref=instance.get_ref() if instance is not None else None,
            asset_selection=remote_job.asset_selection,
            asset_check_selection=remote_job.asset_check_selection,
        )
        found = get_external_execution_plan_snapshot(definition, remote_job.name, planned)
        return RemoteExecutionPlan(execution_plan_snapshot=found)

    def _get_subset_remote_job_result(
        self, selector: JobSubsetSelector, get_full_job: Callable[[JobSubsetSelector], RemoteJob]
    ) -> RemoteJobSubsetResult:
        del get_full_job
        found: RemoteJobSubsetResult = get_external_pipeline_subset_result(
            self._get_repo_def(selector.repository_name),
            self._get_reconstructable_repository(selector.repository_name),
            selector.job_name,
            selector.op_selection,
            set(selector.asset_selection) if selector.asset_selection is not None else None,
            selector.asset_check_selection,
            include_parent_snapshot=True,
        )
        return found


def load_own(entry: ManagedGrpcPythonEnvCodeLocationOrigin, instance: DagsterInstance) -> OwnLocation:
    """Load a location into this process, with the variables that the instance gives to it."""
    instance.inject_env_vars(entry.location_name)
    return OwnLocation(entry, instance)


def execute_here(
    location: OwnLocation, instance: DagsterInstance, run: DagsterRun, is_started: Callable[[], None]
) -> None:
    """Execute a run in this process. Its failure is in the event log.

    `is_started` is called when other processes can see which process works for the run, and can interrupt it. The
    interrupts of this process must be captured before.
    """
    starting = DagsterEvent(event_type_value=DagsterEventType.RUN_STARTING.value, job_name=run.job_name)
    instance.report_dagster_event(starting, run_id=run.run_id)
    try:
        name_partition(instance, run, location)
        job = location.get_reconstructable_job(repository_in(location).name, run.job_name)
        present = _present(instance, run)
    except Exception:  # loading the job runs a tenant's code; without this the run would stay "starting" for ever
        error = serializable_error_info_from_exc_info(sys.exc_info())
        instance.report_engine_event(error.message, run, EngineEventData.engine_error(error))
        instance.report_run_failed(run)
        raise
    with recorded_worker(instance, present):
        is_started()
        _execute(job, instance, present)


def _present(instance: DagsterInstance, run: DagsterRun) -> DagsterRun:
    """Return the run as it is stored now, with the tags that were added."""
    found = instance.get_run_by_id(run.run_id)
    if found is None:
        raise EtlError(f"run {run.run_id} was deleted before it began", "start it again")
    return found


def _execute(job: ReconstructableJob, instance: DagsterInstance, run: DagsterRun) -> None:
    """Do what a process that a code server has started for a run does."""
    pid = os.getpid()
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    try:
        for _ in core_execute_run(job, run, instance, inject_env_vars=False):
            pass
    # etl: allow swallowed-exception (Dagster has written it to the event log before, also an interrupt)
    except BaseException:
        logger.debug("run %s ended with an error", run.run_id, exc_info=True)
    finally:
        instance.report_engine_event(f"Process for run exited (pid: {pid}).", run)
