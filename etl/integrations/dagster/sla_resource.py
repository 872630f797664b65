"""Promises in hand-written assets, with failures that are counted across runs and processes.

Belongs here: `SLAResource` and its history. Not here: thresholds and their comparison (`etl.sla`).

The history is in Dagster: a run has the tag `etl.sla/<name>` with its outcome. A run of the same job that failed
without such a tag counts as a failure. Each run writes only its own tag, so parallel runs cannot overwrite each other,
and the history can be seen and searched in Dagster's list of runs.
"""

import hashlib
import re
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from dagster import (
    ConfigurableResource,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    InitResourceContext,
    RunsFilter,
)
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from etl.sla.config import AlertLevel, SLAConfig
from etl.sla.hooks import SLAHook
from etl.sla.metrics import HasDict, SLAMetrics, SLAViolation
from etl.sla.monitor import SLAMonitor

TAG = "etl.sla/"
KEPT, FAILED = "ok", "failed"
LONGEST_NAME = 63
HISTORY = 100
"""How many past runs are examined, unless more failures are allowed."""


class SLAResource(ConfigurableResource[Any]):
    """Judges a run's measurements by the resource's promise, or by a given promise. Several threads may use it."""

    model_config = ConfigDict(extra="forbid")

    max_failure_rate: float | None = Field(default=None, ge=0, le=1)
    min_pass_rate: float | None = Field(default=None, ge=0, le=1)
    max_execution_time_seconds: float | None = Field(default=None, gt=0)
    min_row_count: int | None = Field(default=None, ge=0)
    max_row_count: int | None = Field(default=None, ge=0)
    max_consecutive_failures: int | None = Field(default=None, ge=1)
    alert_on_warning: bool = False
    alert_level: str = Field(
        default="error", description="How loud a broken promise is: info, warning, error, critical."
    )
    enabled: bool = True

    bound_hook: ClassVar[SLAHook | None] = None

    _instance: DagsterInstance | None = PrivateAttr(default=None)
    _run: DagsterRun | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _here: dict[str, int] = PrivateAttr(default_factory=dict)

    @field_validator("alert_level")
    @classmethod
    def _known(cls, level: str) -> str:
        return AlertLevel(level).value

    @classmethod
    def with_hook(cls, hook: SLAHook, **fields: Any) -> Self:  # noqa: ANN401  the resource's own fields
        """Make the resource that calls `hook` for every check and every violation."""
        body = {
            "bound_hook": hook,
            "__module__": cls.__module__,
            "__doc__": cls.__doc__,
            "__annotations__": {"bound_hook": ClassVar[SLAHook | None]},
        }
        made: type[Self] = type(cls.__name__, (cls,), body)
        return made(**fields)

    def setup_for_execution(self, context: InitResourceContext) -> None:
        """Remember the run and the Dagster instance that has the history."""
        self._instance, self._run = context.instance, context.run

    @property
    def config(self) -> SLAConfig:
        """The promise of this resource."""
        return SLAConfig.model_validate({name: getattr(self, name) for name in SLAConfig.model_fields})

    def check(
        self, metrics: SLAMetrics, name: str | None = None, config: SLAConfig | None = None
    ) -> list[SLAViolation]:
        """Return the violations of one measurement. A failed check counts as one more failure in a row.

        Failures in a row are counted for `name`, or without a `name` for the asset.
        """
        promise = config or self.config
        if not promise.enabled or not self.enabled:
            return []
        subject = name or metrics.asset_key or "default"
        failed = metrics.failed_count + metrics.error_count > 0
        with self._lock:
            streak = self._record(subject, failed, metrics, promise)
        return SLAMonitor(promise, subject, hook=self.bound_hook, consecutive_failures=streak).check(metrics)

    def check_result(
        self,
        result: Mapping[str, Any] | HasDict,
        name: str | None = None,
        *,
        asset_key: str | None = None,
        run_id: str | None = None,
        row_count: int | None = None,
        config: SLAConfig | None = None,
    ) -> list[SLAViolation]:
        """The same for a result of checks, or for the result's `to_dict()`."""
        metrics = SLAMetrics.from_check_result(result, asset_key=asset_key, run_id=run_id, row_count=row_count)
        return self.check(metrics, name, config)

    def consecutive_failures(self, name: str) -> int:
        """How many runs failed in a row, without this run."""
        with self._lock:
            return self._failures_before(name, HISTORY)

    def _record(self, subject: str, failed: bool, metrics: SLAMetrics, promise: SLAConfig) -> int:
        """Remember the outcome, and count failures in a row up to it."""
        if self._instance is None or self._run is None:
            self._here[subject] = self._here.get(subject, 0) + 1 if failed else 0
            return self._here[subject]
        tag, run_id = tag_of(subject), self._run.run_id
        current = self._instance.get_run_by_id(run_id)
        known = current.tags.get(tag) if current is not None else None
        if known != FAILED:  # after one failure, the whole run counts as failed
            known = FAILED if failed else KEPT
            self._instance.add_run_tags(run_id, {tag: known})
        if known == KEPT:
            return 0
        return 1 + self._failures_before(
            subject, max(HISTORY, promise.max_consecutive_failures or 0), metrics.asset_key
        )

    def _failures_before(self, subject: str, limit: int, asset_key: str | None = None) -> int:
        if self._instance is None or self._run is None:
            return self._here.get(subject, 0)
        tag = tag_of(subject)
        told = self._instance.get_run_records(RunsFilter(tags={tag: [KEPT, FAILED]}), limit=limit + 1)
        silent = self._instance.get_run_records(
            RunsFilter(job_name=self._run.job_name, statuses=[DagsterRunStatus.FAILURE]), limit=limit + 1
        )
        records = {each.storage_id: each.dagster_run for each in [*told, *silent]}
        failures = 0
        for storage_id in sorted(records, reverse=True):
            run = records[storage_id]
            if run.run_id == self._run.run_id:
                continue
            if tag not in run.tags and not _would_have_told(self._instance, run, self._run, asset_key):
                continue
            if run.tags.get(tag, FAILED) == KEPT:
                break
            failures += 1
        return failures


def tag_of(name: str) -> str:
    """Return the run tag for the outcomes of `name`. A name that a tag cannot contain is replaced, with a digest."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if plain == name and len(name) <= LONGEST_NAME:
        return TAG + name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{TAG}{plain[: LONGEST_NAME - 9]}_{digest}"


def _would_have_told(instance: DagsterInstance, run: DagsterRun, current: DagsterRun, asset_key: str | None) -> bool:
    """Whether a run that failed before it measured anything was planned to make the same asset or assets."""
    planned = _planned(instance, run.run_id)
    return asset_key in planned if asset_key is not None else planned == _planned(instance, current.run_id)


def _planned(instance: DagsterInstance, run_id: str) -> set[str]:
    """Return the assets that a run was planned to make."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    events = (each.event_log_entry.dagster_event for each in records)
    return {each.asset_key.to_user_string() for each in events if each is not None and each.asset_key is not None}
