"""Finds the run for which a step has to wait: which run holds the pool, since when, and how to stop that run.

Belongs here: finding the holders of a pool and describing them. Not here: showing them (`follow`), and releasing runs
whose process is gone (`etl.resources.run_worker`).
"""

from collections.abc import Collection
from datetime import UTC, datetime

from dagster import DagsterInstance

from etl.running.worker_process import Life, life_of, worker_of


def holders(instance: DagsterInstance, pool: str, but: Collection[str]) -> dict[str, str]:
    """Return the runs that hold a slot of the pool, except the runs `but`, with a sentence about each."""
    found = instance.event_log_storage.get_concurrency_info(pool)
    steps = {each.run_id: each.step_key for each in found.claimed_slots if each.run_id not in but}
    since = {(each.run_id, each.step_key): each.assigned_timestamp for each in found.pending_steps}
    return {
        run_id: _sentence(instance, pool, run_id, step, since.get((run_id, step)))
        for run_id, step in sorted(steps.items())
    }


def _sentence(instance: DagsterInstance, pool: str, run_id: str, step: str, since: datetime | None) -> str:
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return f"waits for the pool {pool}, held by run {run_id}, which was deleted: it is released at once"
    begun = since or (datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp)
    moment = begun.replace(tzinfo=begun.tzinfo or UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return (
        f"waits for the pool {pool}: run {run_id} ({record.dagster_run.job_name}) holds it with {step} since {moment}; "
        f"it goes on when that step has ended. To stop that run: {_how_to_stop(instance, run_id)}"
    )


def _how_to_stop(instance: DagsterInstance, run_id: str) -> str:
    in_ui = "Terminate in the UI, under Runs (`make dev`)"
    worker = worker_of(instance, run_id)
    if worker is None or life_of(instance, run_id, worker) is not Life.ALIVE:
        return in_ui
    return f"`kill {worker.pid}` on host {worker.host}, or {in_ui}"
