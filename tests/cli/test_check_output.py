"""What `etl check` writes for people and for other programs, and what it does with code that does not behave."""

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.tiny_project import TinyProject

from .conftest import Etl

BAD = "print('a,b:c%')  # 이름\n"
DEFINITIONS = "tenants/acme/definitions.py"
USUAL = 'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n'


@pytest.fixture
def listed(project: TinyProject) -> TinyProject:
    """The project with every variable of its tenant in .env.example, so that it has no finding."""
    names = ("HOST", "NAME", "USER", "PASSWORD")
    (project.root / ".env.example").write_text("".join(f"# ACME_DB_{name}=\n" for name in names))
    return project


def rules(said: Any) -> list[str]:
    return [each["rule"] for each in json.loads(said.out)["findings"]]


def test_people_see_place_rule_problem_and_remedy(etl: Etl, listed: TinyProject) -> None:
    (listed.root / "tenants/acme/transforms/more.py").write_text("\n" + BAD)
    said = etl("check")
    assert said.code == 1
    lines = [line.strip() for line in said.out.splitlines()]
    at = lines.index("tenants/acme/transforms/more.py:2:1  error print-call")
    assert "`print` writes" in lines[at + 1]
    assert lines[at + 2].startswith("-> write `context.log.info")
    assert re.match(r"acme  \d+ assets, 2 jobs, 3 Python files, ", lines[0])
    assert "1 checked, 1 error: print-call 1" in lines
    assert "checking acme (1 of 1)" in said.err


def test_many_findings_of_one_kind_are_counted(etl: Etl, listed: TinyProject) -> None:
    (listed.root / "tenants/acme/transforms/more.py").write_text("print(1)\n" * 50)
    said = etl("check")
    assert said.out.count("error print-call") == 5
    assert "and 45 more of print-call" in said.out
    assert len(rules(etl("check", "--format", "json"))) == 50


def test_a_warning_passes_unless_it_is_strict(etl: Etl, project: TinyProject) -> None:
    said = etl("check")
    assert said.code == 0
    assert "ACME_DB_HOST, ACME_DB_NAME, ACME_DB_USER, ACME_DB_PASSWORD are not in .env.example" in said.out
    assert "add to .env.example: # ACME_DB_HOST=, # ACME_DB_NAME=, # ACME_DB_USER=, # ACME_DB_PASSWORD=," in said.out
    assert etl("check", "--strict").code == 1
    report = json.loads(etl("check", "--strict", "--format", "json").out)
    assert (report["errors"], report["warnings"], report["exit_code"]) == (1, 0, 1)


def test_a_default_needs_no_line_and_code_does(etl: Etl, listed: TinyProject) -> None:
    listed.write_tenant({"source_database": {"port": "${ACME_DB_PORT:-5432}"}})
    assert rules(etl("check", "--format", "json")) == []
    (listed.root / DEFINITIONS).write_text(
        f"import os\n\n{USUAL}NAME = os.environ['ACME_REPORT'] if 0 else os.getenv('HOME')\n"
    )
    (found,) = json.loads(etl("check", "--format", "json").out)["findings"]
    assert (found["rule"], found["path"], found["line"]) == ("env-example", DEFINITIONS, 6)
    assert "ACME_REPORT" in found["problem"]


def test_json_is_whole_and_has_a_format_number(etl: Etl, listed: TinyProject) -> None:
    (listed.root / DEFINITIONS).write_text(f"print('from the definitions')\n{USUAL}")
    said = etl("check", "--format", "json")
    report = json.loads(said.out)
    assert report["format"] == 1
    assert "from the definitions" in said.err
    (found,) = report["findings"]
    assert found | {"path": DEFINITIONS, "line": 1, "column": 1, "rule": "print-call", "location": "acme"} == found
    (location,) = report["locations"]
    assert (location["name"], location["files"], location["jobs"]) == ("acme", 2, 2)


def broken(project: TinyProject) -> None:
    """One finding of each sort: an error, a warning, a tenant that does not load, and texts that formats stumble over."""
    (project.root / "tenants/acme/transforms/more.py").write_text(BAD)
    project.write_tenant({"group": "X,Y:Z%"}, tenant="other")
    (project.root / "tenants/acme/transforms/a b#c.py").write_text("from typing import Dict\n\nimport json\n")


def test_sarif_has_what_the_standard_asks_for(etl: Etl, project: TinyProject) -> None:
    broken(project)
    said = etl("check", "--format", "sarif", "--output", "check.sarif")
    assert said.code == 2
    assert said.out == ""
    log = json.loads((project.root / "check.sarif").read_text(encoding="utf-8"))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "etl check"
    ids = [each["id"] for each in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for each in driver["rules"]:
        assert each["defaultConfiguration"]["level"] in ("error", "warning", "note", "none")
        assert all(each[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
    assert {each["ruleId"] for each in run["results"]} == set(ids) >= {"print-call", "configuration", "env-example"}
    for each in run["results"]:
        assert ids[each["ruleIndex"]] == each["ruleId"]
        assert each["message"]["text"]
        assert each["level"] in ("error", "warning")
        assert all(re.fullmatch("[0-9a-f]{32}", value) for value in each["partialFingerprints"].values())
        for location in each.get("locations", ()):
            if "physicalLocation" in location:
                artifact = location["physicalLocation"]["artifactLocation"]
                assert artifact["uriBaseId"] == "%SRCROOT%"
                assert not artifact["uri"].startswith(("/", "file:"))
                assert " " not in artifact["uri"]
                assert (project.root / unquote(artifact["uri"])).exists()
                region = location["physicalLocation"].get("region", {"startLine": 1})
                assert region["startLine"] >= 1
                assert region.get("startColumn", 1) >= 1
                assert region.get("endLine", region["startLine"]) >= region["startLine"]
    assert run["invocations"] == [{"executionSuccessful": False, "exitCode": 2}]
    before = [each["partialFingerprints"] for each in run["results"] if each["ruleId"] == "print-call"]
    (project.root / "tenants/acme/transforms/more.py").write_text("\n\n" + BAD)
    moved = json.loads(etl("check", "--format", "sarif").out)["runs"][0]["results"]
    assert [each["partialFingerprints"] for each in moved if each["ruleId"] == "print-call"] == before


def test_junit_is_read_by_a_parser_and_counts_rightly(etl: Etl, project: TinyProject) -> None:
    broken(project)
    said = etl("check", "--format", "junit")
    root = ET.fromstring(said.out)  # the file is ours
    assert root.tag == "testsuites"
    suites = {each.get("name"): each for each in root}
    assert set(suites) == {"acme", "other", "all tenants"}
    for suite in [root, *root]:
        assert int(suite.get("tests", "")) == len(suite.findall(".//testcase"))
        assert int(suite.get("failures", "")) == len(suite.findall(".//failure"))
        assert int(suite.get("errors", "")) == len(suite.findall(".//error"))
    cases = {each.get("name"): each for each in suites["acme"]}
    assert set(cases) == {"examined", "print-call", "old-typing", "env-example"}
    failure = cases["print-call"].find("failure")
    assert failure is not None
    assert "tenants/acme/transforms/more.py:1:1" in (failure.text or "")
    assert cases["env-example"].find("failure") is None
    assert "ACME_DB_HOST" in (cases["env-example"].findtext("system-out") or "")
    assert [each.get("name") for each in suites["other"] if each.find("error") is not None] == ["configuration"]


def test_annotations_of_github_are_escaped(etl: Etl, project: TinyProject) -> None:
    broken(project)
    lines = etl("check", "--format", "github").out.splitlines()
    assert all(re.fullmatch(r"::(error|warning) (\w+=[^,:]+,)*\w+=[^,:]+::.+", line) for line in lines)
    (printed,) = [line for line in lines if "title=print-call" in line]
    assert printed.startswith(
        "::error file=tenants/acme/transforms/more.py,line=1,endLine=1,col=1,title=print-call::`print`"
    )
    assert "%0A-> write" in printed
    (group,) = [line for line in lines if "title=configuration" in line]
    assert re.match(r"::error file=tenants/other/config.yaml,line=\d+,col=\d+,title=configuration::", group)
    assert "X,Y:Z%25" in group


def test_an_output_that_cannot_be_written_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    said = etl("check", "--format", "json", "--output", "no/such/folder/a.json")
    assert said.code == 2
    assert "no/such/folder/a.json cannot be written" in said.err
    assert etl("check", "--format", "xml").code == 2


def test_a_format_for_programs_hides_secrets_and_stays_whole(
    etl: Etl, listed: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_DB_PASSWORD", "tr0ub4dor&3")
    (listed.root / DEFINITIONS).write_text(
        "import os\n\nraise ValueError('password=\"' + os.environ['ACME_DB_PASSWORD'])\n"
    )
    for name in ("json", "sarif", "junit", "github"):
        said = etl("check", "--format", name)
        assert said.code == 2
        assert "tr0ub4dor" not in said.out + said.err
        assert "ValueError" in said.out
    json.loads(etl("check", "--format", "json").out)


MISBEHAVING = {
    "raises": ("raise ValueError('mine')\n", "location", "acme cannot be built: ValueError: mine", 1),
    "leaves": ("import sys\n\nsys.exit(3)\n", "location", "acme cannot be built: SystemExit: 3", 3),
    "leaves at once": ("import os\n\nos._exit(0)\n", "location", "os._exit was called", 3),
    "hangs": ("import time\n\ntime.sleep(60)\n", "location", "the import does not end within 0.5 s", 3),
    "aborts": ("import os\n\nos.abort()\n", "location", "the import ends its process by the signal SIGABRT", 3),
    "is no Python": ("defs = (\n", "syntax-error", "'(' was never closed", 1),
    "fails deep below": ("import json\n\njson.loads('{')\n", "location", "JSONDecodeError", 3),
}


@pytest.mark.parametrize("what", MISBEHAVING)
def test_definitions_that_do_not_behave_are_named_with_their_line(etl: Etl, listed: TinyProject, what: str) -> None:
    code, rule, problem, line = MISBEHAVING[what]
    listed.write_tenant(tenant="good")
    (listed.root / DEFINITIONS).write_text(code)
    said = etl("check", "--timeout", "0.5", "--format", "json")
    assert said.code == 2, said
    besides = ("env-example", "not-served")
    (found,) = [each for each in json.loads(said.out)["findings"] if each["rule"] not in besides]
    assert (found["rule"], found["location"], found["path"], found["line"]) == (rule, "acme", DEFINITIONS, line)
    assert problem in found["problem"]
    assert json.loads(said.out)["locations"][1]["assets"]


def test_a_transform_that_is_no_python_is_named_once_by_the_file_and_once_by_the_tenant(
    etl: Etl, listed: TinyProject
) -> None:
    listed.write_transform("def orders(frame)\n    return frame\n")
    said = etl("check", "--format", "json")
    assert said.code == 2
    found = {each["rule"]: each for each in json.loads(said.out)["findings"]}
    assert set(found) == {"syntax-error", "configuration"}
    assert (found["syntax-error"]["path"], found["syntax-error"]["line"]) == ("tenants/acme/transforms/orders.py", 1)


def test_a_tenant_that_is_switched_off_is_checked_for_its_code_only(etl: Etl, listed: TinyProject) -> None:
    listed.write_tenant({"enabled": False})
    assert etl("check").code == 3
    assert etl("check", "--env", "prod").code == 3, "what it would need is not asked for"
    (listed.root / "tenants/acme/transforms/more.py").write_text(BAD)
    assert rules(etl("check", "--format", "json")) == ["print-call"]
    listed.write_tenant(tenant="good")
    (listed.root / "tenants/acme/transforms/more.py").unlink()
    assert etl("check").code == 0


def test_another_environment_lists_all_that_is_not_set(
    etl: Etl, listed: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed.write_tenant(
        {
            "environments": {"prod": {"warehouse": {"type": "postgres", "url": "${ACME_WAREHOUSE_URL}"}}},
            "notifications": [{"type": "slack", "url": "${secret:chat#url}", "on": ["sla"]}],
        }
    )
    monkeypatch.setenv("ACME_DB_HOST", "db")
    assert etl("check", "--env", "dev").code == 0
    said = etl("check", "--env", "prod", "--format", "json")
    assert said.code == 2
    report = json.loads(said.out)
    (found,) = [each for each in report["findings"] if each["rule"] == "variable-not-set"]
    names = "ACME_DB_NAME, ACME_DB_PASSWORD, ACME_DB_USER, ACME_SECRET_CHAT__URL, ACME_WAREHOUSE_URL"
    assert sorted(found["problem"].partition("prod: ")[2].split(", ")) == names.split(", ")
    assert found["path"] == "tenants/acme/config.yaml"
    assert report["environment"] == "prod"
    assert report["locations"][0]["assets"], "the rest is checked all the same"
    assert "configuration" not in rules(said)
    tried = etl("check", "--env", "prod", "--connect").out
    assert "not set in the environment: ACME_DB_NAME" in tried, "no value was made up for a connection"
    assert "etl-check-acme" not in tried
    for name in names.split(", "):
        monkeypatch.setenv(name, "postgresql://db/x" if name.endswith("URL") else "a-value-of-this-test")
    assert etl("check", "--env", "prod").code == 0
    assert os.environ["ACME_DB_NAME"] == "a-value-of-this-test"


def test_an_unknown_environment_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    said = etl("check", "--env", "production")
    assert said.code == 2
    assert "'prod'" in said.err


@pytest.mark.parametrize(
    "arguments", [("acme", "--source", "."), ("--module", "a", "--source", "."), ("a", "--module", "b")]
)
def test_two_ways_to_say_what_is_checked_are_refused(
    etl: Etl, project: TinyProject, arguments: tuple[str, ...]
) -> None:
    said = etl("check", *arguments)
    assert said.code == 2
    assert "give one of them" in said.err


def test_rules_are_listed_and_explained(etl: Etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "swallowed-exception" in etl("check", "--rules").out
    said = etl("check", "--rule", "retry-loop")
    assert said.code == 0
    assert "for attempt in range(3):" in said.out
    assert "# etl: allow retry-loop (reason)" in said.out
    wrong = etl("check", "--rule", "retry-lop")
    assert wrong.code == 2
    assert "did you mean `retry-loop`" in wrong.err


def test_dbt_without_a_project_is_named(etl: Etl, listed: TinyProject) -> None:
    listed.write_tenant({"dbt": {"enabled": True}})
    said = etl("check", "--format", "json")
    assert said.code == 2
    (found,) = json.loads(said.out)["findings"]
    assert found["rule"] == "dbt-project", found
    assert "dbt_projects" in found["problem"]
    assert found["path"]


@pytest.mark.parametrize(
    ("profile", "problem"),
    [(None, "No such file or directory"), ("[", "cannot be read"), ("", "has no profile"), ("- a", "has no profile")],
)
def test_a_profile_that_is_missing_or_wrong_is_named(
    etl: Etl, listed: TinyProject, profile: str | None, problem: str
) -> None:
    folder = listed.root / "dbt_projects/acme"
    folder.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: acme\nversion: '1'\nprofile: etl\n")
    if profile is not None:
        (folder.parent / "profiles.yml").write_text(profile)
    listed.write_tenant({"dbt": {"enabled": True}})
    said = etl("check", "--format", "json")
    assert said.code == 2
    (found,) = json.loads(said.out)["findings"]
    assert found["rule"] == "dbt-project", found
    assert "profiles.yml" in found["problem"]
    assert problem in found["problem"]
