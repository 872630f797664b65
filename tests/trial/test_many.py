"""Two hundred tenants, of which one at a time is broken: the definitions of all others stay what they were."""

import json
import re
from collections.abc import Collection, Iterator
from html import unescape

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, build_sensor_context

from etl.factories import page_sensor
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
    (project.root / "pyproject.toml").write_text(
        "[tool.etl]\npython_seconds = 1\npython_seconds_together = 8\npython_megabytes = 512\n"
    )
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
    many: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_PORTAL_DIR", str(many.data / "pages"))
    before = dump_by_tenant(build())
    assert len(before) == TENANTS
    broken = {}
    for number, way in enumerate(sorted(TOGETHER)):
        if way.startswith("a_transform"):
            continue  # the tenants have none
        tenant = f"tenant_{number * 3 + 1:03}"
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
    pages_say(found, broken.keys() - gone, many, monkeypatch)


def pages_say(found: Definitions, broken: Collection[str], many: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensor of the location writes a page of each broken tenant, and the operator's page over all."""
    out = many.data / "pages"
    monkeypatch.setattr(
        page_sensor, "list_tenants", lambda _settings: tuple(sorted(broken))
    )  # without those that are good
    (sensor,) = [each for each in found.sensors or () if each.name == "page_sensor"]
    with DagsterInstance.ephemeral() as instance, build_sensor_context(instance=instance) as context:
        sensor.evaluate_tick(context)
    operator = {each["tenant"]: each for each in json.loads((out / "_operator" / "page.json").read_text())["tenants"]}
    assert operator.keys() == {*broken}
    for tenant in broken:
        page = json.loads((out / tenant / "page.json").read_text())
        assert (page["level"], operator[tenant]["level"]) == ("bad", "bad"), tenant
        assert operator[tenant]["commands"] == [f"etl check {tenant}"]
        assert page["answer"] in ("The configuration cannot be read", "The tenant's own code cannot be loaded")
        lines = "\n".join(page["problem"]["lines"])
        assert lines
        assert page["problem"]["hint"], (tenant, lines)
        text = unescape((out / tenant / "index.html").read_text())
        assert page["answer"] in text
        assert page["problem"]["lines"][0] in text
        assert page["problem"]["hint"] in text
        others = {each for each in re.findall(r"tenant_\d{3}", text) if each != tenant}
        assert others == set(), tenant
