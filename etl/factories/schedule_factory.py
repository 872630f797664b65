"""A tenant's schedules: which partition a tick is about.

Belongs here: from `schedule:` in the YAML to Dagster's schedule. Does not: what the job runs (`job_factory`).
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import get_args

from dagster import (
    DailyPartitionsDefinition,
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    partition_loading_context,
)

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import TenantConfig
from etl.factories import naming

Tick = Callable[[ScheduleEvaluationContext], RunRequest | SkipReason]

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


class ScheduleFactory:
    """All schedules of one tenant; stopped unless the YAML says `auto_start`."""

    def __init__(self, config: TenantConfig, jobs: list[JobDefinition]) -> None:
        """`jobs` are this tenant's resolved jobs."""
        self._config = config
        self._jobs = {job.name: job for job in jobs}

    def create_all_schedules(self) -> list[ScheduleDefinition]:
        """One schedule per job that has one; none for a tenant that is switched off, and so has no jobs."""
        if not self._jobs:
            return []
        return [self._schedule(name) for name, job in self._config.jobs.items() if job.schedule is not None]

    def _schedule(self, name: str) -> ScheduleDefinition:
        config = self._config
        schedule = config.jobs[name].schedule
        job = self._jobs[naming.job_name(config.id, name)]
        if schedule is None:
            raise ValueError(name)
        return ScheduleDefinition(
            name=naming.schedule_name(config.id, name),
            job=job,
            cron_schedule=schedule.cron,
            execution_timezone=schedule.timezone,
            default_status=DefaultScheduleStatus.RUNNING if schedule.auto_start else DefaultScheduleStatus.STOPPED,
            execution_fn=_tick(job.partitions_def, self._lookback(job)),
            description=config.jobs[name].description or None,
            tags={"tenant": config.id},
        )

    def _lookback(self, job: JobDefinition) -> int:
        """The longest of the pipelines that the job runs; one that runs dbt models alone is about all of them."""
        pipelines = self._config.pipelines
        names = {key.path[2] for key in job.asset_layer.selected_asset_keys if key.path[1] in _STAGES}
        spans = [each.partitions for name, each in pipelines.items() if not names or name in names]
        return max((each.lookback_days for each in spans if each), default=0)


_STAGES = frozenset(get_args(Stage))


def _tick(partitions: object, lookback_days: int) -> Tick:
    """The newest day that is complete at the tick, with the days before it that late rows may still reach."""

    def evaluate(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        at = context.scheduled_execution_time
        if not isinstance(partitions, DailyPartitionsDefinition):
            return RunRequest(run_key=at.isoformat())
        with partition_loading_context(effective_dt=at):
            newest = partitions.get_last_partition_key()
        if newest is None:
            return SkipReason(f"no day is complete at {at.isoformat()}: the partitions have not begun")
        window = partitions.time_window_for_partition_key(newest)
        if partitions.end is not None and at - window.end > timedelta(days=1 + lookback_days):
            return SkipReason(f"the partitions ended with {newest}")
        if lookback_days == 0:
            return RunRequest(run_key=at.isoformat(), partition_key=newest)
        oldest = (date.fromisoformat(newest) - timedelta(days=lookback_days)).isoformat()
        oldest = max(oldest, partitions.get_first_partition_key() or oldest)
        return RunRequest(run_key=at.isoformat(), tags={RANGE_START: oldest, RANGE_END: newest})

    return evaluate
