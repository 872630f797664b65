"""Examines Dagster's storage: the daemon, runs whose process is gone, and whether the event log can be read.

Belongs here: what Dagster keeps. Not here: the settings in `dagster.yaml` (`etl.cli.home`), how a run's process is
recognized (`etl.running.worker_process`).
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, EventRecordsFilter, RunsFilter
from sqlalchemy.exc import DBAPIError

from etl.health.finding import Condition, Examined, good, size
from etl.running.compat import SensorDaemon, get_daemon_statuses
from etl.running.worker_process import Life, life_of, worker_of

LARGE_BYTES = 2 << 30
SILENT_SECONDS = 150  # after its next sign of life is due, one every 30 seconds, a daemon counts as ended
MOST_RUNS = 200
_DAEMONS = "promises are not watched, schedules do not tick and queued runs stay queued"


def examine_dagster(instance: DagsterInstance) -> Iterator[Examined]:
    """Yield the state of Dagster's own storage and processes."""
    yield _daemon(instance)
    yield _runs(instance)
    yield _event_log(instance)


def sensor_daemon(instance: DagsterInstance, now: datetime) -> tuple[bool, str]:
    """Return whether the daemon that runs sensors is alive, and when it was seen last, in words."""
    kind = SensorDaemon.daemon_type()
    found = get_daemon_statuses(
        instance, [kind], now.timestamp(), ignore_errors=True, heartbeat_tolerance_seconds=SILENT_SECONDS
    )[kind]
    beat = found.last_heartbeat
    seen = (
        f"last seen {datetime.fromtimestamp(beat.timestamp, UTC):%Y-%m-%d %H:%M} UTC" if beat else "it never ran here"
    )
    return bool(found.healthy), seen


def _daemon(instance: DagsterInstance) -> Examined:
    is_alive, seen = sensor_daemon(instance, datetime.now(UTC))
    if is_alive:
        return good("dagster", "daemon", "it runs")
    remedy = "start it: `make dev`, or `dagster-daemon run` beside the web server"
    return Examined("dagster", "daemon", Condition.WARNING, f"it does not run ({seen}): {_DAEMONS}", remedy)


def _runs(instance: DagsterInstance) -> Examined:
    """Runs at work whose process has certainly ended. A run of another host is never said to be dead."""
    at_work = instance.get_runs(
        RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]), limit=MOST_RUNS
    )
    dead, unknown = [], 0
    for run in at_work:
        worker = worker_of(instance, run.run_id)
        life = life_of(instance, run.run_id, worker) if worker is not None else Life.UNKNOWN
        if life is Life.GONE:
            dead.append(run.run_id)
        unknown += life is Life.UNKNOWN
    if dead:
        return Examined(
            "dagster",
            "runs",
            Condition.WARNING,
            f"{len(dead)} of {len(at_work)} runs at work have lost their process: {', '.join(dead[:3])}",
            "the daemon fails them and frees their pools when it runs; then run the same partitions again",
        )
    said = f"{len(at_work)} at work" + (f", {unknown} of them on other machines or not known" if unknown else "")
    return good("dagster", "runs", said)


def _event_log(instance: DagsterInstance) -> Examined:
    """Whether it can be read, and the size of its files. A database server is its owner's to watch."""
    try:
        _read_event_log(instance)
    except DBAPIError as error:
        if type(error.orig) is not sqlite3.DatabaseError:  # a file that is no database, or a damaged one
            raise
        return Examined(
            "dagster",
            "event log",
            Condition.BAD,
            f"it cannot be read: {error.orig}. No run and no promise is known, and no run can be started",
            f"stop Dagster, and restore {instance.root_directory}/history from a backup; or move that folder away:"
            " a new log begins, in which no run is known",
        )
    root = Path(instance.root_directory)
    files = [each for each in root.rglob("*.db*") if each.is_file()]
    total = sum(each.stat().st_size for each in files)
    if not files:
        return good("dagster", "event log", "can be read; its database's owner watches its size")
    said = f"can be read: {size(total)} in {len(files):,} files below {root}"
    if total > LARGE_BYTES:
        remedy = (
            "delete old runs in the UI (Runs, select, Delete), and set `retention:` in dagster.yaml for ticks;"
            " promises need the runs of the last month"
        )
        return Examined("dagster", "event log", Condition.WARNING, said, remedy)
    return good("dagster", "event log", said)


def _read_event_log(instance: DagsterInstance) -> None:
    """Read what promises and pages read: an asset's event, the end of a run, and the events of the newest run."""
    made = EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION)
    instance.event_log_storage.get_event_records(made, limit=1)
    instance.fetch_run_status_changes(DagsterEventType.RUN_SUCCESS, limit=1)
    for each in instance.get_runs(limit=1):
        instance.get_records_for_run(each.run_id, limit=1)
