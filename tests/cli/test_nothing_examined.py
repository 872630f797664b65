"""Every command with nothing to examine: exit code 3, a sentence, and no success."""

import pytest

from tests.tiny_project import TinyProject

from .conftest import Etl

WITHOUT_PIPELINES = {"assets": {"pipelines": {"orders": None}}, "jobs": None}
OF_ALL_TENANTS = [
    ("check",),
    ("dbt", "prepare"),
    ("sla", "status"),
    ("sla", "report"),
    ("sla", "report", "--format", "json"),
    ("metrics",),
    ("metrics", "--output", "etl.prom"),
    ("metrics", "--port", "0"),
    ("metrics", "--push", "http://127.0.0.1:1"),
    ("quarantine", "list"),
    ("demo",),
]
OF_ONE_TENANT = [
    ("check", "acme"),
    ("dbt", "prepare", "acme"),
    ("dbt", "rules", "acme"),
    ("sla", "status", "--tenant", "acme"),
    ("sla", "report", "--tenant", "acme"),
    ("metrics", "--tenant", "acme"),
    ("quarantine", "list", "acme"),
    ("quarantine", "history", "acme"),
    ("verify", "acme"),
    ("demo", "--tenant", "acme"),
]


@pytest.mark.parametrize("command", OF_ALL_TENANTS, ids=" ".join)
def test_a_project_without_tenants_is_no_success(project: TinyProject, etl: Etl, command: tuple[str, ...]) -> None:
    (project.root / "tenants" / "acme").rename(project.root / "acme_elsewhere")
    said = etl(*command)
    assert said.code == 3, said
    assert "there is no tenant in" in said.err


@pytest.mark.parametrize("command", OF_ONE_TENANT, ids=" ".join)
def test_a_tenant_without_pipelines_is_no_success(project: TinyProject, etl: Etl, command: tuple[str, ...]) -> None:
    project.write_tenant(WITHOUT_PIPELINES)
    said = etl(*command)
    assert said.code == 3, said
    assert said.err


@pytest.mark.parametrize("command", OF_ONE_TENANT, ids=" ".join)
def test_a_tenant_that_does_not_exist_is_wrong_usage(project: TinyProject, etl: Etl, command: tuple[str, ...]) -> None:
    said = etl(*("nobody" if each == "acme" else each for each in command))
    assert said.code == 2, said
    assert "nobody" in said.err + said.out
