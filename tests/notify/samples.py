"""Troubles and messages to test with."""

from datetime import UTC, datetime
from typing import Any

from etl.notify.incidents import Incident, Message, Trouble, broken_message, group, recovered_message

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def trouble(**changes: Any) -> Trouble:
    values = {
        "event": "sla",
        "tenant": "project_01",
        "pipeline": "lot_history",
        "cause": "lot_history: freshness",
        "detail": "2026-01-04 due 2026-01-05 09:00 KST; it is not there, 0.0 h later",
        "since": NOW,
    }
    return Trouble.model_validate(values | changes)


def incident(**changes: Any) -> Incident:
    return group([trouble(**changes)])[0]


def broken(**changes: Any) -> Message:
    return broken_message(incident(**changes), NOW)


def recovered(**changes: Any) -> Message:
    return recovered_message(incident(**changes), NOW)
