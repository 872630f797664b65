"""Says what a back-fill will do to the runs of the other tenants, by playing the next days on Dagster's real queue.

Belongs here: which runs there will be, and the comparison of the days with and without the back-fill. Not here: playing
(`queue_simulation`), showing (`etl.cli.simulate`).

The scheduled runs are those of the tenants' files. How long a run takes is known from earlier runs of its job, or else
from its tenant's stages. Where neither is known, the median of the others is taken, and the answer says so. A back-fill
of a range is one run, as the assets ask Dagster for it, and its length is known from earlier materializations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from pydantic import BaseModel, ConfigDict

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, NothingExamined
from etl.partitions.cron import deadlines_after, parse_cron
from etl.partitions.scheme import TimeScheme
from etl.pipeline.stage import lake_of
from etl.planning.backfills import History, PipelineSight, known_rows
from etl.planning.queue_simulation import Played, SimulatedRun, play, simulated_instance
from etl.quotas.quotas_file import read_quotas
from etl.running import naming
from etl.running.compat import QueuedRunCoordinator
from etl.running.queue_order import DUE, deadline_of, next_deadline
from etl.running.run_spans import RANGE_END, RANGE_START
from etl.settings import Settings

SHORTEST, LONGEST = timedelta(days=1), timedelta(days=3)
"""So long a time is played: until the back-fill has ended, but at least and at most this."""
EARLIER_RUNS = 20


class TenantEffect(BaseModel):
    """What the back-fill does to one tenant. The waits are those of the queue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    runs: int
    promised: int
    """Runs whose data is due."""
    late_without: int
    late_with: int
    median_without: timedelta
    median_with: timedelta
    longest_without: timedelta
    longest_with: timedelta


class BackFillEffect(BaseModel):
    """The answer. `seconds`, `rows` and `days_by_quota` are None if they are not known, or if no quota sets days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    first: str
    last: str
    partitions: int
    seconds: float
    rows: int | None
    days_by_quota: int | None
    began_after: timedelta | None
    """How long the back-fill waits in the queue; None if it does not begin in the time that is played."""
    ended_after: timedelta | None
    played: timedelta
    places: int
    effects: tuple[TenantEffect, ...]
    assumed: tuple[str, ...] = ()
    """The jobs whose length is not known, so that the median of the others was taken."""


@dataclass(frozen=True)
class _BackFill:
    partitions: int
    seconds: float
    rows: int | None


def simulate(
    config: TenantConfig,
    others: Sequence[TenantConfig],
    settings: Settings,
    instance: DagsterInstance,
    span: tuple[str, str],
    now: datetime,
) -> BackFillEffect:
    """Play the time after `now` with a back-fill of the tenant, and without it."""
    backfill = _backfill(config, settings, instance, span, now)
    length = min(max(SHORTEST, timedelta(seconds=backfill.seconds * 1.25)), LONGEST)
    until, assumed = now + length, list[str]()
    usual = list(_scheduled([config, *others], instance, now, until, assumed))
    tags = {RANGE_START: span[0], RANGE_END: span[1]}
    added = SimulatedRun(config.id, f"{config.id}_{naming.JOB_OF_ALL}", now, backfill.seconds, tags)
    concurrency, coordinator = _queue_of(instance)
    found: list[list[Played]] = []
    for runs in (usual, [added, *usual]):
        with simulated_instance(concurrency, coordinator) as playing:
            found.append(play(runs, until, playing))
            queue = playing.get_concurrency_config().run_queue_config
    own = next(each for each in found[1] if each.run is added)
    return BackFillEffect(
        tenant=config.id,
        first=span[0],
        last=span[1],
        partitions=backfill.partitions,
        seconds=backfill.seconds,
        rows=backfill.rows,
        days_by_quota=_days_by_quota(config, settings, backfill.rows),
        began_after=own.wait,
        ended_after=own.ended - now if own.ended else None,
        played=length,
        places=queue.max_concurrent_runs if queue else 0,
        effects=tuple(_effects(found[0], [each for each in found[1] if each.run is not added])),
        assumed=tuple(assumed),
    )


def _backfill(
    config: TenantConfig, settings: Settings, instance: DagsterInstance, span: tuple[str, str], now: datetime
) -> _BackFill:
    """Return how many partitions the range has, how long they take, and about how many rows they are."""
    history, partitions, seconds, rows = History(instance), 0, 0.0, list[int | None]()
    unknown: list[str] = []
    with lake_of(config, settings) as lake, lake_of(config, settings, local=True) as local:
        for name, pipeline in config.pipelines.items():
            if not isinstance(pipeline.scheme, TimeScheme):
                continue
            try:
                first, last = pipeline.scheme.range(*span)
            except ValueError as error:
                raise EtlError(str(error), "write a range such as 2024-11-30/2026-11-29") from None
            wanted = [key for key in pipeline.scheme.keys(now) if key is not None and first <= key <= last]
            partitions += len(wanted)
            for stage in pipeline.stages if wanted else ():
                each = history.seconds(config.id, name, stage)
                if each is None:
                    unknown.append(f"{name} ({stage})")
                seconds += (each or 0.0) * len(wanted)
            place = lake if pipeline.save_to_s3 else local
            sight = PipelineSight(config, pipeline, place, history, now)
            published = place.partitions(config.id, pipeline.published_stage, name)
            rows.append(known_rows(sight, published, wanted)[0] if wanted else 0)
    if not partitions:
        raise NothingExamined(
            f"{config.id} has no partition from {span[0]} to {span[1]}", "name a range that its pipelines have"
        )
    if unknown:
        raise NothingExamined(
            f"it is not known how long a partition of {config.id} takes: {', '.join(unknown)} never ran here",
            f"run one partition first, such as `etl run {config.id}`",
        )
    known = [each for each in rows if each is not None]
    return _BackFill(partitions, seconds, sum(known) if len(known) == len(rows) else None)


def _scheduled(
    configs: Sequence[TenantConfig], instance: DagsterInstance, now: datetime, until: datetime, assumed: list[str]
) -> Iterator[SimulatedRun]:
    """Yield the runs that the schedules of all tenants start."""
    jobs = [
        (config, naming.job_name(config.id, name), job.schedule)
        for config in configs
        for name, job in config.jobs.items()
        if job.schedule is not None and config.enabled
    ]
    lengths = {name: _length(config, instance, name) for config, name, _ in jobs}
    known = {name: length for name, length in lengths.items() if length is not None}
    if jobs and not known:
        raise NothingExamined(
            "no scheduled job has ever ended here, so it is not known how long their runs take",
            "let the schedules run for a day first, or run each job once: `etl run TENANT --job NAME`",
        )
    for config, name, schedule in jobs:
        if name not in known:
            assumed.append(name)
        seconds = known.get(name, median(known.values()))
        promises = [found for each in config.pipelines if (found := deadline_of(config, each)) is not None]
        for at in deadlines_after(parse_cron(schedule.cron), ZoneInfo(schedule.timezone), now):
            if at >= until:
                break
            due = min((next_deadline(each, at) for each in promises), default=None)
            tags = {"dagster/schedule_name": f"{name}_schedule"} | ({DUE: due.isoformat()} if due else {})
            yield SimulatedRun(config.id, name, at, seconds, tags, due)


def _length(config: TenantConfig, instance: DagsterInstance, job: str) -> float | None:
    """Return how long a run of a job takes: the median of its newest successful runs, or else of its tenant's stages.

    None if neither is known.
    """
    filters = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS])
    runs = instance.get_run_records(filters, limit=EARLIER_RUNS)
    lengths = [each.end_time - each.start_time for each in runs if each.end_time and each.start_time]
    if lengths:
        return median(lengths)
    history = History(instance)
    stages = [(name, stage) for name, each in config.pipelines.items() for stage in each.stages]
    seconds = [history.seconds(config.id, *each) for each in stages]
    known = [each for each in seconds if each is not None]
    return sum(known) if known and len(known) == len(seconds) else None


def _queue_of(instance: DagsterInstance) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what dagster.yaml says of the queue."""
    if not isinstance(instance.run_coordinator, QueuedRunCoordinator):
        raise EtlError(
            "this Dagster has no queue: each run begins at once, whoever else runs",
            "name the queue in dagster.yaml; `etl home` says how",
        )
    data = instance.get_ref().run_coordinator_data
    if data is None:
        raise EtlError("dagster.yaml names no run coordinator", "name one; `etl home` says how")
    coordinator = {"module": data.module_name, "class": data.class_name, "config": dict(data.config_dict)}
    return instance.get_settings("concurrency"), coordinator


def _effects(without: Sequence[Played], with_it: Sequence[Played]) -> Iterator[TenantEffect]:
    for tenant in sorted({each.run.tenant for each in without}):
        before = [each for each in without if each.run.tenant == tenant]
        after = [each for each in with_it if each.run.tenant == tenant]
        yield TenantEffect(
            tenant=tenant,
            runs=len(before),
            promised=sum(each.run.due is not None for each in before),
            late_without=sum(each.is_late for each in before),
            late_with=sum(each.is_late for each in after),
            median_without=_median(before),
            median_with=_median(after),
            longest_without=max(_waits(before)),
            longest_with=max(_waits(after)),
        )


def _median(found: Iterable[Played]) -> timedelta:
    return timedelta(seconds=median(each.total_seconds() for each in _waits(found)))


def _waits(found: Iterable[Played]) -> list[timedelta]:
    """Return the waits of runs that began. If none began, the wait is the whole time that was played."""
    return [each.wait for each in found if each.wait is not None] or [LONGEST]


def _days_by_quota(config: TenantConfig, settings: Settings, rows: int | None) -> int | None:
    """Return over how many days the quota of rows spreads the back-fill."""
    quotas = read_quotas(settings)
    limit = quotas.limits_of(config.id).rows_per_day if quotas else None
    return ceil(rows / limit) if rows is not None and limit else None
