"""The containers of one machine: what each may do, what each knows, and whom each reaches."""

import json
import os
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.load_target import WorkspaceFileTarget

from etl.deployment.compose import compose, files
from etl.deployment.compose_runs import run_places
from etl.deployment.dockerfile import image_source
from etl.deployment.identities import user_ids
from etl.deployment.run_places import RunPlaces
from etl.deployment.shape import Shape
from etl.settings import Settings
from tests.deployment.conftest import CANARY, TENANTS, written
from tests.servers.downloads import compose_loader

ONE_SHOT = {"prepare", "upgrade"}


@pytest.fixture(params=["process", "container"])
def runs(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def folder(tmp_path: Path, shape: Shape, settings: Settings, runs: Any) -> Path:
    """The files as an operator has them: each example copied, with values."""
    out = settings.project_dir / "deploy"
    written(out, files(shape, settings, image_source(settings.project_dir, out), "etl.example.com", runs))
    for path in [*out.rglob(".env.example"), *out.rglob("*.env.example")]:
        text = re.sub(r"^(\w+)=('?)\2$", r"\1=\2va$lue#1\2", path.read_text(), flags=re.MULTILINE)
        path.with_name(path.name.removesuffix(".example")).write_text(text)
    return out


def content(shape: Shape, settings: Settings, runs: Any) -> dict[str, Any]:
    return compose(shape, image_source(settings.project_dir, settings.project_dir / "deploy"), runs)


def test_no_service_may_do_more_than_it_needs(shape: Shape, settings: Settings, runs: Any) -> None:
    services = content(shape, settings, runs)["services"]
    assert {f"code-{each.replace('_', '-')}" for each in TENANTS} < services.keys()
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        if name == "prepare":
            assert (service["user"], service["network_mode"]) == ("0:0", "none")
        else:
            assert int(service["user"].partition(":")[0]) > 0, name
            assert "cap_add" not in service
        assert ("healthcheck" in service) != (name in ONE_SHOT), name
        assert ("ports" in service) == (name == "proxy")


def test_no_file_has_a_value_of_a_variable(shape: Shape, settings: Settings, runs: Any) -> None:
    source = image_source(settings.project_dir, settings.project_dir / "deploy")
    for name, text in files(shape, settings, source, "etl.example.com", runs).items():
        assert CANARY not in text, name


def test_a_code_server_knows_its_own_tenants_variables_only(shape: Shape, settings: Settings, runs: Any) -> None:
    source = image_source(settings.project_dir, settings.project_dir / "deploy")
    found = files(shape, settings, source, "etl.example.com", runs)
    listed = {
        tenant: set(
            re.findall(r"^#? ?(\w+)=$", found[f"env/code-{tenant.replace('_', '-')}.env.example"], re.MULTILINE)
        )
        for tenant in TENANTS
    }
    for tenant in TENANTS:
        own = {each for each in listed[tenant] if not each.startswith(("AWS_", "S3_"))}
        expected = {f"{tenant.upper()}_{each}" for each in ("DB_HOST", "DB_NAME", "DB_USER", "DB_PASSWORD", "BUCKET")}
        assert own == expected
    services = content(shape, settings, runs)["services"]
    for name, service in services.items():
        assert not {each for each in service.get("environment", {}) if each.startswith(("ACME", "BETA"))}, name
        assert [each["path"] for each in service.get("env_file", [])] == (
            [f"env/{name}.env"] if name.startswith("code-") else []
        )


def test_no_tenant_reaches_another_ones_code_server_or_folder(shape: Shape, settings: Settings, runs: Any) -> None:
    services = content(shape, settings, runs)["services"]
    code = {name: each for name, each in services.items() if name.startswith("code-")}
    for (one, first), (other, second) in combinations(code.items(), 2):
        assert not set(first["networks"]) & set(second["networks"]), (one, other)
        mounted = [{each.partition(":")[0] for each in service["volumes"]} for service in (first, second)]
        assert mounted[0] & mounted[1] <= {"./dagster", "settings"}, (one, other)
        assert first["user"] != second["user"]
    for name in code:
        users = [other for other, each in services.items() if f"{name}-data" in str(each.get("volumes"))]
        assert users == ["prepare", name], "the rows of a tenant are mounted elsewhere"
        for reader, part in (("web", "logs"), ("daemon", "dagster")):
            (mount,) = [each for each in services[reader]["volumes"] if each.startswith(f"{name}-{part}:")]
            assert mount.endswith(":ro")
    assert services["proxy"]["networks"] == ["front"]
    assert [name for name, each in services.items() if "front" in each.get("networks", [])] == ["web", "proxy"]
    with_docker = [name for name, each in services.items() if "docker.sock" in str(each)]
    assert with_docker == (["daemon"] if runs == "container" else [])


def test_a_broken_tenant_keeps_no_other_service_from_starting(shape: Shape, settings: Settings, runs: Any) -> None:
    services = content(shape, settings, runs)["services"]
    waited_for = {other for each in services.values() for other in each.get("depends_on", {})}
    assert waited_for == {"postgres", "prepare", "upgrade", "web"}


def test_dagster_reads_the_settings(folder: Path, runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_LOCAL_DIR", "/l")
    monkeypatch.setenv("DAGSTER_LOGS_DIR", "/g")
    ref = InstanceRef.from_dir(str(folder / "dagster"))
    assert ref.run_launcher_data is not None
    expected = {"process": "LocalRunLauncher", "container": "ContainerRunLauncher"}
    assert ref.run_launcher_data.class_name == expected[runs]
    assert ref.run_launcher_data.rehydrate is not None
    assert type(ref.run_launcher).__name__ == expected[runs]
    assert CANARY not in json.dumps(ref.to_dict(), default=str), "the password would stand in the command of each run"
    origins = WorkspaceFileTarget([str(folder / "dagster" / "workspace.yaml")]).create_origins()
    assert {(each.location_name, each.host) for each in origins} == {  # type: ignore[attr-defined]
        (tenant, f"code-{tenant.replace('_', '-')}") for tenant in TENANTS
    }


def test_the_container_of_a_run_is_that_of_its_code_server(shape: Shape, settings: Settings) -> None:
    services = content(shape, settings, "container")["services"]
    places = RunPlaces.model_validate(run_places(shape))
    assert set(places.locations) == set(TENANTS)
    for tenant, place in places.locations.items():
        server, kwargs = services[f"code-{tenant.replace('_', '-')}"], place.context["container_kwargs"]
        for key in ("user", "read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit"):
            assert kwargs[key] == server[key], key
        assert place.context["networks"] == [f"project-{each}" for each in server["networks"]]
        assert [each.removeprefix("project-") for each in kwargs["volumes"]] == server["volumes"]
        given = dict(each.split("=", 1) for each in place.context["env_vars"] if "=" in each)
        assert given == {key: value for key, value in server["environment"].items() if key != "DAGSTER_PG_PASSWORD"}


def test_the_number_of_a_user_stays_when_tenants_come_and_go(shape: Shape) -> None:
    one = shape.code_servers[0]
    many = [one.model_copy(update={"name": f"code-t{n}", "user": f"etl-code-t{n}"}) for n in range(400)]
    all_of_them = user_ids(shape.model_copy(update={"services": tuple(many)}))
    assert len(set(all_of_them.values())) == 400
    assert all(10001 <= each < 60000 for each in all_of_them.values())
    half = user_ids(shape.model_copy(update={"services": tuple(many[::2])}))
    moved = [name for name, number in half.items() if all_of_them[name] != number]
    assert len(moved) <= 4, moved  # only where two names have the same number


@pytest.mark.slow
def test_docker_composes_own_library_loads_it(folder: Path, runs: Any) -> None:
    command = [str(compose_loader()), str(folder), "compose.yaml"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    environ = loaded["services"]["code-acme-eu"]["environment"]
    assert {each for each in environ if each.startswith(("ACME_", "BETA_"))} == {
        f"ACME_EU_DB_{each}" for each in ("HOST", "NAME", "USER", "PASSWORD")
    }
    assert environ["ACME_EU_DB_PASSWORD"] == "va$lue#1"
    assert loaded["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == "va$lue#1", "as the example says"
    (folder / "env" / "code-beta.env").unlink()
    refused = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "code-beta.env not found" in refused.stderr


@pytest.mark.parametrize("is_package", [True, False])
def test_the_image_passes_the_linter(is_package: bool, shape: Shape, settings: Settings, tmp_path: Path) -> None:
    project = Path(__file__).parents[2] if is_package else settings.project_dir
    source = image_source(project, tmp_path)
    assert source.is_package == is_package
    written(tmp_path, files(shape, settings, source, "etl.example.com"))
    hadolint = Path(sys.executable).parent / "hadolint"
    command = [str(hadolint), "--failure-threshold", "style", str(tmp_path / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    text = (tmp_path / "Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.findall(r"^USER (\d+)", text, re.MULTILINE) == ["10000"]
