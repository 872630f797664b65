"""What a verdict does in Prefect: a line in the log, artifacts, an event, and the failure of the run.

Belongs here: the order of these, the same for every task, block and asset. Not here: judging (`etl.quality`), the texts
(`etl.integrations.rendering`).

The verdict is shown first, then the run fails. A run that fails for its data ends the retries of its flow run, because
the same data has the same verdict.
"""

import logging
from pathlib import Path
from typing import Any

from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, State, TaskRun
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import emit_event
from prefect.tasks import Task

from etl.errors import EtlError
from etl.integrations.contract import Verdict, read_verdict, verdict
from etl.integrations.prefect.artifacts import ato_prefect_artifact, to_prefect_artifact
from etl.integrations.rendering import as_line
from etl.quality.files import UnreadableData
from etl.quality.results import CheckResult, CheckStatus, DataQualityError

EVENT = "etl.quality."
"""Name of the events, with the status behind it: `etl.quality.failed`. Their resource is `etl.quality.<key>`."""
_LEVELS = {CheckStatus.PASSED: logging.INFO, CheckStatus.WARNING: logging.WARNING}
_log = logging.getLogger(__name__)

Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]


def run_log() -> Logger:
    """Return the log of the current run, which Prefect shows on its page; outside of a run, the log of this module."""
    return get_run_logger() if FlowRunContext.get() or TaskRunContext.get() else _log


def conclude(result: CheckResult, *, subject: str, key: str, fails: bool, artifact: bool) -> None:
    """Show a verdict, then raise `DataQualityError` if the data did not pass and `fails` is set."""
    found = read_verdict(verdict(result, subject=subject))
    failure = _announce(result, found, key, fails=fails)
    try:
        run = _retried_run() if failure is not None else None
        if run is not None:
            with get_client(sync_client=True) as client:
                client.update_flow_run(run.id, empirical_policy=_without_retries(run))
        if artifact:
            to_prefect_artifact(found, key=key)
    finally:  # whatever is wrong with the server, a bad verdict is raised as one
        if failure is not None:
            raise failure


async def aconclude(result: CheckResult, *, subject: str, key: str, fails: bool, artifact: bool) -> None:
    """The same as `conclude`, for async code."""
    found = read_verdict(verdict(result, subject=subject))
    failure = _announce(result, found, key, fails=fails)
    try:
        run = _retried_run() if failure is not None else None
        if run is not None:
            async with get_client() as client:
                await client.update_flow_run(run.id, empirical_policy=_without_retries(run))
        if artifact:
            await ato_prefect_artifact(found, key=key)
    finally:
        if failure is not None:
            raise failure


def subject_of(data: object, subject: str | None) -> str:
    """Return the caller's name for the data, or the name of its file; a whole address could have a password."""
    if subject is not None:
        return subject
    return Path(str(data).partition("?")[0]).name if isinstance(data, str | Path) else ""


def may_be_asked_again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  Prefect's signature
    """Whether a retry can change something: not if the data is bad, or the call is wrong or a library is missing."""
    raised = state.data
    return isinstance(raised, UnreadableData) or not isinstance(raised, EtlError)


def _announce(result: CheckResult, found: Verdict, key: str, *, fails: bool) -> DataQualityError | None:
    """Log the verdict and emit its event; return the error that it becomes, if it is one."""
    line = as_line(found)
    run_log().log(_LEVELS.get(found.status, logging.ERROR), "Quality check %s", line)
    emit_event(
        f"{EVENT}{found.status.value}",
        resource={"prefect.resource.id": f"{EVENT}{key}", "prefect.resource.name": found.subject or key},
        payload=found.to_dict(),
    )
    return DataQualityError(line, result=result) if fails and found.is_blocking else None


def _retried_run() -> FlowRun | None:
    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    return run if run is not None and run.empirical_policy.retries else None


def _without_retries(run: FlowRun) -> FlowRunPolicy:
    return run.empirical_policy.model_copy(update={"retries": 0})
