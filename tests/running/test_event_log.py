"""The event log with kept connections: no event is lost, and the files are Dagster's own.

Each event that was acknowledged (`store_event` returned) has to be in the log afterwards, as Dagster's own class reads
it: with several processes, after a kill, a fork, a wipe, a full disk.
"""

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    EventLogEntry,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import AssetMaterializationPlannedData, StepMaterializationData
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import Pool

from etl.running.event_log import MOST_RUNS, KeptEventLog
from etl.running.instance import LocalStorage
from etl.running.worker_process import _lock_path

FORK = multiprocessing.get_context("fork")
OURS = "instance_class: {module: etl.running.instance, class: LocalInstance}\n"
ASSET = AssetKey(["acme", "extract", "orders"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def log(folder: Path) -> Iterator[KeptEventLog]:
    made = KeptEventLog(str(folder))
    yield made
    made.dispose()


def entry(run_id: str, text: str = "", of: DagsterEventType | None = None, data: Any = None) -> EventLogEntry:
    told = of and DagsterEvent(of.value, "job", step_key="step", event_specific_data=data, message=text)
    return EventLogEntry(None, 10, text, run_id, time.time(), step_key="step", job_name="job", dagster_event=told)


def begun(run_id: str) -> EventLogEntry:
    return entry(run_id, of=DagsterEventType.RUN_START)


def materialized(run_id: str, partition: str) -> EventLogEntry:
    data = StepMaterializationData(AssetMaterialization(ASSET, partition=partition, tags={"dagster/data_version": "1"}))
    return entry(run_id, partition, DagsterEventType.ASSET_MATERIALIZATION, data)


def checked(run_id: str, partition: str) -> EventLogEntry:
    data = AssetCheckEvaluation(asset_key=ASSET, check_name="not_null", passed=True, partition=partition)
    return entry(run_id, partition, DagsterEventType.ASSET_CHECK_EVALUATION, data)


def texts(folder: Path, run_id: str) -> list[str]:
    """The texts of a run's events, as Dagster's own class reads them."""
    records = SqliteEventLogStorage(str(folder)).get_records_for_run(run_id).records
    told = [each.event_log_entry for each in records]
    return [each.user_message or (each.dagster_event.message or "" if each.dagster_event else "") for each in told]


def in_index(folder: Path) -> Counter[str]:
    """How many events of each run stand in the index, read without any class."""
    with contextlib.closing(sqlite3.connect(folder / "index.db")) as connection:
        return Counter(run for (run,) in connection.execute("SELECT run_id FROM event_logs"))


def open_files(folder: Path) -> list[str]:
    """The files of this folder that this process has open. SQLite keeps a closed file for its next connection to it."""
    descriptors = Path("/proc/self/fd")
    found = []
    for each in list(descriptors.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            found.append(str(each.readlink()))
    return sorted(Path(each).name for each in found if Path(each).parent == folder)


@contextlib.contextmanager
def counted(target: type, name: str) -> Iterator[list[object]]:
    """What SQLAlchemy does meanwhile, of any engine."""
    seen: list[object] = []

    def note(*arguments: object) -> None:
        seen.append(arguments)

    event.listen(target, name, note)
    try:
        yield seen
    finally:
        event.remove(target, name, note)


def test_a_run_that_is_executed_opens_two_connections_and_each_event_a_few_statements(log: KeptEventLog) -> None:
    log.store_event(begun("run"))
    log.store_event(materialized("run", "first"))
    log.store_event(checked("run", "first"))
    with counted(Pool, "connect") as connects, counted(Engine, "before_cursor_execute") as statements:
        for number in range(10):
            log.store_event(entry("run", str(number)))
    assert (len(connects), len(statements)) == (0, 10)
    with counted(Pool, "connect") as connects, counted(Engine, "before_cursor_execute") as statements:
        for number in range(10):
            log.store_event(materialized("run", str(number)))
    # both files, the tag, and the asset: an insert, which fails because the asset is known, and the update
    assert (len(connects), len(statements)) == (0, 50)
    with counted(Pool, "connect") as connects, counted(Engine, "before_cursor_execute") as statements:
        for number in range(10):
            log.store_event(checked("run", str(number)))
    assert (len(connects), len(statements)) == (0, 40)  # both files, and the check: no update was possible, an insert


def test_commits_are_on_the_disk(log: KeptEventLog) -> None:
    """Full synchronous, in a write-ahead log: SQLite returns from a commit after it has synchronized the file."""
    found = []

    def look(connection: Any, *_: object) -> None:
        raw = connection.connection.dbapi_connection
        found.append([raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")])

    log.store_event(begun("run"))
    event.listen(Engine, "commit", look)
    try:
        log.store_event(materialized("run", "1"))
        log.get_records_for_run("run")
    finally:
        event.remove(Engine, "commit", look)
    assert found == [[2, "wal"]] * 3


def test_what_a_run_plans_is_one_transaction_of_each_file(
    log: KeptEventLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        planned
        for number in range(5)
        for planned in (
            entry(
                "run",
                f"{number}",
                DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
                AssetMaterializationPlannedData(ASSET, f"{number}"),
            ),
            entry(
                "run",
                f"check {number}",
                DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
                AssetCheckEvaluationPlanned(asset_key=ASSET, check_name=f"check_{number}"),
            ),
        )
    ]
    with counted(Engine, "commit") as commits:
        log.store_event_batch(events[:1])
        once = len(commits)
        log.store_event_batch(events[1:])
    assert len(commits) - once == 2
    assert len(texts(folder, "run")) == in_index(folder)["run"] == 10
    key = AssetCheckKey(ASSET, "check_4")
    status = SqliteEventLogStorage(str(folder)).get_asset_check_execution_history(key, limit=2)
    assert [each.run_id for each in status] == ["run"]

    def refuse(*_: object) -> None:
        raise OSError("refused")

    monkeypatch.setattr(log, "store_asset_check_event", refuse)
    with pytest.raises(OSError, match="refused"):
        log.store_event_batch([entry("run", "before"), checked("run", "1")])
    monkeypatch.undo()
    assert len(texts(folder, "run")) == in_index(folder)["run"] == 10
    log.store_event(entry("run", "after"))
    assert texts(folder, "run")[-1] == "after"


def test_connections_are_kept_only_while_a_run_is_executed_here(log: KeptEventLog, folder: Path) -> None:
    log.store_event(entry("other", "told by a daemon"))
    assert open_files(folder) == []
    log.store_event(begun("run"))
    log.store_event(materialized("run", "1"))
    kept = ["index.db", "index.db-shm", "index.db-wal", "run.db", "run.db-shm", "run.db-wal"]
    assert sorted(set(open_files(folder))) == kept
    log.store_event(entry("other", "told by this process too"))
    log.get_records_for_run("other")
    assert sorted(set(open_files(folder))) == kept
    log.store_event(entry("run", of=DagsterEventType.RUN_SUCCESS))
    assert open_files(folder) == []
    assert not list(folder.glob("*-wal"))


def test_the_number_of_open_files_is_bounded(log: KeptEventLog, folder: Path) -> None:
    """Runs whose end this process does not see, such as those of a server that lives for months."""
    for number in range(3 * MOST_RUNS):
        log.store_event(begun(f"run{number}"))
        log.store_event(materialized(f"run{number}", "1"))
        assert len(open_files(folder)) <= 4 * (MOST_RUNS + 1)
    for number in range(3 * MOST_RUNS):
        log.store_event(entry(f"run{number}", "late"))
        assert len(log.get_records_for_run(f"run{number}").records) == 3
    assert len(open_files(folder)) <= 4 * (MOST_RUNS + 1)
    log.dispose()
    assert open_files(folder) == []
    assert texts(folder, "run0")[-1] == "late"


def test_both_classes_read_and_write_the_same_files(log: KeptEventLog, folder: Path) -> None:
    plain = SqliteEventLogStorage(str(folder))
    plain.store_event(begun("run"))
    log.store_event(begun("run"))
    for number in range(5):
        plain.store_event(materialized("run", f"plain {number}"))
        log.store_event(materialized("run", f"ours {number}"))
        assert len(plain.get_records_for_run("run").records) == 2 * number + 4
        assert len(log.get_records_for_run("run").records) == 2 * number + 4
    assert log.get_materialized_partitions(ASSET) == plain.get_materialized_partitions(ASSET)
    assert log.alembic_version() == plain.alembic_version()
    plain.upgrade()
    log.store_event(entry("run", "after an upgrade"))
    log.upgrade()
    log.store_event(entry("run", "after our own"))
    assert texts(folder, "run")[-2:] == ["after an upgrade", "after our own"]
    schemas = {}
    for name, kind in (("theirs", SqliteEventLogStorage), ("ours", KeptEventLog)):
        made = kind(str(folder.parent / name))
        made.store_event(materialized("run", "1"))
        for file in ("index", "run"):
            with contextlib.closing(sqlite3.connect(folder.parent / name / f"{file}.db")) as connection:
                schemas[name, file] = sorted(connection.execute("SELECT type, name, sql FROM sqlite_master"), key=repr)
    assert schemas["ours", "index"] == schemas["theirs", "index"]
    assert schemas["ours", "run"] == schemas["theirs", "run"]


def write(folder: Path, run_id: str, kind: type[SqliteEventLogStorage], count: int, acknowledge: int) -> None:
    """Write events until the end, or until somebody kills this process; each is acknowledged when it is stored."""
    log = kind(str(folder))
    log.store_event(begun(run_id))
    for number in range(count):
        log.store_event((entry, materialized, checked)[number % 3](run_id, f"{run_id} {number}"))
        os.write(acknowledge, f"{number}\n".encode())
    log.store_event(entry(run_id, of=DagsterEventType.RUN_SUCCESS))


def started(do: Callable[..., None], *arguments: object) -> Any:
    process = FORK.Process(target=do, args=arguments)
    process.start()
    return process


def acknowledged(path: Path) -> list[int]:
    return [int(each) for each in path.read_text().split()]


def test_what_was_acknowledged_before_a_kill_is_in_the_log(folder: Path, tmp_path: Path) -> None:
    """Two runs are written at a time, one of them is killed at a random moment; a reader looks all the while."""
    dice, partly = random.Random(13), 0
    KeptEventLog(str(folder)).dispose()
    for turn in range(12):
        killed, other = f"killed{turn}", f"other{turn}"
        files = {name: tmp_path / f"{name}.txt" for name in (killed, other)}
        descriptors = {name: os.open(path, os.O_CREAT | os.O_WRONLY) for name, path in files.items()}
        first = started(write, folder, killed, KeptEventLog, 100_000, descriptors[killed])
        kind = SqliteEventLogStorage if turn % 2 else KeptEventLog
        second = started(write, folder, other, kind, 20, descriptors[other])
        reader = KeptEventLog(str(folder))
        deadline = time.monotonic() + dice.uniform(0.0, 0.6)
        while first.is_alive() and (time.monotonic() < deadline or not acknowledged(files[killed])):
            reader.get_records_for_run(killed)
        first.kill()
        first.join(30)
        second.join(60)
        assert second.exitcode == 0
        for each in descriptors.values():
            os.close(each)
        told = [f"{killed} {number}" for number in acknowledged(files[killed])]
        found = [each for each in texts(folder, killed) if each]
        assert found[: len(told)] == told
        assert len(found) - len(told) <= 1  # stored, and killed before the word about it
        partly += first.exitcode == -signal.SIGKILL
        assert [each for each in texts(folder, other) if each] == [f"{other} {number}" for number in range(20)]
        # the start, the success, and two of three events; of the killed run the last one may be in its own file only
        assert in_index(folder)[other] == 2 + len([number for number in range(20) if number % 3])
        mirrored = [number for number in acknowledged(files[killed]) if number % 3]
        assert 0 <= in_index(folder)[killed] - 1 - len(mirrored) <= 1
    assert partly == 12, "each of the writers was to be killed at work"
    for file in folder.glob("*.db"):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_many_processes_write_one_run(folder: Path, tmp_path: Path) -> None:
    """A run's own process, a step's process, the daemon and the web server all write to one run's file."""
    KeptEventLog(str(folder)).dispose()
    silent = os.open(tmp_path / "silent.txt", os.O_CREAT | os.O_WRONLY)
    kinds = [KeptEventLog, KeptEventLog, SqliteEventLogStorage]
    writers = [started(write, folder, "run", kind, 30, silent) for kind in kinds]
    for each in writers:
        each.join(120)
        assert each.exitcode == 0
    os.close(silent)
    found = Counter(each for each in texts(folder, "run") if each)
    assert found == {f"run {number}": len(kinds) for number in range(30)}


def test_threads_of_one_process(log: KeptEventLog, folder: Path) -> None:
    """Two runs are executed by threads of one process, while its watcher reads them."""
    runs = ["one", "two"]
    seen: list[str] = []

    def work(run_id: str) -> None:
        log.store_event(begun(run_id))
        for number in range(20):
            log.store_event(materialized(run_id, f"{run_id} {number}"))
        log.store_event(entry(run_id, "the end", DagsterEventType.RUN_SUCCESS))

    log.watch("one", None, lambda told, _: seen.append(told.user_message))
    threads = [threading.Thread(target=work, args=(each,)) for each in runs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for run_id in runs:
        assert texts(folder, run_id)[1:] == [*(f"{run_id} {number}" for number in range(20)), "the end"]
        assert in_index(folder)[run_id] == 22
    deadline = time.monotonic() + 30
    while len(seen) < 22 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(seen) == 22
    assert open_files(folder) == []


def test_a_forked_process_writes_to_the_run_of_its_parent(log: KeptEventLog, folder: Path) -> None:
    """SQLite forbids to use a connection, or to close it, in a forked process: there is none while a process forks."""
    log.store_event(begun("run"))
    log.store_event(materialized("run", "parent 0"))

    def child(pipe: Pipe) -> None:
        pipe.send(open_files(folder))
        for number in range(10):
            log.store_event(materialized("run", f"child {number}"))
        pipe.recv()

    here, there = FORK.Pipe()
    process = started(child, there)
    assert here.recv() == []
    for number in range(1, 10):
        log.store_event(materialized("run", f"parent {number}"))
    here.send("end")
    process.join(30)
    assert process.exitcode == 0
    log.store_event(materialized("run", "parent 10"))
    expected = [f"child {number}" for number in range(10)] + [f"parent {number}" for number in range(11)]
    assert sorted(texts(folder, "run")[1:]) == sorted(expected)
    assert in_index(folder)["run"] == 22


def test_a_file_that_was_removed_meanwhile_is_made_again(log: KeptEventLog, folder: Path) -> None:
    """`dagster run wipe` in another process removes the files of all runs, also of one that is executed."""
    log.store_event(begun("run"))
    log.store_event(materialized("run", "gone"))
    SqliteEventLogStorage(str(folder)).wipe()
    log.store_event(materialized("run", "after"))
    assert texts(folder, "run") == ["after"]
    assert in_index(folder)["run"] == 1
    log.wipe()
    assert open_files(folder) == []
    log.store_event(materialized("run", "after our own"))
    assert texts(folder, "run") == ["after our own"]


def test_events_are_not_written_to_a_write_ahead_log_that_was_removed(log: KeptEventLog, folder: Path) -> None:
    """Whoever opens and closes one of the files in this process, without SQLite, takes away SQLite's locks on it.

    POSIX does so. The next process that closes the file then believes to be the last, and removes the log.
    """
    log.store_event(begun("run"))
    log.store_event(materialized("run", "before"))
    for name in ("run.db", "index.db", "run.db-shm", "index.db-shm"):
        (folder / name).read_bytes()
    for name in ("run.db", "index.db"):
        code = f"import sqlite3; c = sqlite3.connect({str(folder / name)!r}); c.execute('SELECT * FROM event_logs')"
        subprocess.run([sys.executable, "-c", code], check=True)  # it forks without Python's hooks
        assert not (folder / f"{name}-wal").exists()
    log.store_event(materialized("run", "after"))  # visible now: if this process were killed, nobody would copy it
    assert texts(folder, "run")[1:] == ["before", "after"]
    assert in_index(folder)["run"] == 3


def until_full(folder: Path, pipe: Pipe) -> None:
    log = KeptEventLog(str(folder))
    log.store_event(begun("run"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    stored = 0
    try:
        while stored < 1000:
            log.store_event(entry("run", str(stored) + "x" * 20_000))
            stored += 1
    except OperationalError as error:
        pipe.send((stored, str(error.orig)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.store_event(entry("run", "there is room again"))


def test_a_full_disk_is_an_error_and_loses_nothing(folder: Path) -> None:
    here, there = FORK.Pipe()
    process = started(until_full, folder, there)
    stored, why = here.recv()
    process.join(30)
    assert process.exitcode == 0
    assert 0 < stored < 1000
    assert "disk" in why
    found = [each.rstrip("x") for each in texts(folder, "run")][1:]
    assert found == [*(str(number) for number in range(stored)), "there is room again"]


def test_the_class_is_used_by_an_instance_that_names_no_storage(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(OURS)
    with DagsterInstance.from_config(str(tmp_path)) as ours:
        assert isinstance(ours.event_log_storage, KeptEventLog)
        assert ours.get_ref().storage_data.class_name == LocalStorage.__name__  # type: ignore[union-attr]
        path, beside_database = _lock_path(ours, "run")
        ours.event_log_storage.store_event(begun("run"))
        with DagsterInstance.from_ref(ours.get_ref()) as again:  # as a code server or a run's process opens it
            assert isinstance(again.event_log_storage, KeptEventLog)
            assert len(again.event_log_storage.get_records_for_run("run").records) == 1
        runs = ours.run_storage
        ours.add_run(DagsterRun("job", "run"))
        with counted(Pool, "connect") as connects:
            assert [each.run_id for each in ours.get_runs()] == ["run"]
        assert len(connects) == 1
        assert runs._engine is runs._engine  # type: ignore[attr-defined]
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")  # of an earlier release
    with DagsterInstance.from_config(str(tmp_path)) as plain:
        assert type(plain.event_log_storage) is SqliteEventLogStorage
        assert [each.run_id for each in plain.get_runs()] == ["run"]
        assert len(plain.event_log_storage.get_records_for_run("run").records) == 1
        assert _lock_path(plain, "run") == (path, beside_database)
        assert beside_database
    (tmp_path / "dagster.yaml").write_text(OURS + f"storage: {{sqlite: {{base_dir: {tmp_path / 'other'}}}}}\n")
    with DagsterInstance.from_config(str(tmp_path)) as named:
        assert type(named.event_log_storage) is SqliteEventLogStorage
