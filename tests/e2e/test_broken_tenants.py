"""Broken tenants of a served location: what the UI asks for and the pages say, and the last good configuration at work.

One web server with its code server and daemon serves four tenants: `acme` and `beta` could be built before, `gamma`
never could, and `delta` is good. What the UI shows comes from its GraphQL answers.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from etl.last_good import LastGood, kept
from etl.settings import load_settings
from tests.e2e.conftest import ETL
from tests.e2e.servers import Server, dagster_dev, wait_for
from tests.factories.test_building import forget_packages, forget_tenants
from tests.tiny_project import ROWS_PER_DAY, TinyProject, make_project
from tests.trial.test_apart import build
from tests.trial.ways import WAYS, python

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DAY = "2026-01-02"
NODES = """{ assetNodes { assetKey { path } description tags { key value } isExecutable
  assetChecksOrError { ... on AssetChecks { checks { name description executionForLatestMaterialization {
    status evaluation { severity description metadataEntries { label ... on TextMetadataEntry { text } } } } } } } } }"""
LAUNCH = """mutation($job: String!, $tags: [ExecutionTag!]) { launchRun(executionParams: {
    selector: {repositoryLocationName: "etl.all", repositoryName: "__repository__", jobName: $job},
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } }
  logsForRun(runId: $id) { ... on EventConnection { events { __typename ... on ExecutionStepFailureEvent {
    error { message causes { message } } } } } } }"""


@dataclass(frozen=True)
class Served:
    """The server, and the pages that its sensor writes."""

    project: TinyProject
    server: Server
    pages: Path
    last: dict[str, LastGood]

    def nodes(self, tenant: str) -> dict[str, Any]:
        """The assets of a tenant by stage, as the UI gets them."""
        found = self.server.ask(NODES)["assetNodes"]
        return {each["assetKey"]["path"][1]: each for each in found if each["assetKey"]["path"][0] == tenant}

    def launched(self, job: str, **tags: str) -> Any:
        """A run that has ended."""
        listed = [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]
        said = self.server.ask(LAUNCH, job=job, tags=listed)["launchRun"]
        assert said["__typename"] == "LaunchRunSuccess", said
        run = said["run"]["id"]
        wait_for(lambda: self.server.run_status(run) in {"SUCCESS", "FAILURE", "CANCELED"}, 240, self.server)
        return self.server.ask(RUN, id=run)

    def page(self, tenant: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.pages / tenant / "page.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("broken")
    project, pages = make_project(folder), folder / "pages"
    (project.root / "pyproject.toml").write_text("[tool.etl]\nkeep_last_good = true\npython_seconds = 10\n")
    workspace = "load_from:\n  - python_module: {module_name: etl.all, location_name: etl.all, working_directory: .}\n"
    (project.root / "workspace.yaml").write_text(workspace)
    for tenant in ("beta", "delta", "gamma"):
        project.write_tenant(tenant=tenant)
    tenants = project.root / "tenants"
    python("raise ValueError('never good')", "").change(tenants / "gamma")
    with pytest.MonkeyPatch.context() as patch:
        forget_tenants(patch)
        for name, value in project.environ.items():
            patch.setenv(name, value)
        build()
        last = {tenant: kept(tenant, load_settings()) for tenant in ("acme", "beta")}
    forget_packages()
    project.write_pipeline({"quality": {"rules": [{"column": "order_id", "type": "not_nul"}]}})
    WAYS["os_abort"].change(tenants / "beta")
    config = project.data / "dagster" / "dagster.yaml"
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(settings))
    environ = {**project.process_environ, "ETL_PORTAL_DIR": str(pages)}
    with dagster_dev(["-w", "workspace.yaml"], environ, project.root, folder / "log") as server:
        yield Served(project, server, pages, {tenant: each for tenant, each in last.items() if each is not None})


def test_the_location_loads_and_the_other_tenants_are_whole(served: Served) -> None:
    assert served.server.locations() == {"etl.all": "LOADED"}
    assert served.nodes("delta").keys() == {"extract", "transfer", "load"}


def test_a_broken_tenant_is_an_asset_that_names_the_problem_the_place_and_the_remedy(served: Served) -> None:
    nodes = served.nodes("gamma")
    assert nodes.keys() == {"broken"}
    shown = nodes["broken"]["description"]
    assert "tenants/gamma/definitions.py:1: ValueError: never good" in shown
    assert "-> correct tenants/gamma" in shown
    assert "Its last good configuration is not served: nothing was kept" in shown
    assert {"key": "broken", "value": "true"} in nodes["broken"]["tags"]
    assert {"key": "tenant", "value": "gamma"} in nodes["broken"]["tags"]


def check_of(served: Served, tenant: str) -> Any:
    (check,) = served.nodes(tenant)["broken"]["assetChecksOrError"]["checks"]
    return check["executionForLatestMaterialization"]


@pytest.mark.parametrize(
    ("tenant", "says"),
    [("gamma", "ValueError: never good"), ("acme", "did you mean `not_null`"), ("beta", "by the signal SIGABRT")],
)
def test_its_check_has_failed_with_the_problem(served: Served, tenant: str, says: str) -> None:
    wait_for(lambda: check_of(served, tenant) is not None, 180, served.server)
    told = check_of(served, tenant)
    assert (told["status"], told["evaluation"]["severity"]) == ("EXECUTION_FAILED", "ERROR") or told[
        "status"
    ] == "FAILED"
    (problem,) = told["evaluation"]["metadataEntries"]
    assert problem["label"] == "problem"
    assert says in problem["text"]


@pytest.mark.parametrize("tenant", ["acme", "beta"])
def test_the_last_good_configuration_is_marked_and_pinned_by_its_hash(served: Served, tenant: str) -> None:
    nodes, digest = served.nodes(tenant), served.last[tenant].digest[:12]
    assert nodes.keys() == {"extract", "transfer", "load", "broken"}
    for stage in ("extract", "transfer", "load"):
        assert {"key": "etl/last_good", "value": digest} in nodes[stage]["tags"], stage
    assert f"Its last good configuration is served: {served.last[tenant]}" in nodes["broken"]["description"]


def test_a_run_of_the_last_good_configuration_works_and_names_it(served: Served) -> None:
    told = served.launched("acme_all", dagster__partition=DAY)
    assert told["runOrError"]["status"] == "SUCCESS", told["logsForRun"]
    assert {"key": "etl/last_good", "value": served.last["acme"].digest[:12]} in told["runOrError"]["tags"]
    with duckdb.connect(str(served.project.data / "warehouse" / "acme.duckdb"), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM shop.orders").fetchone() == (ROWS_PER_DAY,)


def problem_lines(page: dict[str, Any]) -> str:
    return "\n".join(page["problem"]["lines"])


def is_about(served: Served) -> Callable[[], bool]:
    return lambda: all((served.pages / each / "page.json").is_file() for each in ("acme", "beta", "gamma", "_operator"))


@pytest.mark.parametrize("by", ["sensor", "command"])
def test_the_pages_say_the_same(served: Served, by: str, tmp_path: Path) -> None:
    wait_for(is_about(served), 240, served.server)
    pages = served
    if by == "command":
        environ = {**served.project.process_environ}
        done = subprocess.run(
            [ETL, "portal", "build", "--out", str(tmp_path)],
            cwd=served.project.root, env=environ, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        pages = Served(served.project, served.server, tmp_path, served.last)
    gamma, acme, beta = (pages.page(each) for each in ("gamma", "acme", "beta"))
    assert {each["level"] for each in (gamma, acme, beta)} == {"bad"}
    assert gamma["answer"] == beta["answer"] == "The tenant's own code cannot be loaded"
    assert acme["answer"] == "The configuration cannot be read"
    assert "tenants/gamma/definitions.py:1: the tenant's own Python raised ValueError" in problem_lines(gamma)
    assert "never good" not in problem_lines(gamma)
    assert "did you mean `not_null`" in problem_lines(acme)
    assert gamma["problem"]["hint"] == "correct tenants/gamma"
    assert gamma["problem"]["instead"] == "Its last good configuration is not served: nothing was kept"
    for tenant, page in (("acme", acme), ("beta", beta)):
        assert page["problem"]["instead"] == f"Its last good configuration is served: {served.last[tenant]}"
        assert "what is served is the last good configuration" in page["detail"]
        assert [each["name"] for each in page["pipelines"]] == ["orders"]
        html = (pages.pages / tenant / "index.html").read_text(encoding="utf-8")
        assert f"Its last good configuration is served: {served.last[tenant]}" in html
    assert "Until it is corrected, nothing new can run." in gamma["detail"]
    assert pages.page("delta")["problem"] is None
    rows = {each["tenant"]: each for each in pages.page("_operator")["tenants"]}
    assert {each: rows[each]["level"] for each in ("acme", "beta", "gamma")} == dict.fromkeys(
        ("acme", "beta", "gamma"), "bad"
    )
    assert rows["gamma"]["commands"] == ["etl check gamma"]
    operator = (pages.pages / "_operator" / "index.html").read_text(encoding="utf-8")
    assert "etl check acme" in operator
