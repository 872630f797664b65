"""A tenant as a component of somebody else's project, used with the real `dg`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PYPROJECT = """
[project]
name = "theirs"
version = "0.1.0"
requires-python = ">=3.11"

[tool.dg]
directory_type = "project"

[tool.dg.cli]
telemetry.enabled = false
suppress_warnings = ["project_and_activated_venv_mismatch"]

[tool.dg.project]
root_module = "theirs"
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
OWN = """
import dagster as dg


@dg.asset(deps=[dg.AssetKey(["acme", "load", "orders"])])
def mine() -> None: ...


defs = dg.Definitions(assets=[mine], executor=dg.multiprocess_executor)
"""


class Host:
    """Somebody's project, and a way to give commands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "src" / "theirs"
        (self.package / "defs").mkdir(parents=True)
        (root / "pyproject.toml").write_text(PYPROJECT)
        (self.package / "__init__.py").touch()
        (self.package / "definitions.py").write_text(DEFINITIONS)
        (self.package / "defs" / "own.py").write_text(OWN)
        (root / "home").mkdir()
        (root / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environ = {each: value for each, value in os.environ.items() if not each.startswith(("ETL_", "DAGSTER_"))}
        environ |= {"PYTHONPATH": str(self.root / "src"), "DAGSTER_HOME": str(self.root / "home"), "COLUMNS": "200"}
        program = str(Path(sys.executable).parent / command[0])
        return subprocess.run(
            [program, *command[1:]],
            check=False,
            cwd=self.root,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def write(self, text: str) -> None:
        (self.package / "defs" / "acme" / "defs.yaml").write_text(text)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    made = Host(tmp_path_factory.mktemp("host"))
    done = made.run("dg", "scaffold", "defs", "etl.TenantComponent", "acme", "--group", "NPS")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_a_scaffolded_tenant_is_made_and_stands_beside_the_projects_own_assets(host: Host) -> None:
    assert "group: NPS" in (host.root / "tenants" / "acme" / "config.yaml").read_text()
    assert not (host.root / "workspace.yaml").exists()
    listed = host.run("dg", "list", "defs", "--json")
    assets = {each["asset_key"]: each for each in json.loads(listed.stdout)["assets"]}
    assert {"mine", "acme/extract/orders", "acme/transfer/orders", "acme/load/orders"} <= set(assets)
    assert assets["mine"]["dependency_keys"] == ["acme/load/orders"]
    assert host.run("dg", "check", "yaml").returncode == 0


def test_in_a_project_that_has_only_tenants_the_component_is_a_tenant(tmp_path: Path) -> None:
    program = Path(sys.executable).parent
    environ = {each: value for each, value in os.environ.items() if not each.startswith(("ETL_", "DAGSTER_"))}
    for command in (["etl", "init", "."], ["dg", "scaffold", "defs", "etl.TenantComponent", "acme"]):
        done = subprocess.run(
            [program / command[0], *command[1:]],
            check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(each.name for each in (tmp_path / "tenants" / "acme").iterdir())[:2] == [
        "config.yaml",
        "definitions.py",
    ]
    assert "location_name: acme" in (tmp_path / "workspace.yaml").read_text()


def test_a_tenant_that_exists_is_left_as_it_is(host: Host) -> None:
    config = host.root / "tenants" / "acme" / "config.yaml"
    before = config.read_text()
    config.write_text(f"{before}# mine\n")
    shutil.rmtree(host.package / "defs" / "acme")
    done = host.run("dg", "scaffold", "defs", "etl.TenantComponent", "acme")
    assert done.returncode == 0, done.stdout + done.stderr
    assert config.read_text().endswith("# mine\n")


def test_its_runs_go_through_both_commands(host: Host) -> None:
    done = host.run("etl", "run", "acme", "--from", "2026-01-02")
    assert done.returncode == 0, done.stdout + done.stderr
    again = host.run("dg", "launch", "--job", "acme_all", "--partition", "2026-01-03")
    assert again.returncode == 0, again.stdout + again.stderr
    objects = {each.parent.name for each in (host.root / ".data").rglob("extract/orders/*/data.parquet")}
    assert objects == {"dt=2026-01-02", "dt=2026-01-03"}


@pytest.mark.parametrize(
    ("attributes", "command", "said"),
    [
        ("tenat: acme", "yaml", "'tenat' was unexpected"),
        ("tenant: acm", "defs", "acm"),
    ],
)
def test_a_mistake_in_defs_yaml_is_named(host: Host, attributes: str, command: str, said: str) -> None:
    right = (host.package / "defs" / "acme" / "defs.yaml").read_text()
    host.write(f"type: etl.TenantComponent\nattributes:\n  {attributes}\n")
    try:
        done = host.run("dg", "check", command)
        assert done.returncode == 1
        assert said in done.stdout + done.stderr
    finally:
        host.write(right)
