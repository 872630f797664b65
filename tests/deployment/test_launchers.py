"""Runs in containers: what the engine is told to start is the platform's word, and what it starts is a run that works."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.launcher import WorkerStatus

from etl.cli.code_servers import launch, workspace
from etl.resources.docker_runs import ContainerRunLauncher
from etl.resources.kubernetes_runs import JobRunLauncher
from etl.running.compat import LaunchRunContext
from etl.settings import load_settings
from tests.deployment.engines import Cluster, DockerEngine, Engine, serving
from tests.tiny_project import DAYS, TinyProject, make_project

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
STOLEN = {"env_from": [{"secret_ref": {"name": "code-beta"}}], "image": "evil:1"}


@dataclass
class World:
    """A project whose code server says wrong things about its containers, and an engine that writes down."""

    project: TinyProject
    instance: DagsterInstance
    context: Any
    docker: DockerEngine
    cluster: Cluster
    kubernetes: JobRunLauncher

    def start(self, engine: Engine) -> str:
        """Launch a run that names no day and asks for another tenant's secret."""
        tags = {"dagster-k8s/config": json.dumps({"container_config": STOLEN})}
        run = launch(self.instance, self.context, "acme", "acme_all", tags)  # by the launcher of dagster.yaml: Docker's
        if engine is self.cluster:
            self.kubernetes.launch_run(LaunchRunContext(self.instance.get_run_by_id(run.run_id), self.context))  # type: ignore[arg-type]
        return run.run_id

    def status(self, run_id: str) -> DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def health(self, launcher: Any, run_id: str) -> WorkerStatus:
        return launcher.check_run_worker_health(self.instance.get_run_by_id(run_id)).status  # type: ignore[no-any-return]

    def execute(self, command: list[str], environ: dict[str, str], **more: str) -> subprocess.Popen[bytes]:
        """What the container would do: this command, with these variables and no others."""
        assert command[0] == "dagster"
        return subprocess.Popen([str(BIN / "dagster"), *command[1:]], env={**environ, **more}, cwd=self.project.root)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("launchers")
    project = make_project(root)
    environ = {
        **project.environ,
        "PYTHONPATH": str(project.root),
        "PATH": f"{BIN}:/usr/bin:/bin",
        "PYTHONWARNINGS": "ignore",
    }
    write_places(root, environ)
    dagster = yaml.safe_load((project.root / "dagster.yaml").read_text())
    dagster["run_launcher"] = {
        "module": "etl.resources.docker_runs",
        "class": "ContainerRunLauncher",
        "config": {"places": str(root / "docker.yaml")},
    }
    dagster["run_monitoring"]["cancellation_thread_poll_interval_seconds"] = 1
    (project.data / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(dagster))
    with pytest.MonkeyPatch.context() as patch, serving(DockerEngine()) as docker, serving(Cluster()) as cluster:
        for name, value in environ.items():
            patch.setenv(name, value if name != "PATH" else f"{BIN}:{os.environ['PATH']}")
        patch.chdir(project.root)
        patch.setenv("DOCKER_HOST", f"tcp://{docker.address}")
        patch.setenv("DAGSTER_CURRENT_IMAGE", "evil:1")
        stolen = {"k8s": {"env_secrets": ["code-beta"]}, "docker": {"networks": ["beta"], "env_vars": ["PATH"]}}
        patch.setenv("DAGSTER_CONTAINER_CONTEXT", json.dumps(stolen))
        kubernetes = JobRunLauncher(str(root / "kubernetes.yaml"), write_kubeconfig(root, cluster.address))
        with DagsterInstance.get() as instance, workspace(instance, load_settings(), ["acme"]) as context:
            kubernetes.register_instance(instance)
            assert isinstance(docker, DockerEngine)
            assert isinstance(cluster, Cluster)
            yield World(project, instance, context, docker, cluster, kubernetes)


def write_places(root: Path, environ: dict[str, str]) -> None:
    (root / "acme.env").write_text("# of acme\nACME_TOKEN=a b$c'\n")
    docker = {
        "image": "etl:7",
        "env_file": str(root / "acme.env"),
        "context": {
            "env_vars": [f"{name}={value}" for name, value in environ.items()],
            "networks": ["acme"],
            "container_kwargs": {"user": "7:7", "read_only": True, "cap_drop": ["ALL"]},
        },
    }
    kubernetes = {
        "image": "etl:7",
        "context": {
            "namespace": "data",
            "service_account_name": "code-acme",
            "env": [
                *({"name": name, "value": value} for name, value in environ.items()),
                {"name": "ACME_TOKEN", "valueFrom": {"secretKeyRef": {"name": "code-acme", "key": "ACME_TOKEN"}}},
            ],
            "labels": {"app.kubernetes.io/part-of": "etl"},
            "security_context": {"readOnlyRootFilesystem": True},
            "run_k8s_config": {"pod_spec_config": {"automountServiceAccountToken": False}},
        },
    }
    for name, place in (("docker", docker), ("kubernetes", kubernetes)):
        (root / f"{name}.yaml").write_text(yaml.safe_dump({"format": 1, "locations": {"acme": place}}))


def write_kubeconfig(root: Path, address: str) -> str:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": f"http://{address}"}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
    (root / "kubeconfig").write_text(yaml.safe_dump(content))
    return str(root / "kubeconfig")


def test_a_run_in_docker(world: World) -> None:
    run_id = world.start(world.docker)
    body = world.docker.created[-1]
    environ = dict(each.split("=", 1) for each in body["Env"])
    assert environ["ACME_TOKEN"] == "a b$c'"
    assert (body["Image"], body["User"]) == ("etl:7", "7:7")
    assert (body["HostConfig"]["ReadonlyRootfs"], body["HostConfig"]["CapDrop"]) == (True, ["ALL"])
    assert body["HostConfig"]["NetworkMode"] == "acme"
    assert "ACME_TOKEN" not in json.dumps(body["Cmd"])
    given = json.dumps({**body, "Cmd": []})  # the command says where the run comes from, and decides nothing
    assert "evil" not in given
    assert "beta" not in given

    launcher = world.instance.run_launcher
    assert isinstance(launcher, ContainerRunLauncher)
    assert world.health(launcher, run_id) is WorkerStatus.RUNNING
    assert world.execute(body["Cmd"], environ).wait(200) == 0
    assert world.status(run_id) is DagsterRunStatus.SUCCESS
    run = world.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags["dagster/partition"] == DAYS[2]
    assert launcher.terminate(run_id) is False

    for state, expected in (("exited", WorkerStatus.FAILED), ("gone", WorkerStatus.NOT_FOUND)):
        world.docker.state = state
        assert world.health(launcher, run_id) is expected
    world.docker.state = "silent"
    with pytest.raises(Exception, match="the engine has a problem"):  # run monitoring logs it and changes nothing
        world.health(launcher, run_id)
    world.docker.state = "running"


def test_a_run_in_kubernetes_is_stopped_by_its_own_process(world: World) -> None:
    run_id = world.start(world.cluster)
    job = world.cluster.created[-1]
    kubernetes_validate.validate(job, "1.31", strict=True)
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (container["image"], pod["serviceAccountName"]) == ("etl:7", "code-acme")
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["automountServiceAccountToken"] is False
    assert container.get("envFrom", []) == []
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/part-of"] == "etl"
    given = json.dumps({**pod, "containers": [{**container, "args": []}]})  # the arguments decide nothing
    assert "evil" not in given
    assert "beta" not in given

    assert world.health(world.kubernetes, run_id) is WorkerStatus.RUNNING
    for state, expected in (
        ("exited", WorkerStatus.FAILED),
        ("gone", WorkerStatus.FAILED),
        ("silent", WorkerStatus.RUNNING),
    ):
        world.cluster.state = state
        assert world.health(world.kubernetes, run_id) is expected, state
    world.cluster.state = "running"

    environ = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    process = world.execute(container["args"], environ, ETL_FAULT="extract.read=hang")
    try:
        wait_for(world, run_id, DagsterRunStatus.STARTED)
        wait_until_it_reads(world, run_id)
        assert world.kubernetes.terminate(run_id) is True
        wait_for(world, run_id, DagsterRunStatus.CANCELED)
        process.wait(60)
    finally:
        process.kill()
        process.wait(20)


def wait_until_it_reads(world: World, run_id: str) -> None:
    deadline = time.monotonic() + 120
    while not any(each.dagster_event and each.dagster_event.is_step_start for each in world.instance.all_logs(run_id)):
        assert time.monotonic() < deadline
        time.sleep(0.3)


def wait_for(world: World, run_id: str, status: DagsterRunStatus) -> None:
    deadline = time.monotonic() + 120
    while world.status(run_id) is not status:
        assert time.monotonic() < deadline, world.status(run_id)
        time.sleep(0.3)
