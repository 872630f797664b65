"""`SLABlock`: the thresholds of a promise, saved in Prefect, with failures in a row counted across runs.

Belongs here: the block and its history. Not here: thresholds and their comparison (`etl.sla`).

The history is in Prefect: each measurement is one version of the artifact `sla-<name>`. Each run only adds its own, so
parallel runs cannot overwrite each other, on whichever host they run, and people see the history in the UI.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import get_client
from prefect.artifacts import TableArtifact
from prefect.blocks.core import Block
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort
from prefect.events import emit_event
from pydantic import Field

from etl.errors import QualityError
from etl.integrations.prefect.outcome import run_log
from etl.sla.config import AlertLevel, SLAConfig
from etl.sla.hooks import LOG_LEVELS
from etl.sla.metrics import HasDict, SLAMetrics, SLAViolation
from etl.sla.monitor import SLAMonitor

EVENT = "etl.sla.violated"
KEPT, FAILED = "ok", "failed"
OUTCOME = "Outcome"
HISTORY = 100
"""How many past measurements are examined, unless more failures are allowed."""


class SLABlock(Block):
    """The thresholds of a promise about checks, rows and durations.

    Example:
        ```python
        from etl.integrations.prefect import SLABlock

        SLABlock(min_pass_rate=0.95, max_consecutive_failures=3).save("orders")
        ```
    """

    _block_type_name = "Data quality SLA"
    _block_type_slug = "data-quality-sla"
    _description = "The thresholds of a promise about checks, rows and durations."

    max_failure_rate: float | None = Field(default=None, ge=0, le=1, description="At most this share of checks fails.")
    min_pass_rate: float | None = Field(default=None, ge=0, le=1, description="At least this share of checks passes.")
    max_execution_time_seconds: float | None = Field(default=None, gt=0, description="A check takes at most this long.")
    min_row_count: int | None = Field(default=None, ge=0, description="The data has at least so many rows.")
    max_row_count: int | None = Field(default=None, ge=0, description="The data has at most so many rows.")
    max_consecutive_failures: int | None = Field(
        default=None, ge=1, description="So many failures in a row break the promise."
    )
    alert_on_warning: bool = Field(default=False, description="Failed rules of severity warning break it too.")
    alert_level: AlertLevel = Field(default=AlertLevel.ERROR, description="How loud a broken promise is.")
    enabled: bool = Field(default=True, description="false: nothing is judged.")

    @property
    def config(self) -> SLAConfig:
        """The thresholds as `etl.sla` has them."""
        return SLAConfig.model_validate(self.model_dump(include={*SLAConfig.model_fields}))

    def check(self, result: SLAMetrics | Mapping[str, Any] | HasDict, *, name: str) -> list[SLAViolation]:
        """Judge a measurement or the result of a check; return the thresholds that it does not keep.

        `name` says what the promise is about: failures in a row are counted for this name, over all runs.
        """
        if not self.enabled:
            return []
        metrics, key = _measured(result), _key_of(name)
        with get_client(sync_client=True) as client:
            past = client.read_artifacts(
                artifact_filter=_versions(key), sort=ArtifactSort.CREATED_DESC, limit=self._depth
            )
        found = self._judge(metrics, name, past)
        _table(key, name, metrics, found).create(_sync=True)  # type: ignore[call-arg]
        return found

    async def acheck(self, result: SLAMetrics | Mapping[str, Any] | HasDict, *, name: str) -> list[SLAViolation]:
        """The same as `check`, for async code."""
        if not self.enabled:
            return []
        metrics, key = _measured(result), _key_of(name)
        async with get_client() as client:
            past = await client.read_artifacts(
                artifact_filter=_versions(key), sort=ArtifactSort.CREATED_DESC, limit=self._depth
            )
        found = self._judge(metrics, name, past)
        await _table(key, name, metrics, found).acreate()
        return found

    @property
    def _depth(self) -> int:
        return min(max(HISTORY, self.max_consecutive_failures or 0), 200)

    def _judge(self, metrics: SLAMetrics, name: str, past: Sequence[Artifact]) -> list[SLAViolation]:
        streak = 1 + _failures(past) if _failed(metrics) else 0
        found = SLAMonitor(self.config, name, consecutive_failures=streak).check(metrics)
        for each in found:
            run_log().log(LOG_LEVELS[each.alert_level], "SLA %s: %s", name, each.message)
        if found:
            emit_event(
                EVENT,
                resource={"prefect.resource.id": f"etl.sla.{_key_of(name)}", "prefect.resource.name": name},
                payload={"violations": [each.to_dict() for each in found], "metrics": metrics.to_dict()},
            )
        return found


def _measured(result: SLAMetrics | Mapping[str, Any] | HasDict) -> SLAMetrics:
    return result if isinstance(result, SLAMetrics) else SLAMetrics.from_check_result(result)


def _failed(metrics: SLAMetrics) -> bool:
    return metrics.failed_count + metrics.error_count > 0


def _key_of(name: str) -> str:
    key = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    if not key:
        raise QualityError(f"{name!r} cannot be the name of a promise", "use letters and digits, such as `orders`")
    return f"sla-{key}"


def _versions(key: str) -> ArtifactFilter:
    return ArtifactFilter(key=ArtifactFilterKey(any_=[key]))


def _failures(past: Sequence[Artifact]) -> int:
    """Count the failures since the last success; the newest version comes first."""
    count = 0
    for each in past:
        rows = json.loads(each.data) if isinstance(each.data, str) else each.data
        if not isinstance(rows, list) or not rows or rows[0].get(OUTCOME) != FAILED:
            break
        count += 1
    return count


def _table(key: str, name: str, metrics: SLAMetrics, found: Sequence[SLAViolation]) -> TableArtifact:
    broken = [each.message for each in found] or ["kept"]
    rows = [
        {
            OUTCOME: FAILED if _failed(metrics) else KEPT,
            "Promise": text,
            "Pass rate": f"{metrics.pass_rate:.2%}",
            "Rows": "-" if metrics.row_count is None else f"{metrics.row_count:,}",
            "Seconds": f"{metrics.execution_time_seconds:.3f}",
        }
        for text in broken
    ]
    return TableArtifact(key=key, table=rows, description=f"SLA {name}: {len(found)} thresholds not kept")
