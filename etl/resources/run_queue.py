"""Gives Dagster's run queue the tags and limits that keep one tenant's runs from delaying another's.

Belongs here: when they are given. Not here: which they are (`etl.running.queue_order`), and taking runs from the queue,
which Dagster's own daemon does.

dagster.yaml names this class, as `run_coordinator`. The limits are read from `tenants/quotas.yaml` at each look of the
daemon, so a change needs no restart. `tag_concurrency_limits` in dagster.yaml, if a person writes them there, are used
instead. A mistake in the file of quotas does not stop the queue, and the log names it once. A tenant whose entry has a
mistake has the limits of the rest. If the file cannot be read, the limits that were read last are kept, or those that
hold without a file.
"""

import logging
from typing import Any

from dagster import DagsterRun, DagsterRunStatus, RunsFilter

from etl.config.config_loader import tenants_listed_once
from etl.errors import EtlError
from etl.quotas.quotas_file import Quotas, mistakes_of, read_quotas
from etl.running.compat import QueuedRunCoordinator, RunQueueConfig, SubmitRunContext
from etl.running.queue_order import BAND, REBASE, TENANT, band_of, placed, rebased, tag_limits, tenant_of, turn_of
from etl.settings import load_settings

logger = logging.getLogger(__name__)

_AT_WORK = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
_LOOKED_AT = 50
"""So many waiting runs are looked at to find the turn of the queue, if no run is at work."""


class TenantRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue, in which tenants take turns, and in which promises come first and back-fills last."""

    _last: tuple[Quotas | None, tuple[str, ...]] = (None, ())
    _told = ""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue a run, with the tags that give it its place."""
        run = context.dagster_run
        if run.status == DagsterRunStatus.NOT_STARTED:
            band, tenant = band_of(run.tags).name.lower(), tenant_of(run)
            reached = self._reached(band)
            if reached >= REBASE:
                self._rebase(band, reached)
                reached = 1
            own = self._runs([DagsterRunStatus.QUEUED], {BAND: band, TENANT: tenant})
            for run_id, tags in placed(run, own, reached).items():
                self._instance.add_run_tags(run_id, tags)
        return super().submit_run(context)

    def get_run_queue_config(self) -> RunQueueConfig:
        """Return what the daemon asks for at each look: Dagster's settings, with the present limits of the tenants."""
        usual = super().get_run_queue_config()
        named = self._instance.get_settings("concurrency").get("runs", {}) if self.has_instance else {}
        at_once = int(named.get("max_concurrent_runs", usual.max_concurrent_runs))
        limits: list[dict[str, Any]] = tag_limits(*self._quotas(), at_once)
        return usual._replace(tag_concurrency_limits=[*usual.tag_concurrency_limits, *limits])

    def _runs(
        self, statuses: list[DagsterRunStatus], tags: dict[str, str], limit: int | None = None
    ) -> list[DagsterRun]:
        return list(self._instance.get_runs(RunsFilter(statuses=statuses, tags=tags), limit=limit, ascending=True))

    def _reached(self, band: str) -> int:
        """Return the turn that the queue has reached: of the newest run at work, or else of the first that waits."""
        working = [turn_of(each) for each in self._runs(_AT_WORK, {BAND: band})]
        if working:
            return max(working)
        waiting = [turn_of(each) for each in self._runs([DagsterRunStatus.QUEUED], {BAND: band}, _LOOKED_AT)]
        return min(waiting, default=1)

    def _rebase(self, band: str, reached: int) -> None:
        """Count the turns from one again, so that they stay small also if the queue is never empty."""
        for each in self._runs([*_AT_WORK, DagsterRunStatus.QUEUED], {BAND: band}):
            self._instance.add_run_tags(each.run_id, rebased(each, reached))

    def _quotas(self) -> tuple[Quotas | None, tuple[str, ...]]:
        try:
            settings = load_settings()
            with tenants_listed_once(settings) as tenants:
                quotas = read_quotas(settings)
                self._tell("\n".join(map(str, mistakes_of(quotas, settings) if quotas else ())))
                self._last = quotas, tenants
        except EtlError as error:
            self._tell(f"the limits of runs at one time stay as they were: {error}")
        return self._last

    def _tell(self, problem: str) -> None:
        """Log a problem once, and again if it returns after it was away."""
        if problem and problem != self._told:
            logger.error(problem)
        self._told = problem
