"""Examines Dagster's storage: the daemon, runs whose process is gone, and the size of the event log.

Belongs here: what Dagster keeps. Not here: the settings in `dagster.yaml` (`etl.cli.home`), how a run's process is
recognized (`etl.running.worker_process`).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

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
    """The size of the files, where the storage is files. A database server is its owner's to watch."""
    root = Path(instance.root_directory)
    files = [each for each in root.rglob("*.db*") if each.is_file()]
    total = sum(each.stat().st_size for each in files)
    if not files:
        return good("dagster", "event log", "not in files of this machine: its database's owner watches its size")
    said = f"{size(total)} in {len(files):,} files below {root}"
    if total > LARGE_BYTES:
        remedy = (
            "delete old runs in the UI (Runs, select, Delete), and set `retention:` in dagster.yaml for ticks;"
            " promises need the runs of the last month"
        )
        return Examined("dagster", "event log", Condition.WARNING, said, remedy)
    return good("dagster", "event log", said)
