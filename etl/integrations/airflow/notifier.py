"""Telling people, by the targets of `etl.notify`.

Belongs here: `DataQualityNotifier`, for `on_failure_callback` and for `DeadlineAlert`. Not here: how a message reaches
its target (`etl.notify.send`).
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from pydantic import TypeAdapter, ValidationError

from etl.errors import NotifyError
from etl.integrations.airflow.mistakes import DataQualityFailed
from etl.integrations.rendering import as_line
from etl.notify.incidents import Message
from etl.notify.routes import wants
from etl.notify.send import send
from etl.notify.targets import Event, NotificationConfig, Severity
from etl.secrets.template import interpolate

if TYPE_CHECKING:
    from airflow.sdk import Context

_TARGETS: TypeAdapter[tuple[NotificationConfig, ...]] = TypeAdapter(tuple[NotificationConfig, ...])
_LONGEST_REASON = 300


class DataQualityNotifier(BaseNotifier):
    """Sends one message to each target.

    `targets` are as in `etl.notify`: `{"type": "slack", "url": "${SLACK_URL}"}`. `${NAME}` is a variable of the process
    that sends, so that no address stands in a DAG. As the `on_failure_callback` of a task, the message has the verdict.
    As the callback of a deadline (`AsyncCallback(DataQualityNotifier, kwargs={"targets": [...]})`), the message says
    which run is late.
    """

    template_fields: Sequence[str] = ("text",)

    def __init__(
        self,
        targets: Sequence[Mapping[str, Any]],
        text: str = "",
        severity: Severity = "error",
        context: "Context | None" = None,
    ) -> None:
        """`text` comes after the reason; it may be a template."""
        super().__init__(context=context)
        try:
            self.targets = _TARGETS.validate_python(tuple(targets))
        except ValidationError as broken:
            first = broken.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise NotifyError(
                f"the targets cannot be used: {place}: {first['msg']}", "see etl.notify.targets"
            ) from None
        if not self.targets:
            raise NotifyError("there is no target, so nobody would be told", "give at least one")
        self.text = text
        self.severity = severity

    def notify(self, context: "Context") -> None:
        """Send the message. If a target fails, the others still get it; then the first failure is raised."""
        message = self._message(context)
        failed: list[NotifyError] = []
        for target in self.targets:
            if wants(target, message):
                try:
                    send(target, message, lambda template: interpolate(template, os.environ))
                except NotifyError as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    async def async_notify(self, context: "Context") -> None:
        """Send the message from the triggerer, without stopping its loop."""
        await asyncio.to_thread(self.notify, context)

    def _message(self, context: "Context") -> Message:
        now = datetime.now(UTC)
        subject, run = _subject(context)
        event, reason = _reason(context)
        return Message(
            transition="broken",
            incident=f"{subject}:{run}",
            tenant=subject.partition(".")[0],
            severity=self.severity,
            events=(event,),
            title=f"{subject}: {reason}"[:_LONGEST_REASON],
            text="\n".join(each for each in (f"Run {run}: {reason}", self.text) if each),
            pipelines=(subject,),
            since=now,
            at=now,
        )


def _subject(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return what the message is about, and the run. A deadline's context has the run as plain data."""
    ti = context.get("ti")
    if ti is not None:
        return f"{ti.dag_id}.{ti.task_id}", str(ti.run_id)
    run = context.get("dag_run") or {}
    return str(run.get("dag_id") or "a DAG"), str(run.get("dag_run_id") or "of unknown id")


def _reason(context: Mapping[str, Any]) -> tuple[Event, str]:
    raised = context.get("exception")
    if isinstance(raised, DataQualityFailed) and raised.verdict is not None:
        return "quality", as_line(raised.verdict)
    if "deadline" in context:
        return "sla", f"the deadline {_moment(context['deadline'])} has passed"
    lines = str(raised).strip().splitlines() if raised is not None else []
    return "failure", lines[0][:_LONGEST_REASON] if lines else "the task failed"


def _moment(deadline: object) -> str:
    return str(deadline.get("deadline_time") or "") if isinstance(deadline, Mapping) else ""
