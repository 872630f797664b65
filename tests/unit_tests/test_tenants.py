"""The unit tests of this repository's tenants pass, and each pipeline's fail when its transform does nothing."""

import re
import shutil
from pathlib import Path

import pytest

from etl.cli.new import make_tenant
from etl.config import load_tenant
from etl.settings import load_settings
from etl.unit_tests.discovery import find_unit_tests
from etl.unit_tests.running import run_tests
from tests.cli.conftest import Etl
from tests.installation import REPOSITORY

TENANTS = ("acme", "default", "project_01", "project_02")  # acme is made from the template


def project_of(tmp_path: Path, tenant: str) -> dict[str, str]:
    for name in ("_template", tenant) if tenant != "acme" else ("_template",):
        kept = shutil.ignore_patterns("__pycache__", "demo")
        shutil.copytree(REPOSITORY / "tenants" / name, tmp_path / "tenants" / name, ignore=kept)
    shutil.copyfile(REPOSITORY / "pyproject.toml", tmp_path / "pyproject.toml")
    return {"ETL_PROJECT_DIR": str(tmp_path), "ETL_DATA_DIR": str(tmp_path / "data")}


@pytest.mark.parametrize("tenant", TENANTS)
def test_they_pass_and_a_transform_that_does_nothing_turns_them_red(tmp_path: Path, tenant: str) -> None:
    settings = load_settings(project_of(tmp_path, tenant))
    if tenant == "acme":
        make_tenant(settings, tenant)
    config = load_tenant(tenant, settings, {})
    found = find_unit_tests(config, settings)
    assert not found.untested
    results = list(run_tests(found, config, settings))
    assert [(each.test.name, each.problems) for each in results if each.status != "passed"] == []
    for name, pipeline in config.pipelines.items():
        parameters = ", ".join(pipeline.transfer_inputs)
        path = settings.tenants_dir / tenant / "transforms" / f"{name}.py"
        path.write_text(f"def {name}({parameters}):\n    return {pipeline.transfer_inputs[0]}\n")
    red = {each.test.pipeline for each in run_tests(found, config, settings) if each.status != "passed"}
    assert red == {*config.pipelines}


def test_a_new_project_has_unit_tests_that_pass(etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert etl("init", "shop").code == 0
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("ETL_PROJECT_DIR", str(tmp_path / "shop"))
    assert etl("new", "acme").code == 0
    said = etl("test")
    assert said.code == 0, said
    assert re.findall(r"(\w+)/orders", said.out) == ["acme", "acme", "demo", "demo"]
