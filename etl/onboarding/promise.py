"""Proposes a promise about the time at which rows are there, if rows come in a rhythm.

Belongs here: from a rhythm to `sla`. Not here: measuring the rhythm (`rhythm`), judging a promise (`etl.promises`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.onboarding.rhythm import Rhythm

SCHEDULE = "0 6 * * *"
"""When the proposed job runs; the promises leave it three hours."""
_DEADLINES = {"day": "0 9 * * *", "whole": "0 9 * * *", "week": "0 9 * * 1", "month": "0 9 1 * *"}


@dataclass(frozen=True)
class Promise:
    """The mapping `sla` as it is written, None if nothing can be promised, and the reason."""

    values: Mapping[str, Any] | None
    why: str


def promise_of(rhythm: Rhythm, unit: str, timezone: str, *, moves: bool) -> Promise:
    """Return a deadline for a table whose rows come every day or every working day.

    If rows move to a later day when they change, nothing is promised about their number.
    """
    if rhythm.kind not in ("daily", "working days"):
        return Promise(None, rhythm.why)
    freshness: dict[str, Any] = {"deadline": _DEADLINES[unit], "timezone": timezone}
    if rhythm.kind == "working days" and unit in ("day", "whole"):
        freshness["business_days"] = True
    values: dict[str, Any] = {"freshness": freshness}
    why = rhythm.why
    if unit == "day" and rhythm.kind == "daily" and not moves:
        values["min_row_count"] = max(1, rhythm.fewest // 2)
        why += "; min_row_count is half of the fewest"
    return Promise(values, why)
