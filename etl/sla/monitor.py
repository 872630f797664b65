"""Judges measurements by thresholds.

Belongs here: the comparison itself (`find_violations`, the only place where a threshold is compared) and `SLAMonitor`,
which remembers measurements. Not here: freshness, which needs no run (`etl.promises.freshness`).

A value exactly at its threshold keeps the promise: "exceeds" is more than, "below" is less than. Only the number of
consecutive failures breaks the promise when it reaches the threshold, which says how many failures are too many.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from etl.plural import counted
from etl.sla.config import AlertLevel, SLAConfig
from etl.sla.hooks import SLAHook, call_hook
from etl.sla.metrics import SLAMetrics, SLAViolation, SLAViolationType

HISTORY_SIZE = 1000


def find_violations(config: SLAConfig, metrics: SLAMetrics, now: datetime) -> list[SLAViolation]:
    """Return the thresholds of `config` that one measurement does not keep. Values that are missing are not judged."""
    if not config.enabled:
        return []
    found: list[SLAViolation] = []

    def add(kind: SLAViolationType, message: str, threshold: float, actual: float, level: AlertLevel) -> None:
        found.append(
            SLAViolation(
                violation_type=kind,
                message=message,
                threshold=threshold,
                actual=actual,
                alert_level=level,
                timestamp=now,
            )
        )

    level = config.alert_level
    rate, limit = metrics.failure_rate, config.max_failure_rate
    if limit is not None and metrics.judged_count and rate > limit:
        message = f"failure rate {rate:.2%} exceeds {limit:.2%}"
        add(SLAViolationType.FAILURE_RATE_EXCEEDED, message, limit, rate, level)
    rate, limit = metrics.pass_rate, config.min_pass_rate
    if limit is not None and metrics.judged_count and rate < limit:
        message = f"pass rate {rate:.2%} is below {limit:.2%}"
        add(SLAViolationType.PASS_RATE_BELOW_MINIMUM, message, limit, rate, level)
    seconds, limit = metrics.execution_time_seconds, config.max_execution_time_seconds
    if limit is not None and seconds > limit:
        message = f"execution took {seconds:g} s, more than {limit:g} s"
        add(SLAViolationType.EXECUTION_TIME_EXCEEDED, message, limit, seconds, level)
    rows = metrics.row_count
    if rows is not None and config.min_row_count is not None and rows < config.min_row_count:
        message = f"{rows} rows, fewer than {config.min_row_count}"
        add(SLAViolationType.ROW_COUNT_BELOW_MINIMUM, message, config.min_row_count, rows, level)
    if rows is not None and config.max_row_count is not None and rows > config.max_row_count:
        message = f"{rows} rows, more than {config.max_row_count}"
        add(SLAViolationType.ROW_COUNT_ABOVE_MAXIMUM, message, config.max_row_count, rows, level)
    if config.alert_on_warning and metrics.warning_count:
        message = f"{metrics.warning_count} checks of severity warning failed"
        add(SLAViolationType.CUSTOM, message, 0, metrics.warning_count, AlertLevel.WARNING)
    return found


def find_consecutive(config: SLAConfig, failures: int, now: datetime) -> SLAViolation | None:
    """Return a violation if so many failed runs in a row break the promise."""
    limit = config.max_consecutive_failures
    if not config.enabled or limit is None or failures < limit:
        return None
    return SLAViolation(
        violation_type=SLAViolationType.CONSECUTIVE_FAILURES,
        message=f"{counted(failures, 'failure')} in a row, the limit is {limit}",
        threshold=limit,
        actual=failures,
        alert_level=config.alert_level,
        timestamp=now,
    )


class SLAMonitor:
    """Judges the measurements of one thing and remembers the last of them. Safe to use from several threads."""

    def __init__(
        self,
        config: SLAConfig,
        name: str = "sla",
        *,
        hook: SLAHook | None = None,
        consecutive_failures: int = 0,
        history_size: int = HISTORY_SIZE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`consecutive_failures` is the number of failures that earlier processes saw."""
        self.config = config
        self.name = name
        self._hook = hook
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = consecutive_failures
        self._metrics: deque[SLAMetrics] = deque(maxlen=history_size)
        self._violations: deque[SLAViolation] = deque(maxlen=history_size)
        self._checks = 0
        self._types: Counter[str] = Counter()

    @property
    def consecutive_failures(self) -> int:
        """How many failures there were since the last success."""
        return self._failures

    @property
    def history(self) -> tuple[SLAMetrics, ...]:
        """The last measurements; the newest is at the end."""
        with self._lock:
            return tuple(self._metrics)

    @property
    def violations(self) -> tuple[SLAViolation, ...]:
        """The last violations; the newest is at the end."""
        with self._lock:
            return tuple(self._violations)

    def check(self, metrics: SLAMetrics) -> list[SLAViolation]:
        """Judge one measurement. Too many failures in a row are among the violations until a success ends them."""
        if not self.config.enabled:
            return []
        now = self._clock()
        found = find_violations(self.config, metrics, now)
        with self._lock:
            streak = find_consecutive(self.config, self._failures, now)
            found += [streak] if streak else []
            self._checks += 1
            self._metrics.append(metrics)
            self._remember(found)
        self._tell(found, metrics)
        return found

    def record_failure(self) -> SLAViolation | None:
        """Count one more failure in a row, and return a violation if there are too many."""
        with self._lock:
            self._failures += 1
            found = find_consecutive(self.config, self._failures, self._clock())
            self._remember([found] if found else [])
        self._tell([found] if found else [])
        return found

    def record_success(self) -> None:
        """End the series of failures."""
        with self._lock:
            self._failures = 0

    def reset(self) -> None:
        """Forget everything except the thresholds."""
        with self._lock:
            self._failures = self._checks = 0
            self._metrics.clear()
            self._violations.clear()
            self._types.clear()

    def get_summary(self) -> dict[str, Any]:
        """Return the state in a few numbers. Averages are over the kept history; rates only where rules were judged."""
        with self._lock:
            seen = tuple(self._metrics)
            judged = [each for each in seen if each.judged_count]
            return {
                "name": self.name,
                "enabled": self.config.enabled,
                "check_count": self._checks,
                "violation_count": self._types.total(),
                "violations_by_type": dict(self._types),
                "consecutive_failures": self._failures,
                "average_pass_rate": _average([each.pass_rate for each in judged]),
                "average_failure_rate": _average([each.failure_rate for each in judged]),
                "average_execution_time_seconds": _average([each.execution_time_seconds for each in seen]),
                "last_check": seen[-1].timestamp.isoformat() if seen else None,
            }

    def _remember(self, found: list[SLAViolation]) -> None:
        self._violations.extend(found)
        self._types.update(each.violation_type.value for each in found)

    def _tell(self, found: list[SLAViolation], metrics: SLAMetrics | None = None) -> None:
        """Call the hook outside the lock, so that a slow hook blocks no thread, and a hook may call the monitor."""
        if self._hook is None:
            return
        context: dict[str, Any] = {"name": self.name}
        if metrics is not None:
            context |= {"asset_key": metrics.asset_key, "run_id": metrics.run_id}
            call_hook(self._hook, lambda hook: hook.on_check(metrics, list(found), context))
        for each in found:
            call_hook(self._hook, lambda hook, each=each: hook.on_violation(each, context))  # type: ignore[misc]


def _average(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
