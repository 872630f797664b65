"""Judges every promise of one pipeline from a fixed record of its past.

Belongs here: `judge_pipeline`. Not here: reading the past, and sending messages (`etl.notify`).

A promise is about data. If an earlier run had a newer partition, a run of an older partition neither breaks nor heals a
promise, so that filling old partitions changes no verdict. A run that was refused counts for the rates of its checks
and for the series of failures; rows and seconds are judged on successful runs only.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from etl.plural import counted
from etl.promises.freshness import (
    FreshnessVerdict,
    PublishedKeys,
    State,
    judge_deadline,
    judge_max_age,
    typical_duration,
)
from etl.sla.config import AlertLevel, PipelineSLA
from etl.sla.metrics import SLAMetrics, SLAViolation, SLAViolationType
from etl.sla.monitor import find_consecutive, find_violations

Promise = Literal[
    "deadline",
    "max_age",
    "failure_rate",
    "pass_rate",
    "execution_time",
    "min_row_count",
    "max_row_count",
    "warnings",
    "consecutive_failures",
]
UNITS: Mapping[Promise, str] = {
    "deadline": "hours late",
    "max_age": "hours",
    "failure_rate": "share of the checks, 0 to 1",
    "pass_rate": "share of the checks, 0 to 1",
    "execution_time": "seconds",
    "min_row_count": "rows",
    "max_row_count": "rows",
    "warnings": "warnings",
    "consecutive_failures": "failed runs in a row",
}
"""The units of `actual` and `threshold` of a verdict."""
FROM_BAD_TO_GOOD = (State.BROKEN, State.AT_RISK, State.UNMEASURED, State.RECOVERED, State.ON_TRACK)
RUNS_NAMED = 20  # a verdict about a long series names only the newest runs


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """One finished run of a pipeline, with the facts that promises need."""

    run_id: str
    ended: datetime
    succeeded: bool
    partition: str | None = None
    metrics: SLAMetrics | None = None
    complete: bool = True
    """False: the run made only some of the pipeline's stages, so its success ends no series of failures."""
    examined_nothing: bool = False
    """True: rules were judged in the run, and none of them examined a row."""


@dataclass(frozen=True, slots=True)
class PipelineHistory:
    """The known past of one pipeline at one moment."""

    tenant: str
    pipeline: str
    published: PublishedKeys
    runs: tuple[PipelineRun, ...] = ()


@dataclass(frozen=True, slots=True)
class PromiseVerdict:
    """The state of one promise, since when it lasts, and which runs show it."""

    tenant: str
    pipeline: str
    promise: Promise
    state: State
    message: str
    alert_level: AlertLevel
    since: datetime | None = None
    partition: str | None = None
    due: datetime | None = None
    actual: float | None = None
    threshold: float | None = None
    runs: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key that identifies this promise."""
        return f"{self.tenant}/{self.pipeline}/{self.promise}"

    @property
    def cause(self) -> str:
        """The cause; it is equal for promises that one repair would heal. Both kinds of freshness have one cause."""
        return f"{self.pipeline}: {'freshness' if self.promise in ('deadline', 'max_age') else self.promise}"

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as a dict that can be written as JSON."""
        return {
            "tenant": self.tenant,
            "pipeline": self.pipeline,
            "promise": self.promise,
            "state": self.state.value,
            "message": self.message,
            "alert_level": self.alert_level.value,
            "since": self.since.isoformat() if self.since else None,
            "partition": self.partition,
            "due": self.due.isoformat() if self.due else None,
            "actual": self.actual,
            "threshold": self.threshold,
            "runs": list(self.runs),
        }


@dataclass(frozen=True, slots=True)
class _Threshold:
    """A promise that each run keeps or breaks: its name, and which runs count for it."""

    promise: Promise
    field: str
    broken_by: SLAViolationType
    measured: Callable[[PipelineRun, SLAMetrics], bool]
    is_about_rules: bool = False
    """A newest run whose rules examined no row keeps and breaks no such promise: it is not known how it stands."""


def _checked(_: PipelineRun, metrics: SLAMetrics) -> bool:
    return metrics.judged_count > 0


def _timed(run: PipelineRun, metrics: SLAMetrics) -> bool:
    return run.succeeded and run.complete and metrics.execution_time_ms > 0


def _counted(run: PipelineRun, metrics: SLAMetrics) -> bool:
    return run.succeeded and metrics.row_count is not None


_THRESHOLDS = (
    _Threshold(
        "failure_rate", "max_failure_rate", SLAViolationType.FAILURE_RATE_EXCEEDED, _checked, is_about_rules=True
    ),
    _Threshold("pass_rate", "min_pass_rate", SLAViolationType.PASS_RATE_BELOW_MINIMUM, _checked, is_about_rules=True),
    _Threshold("execution_time", "max_execution_time_seconds", SLAViolationType.EXECUTION_TIME_EXCEEDED, _timed),
    _Threshold("min_row_count", "min_row_count", SLAViolationType.ROW_COUNT_BELOW_MINIMUM, _counted),
    _Threshold("max_row_count", "max_row_count", SLAViolationType.ROW_COUNT_ABOVE_MAXIMUM, _counted),
)
_WARNINGS = _Threshold(
    "warnings",
    "alert_on_warning",
    SLAViolationType.CUSTOM,
    lambda _, metrics: metrics.total_count > 0,
    is_about_rules=True,
)


def judge_pipeline(sla: PipelineSLA, history: PipelineHistory, now: datetime) -> tuple[PromiseVerdict, ...]:
    """Return one verdict for each promise of `sla`; no verdict if `sla` is switched off."""
    if not sla.enabled:
        return ()
    runs = _counting(each for each in history.runs if each.ended <= now)
    verdicts = [_from_freshness(sla, history, each) for each in _judge_freshness(sla, history, runs, now)]
    promised = [each for each in _THRESHOLDS if getattr(sla, each.field) is not None]
    promised += [_WARNINGS] if sla.alert_on_warning else []
    verdicts += [_judge_threshold(sla, history, each, runs) for each in promised]
    if sla.max_consecutive_failures is not None:
        verdicts.append(_judge_streak(sla, history, sla.max_consecutive_failures, runs))
    return tuple(verdicts)


def worst(verdicts: Iterable[PromiseVerdict]) -> State:
    """The worst state among `verdicts`; unmeasured if there are none."""
    return min((each.state for each in verdicts), key=FROM_BAD_TO_GOOD.index, default=State.UNMEASURED)


def _judge_freshness(
    sla: PipelineSLA, history: PipelineHistory, runs: list[PipelineRun], now: datetime
) -> list[FreshnessVerdict]:
    if sla.freshness is None:
        return []
    timed = [each.metrics for each in runs if each.metrics is not None and _timed(each, each.metrics)]
    typical = typical_duration([timedelta(milliseconds=each.execution_time_ms) for each in timed])
    both = [judge(sla.freshness, history.published, now, typical) for judge in (judge_deadline, judge_max_age)]
    return [each for each in both if each is not None]


def _from_freshness(sla: PipelineSLA, history: PipelineHistory, verdict: FreshnessVerdict) -> PromiseVerdict:
    runs = (each.run_id for each in history.runs if verdict.partition and each.partition == verdict.partition)
    return PromiseVerdict(
        tenant=history.tenant,
        pipeline=history.pipeline,
        promise=verdict.promise,
        state=verdict.state,
        message=verdict.message,
        alert_level=sla.alert_level,
        since=verdict.since,
        partition=verdict.partition,
        due=verdict.due,
        actual=verdict.actual,
        threshold=verdict.threshold,
        runs=tuple(runs)[-RUNS_NAMED:],
    )


def _judge_threshold(
    sla: PipelineSLA, history: PipelineHistory, threshold: _Threshold, runs: list[PipelineRun]
) -> PromiseVerdict:
    """The promise is broken if the newest measurement is bad, and recovered if only the measurement before was bad."""
    measured = [each for each in runs if each.metrics is not None and threshold.measured(each, each.metrics)]
    limit = float(getattr(sla, threshold.field)) if threshold is not _WARNINGS else 0.0
    level = AlertLevel.WARNING if threshold is _WARNINGS else sla.alert_level
    streak: list[tuple[PipelineRun, SLAViolation]] = []
    for run in reversed(measured):
        found = _violation(sla, threshold, run)
        if found is None:
            break
        streak.append((run, found))
    base = PromiseVerdict(
        history.tenant, history.pipeline, threshold.promise, State.ON_TRACK, "kept", level, threshold=limit
    )
    empty = [each for each in runs if each.examined_nothing] if threshold.is_about_rules else []
    if empty and (not measured or measured[-1].ended < empty[-1].ended):
        last = empty[-1]
        message = "no rule examined a row in the newest run"
        return replace(base, state=State.UNMEASURED, message=message, partition=last.partition, runs=(last.run_id,))
    if streak:
        newest, violation = streak[0]
        return replace(
            base,
            state=State.BROKEN,
            message=violation.message,
            since=streak[-1][0].ended,
            partition=newest.partition,
            actual=violation.actual,
            runs=_names(run for run, _ in reversed(streak)),
        )
    if not measured:
        return replace(base, state=State.UNMEASURED, message="nothing was measured yet")
    last = measured[-1]
    before = _violation(sla, threshold, measured[-2]) if len(measured) > 1 else None
    if before is None:
        return replace(base, partition=last.partition, runs=(last.run_id,))
    message = f"kept again; before: {before.message}"
    return replace(
        base, state=State.RECOVERED, message=message, since=last.ended, partition=last.partition, runs=(last.run_id,)
    )


def _judge_streak(sla: PipelineSLA, history: PipelineHistory, limit: int, runs: list[PipelineRun]) -> PromiseVerdict:
    """The promise is broken from the failure that reached the limit until the next success."""
    runs = [each for each in runs if each.complete or not each.succeeded]
    failed = _trailing_failures(runs)
    base = PromiseVerdict(
        history.tenant,
        history.pipeline,
        "consecutive_failures",
        State.ON_TRACK,
        f"{counted(len(failed), 'failure')} in a row, the limit is {limit}",
        sla.alert_level,
        actual=float(len(failed)),
        threshold=float(limit),
        runs=_names(failed),
    )
    if not runs:
        return replace(base, state=State.UNMEASURED, message="nothing has run yet")
    if failed:
        found = find_consecutive(sla, len(failed), failed[-1].ended)
        if found is None:
            return base
        since = failed[limit - 1].ended
        return replace(base, state=State.BROKEN, message=found.message, since=since, partition=failed[-1].partition)
    before = _trailing_failures(runs[:-1])
    if len(before) < limit:
        return base
    last = runs[-1]
    message = f"a run succeeded after {counted(len(before), 'failure')} in a row"
    return replace(base, state=State.RECOVERED, message=message, since=last.ended, runs=(last.run_id,))


def _counting(runs: Iterable[PipelineRun]) -> list[PipelineRun]:
    """Return runs in the order of time, without runs whose partition is older than the partition of an earlier run."""
    counting: list[PipelineRun] = []
    newest: str | None = None
    for run in sorted(runs, key=lambda each: each.ended):
        if run.partition is not None and newest is not None and run.partition < newest:
            continue
        newest = run.partition or newest
        counting.append(run)
    return counting


def _trailing_failures(runs: list[PipelineRun]) -> list[PipelineRun]:
    failed: list[PipelineRun] = []
    for run in reversed(runs):
        if run.succeeded:
            break
        failed.insert(0, run)
    return failed


def _violation(sla: PipelineSLA, threshold: _Threshold, run: PipelineRun) -> SLAViolation | None:
    if run.metrics is None:
        return None
    found = find_violations(sla, run.metrics, run.ended)
    return next((each for each in found if each.violation_type is threshold.broken_by), None)


def _names(runs: Iterable[PipelineRun]) -> tuple[str, ...]:
    return tuple(each.run_id for each in runs)[-RUNS_NAMED:]
