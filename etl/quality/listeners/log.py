"""Writes the events of checks into the log, each as one line of JSON.

Belongs here: the lines and their levels. Not here: handlers and files of the log, which belong to the program.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from etl.quality.events import CheckEnded, CheckStarted, RuleJudged
from etl.quality.results import CheckStatus

_LEVELS = {
    CheckStatus.PASSED: logging.INFO,
    CheckStatus.WARNING: logging.WARNING,
    CheckStatus.FAILED: logging.ERROR,
    CheckStatus.ERROR: logging.ERROR,
}


class LogListener:
    """Logs each event as a line of JSON, with the event's fields under `extra` too, as `record.quality`.

    A check that passed is INFO, one that warned WARNING, any other ERROR. Rules are DEBUG when they passed, and INFO
    when they did not, because the line of the check already has the level of the verdict.
    """

    def __init__(self, logger: logging.Logger | None = None, fields: Mapping[str, str] | None = None) -> None:
        """Take the logger (default: `etl.quality.checks`), and fields that each line has, such as the tenant."""
        self._logger = logger if logger is not None else logging.getLogger("etl.quality.checks")
        self._fields = dict(fields or {})

    def check_started(self, event: CheckStarted) -> None:
        """Log that a check starts."""
        self._write(logging.DEBUG, "check_started", event)

    def rule_judged(self, event: RuleJudged) -> None:
        """Log the result of one rule."""
        self._write(logging.DEBUG if event.status == "passed" else logging.INFO, "rule_judged", event)

    def check_ended(self, event: CheckEnded) -> None:
        """Log the verdict."""
        self._write(_LEVELS[event.status], "check_ended", event)

    def _write(self, level: int, name: str, event: CheckStarted | RuleJudged | CheckEnded) -> None:
        if not self._logger.isEnabledFor(level):
            return
        line: dict[str, Any] = {**self._fields, "event": name, **asdict(event)}
        self._logger.log(level, "%s", json.dumps(line, default=str, ensure_ascii=False), extra={"quality": line})
