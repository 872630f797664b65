"""Several tenants in one place: a shared project, a project that does not parse, and what loading costs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance

from etl.config import load_tenant
from etl.dbt.index import fresh_index, index_path
from etl.dbt.project import tenant_dbt
from etl.definitions import build_all_definitions, build_tenant_definitions
from etl.errors import DbtError
from etl.running.dbt_prepare import load_index
from etl.settings import load_settings
from tests.dbt.projects import definitions, inside, only_dbt, rows, run, write_dbt
from tests.tiny_project import TinyProject, make_project

SHARED = {
    "models/marts/greeting.sql": "select '{{ var('tenant') }}' as who, '{{ var('word') }}' as word",
    "models/marts/greeting.yml": "version: 2\nmodels: [{name: greeting, columns: [{name: who, data_tests: [not_null]}]}]",
    "macros/schema.sql": "{% macro generate_schema_name(custom, node) %}{{ var('schema') }}{% endmacro %}",
}
MOST_CALLS = 60_000
LOAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
import etl.definitions
from tests.effort import calls
started = []
sys.addaudithook(lambda event, args: started.append(str(args[0])) if event in {"subprocess.Popen", "os.posix_spawn", "os.fork"} else None)
effort = {}
for tenant in ("plain", "plain", "alpha", "beta"):
    effort[tenant] = calls(lambda: etl.definitions.one_tenant._build.__wrapped__(tenant, None))
heavy = [name for name in ("dbt", "dagster_dbt", "sqlglot") if name in sys.modules]
print(json.dumps({"started": started, "heavy": heavy, "effort": effort}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """`alpha` and `beta` share a project, `gamma`'s does not parse, `plain` has none; `acme` has a pipeline."""
    made = make_project(tmp_path_factory.mktemp("tenants"))
    (made.root / "pyproject.toml").write_text('[tool.etl]\nshared_dbt_projects = ["shared"]\n')
    only_dbt(made, "alpha", project="shared", vars={"word": "hello"})
    only_dbt(made, "beta", project="shared", vars={"word": "안녕"}, schema="of_beta")
    only_dbt(made, "gamma")
    only_dbt(made, "plain", enabled=False)
    write_dbt(made, SHARED, "shared")
    write_dbt(made, {"models/marts/wrong.sql": "select * from {{ ref('nobody') }}"}, "gamma")
    with inside(made):
        yield made


def test_two_tenants_of_one_project_have_keys_schemas_and_files_of_their_own(project: TinyProject) -> None:
    for tenant, word in (("alpha", "hello"), ("beta", "안녕")):
        with DagsterInstance.ephemeral() as instance:
            done = run(definitions(tenant), f"{tenant}_all", instance)
        assert done.result.success
        assert done.materialized == {f"{tenant}/dbt/greeting"}
        schema = "dbt_alpha" if tenant == "alpha" else "of_beta"
        assert rows(project, f"SELECT who, word FROM {schema}.greeting", tenant) == [(tenant, word)]


def test_a_project_that_does_not_parse_is_the_error_of_its_tenant_alone(project: TinyProject) -> None:
    with pytest.raises(DbtError, match=r"(?s)tenant gamma.*wrong.*depends on a node named 'nobody'.*only this tenant"):
        definitions("gamma")
    build_tenant_definitions.cache_clear()
    build_all_definitions.cache_clear()
    keys = {key.to_user_string() for key in build_all_definitions().resolve_asset_graph().get_all_asset_keys()}
    assert {"alpha/dbt/greeting", "beta/dbt/greeting", "acme/load/orders", "gamma/broken/configuration"} <= keys
    broken = build_all_definitions().resolve_asset_graph().get(AssetKey(["gamma", "broken", "configuration"]))
    assert "models/marts/wrong.sql" in (broken.description or "")


def test_loading_with_fresh_indexes_starts_no_process_and_imports_no_dbt(project: TinyProject) -> None:
    for tenant in ("alpha", "beta"):
        definitions(tenant)
    environ = {**project.process_environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", LOAD], env=environ, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["started"], found["heavy"]) == ([], [])
    # `plain` is built first and once more, so that what is imported on first use is nobody's cost.
    effort = found["effort"]
    assert max(effort["alpha"], effort["beta"]) - effort["plain"] <= MOST_CALLS, effort


def test_a_changed_project_is_parsed_again_in_dev_and_an_error_in_production(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    config = load_tenant("alpha", settings)
    dbt = tenant_dbt(config, settings)
    load_index(config, dbt, settings)
    before = index_path(dbt).read_bytes()

    write_dbt(project, {"models/marts/more.sql": "select 1 as one"}, "shared")
    assert fresh_index(config, dbt) is None
    monkeypatch.setenv("DAGSTER_ENVIRONMENT", "prod")
    with pytest.raises(DbtError, match=r"(?s)has changed since it was prepared.*etl dbt prepare alpha"):
        load_index(config, dbt, load_settings())
    assert index_path(dbt).read_bytes() == before

    monkeypatch.setenv("DAGSTER_ENVIRONMENT", "dev")
    found = load_index(config, dbt, load_settings())
    assert {each.key[-1] for each in found.assets} == {"greeting", "more"}

    write_dbt(project, {"models/marts/more.sql": None}, "shared")  # as before: the old index is stale again
    assert fresh_index(config, dbt) is None


def test_never_prepared_is_an_error_in_production_that_names_the_command(
    project: TinyProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ETL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DAGSTER_ENVIRONMENT", "prod")
    with pytest.raises(DbtError, match=r"(?s)was never prepared.*etl dbt prepare beta"):
        definitions("beta")
    assert not list(tmp_path.rglob("manifest.json"))
