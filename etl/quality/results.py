"""The result of a check: one result per rule, and the verdict over all rules.

Belongs here: results as data, and reading them back from plain dicts. Not here: how results are computed (`checking`,
engines). Rates are between 0 and 1 everywhere.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from etl.errors import QualityError
from etl.quality.rules import Rule

RuleStatus = Literal["passed", "failed", "error"]
MEASURES = frozenset({"recency", "mean_between", "sum_between", "truthound"})
"""Types of rules whose message shows what was measured, which can be the value of a single row."""
_MESSAGE_LIMIT = 10


class CheckStatus(StrEnum):
    """Verdict over all rules, worst first: error, failed, warning, passed."""

    PASSED = "passed"
    FAILED = "failed"
    WARNING = "warning"
    ERROR = "error"


def worst_status(rules: int, errors: int, failed: int, warnings: int) -> CheckStatus:
    """Return the verdict over rules of which so many have no verdict, failed, or warned."""
    if errors or not rules:
        return CheckStatus.ERROR
    if failed:
        return CheckStatus.FAILED
    return CheckStatus.WARNING if warnings else CheckStatus.PASSED


class RuleResult(BaseModel):
    """Verdict of one rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule
    check_name: str
    status: RuleStatus
    failed_count: int = Field(default=0, ge=0)
    """Rows that broke the rule, exactly; 0 or 1 for a rule that judges the table as a whole."""
    total_count: int = Field(default=0, ge=0)
    """Rows that the rule applied to."""
    sample: tuple[dict[str, JsonValue], ...] = ()
    """Some failing rows, restricted to key columns and columns declared safe."""
    rows: tuple[int, ...] = ()
    """Positions of some failing rows in the data; the first row is 0. If there is a `sample`, they are its rows.

    Empty for a rule about the table as a whole, and if the engine does not name rows. Empty too for a plan that
    computes, unless a column may be shown, because the plan would run a second time.
    """
    message: str = ""
    actual: JsonValue = None
    """What was measured, for a rule that judges the table as a whole."""

    @property
    def failure_rate(self) -> float:
        """Share of the judged rows that broke the rule."""
        return self.failed_count / self.total_count if self.total_count else 0.0

    @property
    def severity(self) -> str:
        """Severity of the rule."""
        return self.rule.severity


class ValidationFailure(BaseModel):
    """One rule that did not pass, in the words of the integrations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule_name: str
    column: str | None
    message: str
    severity: str
    failed_count: int
    total_count: int

    @property
    def failure_rate(self) -> float:
        """Share of the judged rows that broke the rule."""
        return self.failed_count / self.total_count if self.total_count else 0.0


class CheckResult(BaseModel):
    """Verdict over all rules: exactly one result per rule, in the order of the rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: tuple[RuleResult, ...]
    engine: str
    row_count: int | None = None
    execution_time_ms: float = 0.0
    timings_ms: dict[str, float] = Field(default_factory=dict)
    """Milliseconds per part: preflight, engine."""
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def status(self) -> CheckStatus:
        """The worst status of all rules. A rule that could not be judged is never a pass, and no rules are no pass."""
        return worst_status(len(self.results), self.error_count, self.failed_count, self.warning_count)

    @property
    def is_success(self) -> bool:
        """Whether every rule passed (a failing rule of severity info does not count)."""
        return self.status is CheckStatus.PASSED

    @property
    def is_blocking(self) -> bool:
        """Whether a rule of severity error failed, or any rule could not be judged."""
        return self.status in (CheckStatus.FAILED, CheckStatus.ERROR)

    @property
    def passed_count(self) -> int:
        """Rules that passed."""
        return sum(each.status == "passed" for each in self.results)

    @property
    def failed_count(self) -> int:
        """Rules of severity error that failed."""
        return self._failing("error")

    @property
    def warning_count(self) -> int:
        """Rules of severity warning that failed."""
        return self._failing("warning")

    @property
    def info_count(self) -> int:
        """Rules of severity info that failed."""
        return self._failing("info")

    @property
    def error_count(self) -> int:
        """Rules that could not be judged."""
        return sum(each.status == "error" for each in self.results)

    @property
    def total_count(self) -> int:
        """Number of rules."""
        return len(self.results)

    @property
    def pass_rate(self) -> float:
        """Share of the rules that passed; 0 without rules, since none passed."""
        return self.passed_count / len(self.results) if self.results else 0.0

    @property
    def failures(self) -> tuple[ValidationFailure, ...]:
        """Every rule that did not pass."""
        return tuple(_failure(each) for each in self.results if each.status != "passed")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; derived numbers are included for readers."""
        return {
            "status": self.status.value,
            "passed_count": self.passed_count,
            "failed_count": self.failed_count,
            "warning_count": self.warning_count,
            "info_count": self.info_count,
            "error_count": self.error_count,
            "pass_rate": self.pass_rate,
            **self.model_dump(mode="json", exclude={"results"}),
            "results": [
                each.model_dump(mode="json", exclude={"rule"})
                | {"rule": each.rule.to_dict(), "failure_rate": each.failure_rate}
                for each in self.results
            ],
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        own = {key: value for key, value in raw.items() if key in cls.model_fields}
        own["results"] = [
            {key: value for key, value in each.items() if key != "failure_rate"} for each in raw["results"]
        ]
        return cls.model_validate(own)

    def describe(self) -> str:
        """Say what did not pass, rule by rule, for people."""
        bad = [each for each in self.results if each.status != "passed"]
        if not self.results:
            return "no rule was judged"
        if not bad:
            return f"all {len(self.results)} rules passed"
        lines = [f"{len(bad)} of {len(self.results)} rules did not pass:"]
        lines += [f"  - {each.check_name} [{each.rule.severity}, {each.status}]: {each.message}" for each in bad]
        return "\n".join(lines)

    def _failing(self, severity: str) -> int:
        return sum(each.status == "failed" and each.rule.severity == severity for each in self.results)


class QualityCounts(BaseModel):
    """A check's verdict as the integrations pass it on: numbers and failures, without the rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: CheckStatus
    passed_count: int
    failed_count: int
    warning_count: int
    failures: tuple[ValidationFailure, ...]
    execution_time_ms: float
    timestamp: datetime
    error_count: int = 0
    info_count: int = 0

    @classmethod
    def from_result(cls, result: CheckResult) -> Self:
        """Take the numbers and failures from the result of a check."""
        return cls(**{field: getattr(result, field) for field in cls.model_fields})

    @property
    def is_success(self) -> bool:
        """Whether there are rules and every one passed."""
        return self.status is CheckStatus.PASSED and self.total_count > 0

    @property
    def total_count(self) -> int:
        """Number of rules."""
        return self.passed_count + self.failed_count + self.warning_count + self.error_count + self.info_count

    @property
    def pass_rate(self) -> float:
        """Share of the rules that passed; 0 without rules, since none passed."""
        return self.passed_count / self.total_count if self.total_count else 0.0


class ColumnProfile(BaseModel):
    """What one column looks like. Counts are exact; `None` where a number has no meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    null_count: int
    unique_count: int | None = None
    """Distinct non-null values."""
    min: JsonValue = None
    max: JsonValue = None
    mean: float | None = None
    std: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """What only some engines know: quantiles, top values, patterns."""


class ProfileResult(BaseModel):
    """What a table looks like, column by column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, ColumnProfile]
    row_count: int
    engine: str
    execution_time_ms: float = 0.0
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls.model_validate(raw)


class LearnResult(BaseModel):
    """Rules that were learned from data, and that this data passes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...]
    strictness: Literal["strict", "moderate", "lenient"]
    row_count: int
    engine: str
    holdout: float = 0.0
    """Share of the rows that was held out to try the rules; 0 if nothing was tried."""
    widened: tuple[str, ...] = ()
    """Names of rules that allow more than the data suggests, because rows that were held out broke them."""
    left_out: tuple[str, ...] = ()
    """Names of rules that the data suggests, and that are not returned because rows that were held out broke them."""
    execution_time_ms: float = 0.0
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; `rules` are what `parse_rules` reads."""
        return self.model_dump(mode="json", exclude={"rules"}) | {"rules": [rule.to_dict() for rule in self.rules]}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Read what `to_dict` returned."""
        return cls.model_validate(raw)


ProfileOutput = ProfileResult
LearnOutput = LearnResult


class DataQualityError(QualityError):
    """Data did not pass a check; the error has the result. Raise `DataQualityError(result)`, or give your own text."""

    def __init__(
        self, problem: "str | CheckResult", hint: str = "", *, result: "CheckResult | QualityCounts | None" = None
    ) -> None:
        """Use the given text, or the description of the result."""
        if isinstance(problem, CheckResult):
            result, problem = problem, problem.describe()
        super().__init__(problem, hint)
        self.result = result


def within_mostly(failed: int, total: int, mostly: float | None) -> bool:
    """Return whether `mostly` allows this number of failures among this number of rows, on exact counts.

    `mostly` is the decimal number as written: 0.9 of 10 rows allows 1 failure, although 1 - 0.9 < 0.1 in floats.
    """
    if mostly is None:
        return failed == 0
    return failed <= (1 - Fraction(repr(mostly))) * total


def without_measure(found: RuleResult) -> RuleResult:
    """Return a result without what was measured: with the status and the counts alone."""
    if found.status == "error":
        return found
    message = f"{found.failed_count} of {found.total_count} rows failed"
    if found.total_count <= 1:
        message = "the data passes" if found.status == "passed" else "the data does not pass"
    return found.model_copy(update={"message": message, "actual": None})


def listed(words: Sequence[str]) -> str:
    """Join the first words of a list, and say how many words there are."""
    shown = ", ".join(f"`{word}`" for word in words[:_MESSAGE_LIMIT])
    return shown if len(words) <= _MESSAGE_LIMIT else f"{shown} and {len(words) - _MESSAGE_LIMIT} more"


def _failure(each: RuleResult) -> ValidationFailure:
    return ValidationFailure(
        rule_name=each.check_name,
        column=", ".join(each.rule.judged_columns) or None,
        message=each.message,
        severity=each.rule.severity,
        failed_count=each.failed_count,
        total_count=each.total_count,
    )
