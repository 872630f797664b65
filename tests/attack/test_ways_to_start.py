"""Attacks the law that nothing is green, or lost, without a word: every way in which Dagster starts a run.

Each way is tried with a named day and without one, with the project's launcher and with Dagster's own, against a real
daemon and web server. A run succeeds, or it fails and says what to do; none is dropped.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from tests.attack.target import Said, Target
from tests.e2e.servers import Server, dagster_dev
from tests.tiny_project import DAYS

FILE = ("-w", "workspace.yaml", "-l", "acme")
MODULE = ("-m", "tenants.acme.definitions", "-a", "defs")

LAUNCH = """mutation($parameters: ExecutionParams!) { launchPipelineExecution(executionParams: $parameters) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
REPOSITORY = {"repositoryLocationName": "acme", "repositoryName": "__repository__"}


@pytest.fixture
def served(target: Target, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The web server and the daemon over the project; the parameter says whose launcher starts the runs."""
    for path in (target.project.root / "dagster.yaml", target.project.data / "dagster" / "dagster.yaml"):
        settings = yaml.safe_load(path.read_text())
        if request.param.startswith("dagster"):
            del settings["run_launcher"]
        path.write_text(yaml.safe_dump(settings))
    # a location that the daemon does not serve
    shutil.copy(target.project.root / "tenants" / "acme" / "definitions.py", target.project.root / "elsewhere.py")
    environ = target.process_environ
    served_by = list(MODULE) if request.param.endswith("-m") else ["-w", "workspace.yaml"]
    with dagster_dev(served_by, environ, target.project.root, tmp_path / "dev.log") as server:
        yield server


def launched(target: Target, *arguments: str, day: str | None = None) -> Said:
    tags = ("--tags", json.dumps({"dagster/partition": day})) if day else ()
    said = target.dagster("job", "launch", *arguments, *tags)
    assert said.code == 0, said.text
    return said


def ended(target: Target, count: int, seconds: float = 240) -> list[DagsterRun]:
    """All runs, oldest first, once there are so many and all have ended."""
    deadline = time.monotonic() + seconds
    while True:
        with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
            runs = [*reversed(instance.get_runs(RunsFilter()))]
        if len(runs) >= count and all(each.is_finished for each in runs):
            return runs
        assert time.monotonic() < deadline, [(each.job_name, each.status, each.tags) for each in runs]
        time.sleep(1)


def why(target: Target, run: DagsterRun) -> str:
    """Everything that the event log says of a run."""
    with DagsterInstance.from_config(str(target.project.data / "dagster")) as instance:
        events = [each.dagster_event for each in instance.all_logs(run.run_id) if each.dagster_event]
    texts = [each.message or "" for each in events]
    for each in events:
        error = getattr(each.event_specific_data, "error", None)
        while error is not None:
            texts.append(error.message)
            error = error.cause
    return "\n".join(texts)


def parameters(job: str, day: str | None) -> Mapping[str, Any]:
    tags = [{"key": "dagster/partition", "value": day}] if day else []
    return {"selector": {**REPOSITORY, "pipelineName": job}, "executionMetadata": {"tags": tags}, "mode": "default"}


def backfill(server: Server, day: str) -> None:
    asked = {"assetSelection": [{"path": ["acme", "extract", "orders"]}], "partitionNames": [day]}
    said = server.ask(BACKFILL, parameters=asked)["launchPartitionBackfill"]
    assert said["__typename"] == "LaunchBackfillSuccess", said


def launch_in_ui(server: Server, job: str, day: str | None) -> None:
    said = server.ask(LAUNCH, parameters=parameters(job, day))["launchPipelineExecution"]
    assert said["__typename"] == "LaunchRunSuccess", said


def materialized(target: Target, day: str) -> Said:
    """Dagster's command that uses no launcher: it executes the run itself."""
    select = ("--select", "key:acme/extract/orders+", "--partition", day)
    said = target.dagster("asset", "materialize", *MODULE, *select)
    assert said.code == 0, said.text
    return said


def one_after_the_other(target: Target, starts: Sequence[Callable[[], object]]) -> list[DagsterRun]:
    """Each way once the run before it has ended: two runs of one day at a time are another matter."""
    for count, start in enumerate(starts, start=1):
        start()
        newest = ended(target, count)[-1]
        assert newest.status == DagsterRunStatus.SUCCESS, f"way {count}: {why(target, newest)}"
    return ended(target, len(starts))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("served", ["project"], indirect=True)
def test_every_way_with_the_projects_launcher(target: Target, served: Server) -> None:
    job = ("-j", "acme_all")
    starts: list[Callable[[], object]] = [
        lambda: launched(target, *FILE, *job, day=DAYS[0]),
        lambda: launched(target, *FILE, *job),
        lambda: launched(target, *MODULE, *job, day=DAYS[1]),
        lambda: launched(target, *MODULE, *job),
        lambda: launch_in_ui(served, "acme_all", DAYS[0]),
        lambda: launch_in_ui(served, "acme_all", None),
        lambda: backfill(served, DAYS[1]),
        lambda: target.dagster("job", "backfill", *FILE, *job, "--partitions", DAYS[2], "--noprompt"),
        lambda: materialized(target, DAYS[0]),
    ]
    runs = one_after_the_other(target, starts)
    names = ("dagster/partition", "dagster/asset_partition_range_start")  # a back-fill names a range
    days = sorted(next((each.tags[name] for name in names if name in each.tags), "none") for each in runs)
    # those that named no day were about the newest complete one
    assert days == [DAYS[0]] * 3 + [DAYS[1]] * 2 + [DAYS[2]] * 4
    launched(target, "-m", "elsewhere", "-a", "defs", "-j", "acme_all", day=DAYS[0])
    dropped = ended(target, 10)[-1]
    assert dropped.status == DagsterRunStatus.FAILURE
    assert "`elsewhere" in why(target, dropped)
    assert "dagster job launch -w workspace.yaml -l NAME" in why(target, dropped)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("served", ["dagster"], indirect=True)
def test_every_way_with_dagsters_own_launcher(target: Target, served: Server) -> None:
    job = ("-j", "acme_all")
    starts: list[Callable[[], object]] = [
        lambda: launched(target, *FILE, *job, day=DAYS[0]),
        lambda: launch_in_ui(served, "acme_all", DAYS[1]),
        lambda: backfill(served, DAYS[1]),
        lambda: target.dagster("job", "backfill", *FILE, *job, "--partitions", DAYS[2], "--noprompt"),
        lambda: materialized(target, DAYS[0]),
    ]
    one_after_the_other(target, starts)
    launched(target, *FILE, *job)
    launched(target, *MODULE, *job, day=DAYS[0])
    nameless, unserved = ended(target, 7)[-2:]
    assert nameless.status == unserved.status == DagsterRunStatus.FAILURE
    assert "the run names no day" in why(target, nameless)
    assert "etl run acme --from" in why(target, nameless)
    assert "tenants.acme.definitions" in why(target, unserved)  # Dagster's own words: it is not in the workspace


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("served", ["dagster served by -m"], indirect=True)
def test_a_module_with_dagsters_own_launcher(target: Target, served: Server) -> None:
    """`job launch -m` works where the daemon was started with the same `-m` and `-a`: the location has the same name."""
    assert list(served.locations()) == ["tenants.acme.definitions:defs"]
    runs = one_after_the_other(target, [lambda: launched(target, *MODULE, "-j", "acme_all", day=DAYS[0])])
    assert [each.tags["dagster/partition"] for each in runs] == [DAYS[0]]


@pytest.mark.slow
def test_without_a_daemon(target: Target) -> None:
    """`job execute` and `asset materialize` run in their own process; a missing day is an error with the remedy."""
    said = target.dagster(
        "job", "execute", *MODULE, "-j", "acme_all", "--tags", json.dumps({"dagster/partition": DAYS[0]})
    )
    assert said.code == 0, said.text
    said = target.dagster(
        "asset", "materialize", *MODULE, "--select", "key:acme/extract/orders+", "--partition", DAYS[1]
    )
    assert said.code == 0, said.text
    said = target.dagster("job", "execute", *MODULE, "-j", "acme_all")
    assert said.code != 0
    assert "etl run acme --from" in said.text
    assert [path.parent.name for path in target.project.published() if "transfer" in path.parts] == [
        f"dt={each}" for each in DAYS[:2]
    ]
