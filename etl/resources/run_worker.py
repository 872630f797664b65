"""Run workers of this machine: started for a day, and those that died without a word found, their pool slots freed.

Belongs here: the launcher, who is alive. Does not: which run is wanted (`etl.cli.runs`).

Dagster's default launcher cannot say whether a worker lives. A worker that was killed (out of memory, SIGKILL) would
stay "started" for ever and keep its slot of the pool, so that every later run of that tenant would wait for it.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher, RunsFilter
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_START_TAG, PARTITION_NAME_TAG

logger = logging.getLogger(__name__)


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which knows what day a run without one is about, and whether its worker is alive."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process. A run of daily assets that names no day is about the newest complete one."""
        day = _newest_day(context)
        if day is not None:
            self._instance.add_run_tags(context.dagster_run.run_id, {PARTITION_NAME_TAG: day})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks only launchers that say so."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Alive, dead, or not known (then it is left alone)."""
        worker = worker_of(self._instance, run.run_id)
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process is not known yet")
        if is_alive(*worker):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {worker[0]} is gone")


def _newest_day(context: LaunchRunContext) -> str | None:
    """The day for a run that `dagster job launch` made: Dagster itself cannot execute it without one."""
    run = context.dagster_run
    origin = run.remote_job_origin
    if (
        origin is None
        or context.workspace is None
        or {PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG} & set(run.tags)
    ):
        return None
    place = origin.repository_origin
    location = context.workspace.get_code_location(place.code_location_origin.location_name)
    sets = location.get_repository(place.repository_name).get_partition_sets()
    found = next((each for each in sets if each.job_name == run.job_name and each.has_partitions_definition()), None)
    return found.get_partitions_definition().get_last_partition_key() if found else None


def worker_of(instance: DagsterInstance, run_id: str) -> tuple[int, datetime] | None:
    """The process that executes a run, and when it said so."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False).records
    for record in records:
        event = record.event_log_entry.dagster_event
        metadata = event.engine_event_data.metadata if event else {}
        pid = metadata.get("pid")
        if pid is not None and str(pid.value).isdigit():
            return int(str(pid.value)), datetime.fromtimestamp(record.timestamp, UTC)
    return None


def is_alive(pid: int, since: datetime) -> bool:
    """Whether that very process is there still: not a zombie, and not another one that was given its number later."""
    if not Path("/proc").is_dir():
        return True  # no way to know on this system: leave the run alone
    try:
        # After the name in parentheses: the state is the first field, the start in ticks since the boot the twentieth.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    begun = _booted() + timedelta(seconds=int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    return fields[0] != "Z" and begun <= since + timedelta(seconds=2)  # the boot is known to the second


def _booted() -> datetime:
    """The dates of files below /proc will not do: they are renewed whenever the kernel forgets and makes them again."""
    lines = Path("/proc/stat").read_text(encoding="utf-8").splitlines()
    return datetime.fromtimestamp(next(int(line.split()[1]) for line in lines if line.startswith("btime ")), UTC)


def release_dead_runs(instance: DagsterInstance) -> list[str]:
    """Mark the runs whose process is gone as failed and free their slots, without waiting for a daemon."""
    released: list[str] = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING])):
        worker = worker_of(instance, run.run_id)
        if worker is None or is_alive(*worker):
            continue
        instance.report_run_failed(run, f"The run's process {worker[0]} ended without a word: it was killed.")
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
