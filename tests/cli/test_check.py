"""`etl check`: what is wrong is found, named, and gives the exit code that a script can rely on."""

from pathlib import Path

import pytest

from tests.tiny_project import TinyProject

from .conftest import Etl

HAND_WRITTEN = """
import dagster as dg

TAGS = {"data_tier": "gold"}


@dg.asset(group_name="CD", tags=TAGS, retry_policy=dg.RetryPolicy(max_retries=3))
def again() -> None: ...


@dg.asset(group_name="marketing", tags=TAGS)
def foreign_group() -> None: ...


@dg.asset(group_name="CD")
def no_tier() -> None: ...


@dg.asset(group_name="CD", tags={"data_tier": "platinum"})
def odd_tier() -> None: ...


@dg.asset(group_name="CD", tags=TAGS, kinds={"gold"})
def kind_is_a_tier() -> None: ...


@dg.asset(group_name="CD", tags=TAGS, kinds={"polars", "parquet", "python"})
def three_kinds() -> None: ...


@dg.asset(group_name="CD", tags=TAGS, kinds={"excellent"})
def unknown_kind() -> None: ...


@dg.asset(group_name="CD", tags=TAGS)
def BigName() -> None: ...


@dg.asset(group_name="CD", tags=TAGS, kinds={"polars"})
def as_it_should_be() -> None: ...


defs = dg.Definitions(
    assets=[again, foreign_group, no_tier, odd_tier, kind_is_a_tier, three_kinds, unknown_kind, BigName, as_it_should_be],
    jobs=[dg.define_asset_job("tries_again", selection=[as_it_should_be], tags={"dagster/max_retries": "2"})],
)
"""

VIOLATIONS = {
    "again": "retry policy",
    "foreign_group": "marketing",
    "no_tier": "data_tier",
    "odd_tier": "platinum",
    "kind_is_a_tier": "gold",
    "unknown_kind": "excellent",
    "BigName": "lowercase",
    "tries_again": "run again on failure",
}


def test_every_planted_violation_of_a_hand_written_location_is_found(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "by_hand_1.py").write_text(HAND_WRITTEN)
    monkeypatch.syspath_prepend(str(project.root))
    said = etl("check", "--module", "by_hand_1")
    assert said.code == 1
    rows = [[cell.strip() for cell in line.split("│")] for line in said.out.splitlines() if "by_hand_1" in line]
    found = [(row[2].removeprefix("job "), row[3]) for row in rows]
    for subject, problem in VIOLATIONS.items():
        assert [text for name, text in found if name == subject and problem in text], f"{subject}\n{said.out}"
    assert not [name for name, _ in found if name in {"as_it_should_be", "three_kinds"}]


def test_the_conventions_are_the_projects_own(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "by_hand_2.py").write_text(HAND_WRITTEN)
    (project.root / "pyproject.toml").write_text(
        '[tool.etl.conventions]\ngroups = ["CD", "marketing"]\nrequired_tags = []\nmax_kinds = 2\n'
    )
    monkeypatch.syspath_prepend(str(project.root))
    said = etl("check", "--module", "by_hand_2")
    assert said.code == 1
    assert "three_kinds" in said.out
    assert "foreign_group" not in said.out
    assert "no_tier" not in said.out


def test_a_misspelt_convention_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    (project.root / "pyproject.toml").write_text('[tool.etl.conventions]\ngruops = ["CD"]\n')
    said = etl("check")
    assert said.code == 2
    assert "gruops" in said.err
    assert "groups" in said.err


def test_a_good_project_has_nothing_to_complain_about(etl: Etl, project: TinyProject) -> None:
    said = etl("check")
    assert said.code == 0, said.out
    assert "acme" in said.out


def test_tenants_that_do_not_load_are_all_named_and_give_2(etl: Etl, project: TinyProject) -> None:
    project.write_pipeline({"source_tabel": "orders"})
    project.write_tenant({"group": "XX"}, tenant="other")
    project.write_tenant(tenant="good")
    said = etl("check")
    assert said.code == 2
    assert "did you mean `source_table`" in said.out
    assert "tenants/other/config.yaml" in said.out
    assert etl("check", "good").code == 0


def test_an_unknown_tenant_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    said = etl("check", "acmee")
    assert said.code == 2
    assert "did you mean `acme`" in said.out + said.err


@pytest.mark.parametrize("module", ["no_such_module_at_all", "without_defs", "that_raises"])
def test_a_module_that_cannot_be_checked_is_named_and_gives_2(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    (project.root / "without_defs.py").write_text("x = 1\n")
    (project.root / "that_raises.py").write_text("raise ValueError('mine')\n")
    monkeypatch.syspath_prepend(str(project.root))
    said = etl("check", "--module", module)
    assert said.code == 2
    assert module in said.out + said.err
    assert "Traceback" not in said.out + said.err


def test_this_projects_own_conventions_file_is_readable(etl: Etl) -> None:
    from etl.factories.conventions import load_conventions
    from tests.installation import REPOSITORY

    found = load_conventions(REPOSITORY)
    assert found.groups == ("CD", "DS", "IS", "SS", "NPS")
    assert load_conventions(Path("/nowhere")) == found.model_copy(update={"max_file_lines": found.max_file_lines})
