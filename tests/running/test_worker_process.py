"""A run's process is judged where the answer is certain, and nowhere else."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, job
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from hypothesis import HealthCheck, given, settings, strategies as st

from etl.resources.run_worker import LocalRunLauncher, release_dead_runs
from etl.running import worker_process
from etl.running.worker_process import (
    Life,
    LockFile,
    Worker,
    is_on_local_disk,
    life_of,
    recorded_worker,
    this_process,
    worker_of,
)

# Plays a run worker: records itself, says its number, and lives until it is killed.
WORKER = """
import sys, time
from dagster import DagsterInstance
from etl.running.worker_process import recorded_worker
with DagsterInstance.from_config(sys.argv[1]) as instance:
    run = instance.get_run_by_id(sys.argv[2])
    with recorded_worker(instance, run):
        print("ready", flush=True)
        time.sleep(120)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\nrun_launcher: {module: etl.resources.run_worker, class: LocalRunLauncher}\n"
    )
    with DagsterInstance.from_config(str(tmp_path / "home")) as made:
        yield made


@job
def nothing() -> None:
    pass


def new_run(instance: DagsterInstance) -> DagsterRun:
    return instance.create_run_for_job(nothing, status=DagsterRunStatus.STARTED)


@pytest.fixture
def started(instance: DagsterInstance) -> Iterator[tuple[DagsterRun, "subprocess.Popen[str]"]]:
    """A run and the process that works for it."""
    run = new_run(instance)
    command = [sys.executable, "-W", "ignore", "-c", WORKER, instance.root_directory, run.run_id]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield run, process
    process.kill()
    process.communicate()


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait(30)


def elsewhere(worker: Worker, **changes: Any) -> Worker:
    return worker.model_copy(update=changes)


def life(instance: DagsterInstance, run: DagsterRun, **changes: Any) -> Life:
    worker = worker_of(instance, run.run_id)
    assert worker is not None
    return life_of(instance, run.run_id, elsewhere(worker, **changes))


OTHER_CONTAINER = {"host": "other", "pid_namespace": 1}
OTHER_MACHINE = {"host": "other", "boot": "another-boot", "pid_namespace": 1}
RESTARTED_MACHINE = {"boot": "an-earlier-boot"}


@pytest.mark.parametrize("place", [{}, OTHER_CONTAINER, OTHER_MACHINE, RESTARTED_MACHINE], ids=str)
def test_a_process_that_lives_is_never_gone_wherever_it_says_it_is(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], place: dict[str, Any]
) -> None:
    run, _ = started
    assert life(instance, run, **place) is Life.ALIVE
    # Even where its number is another process's here, and where there is no lock to see.
    assert life(instance, run, **{**place, "lock": None}) in {Life.ALIVE, Life.UNKNOWN}
    if place:
        assert life(instance, run, **{**place, "lock": None, "pid": 2**22 + 1}) is Life.UNKNOWN


def test_a_daemon_with_another_folder_sees_the_locks_of_the_services_that_it_may_read(
    instance: DagsterInstance, started: tuple[DagsterRun, "subprocess.Popen[str]"], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run, process = started
    home = Path(instance.root_directory)
    (tmp_path / "code-acme").symlink_to(home)
    monkeypatch.setattr(worker_process, "_lock_path", lambda *_: (tmp_path / "daemon" / f"{run.run_id}.lock", False))
    worker = worker_of(instance, run.run_id)
    assert worker is not None
    there = elsewhere(worker, **OTHER_CONTAINER)
    assert life_of(instance, run.run_id, there) is Life.UNKNOWN
    monkeypatch.setenv("ETL_RUN_LOCKS", str(tmp_path / "code-*"))
    assert life_of(instance, run.run_id, there) is Life.ALIVE
    kill(process)
    assert life_of(instance, run.run_id, there) is Life.GONE


@pytest.mark.parametrize("place", [{}, OTHER_CONTAINER, RESTARTED_MACHINE], ids=str)
def test_a_process_that_was_killed_is_gone_where_the_kernel_can_say_so(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], place: dict[str, Any]
) -> None:
    run, process = started
    kill(process)
    assert life(instance, run, **place) is Life.GONE


def test_a_zombie_is_gone_and_a_later_process_with_the_number_is_another(
    instance: DagsterInstance, started: tuple[DagsterRun, Any]
) -> None:
    run, process = started
    assert life(instance, run, started=1) is Life.GONE  # this number began at another moment
    process.send_signal(signal.SIGKILL)
    time.sleep(0.5)  # ended, and not yet waited for
    assert life(instance, run) is Life.GONE


@pytest.mark.parametrize(
    "why",
    ["no lock file", "another file of that name", "its disk was not its own", "our disk is not our own"],
)
def test_what_cannot_be_certain_is_not_known(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, process = started
    kill(process)
    path = Path(instance.root_directory) / "run_workers" / f"{run.run_id}.lock"
    lock = worker_of(instance, run.run_id).lock  # type: ignore[union-attr]
    assert lock is not None
    match why:
        case "no lock file":
            path.unlink()
        case "another file of that name":  # a copy of the folder, on a machine that was cloned
            path.rename(path.with_suffix(".kept"))
            path.touch()
        case "its disk was not its own":
            lock = lock.model_copy(update={"local": False})
        case "our disk is not our own":
            monkeypatch.setattr(worker_process, "is_on_local_disk", lambda _: False)
    assert life(instance, run, **OTHER_CONTAINER, lock=lock) is Life.UNKNOWN
    assert life(instance, run, **OTHER_MACHINE, lock=lock) is Life.UNKNOWN


def test_a_restarted_machine_knows_only_where_the_database_is_on_its_own_disk(
    instance: DagsterInstance, started: tuple[DagsterRun, Any]
) -> None:
    run, process = started
    kill(process)
    lock = worker_of(instance, run.run_id).lock  # type: ignore[union-attr]
    assert lock is not None
    elsewhere_kept = lock.model_copy(update={"beside_database": False})
    assert life(instance, run, **RESTARTED_MACHINE, lock=elsewhere_kept) is Life.UNKNOWN


def test_an_installation_of_one_machine_knows_that_an_earlier_boot_has_ended(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = started  # it lives; the record says that it was started in another boot, and the operator that this is all
    monkeypatch.setenv(worker_process.ONE_MACHINE, "1")
    assert life(instance, run, **RESTARTED_MACHINE, lock=None) is Life.GONE
    assert life(instance, run, **{**RESTARTED_MACHINE, "boot": ""}, lock=None) is Life.UNKNOWN
    assert life(instance, run, **OTHER_MACHINE, lock=None) is Life.UNKNOWN
    monkeypatch.setenv(worker_process.ONE_MACHINE, "0")
    assert life(instance, run, **RESTARTED_MACHINE, lock=None) is Life.UNKNOWN


def test_a_proc_of_another_namespace_judges_nobody(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, process = started
    kill(process)
    monkeypatch.setattr(os, "getpid", lambda: 1)  # /proc/self says another number
    assert life(instance, run, lock=None) is Life.UNKNOWN


@pytest.mark.parametrize(("hidden", "expected"), [(False, Life.ALIVE), (True, Life.UNKNOWN)])
def test_another_users_process_lives(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, hidden: bool, expected: Life
) -> None:
    """A process that may not be asked is no process that is gone; `hidepid` hides it from /proc too."""
    here = this_process()

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    if hidden:
        seen = worker_process._stat_fields
        monkeypatch.setattr(
            worker_process, "_stat_fields", lambda path: seen(path) if path == Path("/proc/self") else None
        )
    assert life_of(instance, "x", here) is expected


def test_two_who_look_at_one_moment_do_not_take_each_other_for_the_process(
    instance: DagsterInstance, started: tuple[DagsterRun, Any]
) -> None:
    run, process = started
    kill(process)
    path = Path(instance.root_directory) / "run_workers" / f"{run.run_id}.lock"
    with path.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert life(instance, run, **OTHER_CONTAINER) is Life.GONE


def test_the_clock_takes_no_part(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = started
    for shift in (-(10**8), 10**8):
        now = time.time() + shift
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert release_dead_runs(instance) == []
        assert life(instance, run) is Life.ALIVE


@pytest.mark.parametrize("record", ["none", "the one before", "of the future", "damaged"])
def test_a_run_whose_process_is_not_known_is_left_alone(instance: DagsterInstance, record: str) -> None:
    run = new_run(instance)
    here = this_process().model_dump(mode="json")
    metadata: dict[str, Any] = {"pid": str(2**22 + 1)}
    if record == "of the future":
        metadata["worker"] = {**here, "format": 2, "pid": 2**22 + 1}
    if record == "damaged":
        metadata["worker"] = {"format": 1}
    if record != "none":
        instance.report_engine_event("Started process for run", run, EngineEventData(metadata=metadata))
    assert release_dead_runs(instance) == []
    launcher = instance.run_launcher
    assert isinstance(launcher, LocalRunLauncher)
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    assert instance.get_run_by_id(run.run_id).status is DagsterRunStatus.STARTED  # type: ignore[union-attr]


def test_the_lock_file_is_gone_after_the_run_and_a_killed_ones_after_the_next(
    instance: DagsterInstance, started: tuple[DagsterRun, Any]
) -> None:
    folder = Path(instance.root_directory) / "run_workers"
    killed, process = started
    kill(process)
    unmarked = new_run(instance)
    with recorded_worker(instance, unmarked):
        # The killed run is not marked yet: the next who looks needs its file.
        assert {each.stem for each in folder.iterdir()} == {killed.run_id, unmarked.run_id}
    instance.report_run_canceled(unmarked)
    assert release_dead_runs(instance) == [killed.run_id]
    with recorded_worker(instance, new_run(instance)):
        pass
    assert list(folder.iterdir()) == []


LOCKS = st.none() | st.builds(
    LockFile,
    device=st.integers(1, 3),
    inode=st.integers(1, 3),
    local=st.booleans(),
    beside_database=st.booleans(),
)
PLACES = st.builds(
    Worker,
    host=st.sampled_from(["a", "b"]) | st.just(this_process().host),
    boot=st.sampled_from(["", "other", this_process().boot]),
    pid_namespace=st.sampled_from([0, 1, this_process().pid_namespace]),
    time_namespace=st.sampled_from([0, 1, this_process().time_namespace]),
    pid=st.sampled_from([1, os.getpid(), 2**22 + 1]),
    started=st.sampled_from([0, this_process().started]),
    lock=LOCKS,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=PLACES)
def test_without_a_lock_only_this_very_process_table_says_gone(instance: DagsterInstance, place: Worker) -> None:
    """The law: who is not of this host, boot and namespaces is never gone."""
    here = this_process()
    same = all(
        getattr(place, each) == getattr(here, each) for each in ("host", "boot", "pid_namespace", "time_namespace")
    )
    found = life_of(instance, "no-such-run", place)
    assert same or found is Life.UNKNOWN


def test_local_disks() -> None:
    assert is_on_local_disk(Path(__file__))
    assert not is_on_local_disk(Path("/proc/self/stat"))
    assert not is_on_local_disk(Path("/sys/kernel"))


def test_only_the_runs_own_process_is_interrupted(
    instance: DagsterInstance, started: tuple[DagsterRun, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's Terminate, for a run that no code server started. A number alone could be another process's by now."""
    run, process = started
    true = worker_of(instance, run.run_id)
    assert true is not None
    for changes in (OTHER_CONTAINER, OTHER_MACHINE, RESTARTED_MACHINE, {"started": 1}, {"pid": 2**22 + 1}):
        forged = elsewhere(true, **changes)
        monkeypatch.setattr(worker_process, "worker_of", lambda _, __, forged=forged: forged)
        assert not instance.run_launcher.terminate(run.run_id), changes
    monkeypatch.setattr(worker_process, "worker_of", lambda _, __: None)
    assert not instance.run_launcher.terminate(run.run_id)
    time.sleep(0.5)
    assert process.poll() is None, "nobody was interrupted"
    left = instance.get_run_by_id(run.run_id)
    assert left is not None
    assert left.status == DagsterRunStatus.STARTED, "Dagster's monitoring gives up a run that is said to be canceling"
    told = [each.user_message or each.dagster_event.message for each in instance.all_logs(run.run_id) if each]
    assert sum("cannot be asked to stop from here" in str(each) for each in told) == 6
    monkeypatch.undo()
    assert instance.run_launcher.terminate(run.run_id)
    assert process.wait(30) == -signal.SIGINT
    after = instance.get_run_by_id(run.run_id)
    assert after is not None
    assert after.status == DagsterRunStatus.CANCELING
    assert release_dead_runs(instance) == [run.run_id], "a run that was asked to stop and killed is no open run either"
    assert not instance.run_launcher.terminate(run.run_id)
