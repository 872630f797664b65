"""Dagster's own freshness policy for a pipeline's promises, so that an asset's page shows the state.

Belongs here: from `freshness:` in the YAML to a policy. Not here: whether the promise is kept. Dagster judges the last
materialization of an asset, of any partition; the tenant's SLA sensor judges the partition that was due.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache

from dagster import FreshnessPolicy

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.partitions.cron import ALIASES, parse_cron
from etl.partitions.scheme import TimeScheme

DAY = timedelta(days=1)
SHORTEST = timedelta(minutes=1)  # the shortest time that Dagster accepts
WEEKDAYS = range(1, 6)


def freshness_policy(config: TenantConfig, pipeline: PipelineConfig) -> FreshnessPolicy | None:
    """Return the policy of a pipeline's last stage: its deadline, or else its greatest age; None if nothing is due."""
    sla = config.sla_of(pipeline.name)
    if sla is None or not sla.enabled or sla.freshness is None or _is_over(pipeline):
        return None
    promise = sla.freshness
    if promise.deadline is not None:
        zone = promise.timezone or (pipeline.partitions.timezone if pipeline.partitions else "UTC")
        return deadline_policy(promise.deadline, zone, business_days=promise.business_days)
    return age_policy(promise.max_age_hours) if promise.max_age_hours else None


def _is_over(pipeline: PipelineConfig) -> bool:
    """Whether the last partition was due long ago. Dagster's policies have no end, so the asset would stay red."""
    scheme = pipeline.scheme
    over = scheme.over_at if isinstance(scheme, TimeScheme) else None
    return over is not None and over + DAY < datetime.now(UTC)


@cache  # Dagster looks at a thousand moments of each cron policy that is made: 3 ms
def deadline_policy(cron: str, timezone: str, *, business_days: bool) -> FreshnessPolicy:
    """Require a materialization between the beginning of the deadline's day and the deadline."""
    text = ALIASES.get(cron.strip().lower(), cron)
    if business_days:
        text = _on_business_days(text)
    return FreshnessPolicy.cron(deadline_cron=text, lower_bound_delta=_window(text), timezone=timezone)


@cache
def age_policy(hours: float) -> FreshnessPolicy:
    """Require a materialization at least once in this number of hours."""
    return FreshnessPolicy.time_window(fail_window=max(timedelta(hours=hours), SHORTEST))


def _on_business_days(cron: str) -> str:
    """Return the same times without Saturday and Sunday; unchanged if the cron joins days of month and week by `or`."""
    parsed, fields = parse_cron(cron), cron.split()
    days = sorted(parsed.weekdays & set(WEEKDAYS))
    return cron if parsed.either or not days else " ".join([*fields[:4], ",".join(map(str, days))])


def _window(cron: str) -> timedelta:
    """Return the time from the begin of the day to its first deadline, at most the time between two deadlines."""
    times = sorted(parse_cron(cron).times)
    moments = [datetime.combine(date(2000, 1, 1), each, UTC) for each in times]
    gaps = [after - before for before, after in zip(moments, [*moments[1:], moments[0] + DAY], strict=True)]
    since_midnight = moments[0] - datetime(2000, 1, 1, tzinfo=UTC)
    return max(min([since_midnight or DAY, *gaps]), SHORTEST)
