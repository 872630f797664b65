"""Refuses to change a tenant whose runs are going on.

Belongs here: finding such runs and the error. Not here: keeping new runs from working (`etl.pipeline.life`).
"""

from etl.errors import EtlError
from etl.lifecycle.dagster_records import DagsterRecords

_NAMED = 5


def refuse_going_on(records: DagsterRecords, tenant: str, doing: str) -> None:
    """Raise an error if a run of the tenant is queued or works."""
    runs = records.runs().going_on
    if runs:
        named = ", ".join(f"{each.run_id} ({each.status.value.lower()})" for each in runs[:_NAMED])
        more = f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else ""
        raise EtlError(
            f"tenant {tenant} cannot be {doing}: its runs are going on: {named}{more}",
            "wait for their end, or terminate them in Dagster's UI (Runs, Terminate); then run the same command again."
            " A run whose process was killed ends with `etl doctor --fix`, or when the daemon notices",
        )
