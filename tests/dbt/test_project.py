"""Where a tenant's dbt reads and writes: by target, by environment, by the place of its lake."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from etl.config import load_tenant
from etl.dbt import project as dbt_project
from etl.dbt.project import TenantDbt, parse, tenant_dbt
from etl.settings import load_settings
from tests.dbt.projects import write_dbt
from tests.tiny_project import make_project


def project_of(root: Path, patch: pytest.MonkeyPatch, changes: dict[str, Any], **environ: str) -> TenantDbt:
    made = make_project(root, changes)
    write_dbt(made, {"models/a.sql": "select 1 as value"})
    for name, value in {**made.environ, **environ}.items():
        patch.setenv(name, value)
    settings = load_settings()
    return tenant_dbt(load_tenant("acme", settings), settings)


@pytest.mark.parametrize(
    ("dbt", "schema"),
    [
        ({}, None),  # the tenant's own DuckDB file
        ({"target": "postgres"}, "dbt_acme"),  # one database for all tenants
        ({"target": "trino"}, "dbt_acme"),
        ({"target": "trino", "schema": "marts"}, "marts"),
    ],
)
def test_tenants_have_schemas_of_their_own_where_they_write_into_one_database(
    dbt: dict[str, str], schema: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = project_of(tmp_path, monkeypatch, {"dbt": {"enabled": True, **dbt}})
    assert found.environ.get("ETL_DBT_SCHEMA") == schema
    assert found.variables.get("schema") == schema


@pytest.mark.parametrize(("environment", "target"), [("dev", "dev"), ("prod", "trino")])
def test_an_environment_has_its_own_target(
    environment: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"dbt": {"enabled": True, "target": "dev"}, "environments": {"prod": {"dbt": {"target": "trino"}}}}
    variables = dict.fromkeys(("ACME_DB_HOST", "ACME_DB_NAME", "ACME_DB_USER", "ACME_DB_PASSWORD"), "x")
    found = project_of(tmp_path, monkeypatch, changes, DAGSTER_ENVIRONMENT=environment, **variables)
    assert found.target == target
    assert found.environ["ETL_DBT_TARGET"] == target


def test_extracts_in_a_bucket_are_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = {"bucket": "${ACME_BUCKET:-}", "base_path": "raw/acme/", "region": "eu-west-1"}
    changes = {"dbt": {"enabled": True}, "storage": storage}
    assert project_of(tmp_path / "local", monkeypatch, changes).environ["ETL_LAKE_DIR"].startswith(str(tmp_path))
    found = project_of(tmp_path / "far", monkeypatch, changes, ACME_BUCKET="lake")
    assert found.environ["ETL_LAKE_DIR"] == "s3://lake/raw/acme"
    assert found.full_environ()["AWS_REGION"] == "eu-west-1"


def test_a_lake_folder_whose_name_reads_as_a_pattern_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = project_of(tmp_path / "a[b]*", monkeypatch, {"dbt": {"enabled": True}}).environ["ETL_LAKE_DIR"]
    own = load_settings().lake_dir
    other = Path(str(own).replace("a[b]*", "ab"))
    for folder in (own, other):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "x.csv").write_text("rows")
    found = duckdb.execute("SELECT file FROM glob(?)", [f"{pattern}/*.csv"]).fetchall()
    assert found == [(str(own / "x.csv"),)]


def test_the_profile_has_every_target_and_nothing_but_variables() -> None:
    path = Path(__file__).parents[2] / "dbt_projects" / "profiles.yml"
    (profile,) = yaml.safe_load(path.read_text(encoding="utf-8")).values()
    assert {name: each["type"] for name, each in profile["outputs"].items()} == {
        "dev": "duckdb",
        "postgres": "postgres",
        "trino": "trino",
    }
    for output in profile["outputs"].values():
        for key in {"path", "host", "port", "user", "password", "dbname", "database", "schema"} & output.keys():
            assert "env_var(" in output[key], key


def test_two_installations_do_not_replace_the_packages_of_one_project_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dbt deps` takes a package away and puts it back: another one finds half of it, and a parse finds none."""
    first = project_of(tmp_path, monkeypatch, {"dbt": {"enabled": True}})
    (first.folder / "packages.yml").write_text("packages: []\n")
    second = first.model_copy(update={"work_dir": tmp_path / "other", "lock_dir": tmp_path / "other" / "locks"})
    said = list[str]()

    def slow_dbt(project: TenantDbt, arguments: Sequence[str], program: Sequence[str] = ()) -> str:
        said.append(f"{arguments[0]} begins")
        time.sleep(0.3)
        said.append(f"{arguments[0]} ends")
        return ""

    monkeypatch.setattr(dbt_project, "run_dbt", slow_dbt)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(parse, (first, second)))
    assert said == ["deps begins", "deps ends", "parse begins", "parse ends"] * 2


def test_packages_of_a_project_that_is_only_read_are_those_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image installs them when it is built; its file system is read-only when dbt parses."""
    found = project_of(tmp_path, monkeypatch, {"dbt": {"enabled": True}})
    (found.folder / "packages.yml").write_text("packages: []\n")
    asked: list[str] = []
    monkeypatch.setattr(dbt_project, "run_dbt", lambda _, arguments: asked.extend(arguments))
    monkeypatch.setattr(dbt_project.os, "access", lambda *_: False)  # root may write everywhere but there
    with dbt_project._packages(found):
        assert asked == ["deps"], "nothing is installed yet, so it has to be tried and told"
    (found.folder / "dbt_packages").mkdir()
    with dbt_project._packages(found):
        assert asked == ["deps"]
    monkeypatch.setattr(dbt_project.os, "access", lambda *_: True)
    with dbt_project._packages(found):
        assert asked == ["deps", "deps"]
