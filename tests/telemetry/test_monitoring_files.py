"""The alert rules and the dashboard, as a user gets them who has installed the package."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from etl.telemetry import monitoring_files
from etl.telemetry.monitoring_files import ALERTS, CHECKOUT, DASHBOARD, PACKAGED
from tests.cli.conftest import Etl, etl
from tests.cli.test_no_project import outside
from tests.installation import REPOSITORY

__all__ = ["etl", "outside"]


def test_the_package_has_the_files_and_the_repository_has_one_copy() -> None:
    wheel = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name in (ALERTS, DASHBOARD):
        place = wheel["force-include"][f"docs/{name}"]
        assert REPOSITORY / place == PACKAGED / name
        assert (CHECKOUT / name).is_file()
        assert not (PACKAGED / name).exists()


def test_the_files_are_written_without_a_project(etl: Etl, outside: Path) -> None:
    said = etl("metrics", "--alerts", "--output", "rules.yml")
    assert (said.code, said.err) == (0, "")
    assert {each["name"] for each in yaml.safe_load((outside / "rules.yml").read_text())["groups"]} >= {"etl-quotas"}
    assert json.loads(etl("metrics", "--dashboard").out)["panels"]
    assert [path.name for path in outside.iterdir()] == ["rules.yml"]


def test_what_a_person_changed_is_not_lost(etl: Etl, outside: Path) -> None:
    assert etl("metrics", "--alerts", "--output", "rules.yml").code == 0
    assert etl("metrics", "--alerts", "--output", "rules.yml").code == 0
    changed = (outside / "rules.yml").read_text().replace("severity: page", "severity: ticket")
    (outside / "rules.yml").write_text(changed)
    said = etl("metrics", "--alerts", "--output", "rules.yml")
    assert said.code == 2
    assert "etl metrics --alerts | diff rules.yml -" in said.err
    assert (outside / "rules.yml").read_text() == changed


@pytest.mark.parametrize("more", ["--dashboard", "--port=1", "--push=http://x", "--tenant=acme"])
def test_options_that_exclude_each_other_are_refused(etl: Etl, outside: Path, more: str) -> None:
    said = etl("metrics", "--alerts", more)
    assert said.code == 2
    assert f"both --alerts and {more.partition('=')[0]} are given" in said.err


def test_the_installed_package_reads_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ALERTS).write_text("groups: []\n")
    monkeypatch.setattr(monitoring_files, "PACKAGED", tmp_path)
    assert monitoring_files.monitoring_file(ALERTS) == "groups: []\n"
