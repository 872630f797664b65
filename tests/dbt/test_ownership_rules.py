"""Whose the relations of a dbt project are: by the tenants' files, and by the ledger of the database it writes to."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.config import TenantConfig, load_tenant
from etl.dbt import build as dbt_build
from etl.dbt.build import build
from etl.dbt.ownership import DbtRelation, dbt_place, refuse_known, refuse_loaded, shared_dbt_schemas
from etl.dbt.project import TenantDbt, tenant_dbt
from etl.errors import DbtError
from etl.settings import load_settings
from tests.dbt.projects import only_dbt, write_dbt
from tests.tiny_project import TinyProject, make_project

POSTGRES = {"type": "postgres", "host": "db.example", "database": "wh", "username": "wh", "password": "${%s_PW}"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyProject:
    """`acme` loads `shop.orders` into its own DuckDB file and has a dbt project; `beta` exists beside it."""
    project = make_project(tmp_path, {"dbt": {"enabled": True}})
    only_dbt(project, "beta")
    for name in ("acme", "beta"):
        write_dbt(project, {"models/a.sql": "select 1 as value"}, name)
    for name, value in project.environ.items():
        monkeypatch.setenv(name, value)
    return project


def acme(made: TinyProject, **dbt: Any) -> tuple[TenantConfig, TenantDbt]:
    if dbt:
        made.write_tenant({"dbt": {"enabled": True, **dbt}})
    config = load_tenant("acme", load_settings())
    return config, tenant_dbt(config, load_settings())


def relation(schema: str, name: str, database: str = "acme") -> DbtRelation:
    return DbtRelation(unique_id=f"model.acme.{name}", database=database, schema_name=schema, name=name)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (relation("etl_ledger", "loads"), "belongs to the loads themselves"),
        (relation("ETL_kept", "x"), "belongs to the loads themselves"),
        (relation("Shop", "ORDERS"), "the table that the pipeline `orders` of this tenant loads"),
        (relation("dbt", "orders", "beta"), "in the database `beta`, which is tenant beta's"),
    ],
)
def test_what_the_files_tell_is_refused_with_model_relation_owner_and_remedy(
    made: TinyProject, found: DbtRelation, why: str
) -> None:
    config, project = acme(made)
    with pytest.raises(DbtError) as caught:
        refuse_known(config, project, [found])
    said = str(caught.value)
    assert f"the model `{found.name}` would be built as {found.schema_name}.{found.name}" in said
    assert why in said
    assert "give it another `schema` or `alias`" in said


def test_own_relations_are_accepted_also_beside_the_loaded_tables(made: TinyProject) -> None:
    config, project = acme(made)
    free = [relation("dbt", "orders"), relation("shop", "orders_by_day"), relation("dbt_beta", "x")]
    refuse_known(config, project, free)  # dbt_beta: in a file of its own a tenant calls its schemas as it likes
    refuse_loaded(config, project, free)  # there is no file yet


def test_the_dbt_schema_of_another_tenant_of_one_database_is_refused(made: TinyProject) -> None:
    config, project = acme(made, target="postgres")
    with pytest.raises(DbtError, match="that is the dbt schema of tenant beta"):
        refuse_known(config, project, [relation("dbt_beta", "orders", "wh")])


def test_what_the_ledger_names_is_refused_whoever_loaded_it(made: TinyProject) -> None:
    """The pipeline may be gone from the files; the rows are there."""
    file = made.data / "warehouse" / "acme.duckdb"
    file.parent.mkdir(parents=True)
    with duckdb.connect(file) as connection:
        connection.execute("CREATE SCHEMA etl_ledger")
        connection.execute(
            "CREATE TABLE etl_ledger.loads AS SELECT * FROM (VALUES (1, 'acme', 'old', 'Gone', 'Things'),"
            " (2, 'beta', 'b', 'theirs', 'stock')) AS t(seq, tenant, pipeline, schema_name, table_name)"
        )
    config, project = acme(made)
    for found, why in (
        (relation("gone", "things"), "the pipeline `old` of tenant acme loads that table"),
        (relation("theirs", "stock"), "the pipeline `b` of tenant beta loads that table"),
        (relation("theirs", "more"), "tenant beta loads its tables into that schema"),
    ):
        with pytest.raises(DbtError, match=why):
            refuse_loaded(config, project, [relation("dbt", "fine"), found])
    refuse_loaded(config, project, [relation("gone", "other"), relation("dbt", "things")])


@pytest.mark.parametrize(
    ("of_acme", "of_beta", "said"),
    [
        ({"target": "postgres"}, {"target": "postgres"}, None),
        ({"target": "postgres"}, {"target": "postgres", "schema": "dbt_acme"}, "tenant acme's: dbt writes its models"),
        ({"target": "trino", "schema": "x"}, {"target": "trino", "schema": "X"}, "dbt writes its models there too"),
        ({"target": "postgres", "schema": "x"}, {"target": "trino", "schema": "x"}, None),
        ({"schema": "x"}, {"schema": "x"}, None),
        ({"enabled": False}, {"target": "postgres", "schema": "shop"}, "tenant acme's: its pipelines load there"),
        ({"enabled": False}, {"schema": "shop"}, None),
    ],
)
def test_a_schema_of_two_tenants_of_one_database_is_refused(
    made: TinyProject, of_acme: dict[str, Any], of_beta: dict[str, Any], said: str | None
) -> None:
    warehouse = {**POSTGRES, "password": "${ACME_PW}"}
    made.write_tenant({"dbt": {"enabled": True, **of_acme}, "warehouse": warehouse})
    path = made.root / "tenants" / "beta" / "config.yaml"
    path.unlink()
    path.parent.rmdir()
    only_dbt(made, "beta", **of_beta)
    settings = load_settings()
    configs = [load_tenant(each, settings) for each in ("acme", "beta")]
    found = shared_dbt_schemas(configs, [dbt_place(each, settings) for each in configs])
    if said is None:
        assert found == []
        return
    ((tenants, error),) = found
    assert tenants == {"acme", "beta"}
    assert "beta/config.yaml:" in str(error)
    assert said in str(error)
    assert "of its own" in str(error)


def test_the_products_variables_win_whoever_made_the_configuration(made: TinyProject) -> None:
    """Also past the check of the file."""
    config, _ = acme(made)
    wrong = {"tenant": "beta", "schema": "theirs", "partition_start": "2020-01-01", "word": "hello"}
    config = config.model_copy(update={"dbt": config.dbt.model_copy(update={"variables": wrong})})
    assert dict(tenant_dbt(config, load_settings()).variables) == {"word": "hello", "tenant": "acme"}


@pytest.mark.parametrize("window", [{}, {"partition_start": "2026-01-02", "partition_end": "2026-01-03"}])
def test_a_failed_batch_is_a_failed_build_and_days_are_given_to_microbatches(
    made: TinyProject, monkeypatch: pytest.MonkeyPatch, window: dict[str, str]
) -> None:
    """Whatever code dbt ends with."""
    _, project = acme(made)
    asked = list[str]()

    def dbt(found: TenantDbt, arguments: list[str], *_: object) -> tuple[int, list[str]]:
        asked.extend(arguments)
        text = '{"results": [{"unique_id": "model.acme.a", "status": "partial success", "message": "1/2"}]}'
        (found.build_path(days=bool(window)) / "run_results.json").write_text(text)
        return 0, []

    monkeypatch.setattr(dbt_build, "_run", dbt)
    result = build(project, ["acme.a"], window, "run", print)
    assert result.problem == "a: partial success: 1/2"
    start = asked.index("--event-time-start") if window else len(asked)
    expected = ["--event-time-start", "2026-01-02", "--event-time-end", "2026-01-03"] if window else []
    assert asked[start : start + 4] == expected
