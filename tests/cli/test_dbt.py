"""`etl dbt`: what it prints, and that what it prints can be used."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from etl.cli.commands import app
from tests.dbt.projects import only_dbt, write_dbt
from tests.tiny_project import REPOSITORY, make_project


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = make_project(tmp_path, {"dbt": {"enabled": False}})
    only_dbt(project, "one")
    only_dbt(project, "bad")
    write_dbt(project, {"models/a.sql": "select 1 as value"}, "one")
    write_dbt(project, {"models/b.sql": "select * from {{ ref('nobody') }}"}, "bad")
    for name, value in {**project.environ, "COLUMNS": "300"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_prepare_makes_what_is_stale_says_what_is_fresh_and_goes_on_after_an_error(root: Path) -> None:
    first = CliRunner().invoke(app, ["dbt", "prepare"])
    assert first.exit_code == 2
    assert "acme: no dbt" in first.output
    assert "one: prepared one: 1 assets, 0 checks" in first.output
    assert "depends on a node named 'nobody'" in first.output
    again = CliRunner().invoke(app, ["dbt", "prepare", "one"])
    assert (again.exit_code, again.output) == (0, "one: fresh, nothing to do (one)\n")


def test_rules_are_printed_as_a_schema_and_read_back(root: Path) -> None:
    printed = CliRunner().invoke(app, ["dbt", "rules", "acme", "orders"])
    assert printed.exit_code == 0
    schema = yaml.safe_load(printed.stdout)
    assert [next(iter(test)) for test in schema["models"][0]["data_tests"]] == [
        "quality.dq_not_null",
        "quality.dq_unique",
    ]
    (root / "schema.yml").write_text(printed.stdout)
    back = CliRunner().invoke(app, ["dbt", "rules", "acme", "--from", str(root / "schema.yml")])
    assert yaml.safe_load(back.stdout) == {
        "pipelines": {
            "orders": {"quality": {"rules": [{"type": "not_null", "column": "order_id"}, {"type": "unique", "column": "order_id"}]}}
        }
    }  # fmt: skip


def test_an_unknown_pipeline_is_an_error_that_names_those_there_are(root: Path) -> None:
    done = CliRunner().invoke(app, ["dbt", "rules", "acme", "ordres"])
    assert done.exit_code != 0
    assert "it has orders" in str(done.exception)


def test_the_commands_of_the_documentation_work_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path, {"dbt": {"enabled": True}})
    write_dbt(project, {"models/a.sql": "select 1 as value"})
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "docs" / "dbt.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        line, _, target = command.partition(" > ")
        done = CliRunner().invoke(app, line.split()[1:])
        assert done.exit_code == 0, done.output
        if target:
            (tmp_path / target).write_text(done.stdout)
