"""Attacks the law that nothing is green that is not: runs that a signal, a person or a full disk ends, and who says so."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from tests.attack.target import BIN, Target
from tests.tiny_project import DAYS

pytestmark = pytest.mark.timeout(600)


@contextmanager
def at_work(target: Target, log: Path, *arguments: str, fault: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A command in a session of its own, and the run that it has started and that hangs in a step."""
    known = {each.run_id for each in runs(target)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "etl"), *arguments],
            cwd=target.project.root,
            env=target.process_environ | {"ETL_FAULT": fault, "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        while True:
            new = [each.run_id for each in runs(target) if each.run_id not in known]
            if new and target.steps_begun(new[0]):
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        time.sleep(1)
        yield process, new[0]
    finally:
        process.kill()
        process.wait()


def runs(target: Target) -> list[DagsterRun]:
    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        return list(instance.get_runs())


def status_of(target: Target, run_id: str) -> DagsterRunStatus:
    return next(each.status for each in runs(target) if each.run_id == run_id)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_replay_stops_with_its_command(target: Target, tmp_path: Path, number: signal.Signals, code: int) -> None:
    rules = [{"column": "cents", "type": "in_range", "max": 1500}]
    target.project.write_pipeline({"quality": {"on_failure": "quarantine", "rules": rules}})
    target.run_days(DAYS[0], DAYS[0])
    asked, log = ("quarantine", "replay", "acme", "orders"), tmp_path / "said"
    with at_work(target, log, *asked, fault="transfer.start=hang") as (process, run_id):
        os.killpg(process.pid, number)
        assert process.wait(100) == code
    assert f"run {run_id} has stopped (canceled)" in " ".join(log.read_text().split())
    assert status_of(target, run_id) == DagsterRunStatus.CANCELED
    assert target.etl(*asked).code == 0


@pytest.mark.slow
def test_a_demo_stops_with_its_command(target: Target, tmp_path: Path) -> None:
    log = tmp_path / "said"
    with at_work(target, log, "demo", "--tenant", "acme", fault="transfer.start=hang") as (process, run_id):
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(100) == 130
    assert f"run {run_id} has stopped (canceled)" in " ".join(log.read_text().split())
    assert status_of(target, run_id) == DagsterRunStatus.CANCELED


@pytest.mark.slow
def test_a_run_that_is_deleted_while_it_works_ends_its_command(target: Target, tmp_path: Path) -> None:
    log = tmp_path / "said"
    asked = ("run", "acme", "--from", DAYS[0])
    with at_work(target, log, *asked, fault="transfer.start=hang") as (process, run_id):
        assert target.dagster("run", "delete", run_id, "--force").code == 0
        assert process.wait(60) == 1
    assert "the run was deleted while it was at work" in " ".join(log.read_text().split())


@pytest.mark.slow
def test_a_run_that_is_terminated_elsewhere_is_told_as_such(target: Target, tmp_path: Path) -> None:
    log = tmp_path / "said"
    with at_work(target, log, "run", "acme", "--from", DAYS[0], fault="transfer.start=hang") as (process, run_id):
        with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
            assert instance.run_launcher.terminate(run_id)
        assert process.wait(60) == 1
    said = " ".join(log.read_text().split())
    assert "the run was asked to stop (Terminate in Dagster's UI, or a signal), and has stopped" in said
    assert "DagsterExecutionInterruptedError" not in said


@pytest.mark.slow
def test_code_that_hangs_while_it_is_loaded_ends_with_its_command(target: Target, tmp_path: Path) -> None:
    mark = tmp_path / "loading"
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text(
        f"import os\nimport time\n\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    )
    process = subprocess.Popen([str(BIN / "etl"), "run", "acme"], cwd=target.project.root, env=target.process_environ)
    deadline = time.monotonic() + 60
    while not mark.exists() or not mark.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.kill()
    process.wait()
    psutil.wait_procs([psutil.Process(int(mark.read_text()))] if psutil.pid_exists(int(mark.read_text())) else [], 20)
    assert not psutil.pid_exists(int(mark.read_text()))


@pytest.mark.slow
def test_a_run_from_a_subfolder_is_one_of_the_project(target: Target) -> None:
    environ = {key: value for key, value in target.process_environ.items() if key != "PYTHONPATH"}
    said = subprocess.run(
        [str(BIN / "etl"), "run", "acme", "--from", DAYS[0]],
        cwd=target.project.root / "tenants",
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert target.object("transfer").is_file()


WORKSPACES = {
    "no text": "",
    "broken": "load_from: [",
    "an unknown key": "load_from:\n  - python_modul: {module_name: x}\n",
    "no list": "locations: []\n",
    "two of one name": "load_from:\n"
    + 2 * "  - python_module: {module_name: tenants.acme.definitions, location_name: acme}\n",
}


@pytest.mark.parametrize("content", WORKSPACES)
def test_a_workspace_that_cannot_be_read_is_an_error_of_the_configuration(target: Target, content: str) -> None:
    (target.project.root / "workspace.yaml").write_text(WORKSPACES[content])
    said = target.etl("run", "acme", "--from", DAYS[0])
    assert said.code == 2, said.text
    assert "workspace.yaml" in said.err
    assert "Traceback" not in said.text
    assert len(said.err.splitlines()) < 20, said.err


def test_a_relative_home_of_dagster_is_refused_with_the_whole_path(target: Target) -> None:
    said = target.etl("run", "acme", environ={"DAGSTER_HOME": "somewhere"})
    assert said.code == 2, said.text
    assert f"set it to {target.project.root / 'somewhere'}" in " ".join(said.err.split()).replace(" ", " ")
