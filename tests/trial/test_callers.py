"""A valid tenant with Python of its own is good to everybody who tries it out, in a process that has done nothing before."""

import json
import re
import subprocess
import sys

import pytest

from tests.tiny_project import REPOSITORY, TinyProject, make_project

OWN_ASSETS = REPOSITORY / "docs" / "own-assets.md"
USUAL = 'from etl import build_tenant_definitions\n\ndefs = build_tenant_definitions("{}")\n'
OTHERS = """import dagster as dg
from etl import build_tenant_definitions

weeks = dg.WeeklyPartitionsDefinition(start_date="2026-01-05")


@dg.asset(key_prefix=["gamma", "own"], group_name="CD", partitions_def=weeks, owners=["team:shop"])
def weekly() -> None:
    '''One week.'''


@dg.asset_check(asset=weekly)
def is_fine() -> dg.AssetCheckResult:
    '''Always.'''
    return dg.AssetCheckResult(passed=True)


every = dg.define_asset_job("gamma_own", selection=[weekly], executor_def=dg.multiprocess_executor)


@dg.sensor(name="gamma_look", job=every)
def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    '''Never.'''
    return dg.SkipReason("nothing")


own = dg.Definitions(
    assets=[weekly],
    asset_checks=[is_fine],
    jobs=[every],
    sensors=[look],
    schedules=[dg.build_schedule_from_partitioned_job(every, name="gamma_weekly")],
)
defs = dg.Definitions.merge(build_tenant_definitions("gamma"), own)
"""
SERVE = (
    "import etl.all; print(sorted(str(each.path) for each in etl.all.{}.resolve_asset_graph().get_all_asset_keys()))"
)
CLI = "import etl.cli; etl.cli.main()"
CALLERS = {
    "page": ["-c", CLI, "portal", "build", "--out", "out"],
    "doctor": ["-c", CLI, "doctor", "--format", "json"],
    "check": ["-c", CLI, "check"],
    "plan": ["-c", CLI, "plan", "acme", "gamma"],
    "etl.all": ["-c", SERVE.format("defs")],
    "strict": ["-c", SERVE.format("defs")],
    "shard": ["-c", SERVE.format("shard_1")],
}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """The documented asset, the other kinds of definitions, and a tenant whose code raises after it was built."""
    project = make_project(tmp_path_factory.mktemp("callers"))
    for tenant in ("beta", "gamma"):
        project.write_tenant(tenant=tenant)
    documented = re.findall(r"```python\n(import dagster.*?)```", OWN_ASSETS.read_text(encoding="utf-8"), re.DOTALL)[0]
    texts = {
        "acme": documented,
        "beta": USUAL.format("beta") + 'raise RuntimeError("my own mistake")\n',
        "gamma": OTHERS,
    }
    for tenant, text in texts.items():
        (project.root / "tenants" / tenant / "definitions.py").write_text(text)
    (project.root / "pyproject.toml").write_text("[tool.etl]\nshards = 1\n")
    (project.root / "workspace.yaml").write_text("load_from:\n  - python_module: etl.all\n")
    return project


@pytest.mark.parametrize(
    "caller", ["page", *(pytest.param(each, marks=pytest.mark.slow) for each in CALLERS if each != "page")]
)
def test_own_python_as_documented_is_good_and_what_is_wrong_is_named(three: TinyProject, caller: str) -> None:
    done = subprocess.run(
        [sys.executable, *CALLERS[caller]],
        cwd=three.root,
        env={
            **three.process_environ,
            "COLUMNS": "300",
            "NO_COLOR": "1",
            "ETL_STRICT": "1" if caller == "strict" else "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "changes the process" not in said
    if caller == "page":
        pages = {each: (three.root / "out" / each / "page.json").read_text() for each in ("acme", "beta", "gamma")}
        assert '"problem":null' in re.sub(r"\s", "", pages["acme"])
        assert '"problem":null' in re.sub(r"\s", "", pages["gamma"])
        assert "tenants/beta/definitions.py:4: the tenant's own Python raised RuntimeError" in pages["beta"]
    elif caller in ("etl.all", "shard"):
        assert "['acme', 'own', 'coverage']" in said
        assert "['gamma', 'own', 'weekly']" in said
        assert re.findall(r"\['(\w+)', 'broken', 'configuration'\]", said) == ["beta"]
    elif caller == "strict":
        assert done.returncode != 0
        assert "1 tenant(s) cannot be built" in said
        assert "tenants/beta/definitions.py:4: RuntimeError: my own mistake" in said
    elif caller == "plan":
        assert done.returncode == 0, said
    elif caller == "check":
        assert "beta cannot be built: RuntimeError: my own mistake" in said
        assert not re.search(r"(acme|gamma) cannot be built", said), said
    else:
        found = {each["place"]: each for each in json.loads(done.stdout) if each["what"] == "python"}
        assert {place: each["state"] for place, each in found.items()} == {
            "acme": "good",
            "beta": "bad",
            "gamma": "good",
        }
        assert "RuntimeError: my own mistake" in found["beta"]["said"]
