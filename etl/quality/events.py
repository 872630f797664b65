"""Tells listeners what happens during a check: it starts, a rule has its result, it ends.

    check(frame, rules, listeners=[LogListener()])

Belongs here: the events, and calling listeners so that none of them can change a verdict. Not here: what a listener
does with an event (`listeners`).

Events hold names, counts and reasons, and no value of a row, so a listener can send them anywhere.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable
from uuid import uuid4

from etl.errors import QualityError
from etl.quality.failures import describe_failure
from etl.quality.results import CheckResult, CheckStatus, RuleResult, RuleStatus

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check starts; nothing was read yet."""

    check_id: str
    """The same in all events of one check, and in no other check."""
    engine: str
    rule_count: int
    """Rules that the caller gave; a baseline adds its own when it is read."""
    time: datetime


@dataclass(frozen=True, slots=True)
class RuleJudged:
    """A rule has its result. An engine judges all rules together, so these events come after its one call."""

    check_id: str
    engine: str
    check_name: str
    rule_type: str
    severity: str
    status: RuleStatus
    failed_count: int
    total_count: int
    reason: str
    """Why the rule could not be judged; empty if it was judged."""


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A check ends: with a verdict, or by an error that `check()` raises."""

    check_id: str
    engine: str
    status: CheckStatus
    """`error` also if the check raised."""
    passed_count: int
    failed_count: int
    warning_count: int
    error_count: int
    row_count: int | None
    seconds: float
    raised: str | None
    """What the check raised, in words; None if there is a verdict."""


@runtime_checkable
class CheckListener(Protocol):
    """Hears about checks. Whatever a listener raises is logged, and the verdict stays as it is.

    One listener may hear several checks at the same time, from several threads: `check_id` tells them apart.
    """

    def check_started(self, event: CheckStarted) -> None:
        """Hear that a check starts."""

    def rule_judged(self, event: RuleJudged) -> None:
        """Hear the result of one rule."""

    def check_ended(self, event: CheckEnded) -> None:
        """Hear the verdict, or that there is none. Each check that started ends once."""


def check_told(
    work: Callable[[], CheckResult], listeners: Sequence[CheckListener], engine: str, rule_count: int
) -> CheckResult:
    """Do the work of a check, and tell the listeners about it. Errors of the work are raised as they are."""
    if not isinstance(listeners, Sequence):
        raise QualityError("the listeners of a check are a list", "write listeners=[...]")
    for each in listeners:
        if isinstance(each, type) or not isinstance(each, CheckListener):
            raise QualityError(
                f"{type(each).__name__} is no listener of checks",
                "it needs check_started, rule_judged and check_ended (see etl.quality.events.CheckListener)",
            )
    check_id = uuid4().hex
    started = time.perf_counter()
    _tell(listeners, "check_started", CheckStarted(check_id, engine, rule_count, datetime.now(UTC)))
    try:
        result = work()
    except BaseException as raised:
        reason = describe_failure(raised, ())
        ended = CheckEnded(check_id, engine, CheckStatus.ERROR, 0, 0, 0, 0, None, time.perf_counter() - started, reason)
        _tell(listeners, "check_ended", ended)
        raise
    seconds = time.perf_counter() - started
    for found in result.results:
        _tell(listeners, "rule_judged", _rule_event(check_id, result.engine, found))
    _tell(listeners, "check_ended", _end_event(check_id, result, seconds))
    return result


def _rule_event(check_id: str, engine: str, found: RuleResult) -> RuleJudged:
    return RuleJudged(
        check_id=check_id,
        engine=engine,
        check_name=found.check_name,
        rule_type=found.rule.type,
        severity=found.severity,
        status=found.status,
        failed_count=found.failed_count,
        total_count=found.total_count,
        reason=found.message if found.status == "error" else "",
    )


def _end_event(check_id: str, result: CheckResult, seconds: float) -> CheckEnded:
    return CheckEnded(
        check_id=check_id,
        engine=result.engine,
        status=result.status,
        passed_count=result.passed_count,
        failed_count=result.failed_count,
        warning_count=result.warning_count,
        error_count=result.error_count,
        row_count=result.row_count,
        seconds=seconds,
        raised=None,
    )


def _tell(listeners: Sequence[CheckListener], moment: str, event: object) -> None:
    for each in listeners:
        try:
            getattr(each, moment)(event)
        except Exception as raised:  # noqa: BLE001  a listener is foreign code, and no verdict depends on it
            _LOG.warning(
                "the listener %s raised at %s: %s",
                type(each).__name__,
                moment,
                describe_failure(raised, ()),
                exc_info=_LOG.isEnabledFor(logging.DEBUG),
            )
