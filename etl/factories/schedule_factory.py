"""Makes a tenant's schedules, and finds the partitions for a tick.

Belongs here: from `schedule:` in the YAML to Dagster's schedule. Not here: what the job runs (`job_factory`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
)

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import TenantConfig
from etl.partitions.keys import moved
from etl.partitions.scheme import TimeScheme
from etl.running import naming
from etl.running.partition_definitions import scheme_of
from etl.running.queue_order import DUE, Deadline, deadline_of, next_deadline
from etl.running.run_spans import Definition, PartitionsOf, Span, bounds, newest, partition_sets, spans

Tick = Callable[[ScheduleEvaluationContext], Iterator[RunRequest | SkipReason]]


class ScheduleFactory:
    """All schedules of one tenant; they are stopped unless the YAML has `auto_start`."""

    def __init__(self, config: TenantConfig, jobs: list[JobDefinition]) -> None:
        """`jobs` are this tenant's resolved jobs."""
        self._config = config
        self._jobs = {job.name: job for job in jobs}

    def create_all_schedules(self) -> list[ScheduleDefinition]:
        """Return one schedule for each job with a schedule; empty for a tenant that is switched off."""
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
            execution_fn=_with_due(_tick(_partitions(job), self._lookback(job)), self._promises(job)),
            description=config.jobs[name].description or None,
            tags={"tenant": config.id},
        )

    def _promises(self, job: JobDefinition) -> list[Deadline]:
        """When the data of the pipelines that the job runs must be there."""
        names = self._pipelines(job) or set(self._config.pipelines)
        return [found for name in sorted(names) if (found := deadline_of(self._config, name)) is not None]

    def _pipelines(self, job: JobDefinition) -> set[str]:
        """The pipelines that the job runs; empty for a job that runs dbt models alone."""
        selected = [naming.AssetAddress.of(key) for key in job.asset_layer.selected_asset_keys]
        return {each.name for each in selected if each.stage in _STAGES}

    def _lookback(self, job: JobDefinition) -> dict[str, int]:
        """By unit, the longest of the pipelines that the job runs; one that runs dbt models alone is about all."""
        pipelines = self._config.pipelines
        names = self._pipelines(job)
        found: dict[str, int] = {}
        for name, each in pipelines.items():
            if each.partitions and (not names or name in names):
                found[each.scheme.kind] = max(found.get(each.scheme.kind, 0), each.partitions.behind)
        return found


_STAGES = frozenset(get_args(Stage))


def _partitions(job: JobDefinition) -> PartitionsOf:
    layer = job.asset_layer
    return {key: layer.get(key).partitions_def for key in layer.executable_asset_keys}


def _tick(partitions: PartitionsOf, behind: Mapping[str, int]) -> Tick:
    """Return the newest complete partition at the tick, with earlier partitions that may still get late rows.

    If the assets of the job have different partitions, each span that assets share is a separate run. All keys of a
    list are run at each tick.
    """

    def evaluate(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        at = context.scheduled_execution_time
        definitions = partition_sets(partitions)
        known = {each: found for each in definitions if (found := bounds(each, at))}
        own = {each for each, found in known.items() if not _has_ended(each, found[1], at, behind)}
        if not definitions:
            yield RunRequest(run_key=at.isoformat())
        elif not known:
            words = sorted({getattr(scheme_of(each), "word", "partition") for each in definitions})
            yield SkipReason(f"no {' or '.join(words)} is complete at {at.isoformat()}: the partitions have not begun")
        elif not own:
            yield SkipReason(f"the partitions ended with {max(found[1] for found in known.values())}")
        else:
            going_on = {key: each for key, each in partitions.items() if each is None or each in own}
            wanted = spans(going_on, newest(own, at, behind))
            for each in wanted:
                yield _request(each, at, partitions, alone=len(wanted) == 1)

    return evaluate


def _with_due(tick: Tick, promises: Sequence[Deadline]) -> Tick:
    """Return the same tick, whose runs say when their data must be there: the queue takes them in this order."""

    def evaluate(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        due = min((next_deadline(each, context.scheduled_execution_time) for each in promises), default=None)
        for each in tick(context):
            if due is None or not isinstance(each, RunRequest):
                yield each
            else:
                yield each.with_replaced_attrs(tags={**each.tags, DUE: due.isoformat(timespec="minutes")})

    return evaluate


def _has_ended(definition: Definition, last: str, at: datetime, behind: Mapping[str, int]) -> bool:
    """Whether the last partition is over, with those during which late rows may still reach it."""
    if getattr(definition, "end", None) is None:
        return False
    scheme = scheme_of(definition)
    if not isinstance(scheme, TimeScheme):
        return False
    late = scheme.complete_at(moved(last, 1 + behind.get(scheme.unit, 0)))
    return at > max(late, scheme.complete_at(last) + timedelta(days=1))


def _request(span: Span, at: datetime, partitions: PartitionsOf, *, alone: bool) -> RunRequest:
    """A run of the span. Its key is that of the tick, so that a tick that is evaluated twice runs once."""
    key = at.isoformat() if alone else f"{at.isoformat()} {span}"
    selection = None if len(span.keys) == len(partitions) else sorted(span.keys)
    if span.first is not None and span.first == span.last and len(partition_sets(partitions)) == 1:
        return RunRequest(run_key=key, partition_key=span.first, asset_selection=selection)
    return RunRequest(run_key=key, tags=span.tags, asset_selection=selection)
