"""`etl init`: a project from what the package brings, in an empty folder or beside what is there."""

import tomllib
from pathlib import Path

import pytest
import yaml

from etl import __version__  # type: ignore[attr-defined]
from etl.cli.init import CHECKOUT, PACKAGED, PARTS
from tests.installation import REPOSITORY

from .conftest import Etl
from .test_no_project import outside

__all__ = ["outside"]


def test_a_new_project_is_whole_and_its_tenant_keeps_the_conventions(
    etl: Etl, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = etl("init", "my shop")
    assert said.code == 0, said.err
    assert "cd 'my shop' && etl demo" in said.out
    project = outside / "my shop"
    assert [path.name for path in outside.iterdir()] == ["my shop"]
    for part in PARTS:
        assert (project / part).exists(), part
    names = {path.relative_to(project).as_posix() for path in project.rglob("*")}
    assert {"tenants/demo/config.yaml", "workspace.yaml", "dbt_projects/quality/dbt_project.yml"} <= names
    assert not {name for name in names if "__pycache__" in name or name.startswith(".data")}
    said = tomllib.loads((project / "pyproject.toml").read_text())
    assert said["project"]["name"] == "my-shop"
    assert said["project"]["dependencies"] == [f"tenant-etl[dagster,truthound]>={__version__}"]
    assert said["tool"]["dg"]["project"]["code_location_target_module"] == "etl.all"
    entries = yaml.safe_load((project / "workspace.yaml").read_text())["load_from"]
    assert [each["python_module"]["location_name"] for each in entries] == ["demo"]
    monkeypatch.chdir(project)
    assert etl("check").code == 0
    assert etl("new", "acme").code == 0
    assert etl("check", "acme").code == 0


def test_what_is_there_stays_as_it_is(etl: Etl, outside: Path) -> None:
    (outside / "README.md").write_text("mine")
    (outside / ".gitignore").write_text("mine too")
    said = etl("init")
    assert said.code == 0, said.err
    assert "left as it was: README.md" in said.out
    assert "left as it was: .gitignore" in said.out
    assert (outside / "README.md").read_text() == "mine"
    assert (outside / ".gitignore").read_text() == "mine too"
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    again = etl("init", str(outside))
    assert (again.code, "has a folder `tenants` already" in again.err) == (2, True), again
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_written_to_is_named(etl: Etl, outside: Path) -> None:
    (outside / "file").write_text("")
    said = etl("init", "file/project")
    assert (said.code, "cannot be written to" in said.err, "Traceback" in said.err) == (2, True, False), said


def test_a_project_inside_another_is_its_own(etl: Etl, project: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert etl("init", "inner").code == 0
    monkeypatch.delenv("ETL_PROJECT_DIR")
    monkeypatch.chdir(project.root / "inner")  # type: ignore[attr-defined]
    said = etl("check")
    assert "1 checked, no findings: demo" in said.out


def test_each_file_of_a_new_project_exists_once_and_travels_in_the_package() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    packed = {
        source: target.removeprefix("etl/cli/new_project/")
        for source, target in wheel["force-include"].items()
        if not target.startswith("etl/telemetry/")
    }
    assert [source for source, target in packed.items() if source != target] == []
    own = {part for part in PARTS if (PACKAGED / part).exists()}
    assert own | packed.keys() == set(PARTS)
    assert own & packed.keys() == set()
    assert all((CHECKOUT / part).exists() for part in packed)
    written = {path.relative_to(PACKAGED).as_posix() for path in PACKAGED.rglob("*") if path.is_file()}
    assert written == own


def test_the_conventions_of_a_new_project_are_those_of_this_one() -> None:
    mine, new = (tomllib.loads((folder / "pyproject.toml").read_text()) for folder in (REPOSITORY, PACKAGED))
    assert new["tool"]["etl"]["conventions"] == mine["tool"]["etl"]["conventions"]
    assert new["project"]["requires-python"] == mine["project"]["requires-python"]
