"""Whether a task may rely on an asset.

Belongs here: `require_quality`, for the tasks that read. Not here: writing verdicts (`verdicts`).
"""

from typing import NoReturn

from airflow.sdk import Asset, get_current_context

from etl.errors import QualityError
from etl.integrations.airflow.mistakes import DataQualityFailed, final_mistakes
from etl.integrations.airflow.verdicts import XCOM_KEY, refused_check
from etl.integrations.contract import Verdict, read_verdict, refusal


def require_quality(asset: Asset, *, min_pass_rate: float = 1.0) -> Verdict:
    """Return the verdict of an asset, or stop the task: without another try, since only a new verdict can help.

    The asset must be among the `inlets` of the task. The newest event of the asset must have a good verdict, and so
    must every check of the asset in its newest run, also one that failed its task, or ended without a verdict, and
    therefore made no event. An asset without an event, and an event without a verdict, stop the task: nobody judged it.
    """
    context = get_current_context()
    task_id, name = context["ti"].task_id, f"asset `{asset.name}`"
    try:
        events = context["inlet_events"][asset]
    except KeyError:
        with final_mistakes(task_id):
            _refuse_outsider(name, asset)
    newest = events.ascending(ascending=False).limit(1)
    if not len(newest):
        raise DataQualityFailed(f"{name} has no event: nothing was checked")
    found = (newest[0].extra or {}).get(XCOM_KEY)
    last = context["asset_state_store"][asset].get(XCOM_KEY)
    with final_mistakes(task_id):
        refused = refusal(found, min_pass_rate=min_pass_rate, what=f"the newest event of {name}")
        if refused is None and last is not None:
            refused = refused_check(last, min_pass_rate, name)
        if refused is not None:
            raise DataQualityFailed(refused)
        return read_verdict(found)


def _refuse_outsider(name: str, asset: Asset) -> NoReturn:
    raise QualityError(f"{name} is no inlet of the task", f"give the task inlets=[Asset({asset.name!r}, ...)]")
