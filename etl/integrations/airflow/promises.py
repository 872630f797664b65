"""What was promised about a checked table, judged after each check.

Belongs here: the measurements of a task and its failures in a row. Not here: thresholds and their comparison
(`etl.sla`), promises about time, which are Airflow's own `DeadlineAlert`.

The history is in Airflow: XCom of earlier runs of the same task has the number of failures in a row.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etl.integrations.contract import Verdict
from etl.sla.config import SLAConfig
from etl.sla.hooks import CompositeSLAHook, LoggingSLAHook, SLAHook
from etl.sla.metrics import SLAMetrics, SLAViolation
from etl.sla.monitor import SLAMonitor

if TYPE_CHECKING:
    from airflow.sdk import Context

XCOM_KEY = "sla"
_log = logging.getLogger("airflow.task")


def read_promise(promise: SLAConfig | Mapping[str, Any] | None) -> SLAConfig | None:
    """Return the promise as a model."""
    return promise if promise is None or isinstance(promise, SLAConfig) else SLAConfig.model_validate(promise)


def judge_promise(context: "Context", promise: SLAConfig, found: Verdict, hook: SLAHook | None) -> list[SLAViolation]:
    """Return what the check broke, write it to XCom and to the log, and tell the hook."""
    ti = context["ti"]
    subject = f"{ti.dag_id}.{ti.task_id}"
    metrics = SLAMetrics.from_check_result(found.to_dict(), asset_key=subject, run_id=context["run_id"])
    before = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, include_prior_dates=True, map_indexes=ti.map_index)
    streak = (before or {}).get("consecutive_failures", 0) + 1 if found.is_blocking else 0
    hooks = CompositeSLAHook([LoggingSLAHook(_log), *([hook] if hook is not None else [])])
    violations = SLAMonitor(promise, subject, hook=hooks, consecutive_failures=streak).check(metrics)
    told = {"consecutive_failures": streak, "violations": [each.to_dict() for each in violations]}
    ti.xcom_push(key=XCOM_KEY, value=told)
    return violations
