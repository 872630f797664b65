"""The thresholds that can be promised for a pipeline.

Belongs here: `SLAConfig` and its presets, `FreshnessPromise`, `PipelineSLA`. Not here: judging (`monitor`, `judge`,
`freshness`). Rates are shares from 0 to 1 everywhere: 0.05 is five per cent.
"""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from etl.partitions.cron import CronText
from etl.partitions.zones import ZoneName


class AlertLevel(StrEnum):
    """How loud a broken promise is, from quiet to loud."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def _no_flag(value: Any) -> Any:  # noqa: ANN401  whatever stands in the file
    if isinstance(value, bool):
        raise ValueError("a number is meant, not true or false")  # noqa: TRY004  pydantic reports ValueErrors only
    return value


Rate = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, BeforeValidator(_no_flag), Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_no_flag), Field(ge=0)]


class SLAConfig(BaseModel):
    """Thresholds. A threshold that is None promises nothing. A value exactly at its threshold keeps the promise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_failure_rate: Rate | None = Field(None, description="At most this share of the checks fails; 0.05 is 5 %.")
    min_pass_rate: Rate | None = Field(None, description="At least this share of the checks passes; 0.95 is 95 %.")
    max_execution_time_seconds: Positive | None = Field(None, description="One run takes at most this long.")
    min_row_count: Count | None = Field(None, description="The published object has at least so many rows.")
    max_row_count: Count | None = Field(None, description="The published object has at most so many rows.")
    max_consecutive_failures: Annotated[int, BeforeValidator(_no_flag), Field(ge=1)] | None = Field(
        None, description="So many failed runs in a row break the promise."
    )
    alert_on_warning: bool = Field(
        default=False, description="Failed checks of severity warning break the promise too."
    )
    alert_level: AlertLevel = Field(AlertLevel.ERROR, description="How loud a broken promise is.")
    enabled: bool = Field(default=True, description="false: nothing is judged.")

    @model_validator(mode="after")
    def _rows_in_order(self) -> Self:
        if (
            self.min_row_count is not None
            and self.max_row_count is not None
            and self.min_row_count > self.max_row_count
        ):
            raise ValueError(f"min_row_count {self.min_row_count} is more than max_row_count {self.max_row_count}")
        return self

    def with_failure_rate(self, rate: float | None) -> Self:
        """The same promise with another `max_failure_rate`."""
        return self._with(max_failure_rate=rate)

    def with_pass_rate(self, rate: float | None) -> Self:
        """The same promise with another `min_pass_rate`."""
        return self._with(min_pass_rate=rate)

    def with_execution_time(self, seconds: float | None) -> Self:
        """The same promise with another `max_execution_time_seconds`."""
        return self._with(max_execution_time_seconds=seconds)

    def with_row_count(self, minimum: int | None = None, maximum: int | None = None) -> Self:
        """The same promise with other bounds of the row count."""
        return self._with(min_row_count=minimum, max_row_count=maximum)

    def with_consecutive_failures(self, count: int | None) -> Self:
        """The same promise with another `max_consecutive_failures`."""
        return self._with(max_consecutive_failures=count)

    def with_alert_level(self, level: AlertLevel) -> Self:
        """The same promise, louder or quieter."""
        return self._with(alert_level=level)

    def with_alert_on_warning(self, alert: bool = True) -> Self:
        """The same promise, with or without warnings."""
        return self._with(alert_on_warning=alert)

    def with_enabled(self, enabled: bool = True) -> Self:
        """The same promise, judged or not."""
        return self._with(enabled=enabled)

    def _with(self, **changes: object) -> Self:
        """A changed copy, validated like a new one."""
        return type(self).model_validate({**self.model_dump(), **changes})


class FreshnessPromise(BaseModel):
    """When the data must be there, and how long a pipeline may be without new data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline: CronText | None = Field(
        None, description='When the newest complete day is due, as cron: "0 9 * * *" is every day at nine.'
    )
    timezone: ZoneName | None = Field(
        None, description="The zone of the deadline. Default: the zone of the pipeline's partitions."
    )
    max_age_hours: Positive | None = Field(
        None, description="At most so many hours pass without the newest complete day arriving."
    )
    business_days: bool = Field(default=False, description="true: a deadline on a Saturday or Sunday does not count.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.deadline is None and self.max_age_hours is None:
            raise ValueError("a freshness promise needs a deadline, max_age_hours, or both")
        if self.business_days and self.deadline is None:
            raise ValueError("business_days says which deadlines count, so it needs a deadline")
        return self


class PipelineSLA(SLAConfig):
    """All promises of one pipeline: the `sla:` of the YAML."""

    freshness: FreshnessPromise | None = Field(None, description="When the data is due, and how old it may be.")

    @property
    def says_something(self) -> bool:
        """Whether there is a promise to judge: it is not switched off, and not only `alert_level` is given."""
        thresholds = (value for name, value in self if name not in ("alert_on_warning", "alert_level", "enabled"))
        return self.enabled and (self.alert_on_warning or any(each is not None for each in thresholds))


DEFAULT_SLA_CONFIG = SLAConfig(max_failure_rate=0.05, min_pass_rate=0.95, max_consecutive_failures=3)
"""At most 5 % of the rows fail, at least 95 % of the rules pass, at most three failures follow each other."""
STRICT_SLA_CONFIG = SLAConfig(
    max_failure_rate=0.01,
    min_pass_rate=0.99,
    max_consecutive_failures=1,
    alert_on_warning=True,
    alert_level=AlertLevel.CRITICAL,
)
"""At most 1 % of the rows fail, at least 99 % of the rules pass, and every failure counts."""
LENIENT_SLA_CONFIG = SLAConfig(
    max_failure_rate=0.10, min_pass_rate=0.90, max_consecutive_failures=5, alert_level=AlertLevel.WARNING
)
"""At most 10 % of the rows fail, at least 90 % of the rules pass; a breach is a warning."""
