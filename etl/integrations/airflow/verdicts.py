"""What becomes of a verdict in Airflow: XCom, the assets of the task, the log, and at last the state of the task.

Belongs here: the order in which these are written. Not here: what a verdict is (`etl.integrations.contract`).

The verdict is written before the task fails: a failed task shows why. A task that fails has no asset event, so the
verdict also goes into the asset's state, where a consumer finds it although the newest event is an older, good one.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from etl.errors import QualityError
from etl.integrations.airflow.rules import within_64_bits
from etl.integrations.contract import read_verdict, refusal, verdict
from etl.integrations.rendering import as_line
from etl.quality.results import CheckResult

if TYPE_CHECKING:
    from airflow.sdk import Context

_TRIES = 5
XCOM_KEY = "quality"
"""Key of the verdict in XCom, in the extra of an asset event and in the state of an asset."""
_log = logging.getLogger("airflow.task")
_LEVELS = {"passed": logging.INFO, "warning": logging.WARNING, "failed": logging.ERROR, "error": logging.ERROR}


def publish(context: "Context", outlets: Sequence[Any], result: CheckResult, subject: str) -> dict[str, Any]:
    """Write the verdict where Airflow and consumers look for it, and return it."""
    found: dict[str, Any] = within_64_bits(verdict(result, subject=subject))
    context["ti"].xcom_push(key=XCOM_KEY, value=found)
    _note(context, outlets, found)
    for asset in _assets(outlets):
        context["outlet_events"][asset].extra[XCOM_KEY] = found
    read = read_verdict(found)
    _log.log(_LEVELS[read.status.value], "%s", as_line(read))
    if read.row_count == 0:
        _log.warning("there were no rows; a rule `row_count` says whether that may be")
    return found


@contextmanager
def unknown_until_judged(context: "Context", outlets: Sequence[Any]) -> Iterator[None]:
    """Note that nobody knows whether the assets are good, if no verdict comes of the block: whatever ends it."""
    _refuse_mapped(context, outlets)
    try:
        yield
    except BaseException:
        _note(context, outlets, None)
        raise


def refused_check(noted: object, min_pass_rate: float, what: str) -> str | None:
    """Return why a consumer may not rely on an asset after the checks of its newest run, or None if it may."""
    checks = noted.get("checks") if isinstance(noted, Mapping) else None
    if not isinstance(checks, Mapping) or not checks:
        return f"the state of {what} is not what a check wrote"
    for task, found in checks.items():
        if found is None:
            return f"{what} was not judged: the newest check, the task `{task}`, ended without a verdict"
        if (refused := refusal(found, min_pass_rate=min_pass_rate, what=f"{what}, by the task `{task}`,")) is not None:
            return refused
    return None


def _note(context: "Context", outlets: Sequence[Any], found: dict[str, Any] | None) -> None:
    """Keep the verdict of each check of this run with the asset: a later one does not hide an earlier one."""
    for asset in _assets(outlets):
        ti = context["ti"]
        run = f"{ti.dag_id} {ti.run_id}"
        state = context["asset_state_store"][asset]
        for _ in range(_TRIES):  # another task of the run may write at the same moment
            known: Any = state.get(XCOM_KEY)
            checks = dict(known["checks"]) if isinstance(known, dict) and known.get("run") == run else {}
            if ti.task_id in checks and checks[ti.task_id] == found:
                break
            state.set(XCOM_KEY, {"run": run, "checks": checks | {ti.task_id: found}})


def _refuse_mapped(context: "Context", outlets: Sequence[Any]) -> None:
    if _assets(outlets) and context["ti"].map_index not in (None, -1):
        raise QualityError(
            "a mapped check cannot have outlets: the last of its instances would speak for all of them",
            "check all files in one task with a pattern as `data_path`, or give the outlet to a task behind this one",
        )


def _assets(outlets: Sequence[Any]) -> list[Asset]:
    return [each for each in outlets if isinstance(each, Asset)]
