"""A run whose process was killed is found, marked as failed, and keeps no slot from the next one."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from etl.resources.run_worker import release_dead_runs
from etl.running.worker_process import worker_of
from tests.tiny_project import ROWS_PER_DAY, TinyProject, make_project

ETL = Path(sys.executable).parent / "etl"

# One run of the tenant's job in this process, as a run worker executes it: by the job's executor, with the pools.
RUN = """
import sys
from dagster import DagsterInstance, execute_job
from dagster._core.definitions.reconstruct import ReconstructableRepository
repository = ReconstructableRepository.for_module("tenants.acme.definitions", "defs", None)
job = repository.get_reconstructable_job("acme_all")
tags = {"dagster/partition": "2026-01-01"}
with DagsterInstance.get() as instance:
    done = execute_job(job, instance=instance, tags=tags, raise_on_error=False)
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


@pytest.mark.slow
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
        assert worker.pid == process.pid
        assert release_dead_runs(instance) == []
        assert slots(instance) == 1
        process.kill()
        process.wait(30)
        assert release_dead_runs(instance) == [living.run_id]
    finally:
        process.kill()
        process.wait(30)


@pytest.mark.slow
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
