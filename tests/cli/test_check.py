"""`etl check`: what is wrong is found, named, and gives the exit code that a script can rely on."""

import json
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


@dg.asset(name="renamed", group_name="CD", tags=TAGS)
def another_name() -> None: ...


def made(name: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, group_name="CD", tags=TAGS)
    def inner() -> None: ...

    return inner


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
def deep() -> None: ...


@dg.graph
def below() -> None:
    deep()


@dg.job
def nested() -> None:
    below()


class Database(dg.ConfigurableResource):
    host: str
    password: str


@dg.asset(group_name="CD", tags=TAGS, kinds={"polars"})
def as_it_should_be() -> None: ...


tries_again = dg.define_asset_job("tries_again", selection=[as_it_should_be], tags={"dagster/max_retries": "2"})
defs = dg.Definitions(
    assets=[again, foreign_group, no_tier, odd_tier, kind_is_a_tier, three_kinds, unknown_kind, BigName, as_it_should_be]
    + [another_name, made("made_by_a_factory"), dg.AssetSpec("elsewhere", group_name="CD")],
    jobs=[tries_again, nested],
    schedules=[dg.ScheduleDefinition(job=nested, cron_schedule="0 6 * * *", tags={"dagster/max_retries": "1"})],
    resources={
        "open_database": Database(host="db", password="hunter22"),
        "database": Database(host="db", password=dg.EnvVar("DB_PASSWORD")),
    },
)
"""

VIOLATIONS = {
    "again": "retry policy",
    "foreign_group": "marketing",
    "no_tier": "data_tier",
    "odd_tier": "platinum",
    "kind_is_a_tier": "gold",
    "unknown_kind": "excellent",
    "BigName": "not allowed",
    "tries_again": "run again on failure",
    "renamed": "its function is called `another_name`",
    "elsewhere": "data_tier",
    "nested": "has a retry policy",
    "schedule nested_schedule": "run again on failure",
    "resource open_database": "`password` is a secret in clear",
}


def test_every_planted_violation_of_a_hand_written_location_is_found(
    etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "by_hand_1.py").write_text(HAND_WRITTEN)
    monkeypatch.syspath_prepend(str(project.root))
    said = etl("check", "--module", "by_hand_1", "--format", "json")
    assert said.code == 1
    errors = [each for each in json.loads(said.out)["findings"] if each["severity"] == "error"]
    found = [(each["subject"].removeprefix("job "), each["problem"]) for each in errors]
    for subject, problem in VIOLATIONS.items():
        assert [text for name, text in found if name == subject and problem in text], f"{subject}\n{said.out}"
    clean = {"as_it_should_be", "three_kinds", "made_by_a_factory", "resource database"}
    assert not [name for name, _ in found if name in clean]
    (secret,) = [each for each in errors if each["rule"] == "secret-in-source"]
    line = HAND_WRITTEN.splitlines().index('        "open_database": Database(host="db", password="hunter22"),') + 1
    assert (secret["path"], secret["line"], secret["column"]) == ("by_hand_1.py", line, 55)
    assert "hunter22" not in said.out + said.err


def test_the_conventions_are_the_projects_own(etl: Etl, project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "by_hand_2.py").write_text(HAND_WRITTEN)
    (project.root / "pyproject.toml").write_text(
        '[tool.etl.conventions]\ngroups = ["CD", "marketing"]\nrequired_tags = []\nrecommended_tags = []\nmax_kinds = 2\n'
        'max_file_lines = 20\nname_pattern = "[a-zA-Z_]+"\n'
    )
    monkeypatch.syspath_prepend(str(project.root))
    said = etl("check", "--module", "by_hand_2")
    assert said.code == 1
    assert "three_kinds" in said.out
    assert "foreign_group" not in said.out
    assert "tier-missing" not in said.out
    assert "name-pattern" not in said.out
    assert "domain-tag" not in said.out
    assert f"has {len(HAND_WRITTEN.splitlines())} lines, 20 are allowed" in said.out


def test_a_misspelt_convention_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    (project.root / "pyproject.toml").write_text('[tool.etl.conventions]\ngruops = ["CD"]\n')
    said = etl("check")
    assert said.code == 2
    assert "gruops" in said.err
    assert "groups" in said.err


def test_a_conventions_file_that_is_no_toml_is_wrong_usage(etl: Etl, project: TinyProject) -> None:
    (project.root / "pyproject.toml").write_text("[tool\n")
    said = etl("check")
    assert said.code == 2
    assert "pyproject.toml cannot be read" in said.err


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


def test_what_a_tenants_own_python_adds_is_checked_too(etl: Etl, project: TinyProject) -> None:
    (project.root / "tenants/acme/definitions.py").write_text(
        "import dagster as dg\nfrom etl import build_tenant_definitions\n\n\n"
        "@dg.asset(key=['acme', 'report', 'weekly'], group_name='marketing')\ndef weekly() -> None: ...\n\n\n"
        'defs = dg.Definitions.merge(build_tenant_definitions("acme"), dg.Definitions(assets=[weekly]))\n'
    )
    said = etl("check")
    assert said.code == 1
    assert "marketing" in said.out
    (project.root / "tenants/acme/definitions.py").write_text("raise ValueError('mine')\n")
    project.write_tenant(tenant="good")
    said = etl("check")
    assert said.code == 2
    assert "acme cannot be built: ValueError: mine" in said.out
    assert "Traceback" not in said.out + said.err


def test_a_long_file_of_a_tenant_is_named(etl: Etl, project: TinyProject) -> None:
    path = project.root / "tenants/acme/transforms/orders.py"
    path.write_text(path.read_text() + "#\n" * 1500)
    said = etl("check")
    assert said.code == 1
    assert "orders.py" in said.out
    assert "1500 are allowed" in said.out


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
    from etl.platform import platform_of
    from tests.installation import REPOSITORY

    found = platform_of(REPOSITORY, {}).conventions
    assert found.groups == ("CD", "DS", "IS", "SS", "NPS")
    assert platform_of(Path("/nowhere"), {}).conventions == found
