"""Whether a task may rely on an asset.

Belongs here: `require_quality`, for the tasks that read. Not here: writing verdicts (`verdicts`).
"""

from typing import NoReturn

from airflow.sdk import Asset, get_current_context

from etl.errors import QualityError
from etl.integrations.airflow.mistakes import DataQualityFailed, final_mistakes
from etl.integrations.airflow.verdicts import XCOM_KEY
from etl.integrations.contract import Verdict, read_verdict, refusal


def require_quality(asset: Asset, *, min_pass_rate: float = 1.0) -> Verdict:
    """Return the verdict of an asset, or stop the task: without another try, since only a new verdict can help.

    The asset must be among the `inlets` of the task. The newest event of the asset must have a good verdict, and so
    must the newest check of the asset, if that failed its task and therefore made no event. An asset without an event,
    and an event without a verdict, stop the task: nobody judged the data.
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
        for raw, what in ((found, f"the newest event of {name}"), (last if last is not None else found, name)):
            refused = refusal(raw, min_pass_rate=min_pass_rate, what=what)
            if refused is not None:
                raise DataQualityFailed(refused)
        return read_verdict(found)


def _refuse_outsider(name: str, asset: Asset) -> NoReturn:
    raise QualityError(f"{name} is no inlet of the task", f"give the task inlets=[Asset({asset.name!r}, ...)]")
