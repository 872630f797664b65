"""The warm dbt process of a run: what its commands share, what they do not share, and who dies with whom."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.dbt.build import BuildResult, build
from etl.dbt.project import TenantDbt
from etl.dbt.warm import warm_dbt_of_run
from tests.dbt.fake_dbt import fake_project

TELLS = """
import json, os, pathlib, sys, time, zlib
said = {"pid": os.getpid(), "warm": os.getppid(), "argv": sys.argv, "cwd": os.getcwd(),
        "seen": zlib.crc32(os.environ.get("ACME_TOKEN", "").encode()), "threads": len(os.listdir("/proc/self/task"))}
print(json.dumps(said), flush=True)
waits = os.environ.get("ETL_TEST_WAITS")
if waits and not pathlib.Path(waits).exists():
    time.sleep(600)
sys.exit(int(os.environ.get("ETL_TEST_CODE", "0")))
"""
# A run of its own process that builds once and then ends by itself; its argument is the project as JSON.
RUN = """
import signal, sys
from etl.dbt.build import build
from etl.dbt.project import TenantDbt
from etl.dbt.warm import warm_dbt_of_run
signal.signal(signal.SIGINT, signal.default_int_handler)  # as Dagster does before it executes: polars has set its own
with warm_dbt_of_run("run"):
    print(build(TenantDbt.model_validate_json(sys.argv[1]), ["acme.told"], {}, "run", lambda line: print(line, flush=True)))
"""


@pytest.fixture
def project(tmp_path: Path) -> TenantDbt:
    return fake_project(tmp_path, TELLS, ("acme", "other"))


def told(project: TenantDbt, act: Callable[[dict[str, int]], None] | None = None) -> tuple[BuildResult, dict[str, int]]:
    """Build once; `act` gets what the fake dbt told while it runs."""
    seen = list[dict[str, int]]()

    def say(line: str) -> None:
        if line.startswith("{"):
            seen.append(json.loads(line))
            if act:
                act(seen[-1])

    result = build(project, ["acme.told"], {}, "run", say)
    return result, seen[0]


def is_gone(pid: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def is_locked(project: TenantDbt) -> bool:
    with (project.lock_dir / "acme.dbt").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_the_commands_of_a_run_share_a_process_and_each_is_a_process_of_its_own(
    project: TenantDbt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTHER_TOKEN", "foreign")
    with warm_dbt_of_run("run"):
        monkeypatch.setenv("ACME_TOKEN", "first")
        first_result, first = told(project)
        monkeypatch.setenv("ACME_TOKEN", "second")
        monkeypatch.setenv("ETL_TEST_CODE", "3")
        second_result, second = told(project)
        warm = Path(f"/proc/{first['warm']}/environ").read_bytes()
    assert first["warm"] == second["warm"] != os.getpid()
    assert first["pid"] != second["pid"]
    assert (first["seen"], second["seen"]) == (zlib.crc32(b"first"), zlib.crc32(b"second"))
    assert (first["cwd"], first["threads"]) == (str(tmp_path), 1)
    assert first["argv"][:2] == ["dbt", "--no-use-colors"]  # type: ignore[index]
    assert b"OTHER_TOKEN" not in warm
    assert first_result.problem is None
    assert second_result.problem is not None
    assert is_gone(first["warm"])


def test_without_a_run_that_keeps_it_the_process_ends_with_its_command(project: TenantDbt) -> None:
    _, said = told(project)
    assert is_gone(said["warm"], 0.1)


def test_tenants_of_one_run_have_processes_of_their_own(project: TenantDbt, tmp_path: Path) -> None:
    other = project.model_copy(update={"tenant": "other", "work_dir": tmp_path / "other"})
    with warm_dbt_of_run("run"):
        assert told(project)[1]["warm"] != told(other)[1]["warm"]


def test_a_killed_dbt_is_an_error_with_its_name_and_the_next_command_works(
    project: TenantDbt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETL_TEST_WAITS", str(tmp_path / "ready"))
    with warm_dbt_of_run("run"):
        result, first = told(project, lambda said: kill(said["pid"]))
        assert result.nodes == ()
        assert str(result.problem).startswith(
            "tenant acme: the process of dbt was ended by SIGKILL while it worked on acme.told"
        )
        result, second = told(project, lambda said: kill(said["warm"]))
        assert "was ended by SIGKILL" in str(result.problem)
        assert is_gone(second["pid"])
        (tmp_path / "ready").touch()
        result, third = told(project)
        assert result.problem is None
        assert third["warm"] not in {first["warm"], os.getpid()}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_dbt_ends_with_its_run_and_holds_the_lock_until_then(
    project: TenantDbt, tmp_path: Path, number: signal.Signals
) -> None:
    environ = {**os.environ, "ETL_TEST_WAITS": str(tmp_path / "ready"), "PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, project.model_dump_json()], env=environ, stdout=subprocess.PIPE, text=True
    )
    with run:
        line = run.stdout.readline() if run.stdout else ""
        said = json.loads(line)
        assert is_locked(project)
        run.send_signal(number)
        run.wait()
        assert run.returncode != 0
        assert is_gone(said["pid"])
        assert is_gone(said["warm"])
    assert not is_locked(project)


def test_a_dbt_that_cannot_be_imported_says_why(project: TenantDbt, tmp_path: Path) -> None:
    (tmp_path / "fake" / "dbt" / "cli" / "main.py").write_text("import a_library_that_is_missing\n")
    result = build(project, ["acme.told"], {}, "run", lambda _line: None)
    assert "No module named 'a_library_that_is_missing'" in str(result.problem)
