"""One tenant of a location is broken in each of many ways: it is shown as broken, and the others are what they were."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey

from etl.errors import ConfigError, EtlError
from etl.trial.own_python import has_own_python
from tests.tiny_project import TinyProject
from tests.trial.dump import dump_by_tenant
from tests.trial.served import Served, build, serving, whole_again
from tests.trial.ways import GOOD, LIKE_ANOTHER, WAYS, python


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two tenants, whose Python may take a second."""
    with serving(tmp_path_factory.mktemp("apart"), "beta", "python_seconds = 1\npython_megabytes = 256") as made:
        yield made


@pytest.fixture
def two(served: Served) -> TinyProject:
    """The same with a whole tenant `acme`."""
    whole_again(served[0], "acme")
    return served[0]


@pytest.mark.parametrize("way", sorted(WAYS.keys() - LIKE_ANOTHER))
def test_a_broken_tenant_is_shown_and_the_other_is_what_it_was(served: Served, two: TinyProject, way: str) -> None:
    here, environ = Path.cwd(), dict(os.environ)
    WAYS[way].change(two.root / "tenants" / "acme")
    found = build()
    assert dump_by_tenant(found)["beta"] == served[1]["beta"]
    said = found.resolve_asset_graph().get(AssetKey(["acme", "broken", "configuration"])).description or ""
    assert WAYS[way].says in said
    assert (Path.cwd(), dict(os.environ)) == (here, environ)


@pytest.mark.parametrize("way", sorted(GOOD))
def test_what_hurts_nobody_is_no_mistake(served: Served, two: TinyProject, way: str) -> None:
    python(GOOD[way], "").change(two.root / "tenants" / "acme")
    assert dump_by_tenant(build()) == served[1]


def test_the_one_that_hurts_is_found_among_many_and_not_the_one_that_is_hurt(two: TinyProject) -> None:
    """What replaces something is found together with others; the tenant after it fails only because of it."""
    folder = two.root / "tenants"
    code = {"gamma": "x = 1", "delta": "import json\njson.dumps = None", "omega": "import json\njson.dumps({})"}
    for tenant, text in code.items():
        two.write_tenant(tenant=tenant)
        python(text, "").change(folder / tenant)
    keys = build().resolve_asset_graph().get_all_asset_keys()
    for tenant in code:
        shutil.rmtree(folder / tenant)
    assert {key.path[0] for key in keys if key.path[1] == "broken"} == {"delta"}


def test_a_tenant_without_python_of_its_own_is_not_imported(two: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another process nor an import is needed: who has only the two lines costs nothing."""

    def fork() -> int:
        raise AssertionError("a process was started")

    monkeypatch.setattr(os, "fork", fork)
    build()
    assert not [name for name in sys.modules if name.startswith("tenants.acme")]
    python("import math", "").change(two.root / "tenants" / "acme")
    with pytest.raises(AssertionError, match="a process was started"):
        build()


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ('"""Doc."""\n\nfrom etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("acme")\n', False),
        ('from etl.definitions import build_tenant_definitions\ndefs = build_tenant_definitions("acme")\n', False),
        ('from etl import build_tenant_definitions\ndefs = build_tenant_definitions("beta")\n', True),
        ('from other import build_tenant_definitions\ndefs = build_tenant_definitions("acme")\n', True),
        ('from etl import build_tenant_definitions\ndefs = build_tenant_definitions("acme")\nx = 1\n', True),
        ("def (:\n", True),
        ("", True),
    ],
)
def test_python_of_its_own_is_more_than_the_two_usual_lines(tmp_path: Path, text: str, own: bool) -> None:
    folder = tmp_path / "tenants" / "acme"
    folder.mkdir(parents=True)
    assert not has_own_python(folder)
    (folder / "definitions.py").write_text(text)
    assert has_own_python(folder) is own
    (folder / "definitions.py").write_text('from etl import build_tenant_definitions as b\ndefs = b("acme")\n')
    os.utime(folder / "definitions.py", (1, 1))
    assert has_own_python(folder)


def test_strict_stops_the_location_with_the_problems_of_all(two: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    WAYS["os_abort"].change(two.root / "tenants" / "acme")
    monkeypatch.setenv("ETL_STRICT", "1")
    with pytest.raises(ConfigError, match="SIGABRT"):
        build()
    monkeypatch.setenv("ETL_STRICT", "yes")
    with pytest.raises(EtlError, match="ETL_STRICT is `yes`"):
        build()
