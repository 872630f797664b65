"""Decides what a plan may do, and which description is recorded before and after its runs.

Belongs here: refusing a destructive plan, noting that an apply began, and the description after some back-fills
succeeded and others did not. Not here: starting runs (`etl.cli.plan`), where the description is kept (`applied_state`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import uuid4

from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import definitions_of
from etl.errors import EtlError, NothingExamined
from etl.pipeline.stage import lake_of
from etl.planning.applied_state import Applied, Begun, write_applied, write_begun
from etl.planning.code import files_digest
from etl.planning.describe import describe
from etl.planning.description import Description, ordered
from etl.planning.plan import TenantPlan
from etl.settings import Settings

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


def files_of(config: TenantConfig, settings: Settings) -> str:
    """Return a hash of the files that the tenant's runs take their definitions and their code from."""
    project = settings.dbt_dir / (config.dbt.project or config.id) if config.dbt.enabled else None
    return files_digest(config, project)


@dataclass(frozen=True)
class Applying:
    """One apply of a tenant, from before its runs until it is recorded."""

    config: TenantConfig
    settings: Settings
    new: Description
    applied: Applied | None
    begun: Begun | None
    files: str
    """A hash of the files that `new` was described from."""

    def begin(self) -> None:
        """Note what is applied from now on: if this ends early, the next plan knows what may be published."""
        self._note([self.new])

    def end(self, failed: Collection[str]) -> None:
        """Record what was applied. Raises an error if the runs may have executed other files than were planned."""
        if files_of(self.config, self.settings) != self.files:
            self._note([self.new, *self._as_it_is_now()])
            raise NothingExamined(
                f"tenant {self.config.id}: its files have changed while its runs were at work, so it is not known by"
                " which of them the rows were made; nothing was recorded",
                "plan again: what was run is made again then",
            )
        old = self.applied.description if self.applied else None
        by = f"plan-{uuid4().hex[:12]}"
        with lake_of(self.config, self.settings) as lake:
            write_applied(self.config, lake, description_after(old, self.new, failed), by)
            if not failed:
                write_begun(self.config, lake, (), by)

    def _note(self, more: list[Description]) -> None:
        known = [*(self.begun.descriptions if self.begun else ())]
        known += [each for each in more if each not in known]
        with lake_of(self.config, self.settings) as lake:
            write_begun(self.config, lake, known, f"plan-{uuid4().hex[:12]}")

    def _as_it_is_now(self) -> list[Description]:
        try:
            config = load_tenant(self.config.id, self.settings)
            return [describe(config, definitions_of(config), self.settings)]
        except EtlError:  # no run can have executed what does not load
            return []
