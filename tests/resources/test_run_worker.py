"""A run whose process was killed is found, marked as failed, and keeps no slot from the next one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from etl.resources.run_worker import is_alive, release_dead_runs, worker_of
from tests.tiny_project import ROWS_PER_DAY, TinyProject, make_project

ETL = Path(sys.executable).parent / "etl"

# One run of the tenant's job in this process, as a run worker executes it: with the pools of the instance.
RUN = """
import sys
from dagster import DagsterInstance
from etl.definitions import build_tenant_definitions
job = build_tenant_definitions("acme").resolve_job_def("acme_all")
with DagsterInstance.get() as instance:
    done = job.execute_in_process(instance=instance, partition_key="2026-01-01", raise_on_error=False)
sys.exit(0 if done.success else 1)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    made = make_project(tmp_path)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def instance(project: TinyProject) -> Iterator[DagsterInstance]:
    with DagsterInstance.from_config(str(project.data / "dagster")) as made:
        yield made


def run(project: TinyProject, fault: str = "") -> int:
    environ = {**project.process_environ, "ETL_FAULT": fault}
    command = [sys.executable, "-W", "ignore", "-c", RUN]
    return subprocess.run(
        command, env=environ, cwd=project.root, capture_output=True, timeout=200, check=False
    ).returncode


def slots(instance: DagsterInstance) -> int:
    storage = instance.event_log_storage
    return sum(storage.get_concurrency_info(key).active_slot_count for key in storage.get_concurrency_keys())


def test_a_killed_run_is_released_and_the_same_run_again_succeeds(
    project: TinyProject, instance: DagsterInstance
) -> None:
    assert run(project, "extract.read=kill") == -signal.SIGKILL
    (dead,) = instance.get_runs()
    assert dead.status == DagsterRunStatus.STARTED
    assert slots(instance) == 1

    assert release_dead_runs(instance) == [dead.run_id]
    after = instance.get_run_by_id(dead.run_id)
    assert after is not None
    assert after.status == DagsterRunStatus.FAILURE
    assert slots(instance) == 0
    assert release_dead_runs(instance) == []

    assert run(project) == 0
    assert instance.get_runs()[0].status == DagsterRunStatus.SUCCESS
    assert project.leftovers() == []
    assert len(project.published()) == 2


def test_a_run_that_lives_is_left_alone(project: TinyProject, instance: DagsterInstance) -> None:
    environ = {**project.process_environ, "ETL_FAULT": "extract.read=hang"}
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", RUN], env=environ, cwd=project.root)
    try:
        deadline = time.monotonic() + 120
        while not slots(instance) and time.monotonic() < deadline:
            time.sleep(0.2)
        (living,) = instance.get_runs()
        worker = worker_of(instance, living.run_id)
        assert worker is not None
        assert worker[0] == process.pid
        assert release_dead_runs(instance) == []
        assert slots(instance) == 1
        process.kill()
        process.wait(30)
        assert release_dead_runs(instance) == [living.run_id]
    finally:
        process.kill()
        process.wait(30)


def test_alive_is_this_process_and_not_another_with_its_number() -> None:
    now = datetime.now(UTC)
    assert is_alive(os.getpid(), now)
    assert is_alive(1, now)
    assert not is_alive(os.getpid(), now - timedelta(days=3650))  # whoever had the number then is gone
    child = subprocess.Popen([sys.executable, "-c", ""])
    time.sleep(0.5)
    assert not is_alive(child.pid, now + timedelta(seconds=5))  # ended, and not yet waited for
    child.wait(10)
    assert not is_alive(child.pid, datetime.now(UTC))


def test_alive_does_not_go_by_the_dates_of_proc(tmp_path: Path) -> None:
    """The kernel may forget an entry of /proc and make it again, with a new date, while the process lives."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        begun = datetime.now(UTC)
        time.sleep(3)
        try:
            Path("/proc/sys/vm/drop_caches").write_text("2")
        except OSError:
            pytest.skip("only root can make the kernel forget its entries")
        assert is_alive(child.pid, begun)
    finally:
        child.kill()
        child.wait(10)


@pytest.mark.timeout(500)
def test_the_command_says_that_its_run_was_killed_and_the_next_one_goes_on(project: TinyProject) -> None:
    command = [str(ETL), "run", "acme", "--from", "2026-01-01", "--to", "2026-01-02"]
    environ = {**project.process_environ, "ETL_FAULT": "extract.read@2=kill"}
    killed = subprocess.run(
        command, env=environ, cwd=project.root, capture_output=True, text=True, timeout=200, check=False
    )
    assert killed.returncode == 1, killed.stdout + killed.stderr
    # the command and the code server both look; whoever is first says it in its own words
    assert "was killed" in killed.stdout or "was terminated by signal 9 (SIGKILL)" in killed.stdout
    environ = project.process_environ
    again = subprocess.run(
        command, env=environ, cwd=project.root, capture_output=True, text=True, timeout=200, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert project.leftovers() == []
    assert len(project.published()) == 4
    assert ROWS_PER_DAY == 20
