"""Keeps many monitors by name.

Belongs here: `SLARegistry` and the registry that a process shares. Not here: judging (`monitor`).
"""

import threading
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from etl.errors import EtlError
from etl.sla.config import SLAConfig
from etl.sla.hooks import SLAHook
from etl.sla.metrics import SLAMetrics, SLAViolation
from etl.sla.monitor import SLAMonitor


@cache
def get_sla_registry() -> "SLARegistry":
    """Return the registry that all code in this process shares."""
    return SLARegistry()


class SLARegistry:
    """Monitors by name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._monitors: dict[str, SLAMonitor] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order of their registration."""
        with self._lock:
            return tuple(self._monitors)

    def register(self, name: str, config: SLAConfig, *, hook: SLAHook | None = None) -> SLAMonitor:
        """Return the monitor of `name`; a new name makes a monitor. Other thresholds for a known name are refused."""
        with self._lock:
            known = self._monitors.get(name)
            if known is None:
                self._monitors[name] = known = SLAMonitor(config, name, hook=hook)
            elif known.config != config:
                raise EtlError(
                    f"the SLA monitor `{name}` is registered already, with other thresholds",
                    "use another name, or unregister it first",
                )
            return known

    def get(self, name: str) -> SLAMonitor:
        """Return the monitor of `name`. An unknown name is an error, because its promise would never be judged."""
        with self._lock:
            if name in self._monitors:
                return self._monitors[name]
            close = get_close_matches(name, self._monitors, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "register it first"
        raise EtlError(f"there is no SLA monitor `{name}`", hint)

    def unregister(self, name: str) -> None:
        """Forget one monitor and its history."""
        self.get(name)
        with self._lock:
            self._monitors.pop(name, None)

    def check_all(self, metrics: Mapping[str, SLAMetrics]) -> dict[str, list[SLAViolation]]:
        """Judge each measurement by the monitor of its name. If a name is unknown, no measurement is judged."""
        monitors = {name: self.get(name) for name in metrics}
        return {name: monitors[name].check(each) for name, each in metrics.items()}

    def get_summary_all(self) -> dict[str, dict[str, Any]]:
        """The summary of every monitor."""
        with self._lock:
            monitors = dict(self._monitors)
        return {name: each.get_summary() for name, each in monitors.items()}

    def reset(self) -> None:
        """Forget all monitors."""
        with self._lock:
            self._monitors.clear()
