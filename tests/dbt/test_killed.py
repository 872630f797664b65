"""dbt killed in the middle, and run again: the tables of a run that was never killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.dbt.projects import only_dbt, rows, write_dbt
from tests.tiny_project import TinyProject, make_project

RUN = """
import warnings; warnings.simplefilter("ignore")
from dagster import DagsterInstance
from etl.definitions import build_tenant_definitions
job = build_tenant_definitions("crash").resolve_job_def("crash_all")
with DagsterInstance.ephemeral() as instance:
    raise SystemExit(0 if job.execute_in_process(instance=instance, raise_on_error=False).success else 1)
"""
TABLES = {"first": [(1,), (2,)], "second": [(3,), (4,)], "third": [(3,), (4,)]}


@pytest.fixture
def project(tmp_path: Path) -> TinyProject:
    """`second` reads a file that the test can make wait: a pipe that nobody writes."""
    made = make_project(tmp_path)
    only_dbt(made, "crash")
    waits = tmp_path / "values.csv"
    files = {
        "models/marts/first.sql": "select * from (values (1), (2)) as v(value)",
        "models/marts/second.sql": f"select value + 2 as value from read_csv('{waits}', columns={{'value': 'INTEGER'}}, header=true), "
        "(select count(*) from {{ ref('first') }})",
        "models/marts/third.sql": "select value from {{ ref('second') }}",
    }
    write_dbt(made, files, "crash")
    return made


def start(project: TinyProject, fault: str = "") -> "subprocess.Popen[bytes]":
    environ = {**project.process_environ, "ETL_FAULT": fault, "PYTHONPATH": str(Path(__file__).parents[2])}
    with (project.data / "run.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", RUN], env=environ, stdout=log, stderr=log, start_new_session=True
        )


def tables(project: TinyProject) -> dict[str, list[tuple[int]]]:
    found = rows(project, "SELECT table_name FROM duckdb_tables() ORDER BY 1", "crash")
    return {name: rows(project, f"SELECT value FROM dbt.{name} ORDER BY 1", "crash") for (name,) in found}


def wait_for(project: TinyProject, words: str) -> None:
    log = project.data / "dbt" / "crash" / "logs" / "dbt.log"
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if log.exists() and words in log.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    raise TimeoutError(words)


def test_a_killed_dbt_leaves_nothing_that_a_repeated_run_does_not_mend(project: TinyProject, tmp_path: Path) -> None:
    waits = tmp_path / "values.csv"
    os.mkfifo(waits)

    # The run and its dbt die together while `second` is being built.
    run = start(project)
    wait_for(project, "START sql table model dbt.second")
    time.sleep(0.5)
    os.killpg(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert "third" not in tables(project)

    # The run dies alone, right after it started dbt; the file is there now, and dbt goes on without anybody.
    waits.unlink()
    waits.write_text("value\n1\n2\n")
    run = start(project, "dbt.started=kill")
    assert run.wait(120) == -signal.SIGKILL

    # The next run waits for that dbt instead of meeting it in the file, and dies itself when its dbt is done.
    run = start(project, "dbt.done=kill")
    assert run.wait(120) == -signal.SIGKILL

    run = start(project)
    assert run.wait(120) == 0, (project.data / "run.log").read_text(encoding="utf-8")[-3000:]
    assert tables(project) == TABLES
