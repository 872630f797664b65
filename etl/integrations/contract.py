"""The verdict of a check as plain data, the same for every orchestrator.

    from etl.integrations.contract import verdict
    found = verdict(check(frame, rules))

Belongs here: the dict, its bounds, reading it back, and whether a consumer may rely on it. Not here: texts for people
(`rendering`), the API of an orchestrator (its folder).

A verdict holds counts, names, rules and reasons, and no value of a row but those that a rule itself names, such as the
list of a learned `in_set`. So it may stand in a database that more people read than the data. Its JSON is at most
`LARGEST` bytes long, whatever the number of rules.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from etl.errors import EtlError, QualityError
from etl.formats import check_format
from etl.quality.results import (
    MEASURES,
    CheckResult,
    CheckStatus,
    RuleResult,
    RuleStatus,
    without_measure,
    worst_status,
)
from etl.quality.rules.fields import Severity

FORMAT = 1
"""Number of the verdict's format. A later release that changes a meaning or takes a key away counts up."""
LARGEST = 32 * 1024
"""Most bytes that the JSON of a verdict has: the database of every orchestrator holds a text of this size."""
LARGEST_RULE = 2 * 1024
LONGEST_TEXT = 300
_ALWAYS_LISTED = 3
"""So many rules fit, however long they are."""
_WORST_FIRST = ("error", "failed", "passed")
_MADE_BY = "only what `etl.integrations.contract.verdict` returned can be read"


def _moment(value: object) -> object:
    """Read a moment as `to_dict` writes it; a bare number is none."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class RuleVerdict(BaseModel):
    """What was found out about one rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    check_name: str
    status: RuleStatus
    severity: Severity
    failed_count: NonNegativeInt
    total_count: NonNegativeInt
    message: str
    column: str | None
    rule: dict[str, Any] | None
    """The rule as `parse_rules` reads it; None if it is too long to be carried."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse counts that do not have this status."""
        if self.failed_count > self.total_count:
            raise ValueError("more rows failed than were judged")
        tolerant = self.rule is None or self.rule.get("mostly") is not None
        if (self.status == "passed" and self.failed_count and not tolerant) or (
            self.status == "failed" and not self.failed_count
        ):
            raise ValueError("its status is not the one that its counts have")
        return self


class Verdict(BaseModel):
    """A check's verdict; `to_dict` is what orchestrators carry."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    subject: str
    """What was checked, in the words of the caller: a path, a table, an asset."""
    status: CheckStatus = Field(strict=False)
    engine: str
    row_count: NonNegativeInt | None
    """How many rows were checked."""
    sampled_from: NonNegativeInt | None
    """How many rows there are, if only a sample was checked. None: all rows were checked."""
    rule_count: NonNegativeInt
    passed_count: NonNegativeInt
    failed_count: NonNegativeInt
    warning_count: NonNegativeInt
    info_count: NonNegativeInt
    error_count: NonNegativeInt
    execution_time_ms: float = Field(allow_inf_nan=False)
    timestamp: Annotated[AwareDatetime, BeforeValidator(_moment)]
    results: tuple[RuleVerdict, ...] = Field(strict=False)
    """In the order of the rules; if they do not all fit, the worst stay."""
    left_off: NonNegativeInt
    """How many rules are not listed, because the verdict would be too large. The counts are over all rules."""

    @property
    def pass_rate(self) -> float:
        """Share of the rules that passed; 0 without rules, since none passed."""
        return self.passed_count / self.rule_count if self.rule_count else 0.0

    @property
    def is_success(self) -> bool:
        """Whether every rule passed (a failing rule of severity info does not count)."""
        return self.status is CheckStatus.PASSED

    @property
    def is_blocking(self) -> bool:
        """Whether a rule of severity error failed, or any rule could not be judged."""
        return self.status in (CheckStatus.FAILED, CheckStatus.ERROR)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Refuse counts that do not add up: a verdict that somebody changed must not read as green."""
        counted = self.passed_count + self.failed_count + self.warning_count + self.info_count + self.error_count
        if counted != self.rule_count or len(self.results) + self.left_off != self.rule_count:
            raise ValueError("its counts do not add up")
        if self.status != worst_status(self.rule_count, self.error_count, self.failed_count, self.warning_count):
            raise ValueError("its status is not the one that its counts have")
        listed = [each.status for each in self.results]
        bad = (listed.count("error"), listed.count("failed"))
        counts = (self.error_count, self.failed_count + self.warning_count + self.info_count)
        if bad[0] > counts[0] or bad[1] > counts[1] or listed.count("passed") > self.passed_count:
            raise ValueError("its list of rules has others than its counts")
        # The worst are listed first, so that only rules that passed can be missing beside one that passed.
        if bad != counts and (not self.left_off or "passed" in listed):
            raise ValueError("its list of rules has others than its counts")
        if self.left_off and len(listed) < _ALWAYS_LISTED:
            raise ValueError("it leaves off rules that would fit")
        rows = max(self.row_count or 0, 1)  # a rule about the table as a whole counts as one row
        if self.row_count is not None and any(each.total_count > rows for each in self.results):
            raise ValueError("it judged more rows than there are")
        if self.sampled_from is not None and self.sampled_from < (self.row_count or 0):
            raise ValueError("its sample has more rows than all the data")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; the pass rate is included for readers."""
        return self.model_dump(mode="json") | {"pass_rate": self.pass_rate}


def verdict(result: CheckResult, *, subject: str = "", sampled_from: int | None = None) -> dict[str, Any]:
    """Return the verdict of a check as plain data: exact counts, and the rules as far as they fit.

    `sampled_from` is the number of all rows, if only a sample of them was checked.
    """
    if sampled_from is not None and (
        isinstance(sampled_from, bool) or not isinstance(sampled_from, int) or sampled_from < (result.row_count or 0)
    ):
        raise QualityError(
            f"a sample of {result.row_count} rows cannot be drawn from {sampled_from!r}",
            "give the number of all rows, or None if all were checked",
        )
    rules = [_rule_verdict(each) for each in result.results]
    found = Verdict.model_construct(
        subject=_clipped(subject),
        status=result.status,
        engine=_clipped(result.engine),
        row_count=result.row_count,
        sampled_from=sampled_from,
        rule_count=result.total_count,
        passed_count=result.passed_count,
        failed_count=result.failed_count,
        warning_count=result.warning_count,
        info_count=result.info_count,
        error_count=result.error_count,
        execution_time_ms=result.execution_time_ms,
        timestamp=result.timestamp,
        results=(),
        left_off=result.total_count,
    )
    room = LARGEST - _size(found.to_dict())
    kept: set[int] = set()
    for place in sorted(range(len(rules)), key=lambda place: _WORST_FIRST.index(rules[place].status)):
        room -= _size(rules[place].model_dump(mode="json")) + 2  # the comma and the blank before the next one
        if room < 0:
            break
        kept.add(place)
    shown = tuple(rules[place] for place in sorted(kept))
    return found.model_copy(update={"results": shown, "left_off": len(rules) - len(kept)}).to_dict()


def read_verdict(raw: object, *, what: str = "the verdict") -> Verdict:
    """Return the verdict in plain data, or raise: of a later format, incomplete, or contradicting itself."""
    if isinstance(raw, Verdict):
        return raw
    if not isinstance(raw, Mapping) or "format" not in raw:
        raise QualityError(f"{what} is not a verdict of a check", _MADE_BY)
    check_format(raw["format"], newest=FORMAT, what=what)
    try:
        found = Verdict.model_validate({key: value for key, value in raw.items() if key != "pass_rate"})
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise QualityError(f"{what} cannot be read: {place or 'the whole'}: {first['msg']}", _MADE_BY) from broken
    rate = raw.get("pass_rate")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate != found.pass_rate:
        raise QualityError(f"{what} cannot be read: pass_rate: it is not the one that its counts have", _MADE_BY)
    return found


def to_result(raw: object) -> CheckResult:
    """Return the result that a verdict was made from, without samples. A verdict that left rules off is refused."""
    found = read_verdict(raw)
    cut = found.left_off + sum(each.rule is None for each in found.results)
    if cut:
        raise QualityError(
            f"the verdict does not carry {cut} of its {found.rule_count} rules, so the result cannot be made from it",
            "read its counts and `results`, or check fewer rules at a time",
        )
    try:
        return CheckResult.model_validate(
            {
                "results": [each.model_dump(exclude={"severity", "column"}) for each in found.results],
                "engine": found.engine,
                "row_count": found.row_count,
                "execution_time_ms": found.execution_time_ms,
                "timestamp": found.timestamp,
            }
        )
    except ValidationError as broken:
        raise QualityError("the verdict has a rule that this release does not know", _MADE_BY) from broken


def refusal(raw: object, *, min_pass_rate: float = 1.0, what: str = "the data") -> str | None:
    """Return why a consumer may not rely on data with this verdict, or None if it may.

    No verdict, a verdict that cannot be read, and a rule that could not be judged are reasons, whatever the rate is.
    With a `min_pass_rate` below 1, rules that failed are no reason as long as that share of all rules passed.
    """
    if not 0 < min_pass_rate <= 1:
        raise QualityError(f"a pass rate of {min_pass_rate} is not above 0 and at most 1", "give for example 0.95")
    if raw is None:
        return f"{what} has no verdict: nothing was checked"
    try:
        found = read_verdict(raw, what=f"the verdict of {what}")
    except EtlError as unreadable:
        return unreadable.problem
    if found.status is CheckStatus.ERROR:
        return f"{what} could not be judged: {found.error_count} of {found.rule_count} rules have no verdict"
    if found.is_success or (min_pass_rate < 1 and found.pass_rate >= min_pass_rate):
        return None
    passed = f"{found.passed_count} of {found.rule_count} rules passed"
    return f"{what} is not good enough: {passed}, and {min_pass_rate:.0%} are wanted"


def _rule_verdict(found: RuleResult) -> RuleVerdict:
    rule = found.rule.to_dict()
    if found.rule.type in MEASURES:
        found = without_measure(found)
    return RuleVerdict(
        check_name=_clipped(found.check_name),
        status=found.status,
        severity=found.rule.severity,
        failed_count=found.failed_count,
        total_count=found.total_count,
        message=_clipped(found.message),
        column=_clipped(", ".join(found.rule.judged_columns)) or None,
        rule=rule if _size(rule) <= LARGEST_RULE else None,
    )


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 3]}..."


def _size(value: object) -> int:
    return len(json.dumps(value, allow_nan=False))
