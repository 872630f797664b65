"""Marks a run as canceling, unless it has ended.

Belongs here: the mark, and taking it back. Not here: asking the run's process to stop (`worker_process`, and
`etl.cli.child`).
"""

from dagster import DagsterEventType, DagsterInstance

_ENDS = {DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}


def mark_canceling(instance: DagsterInstance, run_id: str) -> bool:
    """Mark the run as canceling. False if the run has ended or was deleted: then there is nothing to stop.

    Dagster sets the status without looking at the present one. If the run ended at the same moment, its end is in the
    event log before the mark, and the run gets the status of its end back.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    instance.report_run_canceling(run)
    for record in instance.get_records_for_run(run_id, of_type=_ENDS).records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            instance.run_storage.handle_run_event(run_id, event)
            return False
    return True
