"""Starts the processes of runs, finds runs whose process has ended, and frees their pool slots.

Belongs here: the launcher, and the action on a run whose process has ended. Not here: whether a process has ended
(`etl.running.worker_process`), which runs are started (`etl.cli.runs`).

Dagster's default launcher does not know whether a run's process is alive. The run of a killed process (out of memory,
SIGKILL) would stay "started" for ever and keep its pool slot, so that every later run of that tenant would wait.
"""

import logging
from collections.abc import Collection

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher, RunsFilter

from etl.running.compat import GRPC_INFO_TAG, CheckRunHealthResult, LaunchRunContext, WorkerStatus
from etl.running.run_start import launch_in
from etl.running.worker_process import Life, interrupt_worker, life_of, worker_of

logger = logging.getLogger(__name__)

WITH_A_PROCESS = (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING)


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which also gives a day to a run without one and knows whether a process is alive."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process. A run of daily assets that names no day gets the newest complete day."""
        launch_in(self._instance, context)
        self._run_ids.add(context.dagster_run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Ask the run to stop: its code server, or without one its process, if that is certainly on this machine."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or GRPC_INFO_TAG in run.tags:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if interrupt_worker(self._instance, run_id):
            return True
        now = self._instance.get_run_by_id(run_id)
        if now is None or now.is_finished:
            return False
        self._instance.report_engine_event(
            "The run's process is not known, or it is not on this machine: it cannot be asked to stop from here.", run
        )
        return False

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True, because run monitoring calls only launchers that support the check."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process exists.

        A process that this machine cannot judge counts as running, because Dagster's run monitoring treats every other
        answer, also `UNKNOWN`, as a dead process.
        """
        worker = worker_of(self._instance, run.run_id)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process is not known")
        life = life_of(self._instance, run.run_id, worker)
        if life is Life.GONE:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {worker.pid} on host {worker.host} is gone")
        unjudged = f"its process {worker.pid} on host {worker.host} cannot be judged from here"
        return CheckRunHealthResult(WorkerStatus.RUNNING, unjudged if life is Life.UNKNOWN else None)


def fail_runs_at_work(instance: DagsterInstance, why: str) -> list[str]:
    """Mark every run that had a process as failed and free its slots: after a restore, none of them has a process."""
    failed = []
    for run in instance.get_runs(RunsFilter(statuses=[*WITH_A_PROCESS])):
        instance.report_run_failed(run, why)
        failed.append(run.run_id)
    _free_slots(instance)
    return failed


def release_dead_runs(instance: DagsterInstance, but: Collection[str] = ()) -> list[str]:
    """Mark runs whose process has ended as failed and free their slots, without waiting for a daemon.

    Only a process that has certainly ended counts: a run of another machine or container is not changed. The runs `but`
    are left to the caller, who has started their processes and knows how they ended.
    """
    released: list[str] = []
    for run in instance.get_runs(RunsFilter(statuses=[*WITH_A_PROCESS])):
        worker = worker_of(instance, run.run_id) if run.run_id not in but else None
        if worker is None or life_of(instance, run.run_id, worker) is not Life.GONE:
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:  # the run ended in the meantime
            continue
        instance.report_run_failed(
            now, f"The run's process {worker.pid} on host {worker.host} ended without a word: it was killed."
        )
        released.append(run.run_id)
    _free_slots(instance)
    if released:
        logger.warning("%d run(s) had died and are marked as failed: %s", len(released), ", ".join(released))
    return released


def _free_slots(instance: DagsterInstance) -> None:
    """Free the slots in pools that finished runs still hold."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids():
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
