"""Attacks the law that nothing is green that was not built, through the dbt of a run: killed, hanging, changed, shared.

The dbt steps of a run are forks of one process. Here a run, that process or a fork is killed in the middle of a model,
the project and its environment change between and within runs, and several runs are at work at once.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from tests.attack.target import Target
from tests.attack.warm import BIN
from tests.dbt.projects import SOURCES, write_dbt
from tests.tiny_project import DAYS, make_source

BY_DAY = """
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='order_date') }}
select cast(dt as date) as order_date, count(*) * FACTOR as orders
from {{ source('extract', 'orders') }}, (select max(value) from {{ ref('waiting') }})
where dt >= date '{{ var('partition_start')[:10] }}' and dt < date '{{ var('partition_end')[:10] }}'
group by 1
"""
# Waits while the file is there, and says that it has begun by another one.
WAITING = """
import pathlib
import time

def model(dbt, session):
    waits = pathlib.Path({waits!r})
    if waits.exists():
        waits.with_suffix(".begun").touch()
    while waits.exists():
        time.sleep(0.05)
    return session.sql("select 1 as value")
"""


@pytest.fixture
def waits(target: Target) -> Path:
    """The file that makes the model `waiting` wait."""
    target.project.write_tenant({"dbt": {"enabled": True}})
    path = target.project.data / "waits"
    files = {
        "models/staging/sources.yml": SOURCES.replace("columns: [{name: order_id, data_tests: [not_null]}]", ""),
        "models/marts/waiting.py": WAITING.format(waits=str(path)),
        "models/marts/by_day.sql": BY_DAY.replace("FACTOR", "1"),
    }
    write_dbt(target.project, files)
    return path


@contextlib.contextmanager
def started(target: Target, day: str, tenant: str = "acme") -> Iterator["subprocess.Popen[str]"]:
    """`etl run` in a session of its own, which ends with the block at the latest."""
    process = subprocess.Popen(
        [str(BIN / "etl"), "run", tenant, "--partition", day],
        cwd=target.project.root,
        env=target.process_environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for each in [*below(process.pid), process.pid] if process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait()


def wait_for(path: Path, process: "subprocess.Popen[str]", seconds: float = 200) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.1)


def below(pid: int) -> list[int]:
    """The processes below one, parents first."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                found += [int(each) for each in task.read_text().split()]
    return found[1:]


def dbt_of(pid: int) -> tuple[int, int, int]:
    """The process of the run, its warm dbt, and the dbt that works."""
    warm, working = (each for each in below(pid) if b"warm_process.py" in Path(f"/proc/{each}/cmdline").read_bytes())
    return int(Path(f"/proc/{warm}/stat").read_text().rsplit(")", 1)[1].split()[1]), warm, working


def are_gone(pids: list[int], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while any(is_alive(each) for each in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def builder_of(target: Target, model: str) -> str | None:
    """The run that Dagster believes to have built a model last."""
    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        event = instance.get_latest_materialization_event(AssetKey(["acme", "dbt", model]))
    return event.run_id if event else None


def end_with(target: Target, last: str) -> None:
    """Let the pipeline have no days after `last`, so that `etl verify` asks for none."""
    partitions = {"partitions": {"end": last}}
    target.project.write_tenant({"dbt": {"enabled": True}, "assets": {"pipelines": {"orders": partitions}}})


def assert_verified(target: Target) -> None:
    said = target.etl("verify", "acme")
    assert said.code == 0, said.text


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_in_a_model_nothing_is_left_nothing_is_green_and_the_next_run_goes_on(
    target: Target, waits: Path
) -> None:
    end_with(target, DAYS[0])
    begun = waits.with_suffix(".begun")
    for victim in ("dbt", "warm", "run", "ctrl-c"):
        waits.touch()
        with started(target, DAYS[0]) as run:
            wait_for(begun, run)
            own, warm, working = dbt_of(run.pid)
            everything = below(run.pid)
            if victim == "ctrl-c":
                os.killpg(run.pid, signal.SIGINT)
            else:
                os.kill({"run": own, "warm": warm, "dbt": working}[victim], signal.SIGKILL)
            said = run.communicate(timeout=200)[0]
            assert run.returncode != 0, (victim, said)
            assert are_gone(everything), victim
        if victim in ("dbt", "warm"):
            assert "tenant acme: the process of dbt was ended by SIGKILL" in " ".join(said.split()), said
        begun.unlink()
        assert builder_of(target, "waiting") is None, victim
        assert builder_of(target, "by_day") is None, victim
        # The file opens, so that nobody holds it, and there is no table of these models.
        assert target.warehouse("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'dbt'") == [], victim

    # A model changes between two steps of a run: it is built as the file is when its step begins.
    with started(target, DAYS[0]) as run:
        wait_for(begun, run)
        write_dbt(target.project, {"models/marts/by_day.sql": BY_DAY.replace("FACTOR", "2")})
        waits.unlink()
        said = run.communicate(timeout=200)[0]
        assert run.returncode == 0, said
    assert target.warehouse("SELECT order_date::VARCHAR, orders FROM dbt.by_day") == [(DAYS[0], 40)]
    assert_verified(target)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_changes_between_two_runs_is_seen_and_a_hook_that_fails_is_red(target: Target, waits: Path) -> None:
    settings = target.project.root / "dbt_projects" / "acme" / "dbt_project.yml"
    whole = settings.read_text()
    write_dbt(
        target.project,
        {
            "macros/note.sql": "{% macro note() %}{{ env_var('ACME_NOTE', 'none') }}{% endmacro %}",
            "models/marts/noted.sql": "select '{{ note() }}' as note, 1 as edition",
        },
    )
    target.environ["ACME_NOTE"] = "first"
    target.run_days(DAYS[0], DAYS[0])
    assert target.warehouse("SELECT note, edition FROM dbt.noted") == [("first", 1)]

    # Another environment, another day, and another text: nothing of the parse before is built.
    target.environ["ACME_NOTE"] = "second"
    write_dbt(target.project, {"models/marts/noted.sql": "select '{{ note() }}' as note, 2 as edition"})
    target.run_days(DAYS[1], DAYS[1])
    assert target.warehouse("SELECT note, edition FROM dbt.noted") == [("second", 2)]
    assert target.warehouse("SELECT order_date::VARCHAR, orders FROM dbt.by_day ORDER BY 1") == [
        (day, 20) for day in DAYS[:2]
    ]

    before = builder_of(target, "by_day")
    settings.write_text(whole + "on-run-start: ['select * from nowhere']\n")
    said = target.etl("run", "acme", "--partition", DAYS[2])
    assert said.code == 1, said.text
    assert "nowhere" in said.text
    # dbt goes on with the models of this command, unless the project sets `skip_nodes_if_on_run_start_fails`; no other
    # step begins.
    assert builder_of(target, "by_day") == before
    assert target.warehouse("SELECT count(*) FROM dbt.by_day") == [(2,)]

    settings.write_text(whole)
    target.run_days(DAYS[2], DAYS[2])
    assert target.warehouse("SELECT count(*) FROM dbt.by_day") == [(3,)]
    assert_verified(target)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_runs_of_two_tenants_and_two_runs_of_one_at_the_same_moment(target: Target, waits: Path) -> None:
    end_with(target, DAYS[1])
    target.project.write_tenant({"dbt": {"enabled": True}}, tenant="globex")
    make_source(target.project.data / "demo" / "globex.sqlite")
    write_dbt(target.project, {"models/marts/one.sql": "select 1 as one"}, "globex")
    target.serve("globex")
    waits.touch()
    with started(target, DAYS[0]) as first:
        wait_for(waits.with_suffix(".begun"), first)
        # While the dbt of acme works, another tenant's run is not held up.
        target.run_days(DAYS[0], DAYS[0], tenant="globex")
        assert first.poll() is None
        with started(target, DAYS[1]) as second:
            time.sleep(5)
            waits.unlink()
            texts = [each.communicate(timeout=400)[0] for each in (first, second)]
            assert (first.returncode, second.returncode) == (0, 0), texts
    assert target.warehouse("SELECT one FROM dbt.one", tenant="globex") == [(1,)]
    assert target.warehouse("SELECT order_date::VARCHAR, orders FROM dbt.by_day ORDER BY 1") == [
        (day, 20) for day in DAYS[:2]
    ]
    assert_verified(target)
