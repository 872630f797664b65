"""Decides whether a tenant has room for one more object, and counts it.

Belongs here: the decision, and the words of a refusal. Not here: how the count is kept (`usage_state`), who asks
(`etl.pipeline.room`), the answer for people who only look (`usage`).

A run asks when its object is written and audited, and before readers see it. What is claimed counts at once, so two
runs that have room only for one of them cannot both publish. A claim whose run failed is given back. A claim whose run
was killed is given back when the object is claimed again within an hour; otherwise it stays counted for that day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.errors import EtlError
from etl.lake.lake import Lake
from etl.quotas.amounts import shown
from etl.quotas.quotas_file import DAILY, TenantLimits
from etl.quotas.usage import amount_of, day_of
from etl.quotas.usage_state import Claim, Counted, Measured, Refusal, UsageState, change_state, read_state

OPEN = timedelta(hours=1)
"""So long a claim is kept by itself. Later it is only part of the sum, so that the kept state stays small."""
_MINUTE = 60


class QuotaError(EtlError):
    """A quota refuses what a run wants to publish or load. What was published before stays."""

    def __init__(self, problem: str, hint: str, *, quota: str, until: datetime | None = None) -> None:
        """`until` is when there is room again without any help; None if only a person can make room."""
        super().__init__(problem, hint)
        self.quota = quota
        self.until = until


@dataclass(frozen=True)
class Account:
    """A tenant and its limits, and where its use is counted, as the decision needs it."""

    tenant: str
    label: str
    """The name of the task, for messages."""
    lake: Lake
    """The lake that keeps the count."""
    limits: TenantLimits
    measure: Callable[[], int]
    """Returns the bytes of all objects of the tenant."""
    published: Callable[[], tuple[str, int] | None]
    """Returns which run published the object that would be replaced, and its bytes; None if there is none."""


def claim(place: Account, want: Claim) -> None:
    """Count an object that is going to be published. Raises QuotaError if there is no room for it."""
    try:
        change_state(place.tenant, place.lake, want.run_id, want.at, lambda state: _admitted(place, want, state))
    except QuotaError as error:
        if error.until is not None:
            _note(place, want, error)
        raise


def give_back(place: Account, claimed: Claim) -> None:
    """Take a claim back whose object was not published."""

    def change(state: UsageState) -> UsageState:
        if claimed in state.open:
            return state.model_copy(update={"open": tuple(each for each in state.open if each != claimed)})
        minus = Counted(rows=-claimed.amount.rows, bytes=-claimed.amount.bytes)
        return state.settled(claimed.model_copy(update={"amount": minus}))

    change_state(place.tenant, place.lake, claimed.run_id, claimed.at, change)


def refuse_if_used_up(place: Account, want: Claim) -> None:
    """Refuse before anything is read if a day's quota is used up already. Nothing is counted."""
    limits = place.limits
    if limits.rows_per_day is None and limits.bytes_per_day is None:
        return
    state = read_state(place.tenant, place.lake)
    if state is None:
        return
    begin, _ = day_of(limits, want.at)
    used = state.used(begin).get(want.stage, Counted())
    for name in DAILY:
        limit: int | None = getattr(limits, name)
        if limit is not None and amount_of(name)(used) >= limit:
            error = _used_up(place, want, name, amount_of(name)(used), state, is_started=False)
            _note(place, want, error)
            raise error


def note_warehouse(place: Account, want: Claim, used: int) -> None:
    """Keep the measured size of the tenant's tables."""
    measured = Measured(bytes=used, at=want.at)
    change_state(
        place.tenant,
        place.lake,
        want.run_id,
        want.at,
        lambda state: state.model_copy(update={"warehouse": measured}),
    )


def refuse_full_warehouse(place: Account, want: Claim, used: int, way: str) -> None:
    """Keep the size of the tenant's tables, and refuse a load if the warehouse's quota is used up.

    `way` says how the tables of this warehouse become smaller.
    """
    note_warehouse(place, want, used)
    limit = place.limits.warehouse_bytes
    if limit is not None and used >= limit:
        raise QuotaError(
            f"{place.label} load: nothing was loaded: the tables of {place.tenant} take"
            f" {shown('warehouse_bytes', used)} of {shown('warehouse_bytes', limit)} ({_share(used, limit)}),"
            f" measured at {want.at:%Y-%m-%d %H:%M %Z}",
            f"the tables are as they were, and the lake keeps the published object. Make room ({way}, or drop what is"
            f" not needed), or let the platform's owner raise `warehouse_bytes` of {place.tenant} in"
            " tenants/quotas.yaml; then run the load again",
            quota="warehouse_bytes",
        )


def _admitted(place: Account, want: Claim, before: UsageState) -> UsageState:
    """Return the state with the claim. Raises QuotaError if a quota does not allow it."""
    state = _cleared(place, want, before)
    begin, _ = day_of(place.limits, want.at)
    used = state.used(begin).get(want.stage, Counted())
    for name in DAILY:
        limit: int | None = getattr(place.limits, name)
        already = amount_of(name)(used)
        if limit is not None and already + amount_of(name)(want.amount) > limit:
            raise _used_up(place, want, name, already, state, is_started=True)
    lake = _lake_with(place, want, state, begin)
    return state.model_copy(
        update={
            "open": (*state.open, want),
            "lake": lake,
            "refused": tuple(each for each in state.refused if not want.is_of(each)),
        }
    )


def _cleared(place: Account, want: Claim, state: UsageState) -> UsageState:
    """Return the state without claims that are decided: they are published, or their run ended before."""
    for each in state.open:
        if want.is_of(each):
            found = place.published()
            if found is not None and found[0] == each.run_id:
                state = state.settled(each)
            elif each.run_id != want.run_id or each.at < want.at:
                state = state.model_copy(update={"open": tuple(one for one in state.open if one != each)})
        elif each.run_id == want.run_id or want.at - each.at > OPEN:
            state = state.settled(each)
    return state


def _lake_with(place: Account, want: Claim, state: UsageState, begin: datetime) -> Measured:
    """Return the size of the lake with the object. An estimate never refuses: before that, the lake is measured."""
    limit, lake = place.limits.lake_bytes, state.lake
    is_exact = lake is None or lake.at < begin
    if lake is None or is_exact:
        lake = Measured(bytes=place.measure(), at=want.at)
    if limit is not None and lake.estimate + want.amount.bytes > limit:
        lake = lake if is_exact else Measured(bytes=place.measure(), at=want.at)
        found = place.published()
        replaced = found[1] if found else 0
        if lake.bytes - replaced + want.amount.bytes > limit and want.amount.bytes > replaced:
            raise _full_lake(place, want, lake.bytes, limit)
    return lake.model_copy(update={"added": lake.added + want.amount.bytes})


def _note(place: Account, want: Claim, error: QuotaError) -> None:
    """Remember what was refused, so that it can be continued when there is room again."""
    refusal = Refusal(
        run_id=want.run_id,
        stage=want.stage,
        pipeline=want.pipeline,
        partition=want.partition,
        quota=error.quota,
        amount=want.amount,
        limit=getattr(place.limits, error.quota),
        at=want.at,
    )

    def change(state: UsageState) -> UsageState:
        others = tuple(each for each in state.refused if not want.is_of(each))
        return state.model_copy(update={"refused": (*others, refusal)})

    change_state(place.tenant, place.lake, want.run_id, want.at, change)


def _used_up(place: Account, want: Claim, name: str, used: int, state: UsageState, *, is_started: bool) -> QuotaError:
    """Return the refusal of a day's quota: how much, of what, since when, and what to do."""
    limit: int = getattr(place.limits, name)
    begin, end = day_of(place.limits, want.at)
    since = max(begin, state.counted_since.astimezone(begin.tzinfo))
    more = amount_of(name)(want.amount)
    zone = place.limits.timezone or "UTC"
    what = f"{shown(name, limit)} a day that {place.tenant} may publish in the stage {want.stage}"
    problem = f"{place.label} {want.stage}: nothing was published: "
    owner = f"the platform's owner raises `{name}` of {place.tenant} in tenants/quotas.yaml"
    if is_started and more > limit:
        return QuotaError(
            f"{problem}this object alone has {shown(name, more)}, which is more than the {what}",
            f"no later day has room for it, so nothing is started again: {owner}, or the pipeline gets smaller"
            " partitions. Readers keep what was published before",
            quota=name,
        )
    if is_started:
        problem += (
            f"{shown(name, more)} more would make {shown(name, used + more)} ({_share(used + more, limit)}) of the "
        )
    else:
        problem += f"{shown(name, used)} ({_share(used, limit)}) are used of the "
    return QuotaError(
        f"{problem}{what}, counted since {since:%Y-%m-%d %H:%M} {zone}",
        "readers keep what was published before, and nothing is deleted. The next day begins at"
        f" {end:%Y-%m-%d %H:%M} {zone}, in {_duration(end - want.at)}; the run is then continued by itself, if"
        f" Dagster's daemon and its quota sensor run. For more today, {owner}",
        quota=name,
        until=end,
    )


def _full_lake(place: Account, want: Claim, used: int, limit: int) -> QuotaError:
    name, more = "lake_bytes", want.amount.bytes
    return QuotaError(
        f"{place.label} {want.stage}: nothing was published: the lake holds {shown(name, used)} of {place.tenant},"
        f" measured at {want.at:%Y-%m-%d %H:%M %Z}, and {shown(name, more)} more would pass the limit of"
        f" {shown(name, limit)} ({_share(used + more, limit)})",
        "readers keep what was published before, and nothing is deleted by itself. Remove what is not needed any more,"
        f" or let the platform's owner raise `{name}` of {place.tenant} in tenants/quotas.yaml; then run it again."
        " Replacing an object by one that is not larger is always allowed",
        quota=name,
    )


def _share(used: int, limit: int) -> str:
    return f"{used / limit:.0%}" if limit else "the limit is 0"


def _duration(left: timedelta) -> str:
    minutes = max(1, round(left.total_seconds() / _MINUTE))
    return f"{minutes // _MINUTE} h {minutes % _MINUTE} min" if minutes >= _MINUTE else f"{minutes} min"
