"""Outside a project every command says so, and writes nothing: not there, and not where the package is installed."""

from pathlib import Path

import pytest

import etl as package

from .conftest import Etl
from .test_exit_codes import EVERY, USAGE

WITHOUT_A_PROJECT = {"init", "rules", "contract diff", "schema print", "schema editor"}
"""Two contracts are two files; `etl rules` and `etl schema print` show what belongs to no project; `etl init` makes one. Settings of an editor are
printed anywhere, and written only in a project.
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ETL_PROJECT_DIR", "ETL_DATA_DIR", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of_the_installation() -> set[Path]:
    folder = Path(package.__file__).parent
    return {path for path in (*folder.iterdir(), *folder.parent.iterdir()) if path.name != "__pycache__"}


@pytest.mark.parametrize("command", sorted(set(EVERY) - WITHOUT_A_PROJECT))
def test_a_command_outside_a_project_says_so_and_writes_nothing(etl: Etl, outside: Path, command: str) -> None:
    before = files_of_the_installation()
    arguments = [word for word in USAGE[command] if not word.startswith("--nothing")]
    said = etl(*(["new", "acme"] if command == "new" else arguments))
    assert said.code == 2, said
    assert f"no project here: {outside} and the folders above it have no folder `tenants`" in said.err
    assert "etl init" in said.err
    assert list(outside.iterdir()) == []
    assert files_of_the_installation() == before


@pytest.mark.parametrize("command", [["home"], ["check"]], ids=" ".join)
def test_a_named_folder_that_is_no_project_is_not_written_to(
    etl: Etl, outside: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("ETL_PROJECT_DIR", str(outside / "elsewhere"))
    said = etl(*command)
    assert (said.code, "no project here: ETL_PROJECT_DIR is" in said.err) == (2, True), said
    assert list(outside.iterdir()) == []


def test_the_vocabulary_needs_no_project(etl: Etl, outside: Path) -> None:
    assert etl("rules", "in_range").code == 0
    assert list(outside.iterdir()) == []


def test_any_folder_of_a_project_is_in_it(etl: Etl, project: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETL_PROJECT_DIR")
    deep = project.root / "tenants" / "acme" / "transforms"  # type: ignore[attr-defined]
    monkeypatch.chdir(deep)
    assert etl("check", "acme").code == 0
