"""Attacks "nothing is green": a code server that is away for a while loses no run, and a run that is lost is told."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.attack.target import BIN, Target
from tests.attack.test_two_hosts import end, listening
from tests.servers import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]


def impatient(target: Target, **queue: int) -> None:
    """The project's own way to wait, if it has one, with shorter times so that the test ends."""
    path = target.project.data / "dagster" / "dagster.yaml"
    config = yaml.safe_load(path.read_text())
    if "run_coordinator" in config:
        config["run_coordinator"]["config"].update(queue)
    path.write_text(yaml.safe_dump(config))


def status(target: Target) -> str:
    database = target.project.data / "dagster" / "history" / "runs.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        ((found,),) = connection.execute("SELECT status FROM runs").fetchall()
    return str(found)


def times_queued(target: Target) -> int:
    (log,) = [
        path for path in (target.project.data / "dagster" / "history" / "runs").glob("*.db") if path.stem != "index"
    ]
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True, timeout=30)) as connection:
        query = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'PIPELINE_ENQUEUED'"
        return int(connection.execute(query).fetchone()[0])


def messages(target: Target) -> list[str]:
    path = target.project.data / "notify.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            query = "SELECT body FROM messages WHERE sent_at IS NOT NULL AND transition = 'broken'"
            return [json.loads(body)["text"] for (body,) in connection.execute(query)]
        except sqlite3.OperationalError:
            return []


def wait_for(condition: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
        time.sleep(0.3)


@contextmanager
def started(target: Target, command: list[str], log: Path) -> Iterator[int]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=target.project.root,
            env=target.process_environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        end(process.pid)
        process.wait(30)


@contextmanager
def code_server(target: Target, port: int, log: Path) -> Iterator[int]:
    command = [str(BIN / "dagster"), "api", "grpc", "-m", "tenants.acme.definitions", "-a", "defs", "-h", "127.0.0.1"]
    with started(target, [*command, "-p", str(port), "--location-name", "acme"], log) as pid:
        wait_for(lambda: listening(port), 120, log)
        yield pid


def queue_a_run(target: Target, port: int, log: Path) -> None:
    """A run in the queue whose code server is away by now."""
    (target.project.root / "grpc.yaml").write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: acme}}\n"
    )
    with code_server(target, port, log):
        said = target.dagster("job", "launch", "-w", "grpc.yaml", "-l", "acme", "-j", "acme_all")
        assert said.code == 0, said.text
    assert status(target) == "QUEUED"


def test_the_queue_waits_for_a_code_server(target: Target, tmp_path: Path) -> None:
    impatient(target, user_code_failure_retry_delay=2)
    port, log = free_port(), tmp_path / "log"
    queue_a_run(target, port, log)
    with started(target, [str(BIN / "dagster-daemon"), "run", "-w", "grpc.yaml"], log):
        wait_for(lambda: times_queued(target) >= 3 or status(target) == "FAILURE", 120, log)
        assert status(target) in {"QUEUED", "STARTING"}, "the run was dropped while its code server was away"
        with code_server(target, port, log):
            wait_for(lambda: status(target) in {"SUCCESS", "FAILURE"}, 180, log)
            assert status(target) == "SUCCESS"


def test_a_run_that_was_dropped_is_told(target: Target, tmp_path: Path) -> None:
    """It never started: no step says anything, its job's name is all that is known."""
    impatient(target, max_user_code_failure_retries=1, user_code_failure_retry_delay=1)
    target.project.write_tenant({"notifications": [{"type": "log"}]})
    port, log = free_port(), tmp_path / "log"
    queue_a_run(target, port, log)
    with started(target, [str(BIN / "dagster-daemon"), "run", "-w", "grpc.yaml"], log):
        wait_for(lambda: status(target) == "FAILURE", 120, log)
        with code_server(target, port, log):
            wait_for(lambda: bool(messages(target)), 180, log)
    (text,) = messages(target)
    assert "acme_all" in text
    assert "never started" in text
