"""Attacks what is a person's own: no command overwrites a `dagster.yaml` that somebody wrote in DAGSTER_HOME."""

from pathlib import Path

import pytest
import yaml

from tests.attack.target import Target

# A complete file of somebody's own: other limits, and a comment that says why.
OWN = """# our own limits, see the runbook
concurrency: {runs: {max_concurrent_runs: 9}, pools: {granularity: op, default_limit: 2}}
run_queue: {max_user_code_failure_retries: 5}
run_launcher: {module: etl.resources.run_worker, class: LocalRunLauncher}
run_monitoring: {enabled: true}
"""
COMMANDS = [("home",), ("verify", "acme"), ("sla", "status"), ("metrics",), ("quarantine", "list", "acme")]


def own(target: Target, text: str) -> Path:
    path = target.project.data / "dagster" / "dagster.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_command_touches_the_file(target: Target) -> None:
    path = own(target, OWN)
    before = path.stat()
    for command in COMMANDS:
        said = target.etl(*command)
        assert path.read_text() == OWN, command
        assert "lack" not in said.text
        assert "run_launcher" not in said.text, "nothing is missing in it"
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert sorted(each.name for each in path.parent.glob("*dagster.yaml*")) == ["dagster.yaml"]


@pytest.mark.slow
def test_a_run_uses_the_file_and_names_what_is_missing(target: Target) -> None:
    path = own(target, "# ours\ntelemetry: {enabled: false}\n")
    said = target.run_days("2026-01-01", "2026-01-01")
    assert path.read_text() == "# ours\ntelemetry: {enabled: false}\n"
    lines = said.err.splitlines()
    for setting in ("run_launcher", "run_monitoring", "concurrency", "run_coordinator"):
        (snippet,) = [line for line in lines if line.strip().startswith("->") and f"{setting}:" in line]
        assert yaml.safe_load(snippet.split("add: ", 1)[1]), "the snippet can be pasted as it is"


def test_where_there_is_none_the_projects_is_written(target: Target) -> None:
    path = target.project.data / "dagster" / "dagster.yaml"
    path.unlink()
    assert target.etl("home").code == 0
    assert path.read_bytes() == (target.project.root / "dagster.yaml").read_bytes()


def test_an_upgrade_reaches_whoever_changed_nothing(target: Target) -> None:
    path, source = target.project.data / "dagster" / "dagster.yaml", target.project.root / "dagster.yaml"
    path.unlink()
    target.etl("home")
    source.write_text(source.read_text() + "\n# a newer release\n")
    assert target.etl("home").code == 0
    assert path.read_text().endswith("# a newer release\n")


def test_an_upgrade_does_not_reach_whoever_changed_something(target: Target) -> None:
    path, source = target.project.data / "dagster" / "dagster.yaml", target.project.root / "dagster.yaml"
    path.unlink()
    target.etl("home")
    mine = path.read_text().replace("max_concurrent_runs: 4", "max_concurrent_runs: 9")
    path.write_text(mine)
    source.write_text(source.read_text() + "\n# a newer release\n")
    said = target.etl("home")
    assert path.read_text() == mine
    assert "warning" not in said.err, "a changed copy lacks nothing"


def test_a_file_that_cannot_be_read_is_left_alone_too(target: Target) -> None:
    path = own(target, "run_launcher: [\n")
    said = target.etl("home")
    assert path.read_text() == "run_launcher: [\n"
    assert "warning" in said.err
    assert said.code == 0
