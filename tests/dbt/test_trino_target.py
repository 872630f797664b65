"""dbt's target `trino`, as far as it shows without a server: which Trino, whose password, and what a source is."""

from pathlib import Path
from typing import Any

import pytest

from etl.config import load_tenant
from etl.dbt.project import TenantDbt, tenant_dbt
from etl.running.dbt_prepare import prepare
from etl.settings import load_settings
from tests.dbt.projects import inside, write_dbt
from tests.tiny_project import TinyProject, make_project

PLATFORM = {"TRINO_HOST": "trino.platform", "TRINO_CATALOG": "shared", "TRINO_PASSWORD": "the password of the platform"}
SOURCES = """
version: 2
sources:
  - name: raw
    schema: shop
    meta: {external_location: "read_parquet('{{ env_var('ETL_LAKE_DIR') }}/acme/extract/{name}/**/data.parquet')"}
    tables: [{name: orders}]
"""


def acme(folder: Path, warehouse: dict[str, Any], target: str = "trino") -> TinyProject:
    made = make_project(folder, {"dbt": {"enabled": True, "target": target}, "warehouse": warehouse})
    write_dbt(made, {"models/sources.yml": SOURCES, "models/big.sql": "select * from {{ source('raw', 'orders') }}"})
    return made


def environ(project: TinyProject, monkeypatch: pytest.MonkeyPatch, *, connects: bool = True) -> dict[str, str]:
    for name, value in PLATFORM.items():
        monkeypatch.setenv(name, value)
    with inside(project):
        return found(project).full_environ(connects=connects)


def found(project: TinyProject) -> TenantDbt:
    settings = load_settings()
    return tenant_dbt(load_tenant("acme", settings), settings)


def test_dbt_finds_the_trino_of_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got = environ(acme(tmp_path, {"type": "trino"}), monkeypatch)
    assert {name: got[name] for name in PLATFORM} == PLATFORM


def test_a_tenants_own_trino_gets_its_own_password_and_never_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"host": "trino.acme", "username": "acme", "password": "${ACME_TRINO_PASSWORD}", "catalog": "lake"}
    monkeypatch.setenv("ACME_TRINO_PASSWORD", "the password of acme")
    project = acme(tmp_path, {"type": "trino", **own})
    got = environ(project, monkeypatch)
    assert [got[f"TRINO_{each}"] for each in ("HOST", "USER", "CATALOG")] == ["trino.acme", "acme", "lake"]
    assert got["TRINO_PASSWORD"] == "the password of acme"
    assert environ(project, monkeypatch, connects=False)["TRINO_PASSWORD"] == ""  # while a project is parsed
    del own["password"]
    assert environ(acme(tmp_path / "b", {"type": "trino", **own}), monkeypatch)["TRINO_PASSWORD"] == ""


@pytest.mark.parametrize(("target", "stage"), [("dev", "extract"), ("trino", "load")])
def test_a_source_is_the_table_that_a_pipeline_loads_where_no_files_are_read_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, stage: str
) -> None:
    warehouse = {"type": "trino"} if target == "trino" else {"type": "duckdb"}
    project = acme(tmp_path, warehouse, target)
    monkeypatch.setenv("TRINO_HOST", "trino.platform")
    with inside(project):
        (model,) = prepare(load_tenant("acme", load_settings()), found(project)).assets
    assert model.deps == (("acme", stage, "orders"),)
