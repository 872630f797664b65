"""Run workers: started for a day; those whose process is gone are found, and their pool slots freed.

Belongs here: the launcher, and what is done about a run whose process is gone. Not here: whether a process is gone
(`worker_process`), which run is wanted (`etl.cli.runs`).

Dagster's default launcher cannot say whether a worker lives. A worker that was killed (out of memory, SIGKILL) would
stay "started" for ever and keep its slot of the pool, so that every later run of that tenant would wait for it.
"""

import logging

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher, RunsFilter

from etl.running.compat import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from etl.running.run_start import launch_in
from etl.running.worker_process import Life, life_of, worker_of

logger = logging.getLogger(__name__)


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which knows what day a run without one is about, and whether its worker is alive."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process. A run of daily assets that names no day is about the newest complete one."""
        launch_in(self._instance, context)
        self._run_ids.add(context.dagster_run.run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks only launchers that say so."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there.

        What this machine cannot judge counts as running: Dagster's run
        monitoring takes every other answer, `UNKNOWN` too, for a dead worker.
        """
        worker = worker_of(self._instance, run.run_id)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process is not known")
        life = life_of(self._instance, run.run_id, worker)
        if life is Life.GONE:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {worker.pid} on host {worker.host} is gone")
        unjudged = f"its process {worker.pid} on host {worker.host} cannot be judged from here"
        return CheckRunHealthResult(WorkerStatus.RUNNING, unjudged if life is Life.UNKNOWN else None)


def release_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark the runs whose process is gone as failed and free their slots, without waiting for a daemon.

    Only a process that is gone for certain counts: a run of another machine or container is left alone.
    """
    released: list[str] = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING])):
        worker = worker_of(instance, run.run_id)
        if worker is None or life_of(instance, run.run_id, worker) is not Life.GONE:
            continue
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:  # it came to its end while we looked
            continue
        instance.report_run_failed(
            now, f"The run's process {worker.pid} on host {worker.host} ended without a word: it was killed."
        )
        released.append(run.run_id)
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run_id in storage.get_concurrency_run_ids():
            holder = instance.get_run_by_id(run_id)
            if holder is None or holder.is_finished:
                storage.free_concurrency_slots_for_run(run_id)
    if released:
        logger.warning("%d run(s) had died and are marked as failed: %s", len(released), ", ".join(released))
    return released
