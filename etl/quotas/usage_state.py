"""What a tenant has used, as it is kept in the tenant's lake.

Belongs here: the model of the kept state, reading it, and replacing it so that two runs do not overwrite each other.
Not here: the decision (`claims`), the answer for people (`usage`).

The state is an object of the lake beside the tenant's data, so it is the same on each host that shares the lake. It is
replaced only if nobody replaced it meanwhile: whoever comes second reads it again and decides again.

Amounts are kept by quarter of an hour in UTC, not by day: a day begins at another moment in each time zone, all zones
begin theirs at a quarter, and so an amount belongs to the right day also after the file's time zone was changed.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import EtlError, LakeError
from etl.formats import check_format
from etl.lake.lake import PLACEHOLDER_FOOTER, Lake, ObjectRef, OvertakenError, Provenance

STAGE, NAME, COLUMN = "quota", "usage", "state"
FORMAT = 1
KEPT = timedelta(days=3)  # longer than the longest day of any zone, and the day before it
SECONDS = 60.0  # as long as a run waits for others that count at the same moment
_QUARTER = timedelta(minutes=15)


class Counted(BaseModel):
    """Rows and bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        """Return both together."""
        return Counted(rows=self.rows + other.rows, bytes=self.bytes + other.bytes)


class Claim(BaseModel):
    """The room that one run asks for, to publish one object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    stage: str
    pipeline: str
    partition: str | None
    amount: Counted
    at: datetime

    def is_of(self, other: "Claim | Refusal") -> bool:
        """Whether both are about the same object."""
        return (self.stage, self.pipeline, self.partition) == (other.stage, other.pipeline, other.partition)


class Refusal(BaseModel):
    """A claim that was refused because a day's quota is used up. Its run can be continued when there is room again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    stage: str
    pipeline: str
    partition: str | None
    quota: str
    amount: Counted
    limit: int
    at: datetime


class Measured(BaseModel):
    """A number of bytes that was measured at a moment. `added` is what was published since."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: int
    at: datetime
    added: int = 0

    @property
    def estimate(self) -> int:
        """The measured bytes and those that came since. Replaced and deleted objects are not taken away."""
        return self.bytes + self.added


class UsageState(BaseModel):
    """What is kept of one tenant. `open` are the newest claims, of which it is not known yet what became of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    counted_since: datetime
    quarters: dict[str, dict[str, Counted]] = {}
    """For each quarter of an hour, what each stage published in it."""
    open: tuple[Claim, ...] = ()
    refused: tuple[Refusal, ...] = ()
    lake: Measured | None = None
    warehouse: Measured | None = None

    def used(self, since: datetime) -> dict[str, Counted]:
        """Return what each stage has published from this moment on, with what is claimed and not known yet."""
        found: dict[str, Counted] = {}
        for quarter, stages in self.quarters.items():
            if datetime.fromisoformat(quarter) >= since:
                for stage, amount in stages.items():
                    found[stage] = found.get(stage, Counted()) + amount
        for each in self.open:
            if each.at >= since:
                found[each.stage] = found.get(each.stage, Counted()) + each.amount
        return found

    def settled(self, claim: Claim) -> "UsageState":
        """Return the state in which this claim is known to be published."""
        quarter = _quarter(claim.at)
        stages = self.quarters.get(quarter, {})
        more = {**stages, claim.stage: stages.get(claim.stage, Counted()) + claim.amount}
        left = tuple(each for each in self.open if each != claim)
        return self.model_copy(update={"quarters": {**self.quarters, quarter: more}, "open": left})

    def forgotten(self, now: datetime) -> "UsageState":
        """Return the state without what is older than any present day."""
        begin = _quarter(now - KEPT)
        return self.model_copy(
            update={
                "quarters": {each: stages for each, stages in self.quarters.items() if each >= begin},
                "open": tuple(each for each in self.open if each.at >= now - KEPT),
                "refused": tuple(each for each in self.refused if each.at >= now - KEPT),
            }
        )


def _quarter(at: datetime) -> str:
    moment = at.astimezone(UTC)
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0).isoformat()


def read_state(tenant: str, lake: Lake) -> UsageState | None:
    """Return what is kept; None if nothing was ever counted. A state that cannot be read is an error, never zero."""
    ref = _ref(tenant)
    try:
        found = lake.find(ref)
        if found is None:
            return None
        (text,) = pl.read_parquet(lake.local_copy(ref))[COLUMN].to_list()
    except (EtlError, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise _unreadable(tenant, str(getattr(error, "problem", error))) from error
    return decoded(text, f"what {tenant} has used, {found.uri},", tenant)


def decoded(text: str, what: str, tenant: str) -> UsageState:
    """Return the state that a text holds."""
    try:
        state = UsageState.model_validate_json(text)
    except ValidationError as error:
        raise _unreadable(tenant, str(error.errors(include_url=False, include_input=False)[0]["msg"])) from None
    check_format(state.format, newest=FORMAT, what=what)
    return state


def change_state(
    tenant: str, lake: Lake, run_id: str, now: datetime, change: Callable[[UsageState], UsageState]
) -> UsageState:
    """Replace the state by what `change` makes of the present one, which is asked again if another run was faster.

    What `change` raises is raised, and then nothing is changed.
    """
    ref, late = _ref(tenant), time.monotonic() + SECONDS
    while True:
        with lake.draft(ref, run_id) as draft:  # remembers the object that is there now; what is read is no older
            before = read_state(tenant, lake) or UsageState(counted_since=now)
            after = change(before).forgotten(now)
            frame = pl.DataFrame({COLUMN: [after.model_dump_json()]})
            frame.write_parquet(draft, metadata=dict(PLACEHOLDER_FOOTER))
            try:
                lake.publish(ref, draft, _provenance(ref, run_id, now))
            except OvertakenError:
                if time.monotonic() > late:
                    raise LakeError(
                        f"what {tenant} has used could not be counted for {SECONDS:.0f} s, because other runs count",
                        "nothing was published; let fewer runs of this tenant work at one time (`concurrent_runs`)",
                    ) from None
                continue
            return after


def forget_state(tenant: str, lake: Lake) -> None:
    """Remove what is kept of a tenant that ends."""
    lake.delete(_ref(tenant))


def _provenance(ref: ObjectRef, run_id: str, now: datetime) -> Provenance:
    return Provenance(
        tenant=ref.tenant,
        stage=ref.stage,
        pipeline=ref.pipeline,
        partition=None,
        run_id=run_id,
        config_hash="",
        rows=1,
        rows_read=1,
        rows_quarantined=0,
        audit="unchecked",
        created_at=now,
    )


def _unreadable(tenant: str, why: str) -> LakeError:
    return LakeError(
        f"what {tenant} has used cannot be read, so it is not known whether there is room: {why}",
        f"repair the lake, or remove the object `{tenant}/{STAGE}/{NAME}`: counting then begins anew, and the day that"
        " is under way is shown as counted since that moment",
    )


def _ref(tenant: str) -> ObjectRef:
    return ObjectRef(tenant=tenant, stage=STAGE, pipeline=NAME)
