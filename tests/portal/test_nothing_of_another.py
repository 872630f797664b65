"""Whatever a tenant's own Python says, and whatever the other tenants are called, a page has only what is the tenant's."""

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, build_sensor_context

from etl.cli.portal import build as portal_build
from etl.errors import ConfigError
from etl.portal.broken import problem_of
from etl.portal.render import html_of
from etl.running import naming
from etl.settings import load_settings
from etl.trial.trouble import TenantTrouble
from tests.factories.test_building import forget_packages, forget_tenants
from tests.portal.test_broken import portal
from tests.portal.test_page import Parsed
from tests.portal.world import Portal, config_of
from tests.tiny_project import TinyProject, make_project
from tests.trial.test_apart import build
from tests.trial.ways import python

pytestmark = pytest.mark.slow  # a page for each way to say a value

__all__ = ["portal"]

VALUE = "bobcanaryhost"
"""The value of BOB_DB_HOST, whose name is not that of a secret."""
SAYS = "import os\nvalue = os.environ['BOB_DB_HOST']\n"
ASSET = "from dagster import Definitions, asset, define_asset_job\n@asset(key=[{key}])\ndef mine(): ...\n"
DEFS = "defs = Definitions(assets=[mine], jobs=[{jobs}])\n"
SAYING: dict[str, str] = {
    "raises": "raise ValueError(value)",
    "raises_ours": "from etl.errors import EtlError\nraise EtlError(value, value)",
    "exits": "import sys\nsys.exit(value)",
    "kind": "raise RuntimeError('x') from ValueError(value)",
    "changes": "import sys\nsys.path.insert(0, f'/{value}')",
    "threads": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name=value, daemon=True).start()",
    "builds": "from etl import build_tenant_definitions\nbuild_tenant_definitions(value)",
    "syntax": "exec(f'def {value} x')",
    "imports": "import importlib\nimportlib.import_module(value)",
}
DEFINING: dict[str, str] = {
    "takes": ASSET.format(key="'bob', value") + DEFS.format(jobs=""),
    "twice": ASSET.format(key="value") + DEFS.format(jobs=""),
    "twice_too": ASSET.format(key="value") + DEFS.format(jobs=""),
    "invalid": ASSET.format(key="'own'") + DEFS.format(jobs="define_asset_job('mine', selection=[value])"),
}
"""The same in definitions, which Dagster or the location refuses."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyProject]:
    """Bob, and a tenant for each way in which Python can say the value."""
    made = make_project(tmp_path)
    (made.root / "tenants" / "acme").rename(made.root / "acme")
    (made.root / "pyproject.toml").write_text("[tool.etl]\npython_seconds = 20\n")
    workspace = "load_from:\n  - python_module: {module_name: etl.all, location_name: all, working_directory: .}\n"
    (made.root / "workspace.yaml").write_text(workspace)
    made.write_tenant(tenant="bob")
    for tenant, code in SAYING.items():
        made.write_tenant({"jobs": None}, tenant=tenant)
        python(SAYS + code, "").change(made.root / "tenants" / tenant)
    for tenant, code in DEFINING.items():
        made.write_tenant({"jobs": None}, tenant=tenant)
        (made.root / "tenants" / tenant / "definitions.py").write_text(SAYS + code)
    more = {"ETL_PORTAL_DIR": str(tmp_path / "sensor"), "BOB_DB_HOST": VALUE}
    for name, value in {**made.environ, **more}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(made.root)
    forget_tenants(monkeypatch)
    yield made
    forget_packages()


def ticked(found: Definitions) -> None:
    (sensor,) = [each for each in found.sensors or () if each.name == naming.LOCATION_PAGE_SENSOR]
    with DagsterInstance.ephemeral() as instance, build_sensor_context(instance=instance) as context:
        sensor.evaluate_tick(context)


def test_no_page_has_another_tenants_value_whatever_its_own_python_says(project: TinyProject, tmp_path: Path) -> None:
    found = build()
    broken = sorted(
        key.path[0] for key in found.resolve_asset_graph().get_all_asset_keys() if key.path[1:2] == ["broken"]
    )
    # Of the two with the same key, one is served.
    assert {*broken, "twice", "twice_too"} == {*SAYING, *DEFINING}
    descriptions = {
        each: found.resolve_asset_graph().get(AssetKey([each, "broken", "configuration"])).description or ""
        for each in broken
    }
    # Operators see it, so the search below looks for what is there.
    assert [each for each in broken if VALUE not in descriptions[each]] == ["invalid", "kind", "syntax"]
    ticked(found)
    portal_build(tmp_path / "command", None)
    for folder in ("sensor", "command"):
        for tenant in broken if folder == "sensor" else sorted(SAYING):
            written = "".join((tmp_path / folder / tenant / each).read_text() for each in ("index.html", "page.json"))
            page = json.loads((tmp_path / folder / tenant / "page.json").read_text())
            assert page["problem"] is not None, (folder, tenant)
            assert VALUE not in written + unescape(written), (folder, tenant)
            assert "bob" not in unescape(written).lower(), (folder, tenant)
        operator = (tmp_path / folder / "_operator" / "index.html").read_text()
        assert VALUE not in operator  # it has the answers of the pages, and the commands that say more
        assert "etl check raises" in operator
    said = json.loads((tmp_path / "sensor" / "raises" / "page.json").read_text())["problem"]["lines"]
    assert said == [
        "tenants/raises/definitions.py:3: the tenant's own Python raised ValueError; `etl check` shows its text"
    ]


ERROR = ConfigError(
    "the configuration of tenant `alice` has 2 problems",
    "correct tenants/alice/config.yaml, which is a file of a tenant; the default is a day",
    problems=[
        "tenants/alice/config.yaml:3:5: unknown key `a` in pipeline a_b of tenant alice; allowed: a, default, orders",
        "tenants/alice/config.yaml:4:5: ${ALICE_EU_URL} is not set, and a table is not a view; A_1 is no variable of yours",
    ],
)
WORDS = ("a", "default", "orders", "is", "tenants", "tenant", "configuration", "config", "alice_e", "eu", "key", "view")


def test_a_tenant_that_is_called_like_a_word_changes_no_text(portal: Portal) -> None:
    """Before, the word `a` was replaced in every text because there was a tenant `a`."""
    plain = problem_of(TenantTrouble("alice", ERROR), ["bob"], portal.settings)
    assert plain.lines == ERROR.problems
    assert plain.hint == ERROR.hint
    same = problem_of(TenantTrouble("alice", ERROR), WORDS[1:], portal.settings)
    assert (same.lines, same.hint) == (plain.lines, plain.hint)
    assert problem_of(TenantTrouble("alice", ERROR), ["a"], portal.settings).lines[0] == plain.lines[0]


@pytest.mark.parametrize("other", ["a", "default", "bob", "acme_eu", "alice_eu"])
def test_another_tenant_is_named_nowhere(portal: Portal, other: str) -> None:
    variable = f"{other.upper()}_DB_HOST"
    error = ConfigError(
        f"the variable `{variable}` belongs to tenant {other}; see tenants/{other}/config.yaml:3 of tenant `{other}`",
        f"a variable that begins with ALICE_; dbt_projects/{other} is tenant {other}'s",
    )
    portal.configs["alice"] = error
    portal.configs[other] = config_of(other)
    page = next(each for each in portal.gathering(tenants=["alice", "bob", other]).pages() if each.tenant == "alice")
    assert page.problem is not None
    assert "\n".join(page.problem.lines) == (
        "the variable `ANOTHER-TENANT` belongs to tenant another-tenant; see tenants/another-tenant/config.yaml:3"
        " of tenant `another-tenant`"
    )
    assert page.problem.hint == (
        "a variable that begins with ALICE_; dbt_projects/another-tenant is tenant another-tenant's"
    )
    assert Parsed(html_of(page)).wrong == []


def test_variables_of_the_platform_and_of_the_tenant_stay(portal: Portal) -> None:
    assert load_settings() is not None
    error = ConfigError("AWS_REGION, ALICE_EU_HOST, TRINO_HOST and A_VALUE", "")
    (line,) = problem_of(
        TenantTrouble("alice_eu", error), ["aws", "alice", "trino", "eu", "value"], portal.settings
    ).lines
    assert line == error.problem
