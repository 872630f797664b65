"""The installation that docs/production.md describes: started from the written files by the real systemd, and used."""

from collections.abc import Iterator

import pytest

from tests.deployment.installation import HOST, TENANTS, Installed, installed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LAUNCH = """mutation($tenant: String!, $job: String!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: $tenant, repositoryName: "__repository__", jobName: $job},
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with installed(tmp_path_factory.mktemp("production")) as result:
        result.wait_for(lambda: result.locations() == dict.fromkeys(TENANTS, "LOADED"))
        yield result


def test_nobody_gets_in_without_the_login(here: Installed) -> None:
    status = ("-o", "/dev/null", "-w", "%{http_code}")
    assert here.curl("/", *status) == "200"
    assert here.curl("/", *status, account="") == "401"
    assert here.curl("/", *status, account="anna:wrong") == "401"
    assert here.curl("/graphql", *status, "-d", "{}", "-H", "Origin: https://elsewhere.example") == "403"
    assert here.curl("/server_info", *status, "-H", f"Origin: https://{HOST}") == "200"


def test_runs_work_and_a_broken_rule_fails(here: Installed) -> None:
    runs = {tenant: launch(here, tenant, "2026-01-01") for tenant in ("alice", "carol")}
    here.wait_for(lambda: all(here.run_status(each) in ("SUCCESS", "FAILURE") for each in runs.values()))
    assert {tenant: here.run_status(each) for tenant, each in runs.items()} == {"alice": "SUCCESS", "carol": "FAILURE"}


def launch(here: Installed, tenant: str, day: str) -> str:
    tags = [{"key": "dagster/partition", "value": day}]
    answer = here.ask(LAUNCH, tenant=tenant, job=f"{tenant}_all", tags=tags)["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return str(answer["run"]["id"])
