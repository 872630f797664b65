"""One tenant of a location is broken in each of many ways: it is shown as broken, and the others are what they were."""

import os
from pathlib import Path

import pytest
from dagster import AssetKey, Definitions

from etl.definitions import build_all_definitions, build_tenant_definitions
from tests.factories.test_building import forget_packages, project
from tests.tiny_project import TinyProject
from tests.trial.dump import dump_by_tenant
from tests.trial.ways import GOOD, WAYS, python

__all__ = ["project"]


@pytest.fixture
def three(project: TinyProject) -> TinyProject:
    """Three tenants, whose Python may take a second."""
    (project.root / "pyproject.toml").write_text("[tool.etl]\npython_seconds = 1\npython_megabytes = 512\n")
    for tenant in ("beta", "gamma"):
        project.write_tenant(tenant=tenant)
    return project


def build() -> Definitions:
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    forget_packages()
    return build_all_definitions()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_broken_tenant_is_shown_and_the_others_are_what_they_were(three: TinyProject, way: str) -> None:
    before = dump_by_tenant(build())
    here, environ = Path.cwd(), dict(os.environ)
    WAYS[way].change(three.root / "tenants" / "acme")
    found = build()
    after = dump_by_tenant(found)
    assert set(before) == {"acme", "beta", "gamma"}
    assert after["beta"] == before["beta"]
    assert after["gamma"] == before["gamma"]
    key = AssetKey(["acme", "broken", "configuration"])
    said = found.resolve_asset_graph().get(key).description or ""
    assert WAYS[way].says in said
    assert (Path.cwd(), dict(os.environ)) == (here, environ)


@pytest.mark.parametrize("way", sorted(GOOD))
def test_what_hurts_nobody_is_no_mistake(three: TinyProject, way: str) -> None:
    before = dump_by_tenant(build())
    python(GOOD[way], "").change(three.root / "tenants" / "acme")
    assert dump_by_tenant(build()) == before


def test_the_one_that_hurts_is_found_among_many_and_not_the_one_that_is_hurt(three: TinyProject) -> None:
    """What replaces something is found together with others; the tenant after it fails only because of it."""
    for tenant in ("delta", "omega"):
        three.write_tenant(tenant=tenant)
    folder = three.root / "tenants"
    python("x = 1", "").change(folder / "gamma")
    python("import json\njson.dumps = None", "").change(folder / "delta")
    python("import json\njson.dumps({})", "").change(folder / "omega")
    keys = build().resolve_asset_graph().get_all_asset_keys()
    assert {key.path[0] for key in keys if key.path[1] == "broken"} == {"delta"}
