"""The measurements of one run; rates are shares from 0 to 1.

Belongs here: `SLAMetrics` and `SLAViolation`, two plain records. Not here: judging one to get the other (`monitor`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from etl.errors import EtlError
from etl.sla.config import AlertLevel


class SLAViolationType(StrEnum):
    """The kind of promise that was not kept."""

    FAILURE_RATE_EXCEEDED = "failure_rate_exceeded"
    PASS_RATE_BELOW_MINIMUM = "pass_rate_below_minimum"  # noqa: S105  no password
    EXECUTION_TIME_EXCEEDED = "execution_time_exceeded"
    ROW_COUNT_BELOW_MINIMUM = "row_count_below_minimum"
    ROW_COUNT_ABOVE_MAXIMUM = "row_count_above_maximum"
    CONSECUTIVE_FAILURES = "consecutive_failures"
    CUSTOM = "custom"


class HasDict(Protocol):
    """A result of checks, such as `etl.quality`'s CheckResult."""

    def to_dict(self) -> Mapping[str, Any]:
        """Its counts by name."""


class SLAMetrics(BaseModel):
    """Counts and durations of one run. Warnings count neither for nor against the rates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    passed_count: NonNegativeInt = 0
    failed_count: NonNegativeInt = 0
    warning_count: NonNegativeInt = 0
    error_count: NonNegativeInt = 0
    execution_time_ms: float = Field(0.0, ge=0, allow_inf_nan=False)
    row_count: NonNegativeInt | None = None
    asset_key: str | None = None
    run_id: str | None = None
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def judged_count(self) -> int:
        """The number that the rates are shares of. A rule that could not be evaluated did not pass, so it counts."""
        return self.passed_count + self.failed_count + self.error_count

    @property
    def total_count(self) -> int:
        """All results, warnings too."""
        return self.judged_count + self.warning_count

    @property
    def pass_rate(self) -> float:
        """The share that passed; 0.0 where nothing was checked, which breaks no promise about rates."""
        return self.passed_count / self.judged_count if self.judged_count else 0.0

    @property
    def failure_rate(self) -> float:
        """The share that did not pass; 0.0 where nothing was checked."""
        return (self.failed_count + self.error_count) / self.judged_count if self.judged_count else 0.0

    @property
    def execution_time_seconds(self) -> float:
        """The duration in the unit of the threshold."""
        return self.execution_time_ms / 1000

    @classmethod
    def from_check_result(
        cls,
        result: Mapping[str, Any] | HasDict,
        asset_key: str | None = None,
        run_id: str | None = None,
        row_count: int | None = None,
    ) -> Self:
        """Make metrics from a CheckResult or its `to_dict()`. A result without counts is refused."""
        counts = result if isinstance(result, Mapping) else result.to_dict()
        missing = [name for name in ("passed_count", "failed_count") if counts.get(name) is None]
        if missing:
            raise EtlError(
                f"this is no result of checks: it has no {' and no '.join(missing)}",
                "pass a CheckResult, or what its to_dict() returns",
            )
        return cls(
            passed_count=counts["passed_count"],
            failed_count=counts["failed_count"],
            warning_count=counts.get("warning_count") or 0,
            error_count=counts.get("error_count") or 0,
            execution_time_ms=counts.get("execution_time_ms") or 0.0,
            row_count=row_count if row_count is not None else counts.get("row_count"),
            asset_key=asset_key,
            run_id=run_id,
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything, the rates too, ready for JSON."""
        return self.model_dump(mode="json") | {
            "pass_rate": self.pass_rate,
            "failure_rate": self.failure_rate,
            "execution_time_seconds": self.execution_time_seconds,
            "total_count": self.total_count,
        }


class SLAViolation(BaseModel):
    """One threshold that was not kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    violation_type: SLAViolationType
    message: str
    threshold: float | None = None
    actual: float | None = None
    alert_level: AlertLevel = AlertLevel.ERROR
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return self.model_dump(mode="json")
