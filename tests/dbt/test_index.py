"""What the index takes from the project and from the tenant's YAML, and what it refuses."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetKey

from etl.config import load_tenant
from etl.dbt import index
from etl.dbt.project import tenant_dbt
from etl.errors import DbtError
from etl.settings import load_settings
from tests.dbt.projects import SHOP, definitions, inside, write_dbt
from tests.tiny_project import TinyProject, make_project

SHOP_NAMES = {"stg_orders", "by_day", "totals", "regions"}


def acme(transform: dict[str, str], **changes: Any) -> dict[str, Any]:
    orders = {"has_dbt_transform": True, "dbt_transform": transform}
    return {"dbt": {"enabled": True}, "assets": {"pipelines": {"orders": orders}}, **copy.deepcopy(changes)}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    made = make_project(tmp_path_factory.mktemp("index"), acme({"dbt_select": "stg_orders+", "dbt_exclude": "totals"}))
    exposure = SHOP["models/marts/marts.yml"].replace("email: board@example.com", "email: the board")
    # A name in quotes and a comment behind it is a name all the same.
    folder = write_dbt(made, {**SHOP, "models/marts/marts.yml": exposure})
    settings = (folder / "dbt_project.yml").read_text().replace("name: acme\n", "name: 'acme'  # the shop\n")
    (folder / "dbt_project.yml").write_text(settings)
    with inside(made):
        yield made


def fresh() -> bool:
    settings = load_settings()
    config = load_tenant("acme", settings)
    return index.fresh_index(config, tenant_dbt(config, settings)) is not None


def models_of(pipeline: str) -> set[str]:
    definitions("acme")
    return {key[-1] for key in index.last_models(load_tenant("acme", load_settings()), load_settings())[pipeline]}


def test_a_pipeline_has_the_models_that_it_selects_and_files_are_where_they_are(project: TinyProject) -> None:
    assert models_of("orders") == {"stg_orders", "by_day"}
    graph = definitions("acme").resolve_asset_graph()
    for key in (["acme", "dbt", "by_day"], ["acme", "exposure", "board"]):
        references = graph.get(AssetKey(key)).metadata["dagster/code_references"].code_references
        assert (project.root / references[0].file_path).is_file()
    # Whoever owns the exposure has no address that Dagster takes: the tenant's owners answer for it.
    assert graph.get(AssetKey(["acme", "exposure", "board"])).owners == ["team:shop"]


def test_what_the_yaml_gives_to_the_models_makes_the_index_stale(project: TinyProject) -> None:
    definitions("acme")
    assert fresh()
    project.write_tenant(acme({"dbt_select": "totals"}))
    assert not fresh()
    assert models_of("orders") == {"totals"}
    project.write_tenant(acme({"dbt_select": "totals"}, owners=["team:others"], tags={"domain": "sales"}))
    assert not fresh()
    model = definitions("acme").resolve_asset_graph().get(AssetKey(["acme", "dbt", "by_day"]))
    assert (model.owners, model.tags["domain"]) == (["team:others"], "sales")
    project.write_tenant(acme({"dbt_select": "totals"}, owners=["team:others"], tags={"domain": "sales"}, name="New"))
    assert fresh()


def test_a_selection_of_nothing_is_an_error_that_names_the_models(project: TinyProject) -> None:
    project.write_tenant(acme({"dbt_select": "stg_ordres+", "dbt_exclude": "totals"}))
    with pytest.raises(
        DbtError, match=r"(?s)pipeline orders.*stg_ordres\+.*totals.*config.yaml:\d+.*stg_orders"
    ) as said:
        definitions("acme")
    assert all(name in str(said.value) for name in SHOP_NAMES)


def test_a_tier_that_there_is_not_is_an_error_that_names_the_model(project: TinyProject) -> None:
    project.write_tenant(acme({"dbt_select": "totals"}))
    text = SHOP["models/marts/marts.yml"].replace("data_tier: silver", "data_tier: diamond")
    write_dbt(project, {"models/marts/marts.yml": text})
    with pytest.raises(DbtError, match=r"(?s)tenant acme.*by_day has `data_tier: diamond`.*bronze, silver, gold"):
        definitions("acme")
