"""Two hundred tenants, of which one at a time is broken: the definitions of all others stay what they were."""

from collections.abc import Iterator

import pytest
from dagster import AssetKey

from tests.factories.test_building import forget_packages, project
from tests.tiny_project import TinyProject
from tests.trial.dump import dump_by_tenant
from tests.trial.served import build
from tests.trial.ways import WAYS

__all__ = ["project"]
TENANTS = 200
TOGETHER = {each: way for each, way in WAYS.items() if each not in ("hangs_and_catches", "takes_memory")}
"""Two ways that take long in this many tenants; they are tried out with three tenants."""


@pytest.fixture
def many(project: TinyProject) -> Iterator[TinyProject]:
    """Tenants with one pipeline each, and a tenth of them with Python of their own."""
    (project.root / "pyproject.toml").write_text("[tool.etl]\npython_seconds = 1\npython_megabytes = 512\n")
    for number in range(1, TENANTS):
        name = f"tenant_{number:03}"
        project.write_tenant({"jobs": None, "assets": {"pipelines": {"orders": {"has_transfer": False}}}}, tenant=name)
        folder = project.root / "tenants" / name
        (folder / "transforms" / "orders.py").unlink()
        if number % 10 == 0:
            with (folder / "definitions.py").open("a") as file:
                file.write("import json\n")
    yield project
    forget_packages()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_of_many_tenants_is_broken_in_a_way_of_its_own_and_the_others_are_what_they_were(
    many: TinyProject,
) -> None:
    before = dump_by_tenant(build())
    assert len(before) == TENANTS
    broken = {}
    for number, way in enumerate(sorted(TOGETHER)):
        if way.startswith("a_transform"):
            continue  # the tenants have none
        tenant = f"tenant_{number * 4 + 1:03}"
        WAYS[way].change(many.root / "tenants" / tenant)
        broken[tenant] = way
    assert len(broken) > 30
    found = build()
    after = dump_by_tenant(found)
    gone = {tenant for tenant, way in broken.items() if not (many.root / "tenants" / tenant / "config.yaml").exists()}
    assert after.keys() == before.keys() - gone
    for tenant in before.keys() - broken.keys():
        assert after[tenant] == before[tenant], tenant
    graph = found.resolve_asset_graph()
    for tenant in broken.keys() - gone:
        shown = graph.get(AssetKey([tenant, "broken", "configuration"])).description or ""
        assert WAYS[broken[tenant]].says in shown
