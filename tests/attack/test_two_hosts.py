"""Attacks the law of any host: a run of another host or container is never declared dead while it is at work.

A host is played by namespaces of its own: for processes, mounts, its name, and (by a mount) the kernel's boot id.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from tests.attack.target import BIN, Target
from tests.servers import free_port
from tests.tiny_project import TinyProject, make_source

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.getuid() != 0 or shutil.which("unshare") is None, reason="namespaces need root and unshare"),
]

HANG = {"ETL_FAULT": "extract.read=hang"}

LOOKS = 60

# Half an hour of the run monitoring daemon in one process: the clock goes on thirty seconds a look.
HALF_AN_HOUR = """
import logging, sys, time
from dagster import DagsterInstance
from dagster._core.test_utils import freeze_time
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import execute_concurrency_slots_iteration, execute_run_monitoring_iteration
from dagster._time import get_current_datetime
from datetime import timedelta
from etl.resources.run_worker import release_dead_runs
began = get_current_datetime()
log = logging.getLogger("daemon")
with DagsterInstance.get() as instance, WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
    for look in range(int(sys.argv[1])):
        with freeze_time(began + timedelta(seconds=30 * look)):
            for error in execute_run_monitoring_iteration(context, log):
                assert error is None, error
            for error in execute_concurrency_slots_iteration(context, log):
                assert error is None, error
            print(len(release_dead_runs(instance)), flush=True)
"""


def statuses(database: Path) -> dict[str, str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        return dict(connection.execute("SELECT run_id, status FROM runs").fetchall())


def held_slots(folder: Path) -> int:
    """The slots that a step has claimed. A pending step that is "assigned" has none yet: two may be, of a pool of one."""
    with closing(sqlite3.connect(f"file:{folder}/index.db?mode=ro", uri=True, timeout=30)) as connection:
        query = "SELECT count(*) FROM concurrency_slots WHERE step_key IS NOT NULL"
        return int(connection.execute(query).fetchone()[0])


def wait_for(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
        time.sleep(0.3)


@contextmanager
def process(command: list[str], project: TinyProject, environ: Mapping[str, str], log: Path) -> Iterator[int]:
    """A process and all that it starts, killed at the end."""
    with log.open("ab") as output:
        started = subprocess.Popen(
            command, cwd=project.root, env=dict(environ), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started.pid
    finally:
        end(started.pid)
        started.wait(30)


def end(pid: int) -> None:
    with ExitStack() as stack:
        stack.callback(lambda: None)
        try:
            family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
        except psutil.NoSuchProcess:
            return
        for each in family:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue


def test_a_code_server_in_a_container(target: Target, tmp_path: Path) -> None:
    """The daemon stands outside the container: it can neither see the run's process nor mistake another for it."""
    project, log, port = target.project, tmp_path / "log", free_port()
    home = project.data / "dagster"
    config = yaml.safe_load((home / "dagster.yaml").read_text())
    config["run_monitoring"]["poll_interval_seconds"] = 1
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    (project.root / "grpc.yaml").write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: acme}}\n"
    )
    environ = target.process_environ
    server = ["unshare", "--pid", "--fork", "--mount-proc", str(BIN / "dagster"), "api", "grpc", "-m"]
    server += ["tenants.acme.definitions", "-a", "defs", "-h", "127.0.0.1", "-p", str(port), "--location-name", "acme"]
    database = home / "history" / "runs.db"
    with process(server, project, {**environ, **HANG}, log) as container:
        wait_for(lambda: listening(port), 120, log)
        with process([str(BIN / "dagster-daemon"), "run", "-w", "grpc.yaml"], project, environ, log):
            launched = target.dagster("job", "launch", "-w", "grpc.yaml", "-l", "acme", "-j", "acme_all")
            assert launched.code == 0, launched.text
            wait_for(lambda: held_slots(home / "history" / "runs") == 1, 180, log)
            for _ in range(20):  # twenty looks of the daemon, and ours
                time.sleep(1)
                assert set(statuses(database).values()) == {"STARTED"}, "a healthy run was touched"
            looked = release(project, environ)
            assert looked == ["0"], looked
            assert held_slots(home / "history" / "runs") == 1
            # The container is killed, as for want of memory. Its numbers are other processes' here, which live.
            end(container)
            wait_for(lambda: set(statuses(database).values()) == {"FAILURE"}, 60, log)
            wait_for(lambda: held_slots(home / "history" / "runs") == 0, 60, log)


def test_two_hosts_for_half_an_hour_of_daemon_time(target: Target, tmp_path: Path) -> None:
    """Each host looks at both runs 60 times; no run is touched. When one is killed, only its own host may say so."""
    shared = tmp_path / "storage"
    log = tmp_path / "log"
    hosts = [Host(target.project, tmp_path / name, name, shared) for name in ("host-a", "host-b")]
    database = shared / "runs" / "runs.db"
    # Two processes that make one SQLite storage at the same moment leave its table of revisions with two rows.
    subprocess.run([BIN / "dagster", "instance", "info"], env=hosts[0].environ, capture_output=True, check=True)
    with ExitStack() as stack:
        pids = [stack.enter_context(process(host.executing(), target.project, host.environ, log)) for host in hosts]
        wait_for(lambda: database.exists() and at_work(shared) == 2, 240, log)
        before = statuses(database)
        assert set(before.values()) == {"STARTED"}
        for host, pid in zip(hosts, pids, strict=True):
            said = host.looks(pid, LOOKS)
            assert said == ["0"] * LOOKS, said
            assert statuses(database) == before, f"{host.name} touched a run"
            assert held_slots(shared / "events") == 1  # one works, one waits for the pool
        # The worker of host-a is killed; the host lives on.
        worker = worker_below(pids[0])
        worker.kill()
        assert hosts[1].looks(pids[1], LOOKS) == ["0"] * LOOKS, "what host-b cannot judge it leaves alone"
        assert statuses(database) == before
        assert sum(int(each) for each in hosts[0].looks(pids[0], 1)) == 0  # its daemon marks it before our look
        assert sorted(statuses(database).values()) == ["FAILURE", "STARTED"]


class Host:
    """A machine of its own: data folder, Dagster home, boot id, name, process table. Only the storage is shared."""

    def __init__(self, project: TinyProject, folder: Path, name: str, shared: Path) -> None:
        self.name, self.folder = name, folder
        home = folder / "dagster"
        home.mkdir(parents=True)
        (folder / "boot_id").write_text(f"{name}-boot\n")
        make_source(folder / "demo" / "acme.sqlite")
        storage = {
            f"{kind}_storage": {
                "module": f"dagster._core.storage.{module}",
                "class": class_name,
                "config": {"base_dir": str(shared / place)},
            }
            for kind, module, class_name, place in (
                ("run", "runs", "SqliteRunStorage", "runs"),
                ("event_log", "event_log", "SqliteEventLogStorage", "events"),
                ("schedule", "schedules", "SqliteScheduleStorage", "schedules"),
            )
        }
        config = {**yaml.safe_load((project.root / "dagster.yaml").read_text()), **storage}
        (home / "dagster.yaml").write_text(yaml.safe_dump(config))
        self.environ = {
            **project.process_environ,
            "ETL_DATA_DIR": str(folder),
            "DAGSTER_HOME": str(home),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

    def executing(self) -> list[str]:
        """The command of a host whose one run hangs while it reads; the host itself lives on when the run ends."""
        run = f"{BIN}/dagster job execute -m tenants.acme.definitions -a defs -j acme_all --tags"
        tags = '\'{"dagster/partition": "2026-01-01"}\''
        # Processes of host-a have other numbers than those of host-b.
        inside = "for i in $(seq 300); do /bin/true; done; " if self.name == "host-a" else ""
        inside += f"hostname {self.name}; mount --bind {self.folder}/boot_id /proc/sys/kernel/random/boot_id; "
        inside += f"ETL_FAULT=extract.read=hang {run} {tags} & wait; sleep 600"
        return ["unshare", "--pid", "--fork", "--mount-proc", "--uts", "sh", "-c", inside]

    def looks(self, pid: int, times: int) -> list[str]:
        """What so many looks of a daemon on this host say."""
        (init,) = psutil.Process(pid).children()
        command = ["nsenter", "-t", str(init.pid), "-p", "-m", "-u", sys.executable, "-W", "ignore", "-c", HALF_AN_HOUR]
        done = subprocess.run(
            [*command, str(times)], env=self.environ, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()


def release(project: TinyProject, environ: Mapping[str, str]) -> list[str]:
    """What one look of the run monitoring and of the commands says, from outside every container."""
    command = [sys.executable, "-W", "ignore", "-c", HALF_AN_HOUR, "1"]
    done = subprocess.run(
        command, cwd=project.root, env=dict(environ), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def at_work(shared: Path) -> int:
    """The runs whose first step waits or works."""
    try:
        with closing(sqlite3.connect(f"file:{shared}/events/index.db?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM pending_steps").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def worker_below(pid: int) -> psutil.Process:
    found = [each for each in psutil.Process(pid).children(recursive=True) if "job execute" in " ".join(each.cmdline())]
    return found[-1]


def listening(port: int) -> bool:
    return any(each.laddr.port == port for each in psutil.net_connections("tcp") if each.status == "LISTEN")
