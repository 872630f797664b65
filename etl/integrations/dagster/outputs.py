"""The results of the resource, with their metadata for Dagster.

Belongs here: `QualityCheckOutput`, `ProfileOutput`, their metadata and their plain data. Not here: judging.
"""

from datetime import datetime
from typing import Any, Protocol, Self

from dagster import MetadataValue
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from etl.integrations.contract import verdict
from etl.quality.results import CheckResult, ColumnProfile, ProfileResult, QualityCounts

SHOWN = 10
"""How many failures and columns the metadata shows, because thousands do not fit on a run's page."""
STATISTICS = ("min", "max", "mean", "std", "min_length", "max_length")

Metadata = dict[str, MetadataValue[Any]]


class QualityCheckOutput(QualityCounts):
    """A check's verdict: counts, failures, and how many rows were checked."""

    engine: str = ""
    row_count: int | None = None
    """Number of rows that were checked."""
    sampled_from: int | None = None
    """Number of all rows, if only a sample was checked. None: all rows were checked."""
    summary: str = ""
    verdict: dict[str, JsonValue] = Field(default_factory=dict)
    """The verdict in the form that all orchestrators carry, with every rule; see `etl.integrations.contract`."""

    @classmethod
    def from_result(cls, result: CheckResult, *, sampled_from: int | None = None) -> Self:
        """Make the output from the result of a check."""
        shared = {name: getattr(result, name) for name in QualityCounts.model_fields}
        summary = result.describe()
        if sampled_from is not None:
            summary = f"looked at a sample of {result.row_count} of {sampled_from} rows: {summary}"
        return cls(
            **shared,
            engine=result.engine,
            row_count=result.row_count,
            sampled_from=sampled_from,
            summary=summary,
            verdict=verdict(result, sampled_from=sampled_from),
        )

    @property
    def is_blocking(self) -> bool:
        """Whether a rule of severity error failed, or any rule could not be judged."""
        return self.status in ("failed", "error")

    @property
    def is_sampled(self) -> bool:
        """Whether rows were left out."""
        return self.sampled_from is not None

    def to_metadata(self) -> Metadata:
        """Return metadata for Dagster: the numbers, which Dagster plots over time, and the failures as a table."""
        metadata: Metadata = {
            "quality_status": MetadataValue.text(self.status.value),
            "passed_checks": MetadataValue.int(self.passed_count),
            "failed_checks": MetadataValue.int(self.failed_count),
            "warning_checks": MetadataValue.int(self.warning_count),
            "error_checks": MetadataValue.int(self.error_count),
            "pass_rate": MetadataValue.float(self.pass_rate),
            "execution_time_ms": MetadataValue.float(self.execution_time_ms),
            "failures": MetadataValue.json(
                [
                    {
                        "rule": each.rule_name,
                        "column": each.column,
                        "message": each.message,
                        "severity": each.severity,
                        "failed_count": each.failed_count,
                        "total_count": each.total_count,
                    }
                    for each in self.failures[:SHOWN]
                ]
            ),
            "engine": MetadataValue.text(self.engine),
        }
        if self.verdict:
            metadata["verdict"] = MetadataValue.json(self.verdict)
        if self.row_count is not None:
            metadata["row_count"] = MetadataValue.int(self.row_count)
        if self.sampled_from is not None:
            metadata["sampled_from_rows"] = MetadataValue.int(self.sampled_from)
        return metadata

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; derived numbers are included for readers."""
        return self.model_dump(mode="json") | {
            "total_count": self.total_count,
            "pass_rate": self.pass_rate,
            "is_success": self.is_success,
            "failures": [each.model_dump(mode="json") | {"failure_rate": each.failure_rate} for each in self.failures],
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        own = {name: value for name, value in raw.items() if name in cls.model_fields}
        own["failures"] = [{k: v for k, v in each.items() if k != "failure_rate"} for each in own.get("failures", ())]
        return cls.model_validate(own)


class ProfileOutput(BaseModel):
    """What a table looks like; every column is plain data with at least dtype, null_count and unique_count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, dict[str, JsonValue]]
    row_count: int
    execution_time_ms: float
    timestamp: datetime
    engine: str = ""
    sampled_from: int | None = None

    @classmethod
    def from_result(
        cls,
        result: ProfileResult,
        *,
        include_statistics: bool = True,
        include_patterns: bool = True,
        include_distributions: bool = True,
        sampled_from: int | None = None,
    ) -> Self:
        """Make the output from an engine's profile, with the requested parts only."""
        return cls(
            columns={
                name: _described(column, include_statistics, include_patterns, include_distributions)
                for name, column in result.columns.items()
            },
            row_count=result.row_count,
            execution_time_ms=result.execution_time_ms,
            timestamp=result.timestamp,
            engine=result.engine,
            sampled_from=sampled_from,
        )

    def to_metadata(self) -> Metadata:
        """Return metadata for Dagster, without values: the least and greatest values can be personal data."""
        metadata: Metadata = {
            "row_count": MetadataValue.int(self.row_count),
            "column_count": MetadataValue.int(len(self.columns)),
            "execution_time_ms": MetadataValue.float(self.execution_time_ms),
            "profile_summary": MetadataValue.json(
                {
                    name: {key: column.get(key) for key in ("dtype", "null_count", "unique_count")}
                    for name, column in list(self.columns.items())[:SHOWN]
                }
            ),
        }
        if self.sampled_from is not None:
            metadata["sampled_from_rows"] = MetadataValue.int(self.sampled_from)
        return metadata

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls.model_validate(raw)


class Result(Protocol):
    """Anything that the quality core returns."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""


def serialize_result(result: Result) -> dict[str, Any]:
    """Any result of the quality core as plain data, ready for JSON."""
    return result.to_dict()


def _described(
    column: ColumnProfile, include_statistics: bool, include_patterns: bool, include_distributions: bool
) -> dict[str, JsonValue]:
    """Return one column as plain data. Extra values of an engine are patterns by their name, or else distributions."""
    found: dict[str, JsonValue] = column.model_dump(mode="json", exclude={"extra"})
    if not include_statistics:
        found = {key: value for key, value in found.items() if key not in STATISTICS}
    for key, value in column.extra.items():
        if include_patterns if "pattern" in key else include_distributions:
            found[key] = value
    return found
