"""The run of `etl run` is the same as one that a code server started, but one process loads, plans and executes it.

Both ways run one project with the same days. What Dagster stores of a run and of its events is compared value by value.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import yaml
from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus

from etl.cli.code_servers import launch, workspace
from etl.cli.messages import PlannedRun, Wanted
from etl.cli.runs import StartedRun, runs_of
from etl.running.compat import GRPC_INFO_TAG, serialize_value
from etl.running.worker_process import worker_of
from etl.settings import load_settings
from tests.tiny_project import DAYS, TinyProject, laid_over

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

Found = TypeVar("Found")
ETL = Path(sys.executable).parent / "etl"
CHILD = "etl.cli.run_child"
OF_THIS_RUN = ("run_id", "timestamp", "create_timestamp", "seconds", "pid", "run", "started", "start", "end", "log_key")
WHOLE: dict[str, Any] = {
    "source_table": "orders",
    "save_to_trino": True,
    "trino_output": {"target_table": "whole", "target_schema": "shop", "mode": "replace"},
}


@pytest.fixture
def instance(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagsterInstance]:
    for name, value in project.process_environ.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.get() as opened:
        yield opened


def ended(instance: DagsterInstance, run_id: str, seconds: float = 120) -> DagsterRun:
    return until(lambda: found if (found := instance.get_run_by_id(run_id)) and found.is_finished else None, seconds)


def until(look: Callable[[], Found | None], seconds: float = 120) -> Found:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def by_code_server(instance: DagsterInstance, tags: dict[str, str], assets: list[AssetKey]) -> DagsterRun:
    with workspace(instance, load_settings(), {"acme"}) as context:
        return ended(instance, launch(instance, context, "acme", "acme_all", tags, assets).run_id)


def by_child(instance: DagsterInstance, tags: dict[str, str], assets: list[AssetKey]) -> DagsterRun:
    planned = PlannedRun(job="acme_all", tags=tags, assets=tuple(tuple(each.path) for each in assets))
    with runs_of(instance, load_settings(), {"acme"}) as runs:
        (started,) = runs.start([("acme", planned)])
        assert started.child is not None
        run = ended(instance, started.run_id)
        started.await_end()
    return run


def stored(run: DagsterRun) -> dict[str, Any]:
    """Everything that the run storage has of a run, but its own id."""
    found = json.loads(serialize_value(run))
    del found["run_id"], found["root_run_id"]
    found["tags"].pop(GRPC_INFO_TAG, None)
    return dict(found)


def told(instance: DagsterInstance, run: DagsterRun) -> list[tuple[str, str | None, str]]:
    """The run's events in order: kind, step, and what is in it, without what is another in every run."""
    found = []
    for entry in instance.all_logs(run.run_id):
        event = entry.dagster_event
        kind = event.event_type_value if event else "LOG"
        content = without_own(json.loads(serialize_value(event)), run) if event else None
        found.append((kind, entry.step_key, json.dumps(content, sort_keys=True)))
    return found


def without_own(value: Any, run: DagsterRun) -> Any:
    """A value of an event without numbers, and without what names this run, its process or a moment."""
    if isinstance(value, dict):
        return {key: without_own(each, run) for key, each in value.items() if key not in OF_THIS_RUN}
    if isinstance(value, list):
        return [without_own(each, run) for each in value]
    if isinstance(value, int | float):
        return 0
    if isinstance(value, str):
        return re.sub(r"\d+(\.\d+)?(m?s)?", "", value.replace(run.run_id, "RUN"))
    return value


@pytest.mark.parametrize(
    ("tags", "assets"),
    [
        ({"dagster/partition": DAYS[0]}, []),
        ({"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[1]}, []),
        ({"dagster/partition": DAYS[0], "etl/reload": "true"}, [AssetKey(["acme", "extract", "orders"])]),
        ({}, []),  # the launcher names the newest day
    ],
    ids=["a day", "a range", "an asset", "no day"],
)
def test_a_run_is_stored_as_one_that_a_code_server_started(
    instance: DagsterInstance, tags: dict[str, str], assets: list[AssetKey]
) -> None:
    by_code_server(instance, {**tags, "first": "of all"}, assets)  # so that both compared runs find the same
    theirs = by_code_server(instance, {**tags, "etl/reload": "true"}, assets)
    ours = by_child(instance, {**tags, "etl/reload": "true"}, assets)
    assert ours.status == theirs.status == DagsterRunStatus.SUCCESS
    assert stored(ours) == stored(theirs)
    assert ours.remote_job_origin is not None
    assert theirs.remote_job_origin is not None
    assert ours.remote_job_origin.get_id() == theirs.remote_job_origin.get_id()
    assert serialize_value(ours.job_code_origin) == serialize_value(theirs.job_code_origin)
    for name in ("job_snapshot", "execution_plan_snapshot"):
        ids = {getattr(each, f"{name}_id") for each in (ours, theirs)}
        assert len(ids) == 1, name
    of_process = {"ENGINE_EVENT"}
    events = [[each for each in told(instance, run) if each[0] not in of_process] for run in (ours, theirs)]
    assert events[0] == events[1]
    engine = [sorted(each for each in told(instance, run) if each[0] in of_process) for run in (ours, theirs)]
    assert engine[0] == engine[1], "in another order only: the process is recorded before the run begins"


def started(project: TinyProject, log: Path, *options: str, fault: str = "") -> subprocess.Popen[bytes]:
    """`etl run acme` for the first two days, once it has named its run."""
    with log.open("wb") as out:
        command = subprocess.Popen(
            [str(ETL), "run", "acme", "--from", DAYS[0], "--to", DAYS[1], *options],
            cwd=project.root,
            env={**project.process_environ, "ETL_FAULT": fault, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until(lambda: re.search(r"run [0-9a-f-]{36} ", log.read_text()) or command.poll() is not None)
    assert command.poll() is None, log.read_text()
    return command


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "said"


@pytest.fixture
def hanging(project: TinyProject, instance: DagsterInstance, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`etl run`, whose run holds the source's pool and reads the second day for ever."""
    command = started(project, log, fault="extract.read@2=hang")
    child = child_of(command)
    try:
        until(lambda: slots(instance) == 1)
        yield command
    finally:
        command.kill()
        command.wait()
        with suppress(psutil.NoSuchProcess):
            child.kill()


def child_of(command: subprocess.Popen[bytes]) -> psutil.Process:
    (child,) = psutil.Process(command.pid).children()
    assert CHILD in child.cmdline()
    return child


def is_quiet(process: psutil.Process) -> bool:
    before = process.cpu_times()
    time.sleep(1)
    return bool(process.cpu_times() == before)


def slots(instance: DagsterInstance) -> int:
    storage = instance.event_log_storage
    return sum(storage.get_concurrency_info(key).active_slot_count for key in storage.get_concurrency_keys())


def only_run(instance: DagsterInstance) -> DagsterRun:
    (run,) = instance.get_runs()
    return run


def test_a_run_takes_one_process_beside_the_command(
    instance: DagsterInstance, hanging: subprocess.Popen[bytes]
) -> None:
    child = child_of(hanging)
    others = [each.cmdline() for each in child.children(recursive=True)]  # Dagster copies output with `tail`
    assert not [each for each in others if "etl" in " ".join(each[:3]) or "api" in each], others
    assert os.getsid(child.pid) == child.pid, "it hears no terminal"
    worker = worker_of(instance, only_run(instance).run_id)
    assert worker is not None
    assert worker.pid == child.pid
    files = [str(Path(f"/proc/{child.pid}/fd/{descriptor}").readlink()) for descriptor in (0, 1, 2)]
    assert files[0] == "/dev/null"
    assert [each for each in files[1:] if os.environ["DAGSTER_HOME"] not in each] == [], "no terminal and no pipe"


def test_another_process_can_end_the_run(
    instance: DagsterInstance, hanging: subprocess.Popen[bytes], log: Path
) -> None:
    """As the web server does for Terminate: this process has started neither the command nor its child."""
    run = only_run(instance)
    assert instance.run_launcher.terminate(run.run_id)
    assert ended(instance, run.run_id).status == DagsterRunStatus.CANCELED
    assert hanging.wait(30) == 1, log.read_text()
    assert slots(instance) == 0


def test_a_killed_process_is_told_and_its_run_is_failed_at_once(
    instance: DagsterInstance, hanging: subprocess.Popen[bytes], log: Path
) -> None:
    run = only_run(instance)
    child_of(hanging).kill()
    assert hanging.wait(30) == 1
    said = " ".join(log.read_text().split())
    assert f"Run execution process for {run.run_id} was terminated by signal 9 (SIGKILL)." in said
    assert only_run(instance).status == DagsterRunStatus.FAILURE
    assert slots(instance) == 0


def test_a_killed_process_that_was_asked_to_stop_leaves_no_run_behind(
    instance: DagsterInstance, hanging: subprocess.Popen[bytes], log: Path
) -> None:
    child = child_of(hanging)
    until(lambda: is_quiet(child))  # a process that is suspended while it writes an event keeps the event log locked
    child.suspend()  # it hears nothing before it is killed
    hanging.send_signal(signal.SIGTERM)
    until(lambda: only_run(instance).status == DagsterRunStatus.CANCELING)
    child.kill()
    assert hanging.wait(30) == 143, log.read_text()
    assert f"run {only_run(instance).run_id} has stopped (failure)" in " ".join(log.read_text().split())
    assert slots(instance) == 0


def test_a_run_goes_on_when_its_command_is_killed(project: TinyProject, instance: DagsterInstance, log: Path) -> None:
    noisy = "def orders(orders):\n    print('x' * 100_000, flush=True)\n    return orders\n"
    project.write_transform(noisy)
    command = started(project, log)
    command.kill()
    command.wait()
    run = only_run(instance)
    assert ended(instance, run.run_id).status == DagsterRunStatus.SUCCESS
    assert "x" * 1000 in Path(os.environ["DAGSTER_HOME"], "code_servers.log").read_text()
    assert "xxx" not in log.read_text()


def test_a_command_that_is_killed_before_its_run_starts_none(
    project: TinyProject, instance: DagsterInstance, log: Path
) -> None:
    mark = project.root / "loading"
    code = f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\ntime.sleep(3)\n"
    definitions = project.root / "tenants" / "acme" / "definitions.py"
    definitions.write_text(code + definitions.read_text())
    with log.open("wb") as out:
        command = subprocess.Popen(
            [str(ETL), "run", "acme"], cwd=project.root, env=project.process_environ, stdout=out, stderr=out
        )
    until(mark.exists)
    child = child_of(command)
    command.kill()
    command.wait()
    child.wait(60)
    assert instance.get_runs() == []


def test_every_run_has_a_process_of_its_own(project: TinyProject, instance: DagsterInstance, log: Path) -> None:
    """Two pipelines of different days are two runs: the first process plans both, and executes the first."""
    late = {"date_column": "created_at", "partitions": {"start": DAYS[1], "timezone": "UTC"}}
    project.write_tenant(
        {"assets": {"pipelines": {"late": laid_over(laid_over(WHOLE, late), {"trino_output": {"mode": "append"}})}}}
    )
    with runs_of(instance, load_settings(), {"acme"}) as runs:
        plan = runs.plan("acme", Wanted(first=DAYS[0], last=DAYS[1]), {})
        assert len(plan.runs) == 2
        executed = [process_of(instance, runs.start([("acme", each)])[0]) for each in plan.runs]
    assert len(set(executed)) == 2


def process_of(instance: DagsterInstance, run: StartedRun) -> int:
    assert ended(instance, run.run_id).status in {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE}
    run.await_end()
    worker = worker_of(instance, run.run_id)
    assert worker is not None
    return worker.pid


@pytest.mark.parametrize(
    ("entry", "launcher"),
    [
        ({"module_name": "etl.all", "attribute": "defs", "location_name": "acme", "working_directory": "."}, None),
        (None, {"module": "dagster", "class": "DefaultRunLauncher"}),
    ],
    ids=["all tenants", "another launcher"],
)
def test_code_servers_start_a_run_where_its_process_must_be_another_one(
    project: TinyProject, entry: dict[str, Any] | None, launcher: dict[str, str] | None
) -> None:
    if entry is not None:
        (project.root / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"python_module": entry}]}))
    for path in (project.root / "dagster.yaml", project.data / "dagster" / "dagster.yaml"):
        settings = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**settings, "run_launcher": launcher or settings["run_launcher"]}))
    done = subprocess.run(
        [str(ETL), "run", "acme", "--from", DAYS[0]],
        cwd=project.root,
        env=project.process_environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with DagsterInstance.from_config(str(project.data / "dagster")) as opened:
        assert GRPC_INFO_TAG in only_run(opened).tags
