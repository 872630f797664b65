"""Dagster serves this project in every way that its documents name, and starts runs that succeed."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from dagster import DagsterInstance

from etl.running.worker_process import worker_of
from tests.e2e.conftest import Demo
from tests.e2e.servers import DAGSTER, Server, dagster_dev, wait_for
from tests.installation import REPOSITORY, TENANTS, Installation
from tests.tiny_project import make_project

pytestmark = [pytest.mark.xdist_group("project"), pytest.mark.timeout(900)]

NODES = "{ assetNodes { id assetKey { path } } }"


def dagster(installation: Installation, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DAGSTER), *arguments],
        cwd=REPOSITORY,
        env=installation.process_environ,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def tenants_served(server: Server) -> set[str]:
    return {node["assetKey"]["path"][0] for node in server.ask(NODES)["assetNodes"]}


def test_the_workspace_validates(demo: Demo) -> None:
    done = dagster(demo.installation, "definitions", "validate", "-w", "workspace.yaml")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for tenant in TENANTS:
        assert re.search(rf"Validation successful for code location {tenant}\b", said), said


def test_a_job_launched_from_the_command_line_succeeds_with_and_without_a_day(demo: Demo, tmp_path: Path) -> None:
    with dagster_dev(
        ["-w", "workspace.yaml"], demo.installation.process_environ, REPOSITORY, tmp_path / "log"
    ) as server:
        assert server.locations() == dict.fromkeys(TENANTS, "LOADED")
        assert tenants_served(server) == set(TENANTS)
        for tags in (None, {"dagster/partition": "2026-01-05"}):
            arguments = ["job", "launch", "-w", "workspace.yaml", "-l", "default", "-j", "default_all"]
            done = dagster(demo.installation, *arguments, *(["--tags", json.dumps(tags)] if tags else []))
            assert done.returncode == 0, done.stdout + done.stderr
            found = server.ask("{ runsOrError(limit: 1) { ... on Runs { results { id jobName } } } }")
            (run,) = found["runsOrError"]["results"]
            assert run["jobName"] == "default_all"
            wait_for(lambda run=run: server.run_status(run["id"]) in {"SUCCESS", "FAILURE", "CANCELED"}, 300, server)
            assert server.run_status(run["id"]) == "SUCCESS", tags


def test_the_three_modules_are_served_side_by_side(demo: Demo, tmp_path: Path) -> None:
    modules = [word for tenant in TENANTS for word in ("-m", f"tenants.{tenant}.definitions")]
    with dagster_dev(modules, demo.installation.process_environ, REPOSITORY, tmp_path / "log") as server:
        states = server.locations()
        assert len(states) == len(TENANTS)
        assert set(states.values()) == {"LOADED"}
        assert tenants_served(server) == set(TENANTS)


def test_one_location_serves_all_tenants(demo: Demo, tmp_path: Path) -> None:
    with dagster_dev(["-m", "etl.all"], demo.installation.process_environ, REPOSITORY, tmp_path / "log") as server:
        assert server.locations() == {"etl.all": "LOADED"}
        assert tenants_served(server) == set(TENANTS)
        nodes = [node["id"] for node in server.ask(NODES)["assetNodes"]]
        assert len(nodes) == len(set(nodes))


def test_a_broken_tenant_takes_no_other_down_and_a_killed_run_is_seen_by_the_daemon(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    project.write_tenant({"assets": {"pipelines": {"orders": {"source_tabel": "orders"}}}}, tenant="broken")
    workspace = project.root / "workspace.yaml"
    workspace.write_text(
        workspace.read_text() + workspace.read_text().removeprefix("load_from:\n").replace("acme", "broken")
    )
    config = project.data / "dagster" / "dagster.yaml"
    config.write_text(config.read_text().replace("poll_interval_seconds: 10", "poll_interval_seconds: 1"))
    environ = {**project.process_environ, "ETL_FAULT": "extract.read=hang"}
    launch = [str(DAGSTER), "job", "launch", "-w", "workspace.yaml", "-l", "acme", "-j", "acme_all"]
    with dagster_dev(["-w", "workspace.yaml"], environ, project.root, tmp_path / "log") as server:
        states = server.locations()
        assert states["acme"] == "LOADED"
        assert "did you mean `source_table`" in states["broken"]
        done = subprocess.run(
            launch, cwd=project.root, env=environ, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (run,) = server.ask("{ runsOrError(limit: 1) { ... on Runs { results { id } } } }")["runsOrError"]["results"]
        wait_for(lambda: at_work(server, run["id"]), 120, server)
        with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
            worker = worker_of(instance, run["id"])
        assert worker is not None
        assert os.getsid(worker.pid) == server.process.pid  # one of the server's own, and no other process
        os.kill(worker.pid, signal.SIGKILL)
        wait_for(lambda: server.run_status(run["id"]) == "FAILURE", 120, server)
        wait_for(lambda: pool_slots(server) == 0, 60, server)
    assert project.published() == []


def at_work(server: Server, run_id: str) -> bool:
    found = server.ask(
        "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename } } } }", id=run_id
    )
    return any(event["__typename"] == "ExecutionStepStartEvent" for event in found["logsForRun"]["events"])


def pool_slots(server: Server) -> int:
    found = server.ask("{ instance { concurrencyLimits { concurrencyKey activeSlotCount } } }")
    return sum(each["activeSlotCount"] for each in found["instance"]["concurrencyLimits"])
