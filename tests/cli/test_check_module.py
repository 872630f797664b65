"""`etl check --module` and `--source`: any code location, of any shape, also outside of a project."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Etl

ASSET = """import dagster as dg


@dg.asset(group_name="CD", tags={{"data_tier": "gold", "domain": "stocks"}})
def {name}() -> None: ...
"""
DEFINITIONS = """import dagster as dg

from {package} import assets

defs = dg.Definitions(assets=dg.load_assets_from_modules([assets]))
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no project of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ETL_PROJECT_DIR", raising=False)
    return tmp_path


def package(folder: Path, name: str) -> Path:
    """A location with one asset in a file of its own, and a helper."""
    root = folder / name
    (root / "lib").mkdir(parents=True)
    for each in ("__init__.py", "lib/__init__.py"):
        (root / each).touch()
    (root / "assets.py").write_text(ASSET.format(name="cd_prices"))
    (root / "definitions.py").write_text(DEFINITIONS.format(package=name))
    (root / "lib/helper.py").write_text("def load():\n    print(1)\n")
    (root / "tests").mkdir()
    (root / "tests/test_it.py").write_text("print(1)\n")
    return root


def findings(said: Any) -> list[tuple[str, str | None]]:
    return [(each["rule"], each["path"]) for each in json.loads(said.out)["findings"]]


@pytest.mark.parametrize("folder", [".", "src"])
def test_all_files_of_the_package_are_looked_at(etl: Etl, elsewhere: Path, folder: str) -> None:
    name = f"location_{'a' if folder == '.' else 'b'}"
    root = package(elsewhere / folder, name)
    place = root.relative_to(elsewhere).as_posix()
    said = etl("check", "--module", f"{name}.definitions", "--format", "json")
    assert said.code == 1
    assert findings(said) == [("file-prefix", f"{place}/assets.py"), ("print-call", f"{place}/lib/helper.py")]
    assert json.loads(said.out)["locations"][0]["files"] == 5


def test_what_is_written_and_not_registered_is_told(etl: Etl, elsewhere: Path) -> None:
    root = package(elsewhere, "location_c")
    (root / "cd_more.py").write_text(
        ASSET.format(name="cd_ranks")
        + '\n\nlater = dg.define_asset_job("cd_later", selection="*")\nanother = dg.define_asset_job(name_of())\n'
    )
    said = etl("check", "--module", "location_c.definitions", "--format", "json")
    found = [each for each in json.loads(said.out)["findings"] if each["rule"] == "unregistered-definition"]
    assert [(each["subject"], each["line"]) for each in found] == [("cd_ranks", 4), ("cd_later", 8)]


def test_what_is_found_in_definitions_is_allowed_at_its_code(etl: Etl, elsewhere: Path) -> None:
    root = package(elsewhere, "location_d")
    text = ASSET.format(name="CdPrices")
    reason = "# etl: allow name-pattern, file-prefix (another system reads this name)\n"
    (root / "assets.py").write_text(text)
    assert ("name-pattern", "location_d/assets.py") in findings(
        etl("check", "--module", "location_d.definitions", "--format", "json")
    )
    (root / "assets.py").write_text(text.replace("@dg", f"{reason}@dg"))
    for each in [name for name in sys.modules if name.startswith("location_d")]:
        del sys.modules[each]
    rules = [rule for rule, _ in findings(etl("check", "--module", "location_d.definitions", "--format", "json"))]
    assert "name-pattern" not in rules
    assert sorted(rules) == ["allow-unused", "file-prefix", "print-call"], (
        "a file's own finding stands in its first line"
    )


def test_definitions_that_dg_writes_are_called(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "cd_lazy.py").write_text(
        ASSET.format(name="cd_prices") + "\n\n@dg.definitions\ndef defs() -> dg.Definitions:\n"
        "    return dg.Definitions(assets=[cd_prices])\n"
    )
    said = etl("check", "--module", "cd_lazy", "--format", "json")
    assert said.code == 0, said
    assert json.loads(said.out)["locations"][0]["assets"] == 1


def test_an_unknown_dependency_has_its_place_and_a_name_that_was_meant(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "cd_deps.py").write_text(
        ASSET.format(name="cd_prices")
        + ASSET.format(name="cd_ranks")
        .replace("import dagster as dg\n", "")
        .replace("group_name", 'deps=["cd_price"], group_name')
        + "\n\ndefs = dg.Definitions(assets=[cd_prices, cd_ranks])\n"
    )
    said = etl("check", "--module", "cd_deps", "--format", "json")
    (found,) = json.loads(said.out)["findings"]
    assert (found["rule"], found["subject"], found["path"], found["line"]) == (
        "unknown-dependency",
        "cd_ranks",
        "cd_deps.py",
        8,
    )
    assert "did you mean `cd_prices`?" in found["fix"]


def test_a_variable_of_a_hand_written_location_belongs_into_the_example(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "cd_variables.py").write_text(
        ASSET.format(name="cd_prices") + '\nHOST = dg.EnvVar("CD_HOST")\nPORT = dg.EnvVar.int("CD_PORT")\n\n'
        "defs = dg.Definitions(assets=[cd_prices])\n"
    )
    (elsewhere / ".env.example").write_text("CD_HOST=localhost\n")
    said = etl("check", "--module", "cd_variables", "--format", "json")
    (found,) = json.loads(said.out)["findings"]
    assert (found["rule"], found["line"]) == ("env-example", 8)
    assert "CD_PORT is not in .env.example" in found["problem"]


def test_the_text_of_a_folder_is_judged_without_importing_it(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "code/.venv/lib").mkdir(parents=True)
    (elsewhere / "code/.venv/lib/a.py").write_text("print(1)\n")
    (elsewhere / "code/a.py").write_text("raise SystemExit('imported')\n")
    (elsewhere / "code/notebook.ipynb").write_text("{}")
    (elsewhere / "code/loop").symlink_to(elsewhere / "code")
    said = etl("check", "--source", "code", "--format", "json")
    assert said.code == 0, said
    assert json.loads(said.out)["locations"][0]["files"] == 1


def test_a_folder_without_python_was_not_examined(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "empty").mkdir()
    assert etl("check", "--source", "empty").code == 3
    said = etl("check", "--source", "nowhere")
    assert said.code == 2
    assert "there is no file or folder nowhere" in said.err


def test_a_link_that_leads_nowhere_is_named(etl: Etl, elsewhere: Path) -> None:
    (elsewhere / "a.py").symlink_to(elsewhere / "gone.py")
    (elsewhere / "b.py").touch()
    said = etl("check", "--source", ".", "--format", "json")
    assert findings(said) == [("file-not-read", "a.py")]
