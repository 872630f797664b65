"""What follows from a tenant's quotas between runs: who is told, and which refused runs can be continued.

Belongs here: troubles about quotas for the messages, and the runs that a sensor starts. Not here: the sensor
(`etl.factories.quota_sensor`), counting and refusing (`etl.quotas`).

A refused run is no failed attempt that is tried again: it was told to wait. It is continued once, when there is room
for the object that was refused. Its stages that succeeded are not run again, and of the refused stage, what was
published is not made again, as the journal of its range says. If the continuing run is refused too, it is continued in
its turn; if it fails for another reason, a person is needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetKey, DagsterInstance

from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.notify.incidents import Trouble
from etl.pipeline.stage import lake_of
from etl.quotas.quotas_file import DAILY, TenantLimits, read_quotas
from etl.quotas.usage import amount_of, day_of, usage_of_tenant
from etl.quotas.usage_state import Counted, Refusal, read_state
from etl.running.compat import StepEventStatus
from etl.running.naming import AssetAddress
from etl.running.queue_order import CONTINUES
from etl.running.run_spans import PARTITION, RANGE_END, RANGE_START
from etl.settings import Settings

WHOLE = "quotas"
"""The name in messages that are about the tenant and not about one pipeline."""


@dataclass(frozen=True)
class Continuation:
    """A refused run that can be continued now."""

    run_id: str
    assets: frozenset[AssetKey]
    """Its assets; empty for all of its job."""
    done: frozenset[AssetKey]
    """The assets whose steps succeeded in it, so that they are not made again."""
    job_name: str
    tags: Mapping[str, str]


def quota_troubles(config: TenantConfig, settings: Settings, now: datetime) -> Iterator[Trouble]:
    """Yield what people are told: a quota that is nearly used up, that refuses, or of which nothing is known."""
    try:
        quotas = read_quotas(settings)
        if quotas is None:
            return
        with lake_of(config, settings) as lake:
            uses = usage_of_tenant(config, settings, lake, now)
    except EtlError as error:
        yield Trouble(
            event="quota",
            tenant=config.id,
            pipeline=WHOLE,
            cause="the use of the quotas is not known",
            detail=error.problem,
            since=now,
            advice=(error.hint,) if error.hint else (),
        )
        return
    owner = f"the platform's owner raises the limit of {config.id} in tenants/quotas.yaml, or it is used less"
    for each in uses:
        if each.share is not None and each.share >= quotas.tell_at:
            yield Trouble(
                event="quota",
                tenant=config.id,
                pipeline=WHOLE,
                cause=f"{each.name} is nearly used up",
                severity="warning",
                detail=f"{each.name}: {each.text}",
                since=now,
                advice=(owner,),
            )
        if each.refused or (each.share is not None and each.share >= 1):
            yield Trouble(
                event="quota",
                tenant=config.id,
                pipeline=WHOLE,
                cause=f"{each.name} is used up",
                detail=f"{each.name} is used up: {each.text}"
                + (f"; {each.refused} object(s) wait for room" if each.refused else ""),
                since=now,
                advice=(owner,),
            )


def room_for_messages(config: TenantConfig, settings: Settings, now: datetime) -> int | None:
    """Return how many messages may still be sent today; None if there is no limit, or if it is not known.

    What cannot be read must not keep people from being told.
    """
    try:
        quotas = read_quotas(settings)
        limit = quotas.limits_of(config.id).messages_per_day if quotas else None
        if quotas is None or limit is None:
            return None
        with lake_of(config, settings) as lake:
            uses = {each.name: each for each in usage_of_tenant(config, settings, lake, now)}
    except EtlError:
        return None
    return max(0, limit - (uses["messages_per_day"].used or 0))


def continuations(
    config: TenantConfig, settings: Settings, instance: DagsterInstance, now: datetime
) -> list[Continuation]:
    """Return the refused runs for which there is room now, the oldest first."""
    quotas = read_quotas(settings)
    if quotas is None:
        return []
    limits = quotas.limits_of(config.id)
    with lake_of(config, settings) as lake:
        state = read_state(config.id, lake)
    if state is None or not state.refused:
        return []
    used = state.used(day_of(limits, now)[0])
    found: dict[str, Continuation] = {}
    for each in sorted(state.refused, key=lambda refusal: refusal.at):
        if not _fits(each, used.get(each.stage, Counted()), limits) or each.run_id in found:
            continue
        run = instance.get_run_by_id(each.run_id)
        if run is None or not run.is_finished:
            continue
        used[each.stage] = used.get(each.stage, Counted()) + each.amount
        tags = {name: run.tags[name] for name in (PARTITION, RANGE_START, RANGE_END) if name in run.tags}
        done = frozenset(
            AssetAddress.of_step(step.step_key).key
            for step in instance.get_run_step_stats(each.run_id)
            if step.status is StepEventStatus.SUCCESS
        )
        keys = frozenset(run.asset_selection or ())
        found[each.run_id] = Continuation(each.run_id, keys, done, run.job_name, {**tags, CONTINUES: each.run_id})
    return list(found.values())


def _fits(refusal: Refusal, used: Counted, limits: TenantLimits) -> bool:
    for name in DAILY:
        limit: int | None = getattr(limits, name)
        wanted = max(1, amount_of(name)(refusal.amount))  # it was refused before it was known how large it is
        if limit is not None and amount_of(name)(used) + wanted > limit:
            return False
    return True
