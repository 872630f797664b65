"""Makes the sensor that continues runs which a quota of the day has refused.

Belongs here: when a tick happens, and the runs that it asks Dagster for. Not here: which runs
(`etl.running.quota_watch`).

There is a sensor only where the platform has a file of quotas. As with the sensor of promises, a location of several
tenants has one for all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import (
    AssetKey,
    DefaultSensorStatus,
    JobDefinition,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
)

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.quotas.quotas_file import quotas_path
from etl.running import naming
from etl.running.quota_watch import Continuation, continuations
from etl.settings import Settings, load_settings

INTERVAL_SECONDS = 300


@dataclass(frozen=True)
class Continued:
    """A tenant, with its jobs."""

    config: TenantConfig
    jobs: Sequence[JobDefinition]


class TenantQuotaSensor(SensorDefinition):
    """The sensor of one tenant. A location of several tenants leaves it out, and has one sensor for all of them."""


def tenant_quota_sensors(config: TenantConfig, jobs: Sequence[JobDefinition]) -> list[SensorDefinition]:
    """Return the sensor of one tenant; none if the platform has no file of quotas."""
    if not jobs or not quotas_path(load_settings()).is_file():
        return []
    return [
        TenantQuotaSensor(
            name=naming.quota_sensor_name(config.id),
            evaluation_fn=_evaluation([Continued(config, jobs)]),
            jobs=list(jobs),
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description=f"Continues runs of {config.name} that a day's quota has refused, when there is room again.",
            tags={"tenant": config.id},
        )
    ]


def location_quota_sensors(tenants: Sequence[Continued], settings: Settings) -> list[SensorDefinition]:
    """Return the one sensor of a location of several tenants; none if the platform has no file of quotas."""
    jobs = [job for each in tenants for job in each.jobs]
    if not jobs or not quotas_path(settings).is_file():
        return []
    return [
        SensorDefinition(
            name=naming.LOCATION_QUOTA_SENSOR,
            evaluation_fn=_evaluation(tenants),
            jobs=jobs,
            minimum_interval_seconds=INTERVAL_SECONDS,
            default_status=DefaultSensorStatus.RUNNING,
            description="Continues runs that a day's quota has refused, when there is room again.",
        )
    ]


def _evaluation(tenants: Sequence[Continued]) -> Callable[[SensorEvaluationContext], SensorResult]:
    def evaluate(context: SensorEvaluationContext) -> SensorResult:
        settings, now = load_settings(), datetime.now(UTC)
        requests: list[RunRequest] = []
        problems: list[str] = []
        for each in tenants:
            try:
                requests += _requests(each, continuations(each.config, settings, context.instance, now))
            except EtlError as error:
                problems.append(f"{each.config.id}: {error}")
        if problems and not requests:
            raise EtlError("\n".join(problems), "the runs that wait are continued when that is mended")
        for problem in problems:  # a tick that fails would ask for none of the runs
            context.log.error(problem)
        if not requests:
            return SensorResult(skip_reason="no refused run waits for which there is room now")
        return SensorResult(run_requests=requests)

    return evaluate


def _requests(tenant: Continued, found: Sequence[Continuation]) -> Iterator[RunRequest]:
    """Yield a run for each refused run. Its key is the refused run, so that it is continued once."""
    names = {each.name: each for each in tenant.jobs}
    every = naming.job_name(tenant.config.id, naming.JOB_OF_ALL)
    for each in found:
        job = names.get(each.job_name) or names.get(every)
        if job is None:
            continue
        keys = _left(job, each)
        if keys:
            yield RunRequest(run_key=each.run_id, job_name=job.name, tags=dict(each.tags), asset_selection=keys)


def _left(job: JobDefinition, found: Continuation) -> list[AssetKey]:
    """Return the assets that the refused run has not made. A step makes all its assets together."""
    known = job.asset_layer.selected_asset_keys
    graph = job.asset_layer.asset_graph
    asked = (found.assets & known) or known
    return sorted(key for key in asked if not graph.get(key).execution_set_asset_keys & found.done)
