"""Attacks the law that nothing is green that is not: a command that is silent, or leaves a run behind without a word."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from tests.attack.target import BIN, Target
from tests.tiny_project import DAYS, REPOSITORY


def started(target: Target, log: Path, *arguments: str, fault: str = "") -> "subprocess.Popen[bytes]":
    """`etl run` in a session of its own, as a terminal gives it, once it has named its run."""
    environ = target.process_environ | {"ETL_FAULT": fault, "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "etl"), "run", "acme", *arguments],
            cwd=target.project.root,
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not re.search(r"run [0-9a-f-]{36}", log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
    return process


def status_of(target: Target, run_id: str) -> DagsterRunStatus:
    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        return run.status


@pytest.mark.slow
def test_in_a_pipe_each_step_says_its_days_and_rows(target: Target) -> None:
    said = target.run_days()
    for stage in ("extract", "transfer", "load"):
        assert f"{stage} orders: done, 3 of 3 days, 60 rows" in " ".join(said.out.replace("__", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_the_command_says_so(
    target: Target, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """As Ctrl-C in a terminal: the signal goes to the whole group of the command."""
    log = tmp_path / "said"
    process = started(target, log, "--from", DAYS[0], "--to", DAYS[2], fault="extract.read@2=hang")
    try:
        time.sleep(3)
        os.killpg(process.pid, number)
        assert process.wait(100) == code
        said = " ".join(log.read_text().split())
        (run_id,) = set(re.findall(r"[0-9a-f-]{36}", said))
        assert f"run {run_id} is asked to stop" in said
        assert f"run {run_id} has stopped (canceled)" in said
        assert status_of(target, run_id) == DagsterRunStatus.CANCELED
    finally:
        process.kill()
    assert target.run_days().code == 0


@pytest.mark.slow
def test_a_run_that_waits_says_for_whom_since_when_and_how_to_stop_it(target: Target, tmp_path: Path) -> None:
    """The command alone is killed, as by a closed terminal: its run goes on, and holds what the next one needs."""
    log = tmp_path / "said"
    process = started(target, log, "--from", DAYS[0], fault="extract.read=hang")
    (holder,) = set(re.findall(r"[0-9a-f-]{36}", log.read_text()))
    deadline = time.monotonic() + 60
    while target.steps_begun(holder) == []:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    process.kill()
    process.wait()
    second = started(target, tmp_path / "second", "--from", DAYS[1])
    try:
        deadline = time.monotonic() + 30
        while "waits for" not in (tmp_path / "second").read_text():
            assert time.monotonic() < deadline, (tmp_path / "second").read_text()
            time.sleep(0.2)
        said = " ".join((tmp_path / "second").read_text().split())
        assert f"extract orders waits for the pool acme_source: run {holder} (acme_all) holds it" in said
        assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said)
        found = re.search(r"To stop that run: `(kill \d+)` on host", said)
        assert found, said
        assert target.command(found[1].split()).code == 0
        assert second.wait(120) == 0, (tmp_path / "second").read_text()
        assert status_of(target, holder) in {DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE}
    finally:
        second.kill()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_a_run_the_command_says_that_none_was_started(target: Target, tmp_path: Path, number: int) -> None:
    (target.project.root / "tenants" / "acme" / "definitions.py").write_text("import time\n\ntime.sleep(30)\n")
    log = tmp_path / "said"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(BIN / "etl"), "run", "acme"],
            cwd=target.project.root,
            env=target.process_environ | {"ETL_FAULT": ""},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    servers = target.project.data / "dagster" / "code_servers.log"
    try:
        deadline = time.monotonic() + 60
        while not servers.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(1)
        process.send_signal(number)
        assert process.wait(90) == 128 + number
        assert "no run was started" in log.read_text()
    finally:
        process.kill()


def test_a_new_tenant_has_a_name(target: Target) -> None:
    template = target.project.root / "tenants" / "_template"
    subprocess.run(["cp", "-r", str(REPOSITORY / "tenants" / "_template"), str(template)], check=True)
    assert target.etl("new", "north_sea").code == 0
    assert target.etl("new", "south", "--name", 'South: "the" sea').code == 0
    read = [(target.project.root / "tenants" / each / "config.yaml").read_text() for each in ("north_sea", "south")]
    assert re.search(r"^  name: North Sea  ", read[0], re.MULTILINE)
    assert not any("Template" in each or "_template" in each or "TEMPLATE" in each for each in read)
    assert target.etl("check", "north_sea", "south").code == 0


def test_a_missing_variable_says_that_the_environment_is_why(target: Target) -> None:
    for environment in ("prod", "staging"):
        said = target.etl("check", "acme", environ={"DAGSTER_ENVIRONMENT": environment})
        assert said.code == 2
        assert f"not set in {environment}: ACME_DB_HOST" in said.text
