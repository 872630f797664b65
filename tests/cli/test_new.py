"""`etl new`: a tenant that runs at once."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.installation import REPOSITORY
from tests.tiny_project import TinyProject

from .conftest import Etl


@pytest.fixture
def template(project: TinyProject) -> TinyProject:
    shutil.copytree(
        REPOSITORY / "tenants" / "_template",
        project.root / "tenants" / "_template",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return project


def test_a_new_tenant_is_a_copy_that_knows_its_name(etl: Etl, template: TinyProject) -> None:
    said = etl("new", "umbrella", "--group", "NPS")
    assert said.code == 0, said.err
    assert "etl demo --tenant umbrella" in said.out
    folder = template.root / "tenants" / "umbrella"
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["tenant"]
    assert (config["id"], config["group"]) == ("umbrella", "NPS")
    assert config["source_database"]["password"] == "${UMBRELLA_DB_PASSWORD}"
    assert 'build_tenant_definitions("umbrella")' in (folder / "definitions.py").read_text()
    left = [path for path in folder.rglob("*") if path.is_file() and "emplate" in path.read_text(encoding="utf-8")]
    allowed = {folder / "config.yaml"}
    assert set(left) <= allowed
    locations = yaml.safe_load((template.root / "workspace.yaml").read_text())["load_from"]
    assert [each["python_module"]["location_name"] for each in locations] == ["acme", "umbrella"]
    assert etl("check", "umbrella").code == 0


@pytest.mark.parametrize("name", ["Acme", "1st", "a-b", "a b", "", "../up", "한국", "_x"])
def test_a_name_that_cannot_be_one_is_refused(etl: Etl, template: TinyProject, name: str) -> None:
    before = sorted(template.root.rglob("*"))
    said = etl("new", "--", name)
    assert said.code == 2
    assert "lowercase letters" in said.err
    assert sorted(template.root.rglob("*")) == before


def test_a_tenant_that_is_there_is_left_alone(etl: Etl, template: TinyProject) -> None:
    before = (template.root / "tenants/acme/config.yaml").read_bytes()
    said = etl("new", "acme")
    assert said.code == 2
    assert "tenants/acme exists already" in said.err
    assert (template.root / "tenants/acme/config.yaml").read_bytes() == before


def test_a_group_that_is_not_allowed_leaves_nothing_behind(etl: Etl, template: TinyProject) -> None:
    before = sorted(template.root.rglob("*"))
    said = etl("new", "umbrella", "--group", "XX")
    assert said.code == 2
    assert "XX" in said.err
    assert sorted(template.root.rglob("*")) == before


@pytest.mark.parametrize("text", ["load_from: []\n", "load_from:\n", "# mine\nload_from:\n  - python_file: other.py\n"])
def test_a_workspace_keeps_what_it_has(etl: Etl, template: TinyProject, text: str) -> None:
    path = template.root / "workspace.yaml"
    path.write_text(text)
    assert etl("new", "umbrella").code == 0
    *others, mine = yaml.safe_load(path.read_text())["load_from"]
    assert mine["python_module"]["module_name"] == "tenants.umbrella.definitions"
    assert others == (yaml.safe_load(text)["load_from"] or [])
    assert path.read_text().startswith(text.partition("load_from")[0])


@pytest.mark.parametrize("text", ["load_from:\n- python_file: a.py\n", "load_from: [{python_file: a.py}]\n", "x: [\n"])
def test_a_workspace_that_cannot_be_added_to_is_left_alone(etl: Etl, template: TinyProject, text: str) -> None:
    path = template.root / "workspace.yaml"
    path.write_text(text)
    said = etl("new", "umbrella")
    assert said.code == 2
    assert "module_name: tenants.umbrella.definitions" in said.err
    assert path.read_text() == text
    assert not (template.root / "tenants" / "umbrella").exists()


def test_a_tenant_can_be_made_where_its_variables_are_not_set(
    etl: Etl, template: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_ENVIRONMENT", "prod")
    assert etl("new", "umbrella").code == 0
    said = etl("check", "umbrella")
    assert said.code == 2
    assert "not set in prod: " in said.out
    assert "UMBRELLA_DB_PASSWORD" in said.out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_tenant_runs_end_to_end_at_once(etl: Etl, template: TinyProject, tmp_path: Path) -> None:
    (template.root / "workspace.yaml").unlink()
    shutil.rmtree(template.root / "tenants" / "acme")
    assert etl("new", "umbrella").code == 0
    command = [str(Path(sys.executable).parent / "etl"), "demo", "--tenant", "umbrella"]
    environ = {**template.process_environ, "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=template.root, env=environ, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "shop.orders" in done.stdout
    assert (template.data / "warehouse" / "umbrella.duckdb").is_file()
    assert len(template.published()) >= 30  # bronze, silver and what was set aside, ten days each
    assert template.leftovers() == []


def test_the_variables_of_a_new_tenant_are_added_to_the_example_once(etl: Etl, template: TinyProject) -> None:
    example = template.root / ".env.example"
    example.write_text("# mine\nUMBRELLA_DB_HOST=localhost\nX=1")
    assert etl("new", "umbrella").code == 0
    text = example.read_text()
    assert text.startswith("# mine\nUMBRELLA_DB_HOST=localhost\nX=1\n\n# Of the tenant umbrella.\n")
    assert text.count("UMBRELLA_DB_HOST") == 1
    assert "# UMBRELLA_DB_PASSWORD=\n" in text
