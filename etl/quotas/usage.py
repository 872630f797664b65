"""How much of its quotas a tenant has used.

Belongs here: the answer for people, pages and metrics. Not here: the decision about a run (`claims`), how it is kept
(`usage_state`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Lake
from etl.notify.outbox import Outbox
from etl.quotas.amounts import shown
from etl.quotas.quotas_file import DAILY, TenantLimits, read_quotas
from etl.quotas.usage_state import UsageState, read_state
from etl.settings import Settings


class Use(BaseModel):
    """How much of one quota is used.

    `used` is None if that is not known, and then `why_unknown` says why: it is never taken for zero. It is also None if
    nothing is counted because the tenant cannot use it, and then `why_uncounted` says why. `limit` is None if there is
    no limit. `share` is `used` divided by `limit`, or None if either is not known. `since` is the moment from
    which on a day's amount was counted, or at which a size was measured. `until` is when a day's quota is free again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    used: int | None
    limit: int | None
    share: float | None
    since: datetime | None = None
    until: datetime | None = None
    is_partial: bool = False
    """Whether counting began after the day had begun, so that `used` is only a part of the day's amount."""
    why_unknown: str = ""
    why_uncounted: str = ""
    refused: int = 0
    """Objects of this day that were refused and wait for room."""

    @property
    def is_unknown(self) -> bool:
        """Whether there is a limit, and it is not known how much of it is used."""
        return self.limit is not None and self.used is None and not self.why_uncounted

    @property
    def text(self) -> str:
        """Say it in a few words."""
        limit = "no limit" if self.limit is None else f"of {shown(self.name, self.limit)}"
        if self.why_uncounted:
            return f"not counted: {self.why_uncounted}"
        if self.used is None:
            return f"unknown {limit}: {self.why_unknown}"
        part = " at least" if self.is_partial else ""
        share = f" ({self.share:.0%})" if self.share is not None else ""
        return f"{part} {shown(self.name, self.used)} {limit}{share}".strip()


def usage_of(tenant: str, settings: Settings, lake: Lake, now: datetime) -> tuple[Use, ...]:
    """Return how much of each quota the tenant has used; empty if the platform has no file of quotas.

    `lake` is the tenant's own: its bucket, or the local lake. Only kept numbers are read; nothing is measured.
    """
    quotas = read_quotas(settings)
    if quotas is None:
        return ()
    limits = quotas.limits_of(tenant)
    state = read_state(tenant, lake)
    return (
        *(_daily(name, limits, state, now) for name in DAILY),
        _size("lake_bytes", limits.lake_bytes, state.lake.estimate if state and state.lake else None, state),
        _size(
            "warehouse_bytes",
            limits.warehouse_bytes,
            state.warehouse.bytes if state and state.warehouse else None,
            state,
        ),
        _messages(tenant, settings, limits, now),
    )


def usage_of_tenant(config: TenantConfig, settings: Settings, lake: Lake, now: datetime) -> tuple[Use, ...]:
    """Return the same, and say of what the tenant does not use by its file that it is not counted."""
    loads = any(each.save_to_trino for each in config.pipelines.values())
    uncounted = {} if loads else {"warehouse_bytes": "no pipeline of the tenant loads into a warehouse"}
    if not config.notifications:
        uncounted["messages_per_day"] = "the tenant has no `notifications`"
    return tuple(
        each.model_copy(update={"why_uncounted": uncounted[each.name], "why_unknown": ""})
        if each.used is None and each.name in uncounted
        else each
        for each in usage_of(config.id, settings, lake, now)
    )


def day_of(limits: TenantLimits, now: datetime) -> tuple[datetime, datetime]:
    """Return when the present day began and when it ends, in the tenant's time zone."""
    zone = ZoneInfo(limits.timezone or "UTC")
    local = now.astimezone(zone)
    begin = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    end = (begin + timedelta(days=1)).replace(fold=0)  # calendar days: one has 23 or 25 hours when clocks change
    return begin, end


def amount_of(name: str) -> Callable[[object], int]:
    """Return the function that takes the number which this daily quota counts out of an amount."""
    field = name.removesuffix("_per_day")
    return lambda amount: int(getattr(amount, field))


def _daily(name: str, limits: TenantLimits, state: UsageState | None, now: datetime) -> Use:
    limit: int | None = getattr(limits, name)
    begin, end = day_of(limits, now)
    if state is None:
        return Use(name=name, used=None, limit=limit, share=None, until=end, why_unknown="no run was counted yet")
    used = max(map(amount_of(name), state.used(begin).values()), default=0)
    partial = state.counted_since > begin
    since = state.counted_since.astimezone(begin.tzinfo) if partial else begin
    return Use(
        name=name,
        used=used,
        limit=limit,
        share=share_of(used, limit),
        since=since,
        until=end,
        is_partial=partial,
        refused=sum(each.quota == name and each.at >= begin for each in state.refused),
    )


def _size(name: str, limit: int | None, used: int | None, state: UsageState | None) -> Use:
    measured = (state.lake if name == "lake_bytes" else state.warehouse) if state else None
    return Use(
        name=name,
        used=used,
        limit=limit,
        share=share_of(used, limit),
        since=measured.at if measured else None,
        why_unknown="" if measured else "it was not measured yet",
    )


def _messages(tenant: str, settings: Settings, limits: TenantLimits, now: datetime) -> Use:
    begin, end = day_of(limits, now)
    path = settings.data_dir / "notify.sqlite"
    if not path.is_file():
        why = "the sensor of promises, which sends messages, never ran with this data folder"
        return Use(
            name="messages_per_day", used=None, limit=limits.messages_per_day, share=None, until=end, why_unknown=why
        )
    used = Outbox(path).sent_since(tenant, begin)
    limit = limits.messages_per_day
    return Use(name="messages_per_day", used=used, limit=limit, share=share_of(used, limit), since=begin, until=end)


def share_of(used: int | None, limit: int | None) -> float | None:
    """Return the used share; a limit of zero is used up from the beginning."""
    if used is None or limit is None:
        return None
    return used / limit if limit else 1.0
