"""Decides what a plan may do, and which description is recorded after its runs.

Belongs here: refusing a destructive plan, and the description after some back-fills succeeded and others did not. Not
here: starting runs (`etl.cli.plan`), where the description is kept (`applied_state`).
"""

from collections.abc import Collection

from etl.errors import EtlError
from etl.planning.description import Description, ordered
from etl.planning.plan import TenantPlan

SHOWN = 5


def refuse_losses(plan: TenantPlan) -> None:
    """Raise an error if the plan loses something that nobody has allowed."""
    if not plan.losses:
        return
    more = f"\n  - and {len(plan.losses) - SHOWN} more" if len(plan.losses) > SHOWN else ""
    raise EtlError(
        f"tenant {plan.tenant}: nothing was applied, because the plan is destructive:\n"
        + "\n".join(f"  - {each}" for each in plan.losses[:SHOWN])
        + more,
        "if all of this is wanted, write `--apply --allow`",
    )


def description_after(old: Description | None, new: Description, failed: Collection[str]) -> Description:
    """Return what is applied now: the new description, but of pipelines whose back-fill failed the old one.

    A pipeline that failed is a difference again the next time, with the back-fill that it wants.
    """
    if not failed:
        return new
    kept = [each for each in (old.things if old else ()) if each.pipeline in failed]
    made = [each for each in new.things if each.pipeline not in failed]
    return new.model_copy(update={"things": ordered([*kept, *made])})
