"""Records the process that works for a run and its machine, and finds out whether the process still exists.

Belongs here: the record that a run's process writes to the event log before its first step, and reading it. Not here:
the action on a run whose process has ended (`etl.resources.run_worker`).

Whether a process exists is decided only if the answer is certain, in one of two ways. In every other case the answer
is unknown, and the run is not changed (docs/hosts.md):

1. In the same boot of the same kernel and in the same process namespace: the process table, by the process's number
   and the moment it was started.
2. If the process's lock file is on a disk of this machine: the kernel releases the lock when the process ends, in any
   container. After a restart of the machine, this is certain only if Dagster's own storage is a SQLite file on that
   disk too, because then no other machine can work for it.

Where the operator says that the installation has one machine only (ETL_ONE_MACHINE=1), a process of an earlier boot of
the same host has ended.
"""

import fcntl
import glob
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from dagster import DagsterEventType, DagsterInstance, DagsterRun, MetadataValue
from pydantic import BaseModel, ConfigDict, ValidationError

from etl.errors import EtlError
from etl.formats import check_format
from etl.running.canceling import mark_canceling
from etl.running.compat import EngineEventData

logger = logging.getLogger(__name__)

# The newest format of the record that this release reads.
FORMAT = 1
METADATA = "worker"
LOCKS = "run_workers"
"""The folder of the lock files of runs."""

# The variable by which an operator says that no other machine works for this installation.
ONE_MACHINE = "ETL_ONE_MACHINE"

# The classes that keep Dagster's storage in SQLite files in the same places: Dagster's, and the one of `instance`.
SQLITE_STORAGES = frozenset({"DagsterSqliteStorage", "LocalStorage"})

# Filesystems of one machine: no other kernel has the same file open, so the lock belongs to this kernel.
LOCAL_FILESYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "tmpfs", "overlay"})


class Life(Enum):
    """Whether a run's process exists."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "not known"


class LockFile(BaseModel):
    """The file that a process keeps locked as long as it runs, as the process itself saw the file."""

    model_config = ConfigDict(frozen=True)

    device: int
    inode: int
    local: bool
    """Whether the file is on a disk of the process's own machine."""
    beside_database: bool
    """Whether Dagster's storage is SQLite, in the folder of this file."""


class Worker(BaseModel):
    """The process that works for a run. Two processes are the same only if all these values are equal."""

    model_config = ConfigDict(frozen=True)  # a later release may add values in the same format

    format: int = FORMAT
    host: str
    boot: str
    """The kernel's id of this boot; empty if the system has no such id, and then it is not used."""
    pid_namespace: int
    time_namespace: int
    """The time namespace; in another namespace, the same process has another starting time."""
    pid: int
    started: int
    """When the process was started, in ticks of its namespace's clock; it does not depend on the time of day."""
    lock: LockFile | None = None


_recorded: set[str] = set()
"""The runs that have a record of this process."""


@contextmanager
def recorded_worker(instance: DagsterInstance, run: DagsterRun) -> Iterator[None]:
    """While the block runs, this process holds the run's lock, and the event log has the record of this process.

    Within such a block of the same run, nothing happens: a process that creates its run is recorded before it executes.
    """
    if instance.is_ephemeral or run.run_id in _recorded:
        yield
        return
    path, beside_database = _lock_path(instance, run.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    _forget_locks_of_finished_runs(instance, path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        held = _try_lock(descriptor, fcntl.LOCK_EX)
        lock = _lock_file(descriptor, path, beside_database=beside_database) if held else None
        worker = this_process(lock)
        instance.report_engine_event(
            f"The run is executed by process {worker.pid} on host {worker.host}.",
            run,
            EngineEventData(
                metadata={
                    "pid": MetadataValue.text(str(worker.pid)),
                    METADATA: MetadataValue.json(worker.model_dump(mode="json")),
                }
            ),
        )
        _recorded.add(run.run_id)
        yield
        path.unlink(missing_ok=True)
    finally:
        _recorded.discard(run.run_id)
        os.close(descriptor)


def worker_of(instance: DagsterInstance, run_id: str) -> Worker | None:
    """The newest record of a run; None if there is no record that this release can read."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.ENGINE_EVENT, ascending=False).records
    for record in records:
        event = record.event_log_entry.dagster_event
        found = event.engine_event_data.metadata.get(METADATA) if event else None
        if found is None:
            continue
        try:
            worker = Worker.model_validate(found.value)
            check_format(worker.format, newest=FORMAT, what=f"the record of run {run_id}'s process")
        except (ValidationError, EtlError) as error:
            logger.warning("run %s is left alone: its process cannot be read: %s", run_id, error)
            return None
        return worker
    return None


def this_process(lock: LockFile | None = None) -> Worker:
    """The record of this process."""
    here = Path("/proc/self")
    fields = _stat_fields(here)
    return Worker(
        host=socket.gethostname(),
        boot=_boot(),
        pid_namespace=_namespace("pid"),
        time_namespace=_namespace("time"),
        pid=os.getpid(),
        started=int(fields[19]) if fields else 0,
        lock=lock,
    )


def life_of(instance: DagsterInstance, run_id: str, worker: Worker) -> Life:
    """Whether the process exists, as far as this process can know with certainty."""
    here = this_process()
    if _sees_process_table(here, worker):
        return _life_in_process_table(worker)
    if os.environ.get(ONE_MACHINE) == "1" and here.host == worker.host and "" != worker.boot != here.boot != "":
        return Life.GONE
    if worker.lock is not None and worker.lock.local:
        return _life_by_lock(instance, run_id, worker.lock, same_kernel=bool(here.boot) and here.boot == worker.boot)
    return Life.UNKNOWN


def interrupt_worker(instance: DagsterInstance, run_id: str) -> bool:
    """Mark the run as canceling and send SIGINT to its process, and to no other one.

    False if it is not certain that the process is here. The run is unchanged then: nobody has asked it to stop.
    """
    worker = worker_of(instance, run_id)
    if worker is None or not _sees_process_table(this_process(), worker):
        return False
    try:
        process = os.pidfd_open(worker.pid)  # keeps its meaning if the number is given to another process
    except OSError:
        return False
    try:
        if _life_in_process_table(worker) is not Life.ALIVE or not mark_canceling(instance, run_id):
            return False
        signal.pidfd_send_signal(process, signal.SIGINT)
    except OSError:
        return False
    finally:
        os.close(process)
    return True


def _forget_locks_of_finished_runs(instance: DagsterInstance, folder: Path) -> None:
    """Remove lock files of finished runs. A killed process leaves its lock file, which is needed until its run ends."""
    for path in folder.glob("*.lock"):
        run = instance.get_run_by_id(path.stem)
        if run is None or run.is_finished:
            path.unlink(missing_ok=True)


def _sees_process_table(here: Worker, worker: Worker) -> bool:
    """Whether the process id means the same process here, which is not so in another process namespace."""
    same = ("host", "boot", "pid_namespace", "time_namespace")
    if not here.boot or not here.pid_namespace or any(getattr(here, each) != getattr(worker, each) for each in same):
        return False
    return Path("/proc/self").readlink() == Path(str(os.getpid()))


def _life_in_process_table(worker: Worker) -> Life:
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return Life.GONE
    except PermissionError:
        pass  # the process exists and belongs to another user
    fields = _stat_fields(Path("/proc", str(worker.pid)))
    if fields is None:
        return Life.UNKNOWN  # another user's process may be hidden
    ended = fields[0] in {"Z", "X"}
    return Life.GONE if ended or int(fields[19]) != worker.started else Life.ALIVE


def _life_by_lock(instance: DagsterInstance, run_id: str, lock: LockFile, *, same_kernel: bool) -> Life:
    path, beside_database = _lock_path(instance, run_id)
    path = next((each for each in (path, *_locks_of_others(run_id)) if each.is_file()), path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return Life.UNKNOWN
    try:
        seen = _lock_file(descriptor, path, beside_database=beside_database)
        if same_kernel:
            certain = seen.local and (seen.device, seen.inode) == (lock.device, lock.inode)
        else:  # the disk may have another number since the machine was started again
            certain = seen.local and seen.inode == lock.inode and seen.beside_database and lock.beside_database
        if not certain:
            return Life.UNKNOWN
        return Life.GONE if _try_lock(descriptor, fcntl.LOCK_SH) else Life.ALIVE
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    """Try to take a lock. Readers take a shared lock, so that two readers do not take each other for the process."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lock_path(instance: DagsterInstance, run_id: str) -> tuple[Path, bool]:
    """The run's lock file: beside Dagster's SQLite files, else in Dagster's home; and whether it is beside them."""
    storage = instance.get_ref().storage_data
    beside = storage is not None and storage.class_name in SQLITE_STORAGES
    folder = storage.config_dict["base_dir"] if storage is not None and beside else instance.root_directory
    return Path(folder) / LOCKS / f"{run_id}.lock", beside


def _lock_file(descriptor: int, path: Path, *, beside_database: bool) -> LockFile:
    stat = os.fstat(descriptor)
    return LockFile(
        device=stat.st_dev, inode=stat.st_ino, local=is_on_local_disk(path), beside_database=beside_database
    )


def _locks_of_others(run_id: str) -> Iterator[Path]:
    """Yield where services with folders of their own keep the lock of this run.

    ETL_RUN_LOCKS is a pattern of the folders that this process may read, as in the daemon's container.
    """
    for folder in sorted(glob.glob(os.environ.get("ETL_RUN_LOCKS", ""))):  # noqa: PTH207  an absolute path
        yield Path(folder) / LOCKS / f"{run_id}.lock"


def is_on_local_disk(path: Path) -> bool:
    """Whether the filesystem of a path is certainly on a disk of this machine."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    place, best, kind = path.resolve(), -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        mounted = Path(left.split()[4].encode().decode("unicode_escape"))
        if place.is_relative_to(mounted) and len(mounted.parts) >= best:  # of two mounts on a folder, the later counts
            best, kind = len(mounted.parts), right.split()[0]
    return kind in LOCAL_FILESYSTEMS


def _stat_fields(process: Path) -> list[str] | None:
    """The fields after the name in parentheses: the state is the first, the start in ticks the twentieth."""
    try:
        return (process / "stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace(kind: str) -> int:
    try:
        return Path("/proc/self/ns", kind).stat().st_ino
    except OSError:
        return 0
