"""Hooks that a monitor calls when it judges promises.

Belongs here: the hook that users derive from, and hooks that log and count. Not here: telling people (`etl.notify`).
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etl.sla.config import AlertLevel
from etl.sla.metrics import SLAMetrics, SLAViolation

Context = Mapping[str, Any]
_log = logging.getLogger(__name__)
LOG_LEVELS = {
    AlertLevel.INFO: logging.INFO,
    AlertLevel.WARNING: logging.WARNING,
    AlertLevel.ERROR: logging.ERROR,
    AlertLevel.CRITICAL: logging.CRITICAL,
}


def call_hook(hook: "SLAHook", call: Callable[["SLAHook"], None]) -> None:
    """Call one hook. If the hook raises, the error is logged, and neither the run nor another hook is affected."""
    try:
        call(hook)
    except Exception:  # noqa: BLE001  a hook is foreign code: whatever it raises must not change a verdict
        _log.exception("the SLA hook %s raised; the verdict stands", type(hook).__name__)


class SLAHook:
    """The base class of hooks: derive from it and override the methods that you need."""

    def on_check(
        self, metrics: SLAMetrics, violations: list[SLAViolation], context: dict[str, Any] | None = None
    ) -> None:
        """Called after every check, with or without violations."""

    def on_violation(self, violation: SLAViolation, context: dict[str, Any] | None = None) -> None:
        """Called for every threshold that was not kept."""


class LoggingSLAHook(SLAHook):
    """Writes checks at DEBUG and violations at their own level."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger("etl.sla")

    def on_check(
        self, metrics: SLAMetrics, violations: list[SLAViolation], context: dict[str, Any] | None = None
    ) -> None:
        """Write one line with the rates."""
        self._logger.debug(
            "%s: pass rate %.2f %%, %d violations",
            _subject(context, metrics.asset_key),
            metrics.pass_rate * 100,
            len(violations),
        )

    def on_violation(self, violation: SLAViolation, context: dict[str, Any] | None = None) -> None:
        """Write one line with the violation's own message."""
        self._logger.log(LOG_LEVELS[violation.alert_level], "%s: %s", _subject(context, None), violation.message)


class MetricsSLAHook(SLAHook):
    """Counts checks and violations."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._types: Counter[str] = Counter()
        self._checks = 0
        self._kept = 0

    def on_check(
        self,
        metrics: SLAMetrics,  # noqa: ARG002
        violations: list[SLAViolation],
        context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> None:
        """Count the check, and whether it had no violation."""
        with self._lock:
            self._checks += 1
            self._kept += not violations

    def on_violation(self, violation: SLAViolation, context: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Count the violation by its type."""
        with self._lock:
            self._types[violation.violation_type.value] += 1

    def get_stats(self) -> dict[str, Any]:
        """The counts, and the share of checks without a violation (1.0 before the first)."""
        with self._lock:
            return {
                "check_count": self._checks,
                "violation_count": self._types.total(),
                "violations_by_type": dict(self._types),
                "success_rate": self._kept / self._checks if self._checks else 1.0,
            }

    def reset(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._types.clear()
            self._checks = self._kept = 0


class CompositeSLAHook(SLAHook):
    """Several hooks as one hook. If one of them raises, the others are still called."""

    def __init__(self, hooks: Sequence[SLAHook] = ()) -> None:
        self.hooks = tuple(hooks)

    def on_check(
        self, metrics: SLAMetrics, violations: list[SLAViolation], context: dict[str, Any] | None = None
    ) -> None:
        """Tell each."""
        for hook in self.hooks:
            call_hook(hook, lambda each: each.on_check(metrics, violations, context))

    def on_violation(self, violation: SLAViolation, context: dict[str, Any] | None = None) -> None:
        """Tell each."""
        for hook in self.hooks:
            call_hook(hook, lambda each: each.on_violation(violation, context))


def _subject(context: Context | None, asset_key: str | None) -> str:
    return str((context or {}).get("name") or asset_key or "SLA")
