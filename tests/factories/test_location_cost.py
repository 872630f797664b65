"""What is done for one tenant is done as often in a location of many; counted, not timed."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetsDefinition,
    DagsterInvalidDefinitionError,
    Definitions,
    ResourceDefinition,
    asset,
    resource,
    with_resources,
)

from etl.config import config_loader
from etl.definitions import build_all_definitions, build_tenant_definitions
from etl.factories import asset_factory
from etl.factories.own_resources import with_own_resources
from tests.factories.test_building import forget_packages, project
from tests.tiny_project import ORDERS, TRANSFORM, TinyProject

__all__ = ["project"]


def counted(
    patch: pytest.MonkeyPatch, owner: Any, name: str, wanted: Callable[..., bool] = lambda *_: True
) -> list[Any]:
    """Count the calls of a function, which still does its work."""
    calls: list[Any] = []
    really = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if wanted(*args):
            calls.append(args)
        return really(*args, **kwargs)

    patch.setattr(owner, name, call)
    return calls


def write_tenants(project: TinyProject, count: int) -> None:
    """Write tenants with four pipelines each: `orders`, which every tenant of a tiny project has, and three more."""
    pipelines = {name: {**ORDERS, "trino_output": {**ORDERS["trino_output"], "target_table": name}} for name in "abc"}
    for tenant in ("acme", *(f"tenant_{number}" for number in range(1, count))):
        project.write_tenant(
            {"assets": {"pipelines": pipelines}, "environments": {"prod": {"name": "Acme"}}}, tenant=tenant
        )
        for name in pipelines:
            path = project.root / "tenants" / tenant / "transforms" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(TRANSFORM.replace("orders", name))


def build() -> Definitions:
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    forget_packages()
    found = build_all_definitions()
    broken = [key for key in found.resolve_asset_graph().get_all_asset_keys() if "broken" in key.path]
    assert broken == []
    return found


def test_a_tenants_files_are_read_once_and_the_tenants_are_listed_once(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tenants(project, 4)
    parsed = counted(monkeypatch, config_loader, "parse")
    read = counted(monkeypatch, ast, "parse", lambda _, name="definitions": "transforms" in name)
    looked_at = counted(monkeypatch, ast, "parse", lambda *given: len(given) == 1)
    listed = counted(monkeypatch, Path, "glob", lambda _, pattern: pattern == "*/config.yaml")
    hashed = counted(monkeypatch, asset_factory, "fingerprint")
    build()
    assert len(parsed) == 4
    assert len(read) == 4 * 4  # a transform for each pipeline
    assert len(looked_at) == 4 + 1  # definitions.py of each tenant, and tenants/__init__.py
    assert len(listed) == 1
    assert len(hashed) == 4 * 4  # once for each pipeline, not for each of its stages


def test_tenants_that_come_later_are_seen(project: TinyProject) -> None:
    """The list is kept only while a location is built."""
    write_tenants(project, 2)
    build()
    write_tenants(project, 3)
    assert {key.path[0] for key in build().resolve_asset_graph().get_all_asset_keys()} == {
        "acme",
        "tenant_1",
        "tenant_2",
    }
    assert config_loader.load_tenant("tenant_2").origin.tenants == ("acme", "tenant_1", "tenant_2")


def test_an_asset_is_held_against_its_own_resources_whatever_the_number_of_tenants(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    for count in (2, 4, 8):
        write_tenants(project, count)
        with monkeypatch.context() as patch:
            asked = counted(patch, ResourceDefinition, "get_resource_requirements")
            build().get_repository_def()
            looks.append(len(asked))
    assert looks[0] > 0
    assert looks[2] - looks[1] == 2 * (looks[1] - looks[0])


def test_the_location_binds_what_dagster_would_bind(project: TinyProject) -> None:
    write_tenants(project, 3)
    bound = build().get_repository_def().assets_defs_by_key
    apart = [build_tenant_definitions(each) for each in ("acme", "tenant_1", "tenant_2")]
    plain = {key: each for found in apart for key, each in found.get_repository_def().assets_defs_by_key.items()}
    assert bound.keys() == plain.keys()
    for key, each in bound.items():
        assert each.resource_defs == plain[key].resource_defs
        assert each.get_attributes_dict().keys() == plain[key].get_attributes_dict().keys()
        assert list(each.specs) == list(plain[key].specs)
        assert list(each.check_specs) == list(plain[key].check_specs)


@resource
def inner() -> int:
    return 1


@resource(required_resource_keys={"inner"})
def outer() -> int:
    return 2


@asset(required_resource_keys={"outer"})
def made() -> None: ...


def test_a_resource_that_requires_another_is_bound_with_it() -> None:
    (own,) = with_own_resources([made])
    everything = {"inner": inner, "outer": outer, "foreign": ResourceDefinition.hardcoded_resource(3)}
    (bound,), (plain,) = with_resources([own], everything), with_resources([made], everything)
    assert isinstance(bound, AssetsDefinition)
    assert bound.resource_defs == plain.resource_defs
    assert {"inner", "outer"} <= bound.resource_defs.keys()
    assert "foreign" not in bound.resource_defs


@pytest.mark.parametrize("missing", ["inner", "outer"])
def test_a_resource_that_is_missing_is_refused_as_ever(missing: str) -> None:
    (own,) = with_own_resources([made])
    some = {name: each for name, each in {"inner": inner, "outer": outer}.items() if name != missing}
    with pytest.raises(DagsterInvalidDefinitionError, match=missing):
        Definitions(assets=[own], resources=some).get_repository_def()


def test_assets_have_the_tags_of_the_product_and_the_pipelines_own_before_the_tenants(
    project: TinyProject,
) -> None:
    tags = {"domain": "shop"}
    pipeline = {**ORDERS, "tags": {"domain": "orders"}}
    jobs = {name: {"verify": name == "check", "tags": {"domain": "shop"}} for name in ("nightly", "check")}
    project.write_tenant({"tags": tags, "assets": {"pipelines": {"orders": pipeline}}, "jobs": jobs})
    found = build()
    assert {found.resolve_job_def(f"acme_{name}").tags["tenant"] for name in ("all", *jobs)} == {"acme"}
    node = found.resolve_asset_graph().get(AssetKey(["acme", "extract", "orders"]))
    own = {name: value for name, value in node.tags.items() if not name.startswith("dagster/")}
    assert own == {"tenant": "acme", "data_tier": "bronze", "pipeline": "orders", "domain": "orders"}
