"""What becomes of a verdict in Airflow: XCom, the assets of the task, the log, and at last the state of the task.

Belongs here: the order in which these are written. Not here: what a verdict is (`etl.integrations.contract`).

The verdict is written before the task fails: a failed task shows why. A task that fails has no asset event, so the
verdict also goes into the asset's state, where a consumer finds it although the newest event is an older, good one.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from etl.integrations.airflow.rules import within_64_bits
from etl.integrations.contract import read_verdict, verdict
from etl.integrations.rendering import as_line
from etl.quality.results import CheckResult

if TYPE_CHECKING:
    from airflow.sdk import Context

XCOM_KEY = "quality"
"""Key of the verdict in XCom, in the extra of an asset event and in the state of an asset."""
_log = logging.getLogger("airflow.task")
_LEVELS = {"passed": logging.INFO, "warning": logging.WARNING, "failed": logging.ERROR, "error": logging.ERROR}


def publish(context: "Context", outlets: Sequence[Any], result: CheckResult, subject: str) -> dict[str, Any]:
    """Write the verdict where Airflow and consumers look for it, and return it."""
    found: dict[str, Any] = within_64_bits(verdict(result, subject=subject))
    context["ti"].xcom_push(key=XCOM_KEY, value=found)
    for asset in outlets:
        if isinstance(asset, Asset):
            context["asset_state_store"][asset].set(XCOM_KEY, found)
            context["outlet_events"][asset].extra[XCOM_KEY] = found
    read = read_verdict(found)
    _log.log(_LEVELS[read.status.value], "%s", as_line(read))
    if read.row_count == 0:
        _log.warning("there were no rows; a rule `row_count` says whether that may be")
    return found
