"""Every rule of the conventions has an example that breaks it and one that keeps it, and `etl check` tells them apart."""

import json
from pathlib import Path

import pytest

from etl.conventions.guideline import GUIDELINE
from etl.conventions.registry import RULES
from etl.conventions.rule import ConventionRule
from tests.cli.conftest import Etl, etl, project
from tests.tiny_project import TinyProject

__all__ = ["etl", "project"]

BY_EXAMPLE = [each for each in RULES.values() if each.where in ("source", "definitions") and each.language == "python"]
SETTINGS = {
    "tag-missing": '[tool.etl.conventions]\nrequired_tags = ["data_tier", "cost_center"]\nrecommended_tags = []\n',
    "file-prefix": "[tool.etl.conventions]\n",
}


def found(etl: Etl, root: Path, rule: ConventionRule, text: str, name: str) -> list[dict[str, object]]:
    """Write the example as a location of its own, check it, and return the findings of the rule."""
    (root / "pyproject.toml").write_text(SETTINGS.get(rule.id, ""))
    path = root / f"{name}.py"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    way = ["--module", name] if rule.where == "definitions" else ["--source", str(path)]
    said = etl("check", *way, "--format", "json")
    report = json.loads(said.out)
    of_rule = [each for each in report["findings"] if each["rule"] == rule.id]
    if of_rule:
        assert said.code == (rule.exit_code if rule.severity == "error" else 0), said.out
    return of_rule


@pytest.mark.parametrize("rule", BY_EXAMPLE, ids=lambda rule: rule.id)
def test_a_violating_and_a_conforming_example_are_told_apart(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch, rule: ConventionRule
) -> None:
    monkeypatch.syspath_prepend(str(project.root))
    name = rule.id.replace("-", "_")
    prefix = "" if rule.id == "file-prefix" else "cd_"
    violating = found(etl, project.root, rule, rule.violating, f"{prefix}violating_{name}")
    assert violating, f"{rule.id} is not found in its own example"
    if rule.where == "source":
        assert all(each["path"] and each["line"] for each in violating)
    assert found(etl, project.root, rule, rule.conforming, f"cd_conforming_{name}") == []


def test_each_rule_says_why_and_what_to_do() -> None:
    for each in RULES.values():
        assert each.reason.endswith(".") or each.reason.endswith(")."), each.id
        assert each.fix, each.id
        assert each.violating != each.conforming, each.id
    assert len(RULES) >= 45


def test_the_text_of_a_conforming_example_breaks_no_other_rule(etl: Etl, project: TinyProject) -> None:
    for each in RULES.values():
        if each.where == "source" and each.language == "python":
            path = project.root / "cd_example.py"
            path.write_text(each.conforming)
            said = etl("check", "--source", str(path), "--format", "json")
            assert json.loads(said.out)["findings"] == [], each.id


def test_each_line_of_the_guidelines_has_rules_that_exist_or_a_reason_why_not() -> None:
    assert [line.says for line in GUIDELINE if not line.rules and not line.why_not] == []
    assert {rule for line in GUIDELINE for rule in line.rules} <= RULES.keys()
