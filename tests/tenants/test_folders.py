"""The tenants' folders agree with each other and with the workspace."""

import re

import pytest
import yaml

from .conftest import TENANTS

FOLDERS = sorted(path.parent.name for path in TENANTS.glob("*/config.yaml"))
REAL = [name for name in FOLDERS if not name.startswith("_")]


def test_the_workspace_names_every_tenant_once() -> None:
    workspace = yaml.safe_load((TENANTS.parent / "workspace.yaml").read_text(encoding="utf-8"))
    entries = [entry["python_module"] for entry in workspace["load_from"]]
    assert sorted(entry["location_name"] for entry in entries) == REAL
    assert all(entry["module_name"] == f"tenants.{entry['location_name']}.definitions" for entry in entries)


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_name_id_and_definitions_agree(name: str) -> None:
    config = yaml.safe_load((TENANTS / name / "config.yaml").read_text(encoding="utf-8"))
    assert config["tenant"]["id"] == name
    code = (TENANTS / name / "definitions.py").read_text(encoding="utf-8")
    assert re.findall(r'build_tenant_definitions\("(\w+)"\)', code) == [name]


@pytest.mark.parametrize("name", FOLDERS)
def test_every_pipeline_with_a_transfer_has_its_file_and_no_file_is_left_over(name: str) -> None:
    config = yaml.safe_load((TENANTS / name / "config.yaml").read_text(encoding="utf-8"))
    wanted = {key for key, value in config["tenant"]["assets"]["pipelines"].items() if value.get("has_transfer")}
    assert {path.stem for path in (TENANTS / name / "transforms").glob("*.py")} == wanted
