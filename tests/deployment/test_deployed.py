"""The installation that docs/production.md describes: started from the written files by the real systemd, and used.

The tests of this file are one story, in this order. PostgreSQL, nginx, five services of five users and everything that
they write are on a machine of their own: see `machine`.
"""

import hashlib
import json
import re
from collections.abc import Iterator

import pytest

from tests.deployment.installation import HOST, PASSWORD, TENANTS, Installed, installed
from tests.installation import REPOSITORY
from tests.tiny_project import ROWS_PER_DAY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("machine")]  # one story

DAY = "2026-01-01"
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
LAUNCH = """mutation($tenant: String!, $job: String!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: $tenant, repositoryName: "__repository__", jobName: $job},
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { id } } ... on PythonError { message } } }"""
TICKS = """query($tenant: String!) { sensorOrError(sensorSelector: {
    repositoryLocationName: $tenant, repositoryName: "__repository__", sensorName: "alice_sla_sensor"
  }) { ... on Sensor { sensorState { status ticks(limit: 5) { status } } } } }"""
CHECKS = "SELECT asset_key, check_name, execution_status FROM asset_check_executions ORDER BY 1, 2, id"
HISTORY = "SELECT run_id, dagster_event_type, md5(event) FROM event_logs ORDER BY id"
RUNS = "SELECT run_id, status, md5(run_body) FROM runs ORDER BY id"
LEDGER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(db.execute("SELECT count(*), sum(order_id), sum(amount) FROM shop.orders").fetchall())
    print(db.execute("SELECT * FROM etl_ledger.loads ORDER BY ALL").fetchall())
"""


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
    listening = here.machine.run("ss", "-ltnH").split()
    assert {each.rsplit(":", 1)[1] for each in listening if each.startswith("0.0.0.0:")} <= {"443", "80", "*"}


def test_a_service_sees_its_own_folders_and_variables_only(here: Installed) -> None:
    own, other = ("etl-code-alice", "etl-code-bob")
    for path in ("/var/lib/etl/code-bob/data", "/var/lib/etl/code-bob/logs", "/etc/etl/variables", "/run/etl/code-bob"):
        assert "Permission denied" in here.machine.run("ls", path, user=own, check=False), path
    assert "Permission denied" in here.machine.run("touch", "/opt/etl/project/tenants/x", user=own, check=False)
    assert "Permission denied" in here.machine.run("touch", "/etc/etl/dagster/x", user=own, check=False)
    socket = "import socket; socket.socket(socket.AF_UNIX).connect('/run/etl/code-bob/grpc.sock')"
    python = "/opt/etl/venv/bin/python"
    assert "PermissionError" in here.machine.run(python, "-c", socket, user=own, check=False)
    here.machine.run(python, "-c", socket, user="etl-daemon")
    for each in (own, other):
        environ = here.machine.run("cat", f"/proc/{main_process(here, each)}/environ")
        assert ("ALICE_DB_PASSWORD" in environ, "BOB_DB_PASSWORD" in environ) == (each == own, each == other)
    said = here.machine.run(
        "etl-as", "code-alice", "sh", "-c", "id -un; pwd; echo $ALICE_DB_USER$BOB_DB_USER; command -v etl"
    )
    assert said.split() == [own, "/opt/etl/project", "reader", "/opt/etl/venv/bin/etl"]
    for path in ("/etc/etl/dagster/dagster.yaml", "/etc/etl/shape.json", "/etc/nginx/conf.d/etl.conf"):
        assert PASSWORD not in here.machine.run("cat", path)


def test_runs_work_and_a_broken_rule_fails_and_the_sensor_judges(here: Installed) -> None:
    runs = {tenant: launch(here, tenant, DAY) for tenant in ("alice", "carol")}
    ended(here, *runs.values())
    assert {tenant: here.run_status(each) for tenant, each in runs.items()} == {"alice": "SUCCESS", "carol": "FAILURE"}
    assert rows(here, "alice").startswith(f"[({ROWS_PER_DAY}, ")
    checks = {(key, name): status for key, name, status in here.sql(CHECKS)}
    assert checks['["carol", "transfer", "orders"]', "in_range__amount"] == "FAILED"
    assert checks['["alice", "transfer", "orders"]', "not_null__order_id"] == "SUCCEEDED"
    assert {each["status"] for each in ticks(here)} == {"SKIPPED"}  # it starts no run: it judges
    assert any(key == '["alice", "load", "orders"]' and name == "sla" for key, name in checks)
    log = "query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { ... on LogsCapturedEvent { fileKey } } } } }"
    (key,) = [each["fileKey"] for each in here.ask(log, id=runs["alice"])["logsForRun"]["events"] if each]
    captured = "query($key: [String!]!) { capturedLogs(logKey: $key) { stderr } }"
    printed = here.ask(captured, key=[runs["alice"], "compute_logs", key])["capturedLogs"]["stderr"]
    assert "STEP_SUCCESS" in printed  # the web server reads what a run of another user has printed


@pytest.mark.parametrize("service", ["etl-web", "etl-daemon", "etl-code-bob", "nginx", "postgresql@15-etl"])
def test_a_killed_process_comes_back_or_is_started_again_and_nothing_else_has_to_be(
    here: Installed, service: str
) -> None:
    others = {each.name: main_process(here, f"etl-{each.name}") for each in here.shape.services}
    before = main_process(here, service)
    here.machine.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", service)
    if not service.startswith("etl-"):  # the distribution's units do not start themselves again
        here.wait_for(lambda: "inactive" in state(here, service) or "failed" in state(here, service))
        here.machine.run("systemctl", "restart", service)
    here.wait_for(lambda: main_process(here, service) not in ("0", before))
    here.wait_for(lambda: here.locations() == dict.fromkeys(TENANTS, "LOADED"))
    now = {each.name: main_process(here, f"etl-{each.name}") for each in here.shape.services}
    assert {name for name in now if now[name] != others[name]} == {service.removeprefix("etl-")} & set(now)


def test_a_backup_is_restored_on_empty_folders(here: Installed) -> None:
    hang(here, "bob")
    run = launch(here, "bob", DAY)
    here.wait_for(
        lambda: (
            "STEP_START"
            in [each[0] for each in here.sql(f"SELECT dagster_event_type FROM event_logs WHERE run_id = '{run}'")]
        )
    )
    backup, before = backed_up(here)
    assert json.loads(here.machine.run("cat", f"{backup}/manifest.json"))["elsewhere"] == []

    here.machine.run("systemctl", "kill", "--signal=KILL", "etl-code-bob")  # it would wait for the run
    page = (REPOSITORY / "docs" / "production.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"^<!-- on the machine: restore -->\n```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    start = "systemctl start etl.target\n"
    assert commands.endswith(start)
    said = here.machine.run("sh", "-euc", commands.removesuffix(start), check=True, BACKUP=backup)
    assert "can be restored here" in said
    assert f"run {run} was at work" in " ".join(said.split())

    after = kept(here)
    assert {name: after[name] for name in after if name not in ("runs", "history")} == {
        name: before[name] for name in before if name not in ("runs", "history")
    }
    assert after["history"][: len(before["history"])] == before["history"]
    assert {each[0]: each[1] for each in after["runs"]} == {
        each[0]: "FAILURE" if each[0] == run else each[1] for each in before["runs"]
    }
    owners = here.machine.run("find", "/var/lib/etl/code-alice", "-type", "f", "!", "-user", "etl-code-alice")
    assert owners == ""

    here.machine.run("sed", "-i", "/ETL_FAULT/d", "/etc/etl/variables/code-bob.env")
    here.machine.run("systemctl", "start", "etl-web", "etl-daemon", "etl-code-bob")
    here.wait_for(lambda: here.locations().get("bob") == "LOADED")
    ended(here, again := launch(here, "bob", DAY))
    assert here.run_status(again) == "SUCCESS"
    assert rows(here, "bob").splitlines()[0] == rows(here, "alice").splitlines()[0]


def launch(here: Installed, tenant: str, day: str) -> str:
    tags = [{"key": "dagster/partition", "value": day}]
    answers = []

    def is_launched() -> bool:  # a code server that has just been started may not answer yet
        answers.append(here.ask(LAUNCH, tenant=tenant, job=f"{tenant}_all", tags=tags)["launchRun"])
        return bool(answers[-1]["__typename"] == "LaunchRunSuccess")

    here.wait_for(is_launched, 60)
    return str(answers[-1]["run"]["id"])


def ended(here: Installed, *runs: str) -> None:
    here.wait_for(lambda: all(here.run_status(each) in ENDED for each in runs))


def backed_up(here: Installed) -> tuple[str, dict[str, object]]:
    """A backup, and what it has to contain.

    Sensors go on and write what they see; so this is one beside which nothing has changed.
    """
    for _ in range(10):
        before = kept(here)
        here.machine.run("systemctl", "start", "etl-backup.service", check=False)
        assert "failed" not in state(here, "etl-backup.service"), here.machine.run(
            "journalctl", "-u", "etl-backup", "-o", "cat"
        )
        if kept(here) == before:
            return here.machine.run("sh", "-c", "ls -d /var/backups/etl/*").split()[-1], before
    raise AssertionError("something changed beside each of ten backups")


def ticks(here: Installed) -> list[dict[str, str]]:
    found: list[dict[str, str]] = here.ask(TICKS, tenant="alice")["sensorOrError"]["sensorState"]["ticks"]
    return found


def state(here: Installed, unit: str) -> str:
    return here.machine.run("systemctl", "is-active", unit, check=False)


def main_process(here: Installed, unit: str) -> str:
    return here.machine.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()


def rows(here: Installed, tenant: str) -> str:
    """The rows and the ledger of a tenant's warehouse."""
    path = f"/var/lib/etl/code-{tenant}/data/warehouse/{tenant}.duckdb"
    return here.machine.run("/opt/etl/venv/bin/python", "-c", LEDGER, path)


def kept(here: Installed) -> dict[str, object]:
    """Everything that has to be the same after a restore."""
    state = """
import sqlite3, sys
for path in sys.argv[1:]:
    with sqlite3.connect(path) as db:
        print(path, *db.iterdump(), sep="\\n")
"""
    files = here.machine.run("sh", "-c", "cd /var/lib/etl; find . -path '*/lake/*' -type f | sort | xargs sha256sum")
    stores = [f"/var/lib/etl/code-alice/data/{each}.sqlite" for each in ("sla", "notify", "sla/alice")]
    return {
        "warehouse": rows(here, "alice"),
        "lake": hashlib.sha256(files.encode()).hexdigest(),
        "state": here.machine.run("/opt/etl/venv/bin/python", "-c", state, *stores),
        "runs": here.sql(RUNS),
        "history": here.sql(HISTORY),
        "checks": here.sql(CHECKS),
    }


def hang(here: Installed, tenant: str) -> None:
    """Let the tenant's next runs stop in the middle of their extract, until their process is ended."""
    path = f"/etc/etl/variables/code-{tenant}.env"
    here.machine.run("sh", "-c", f"echo ETL_FAULT=extract.read=hang >> {path}; systemctl restart etl-code-{tenant}")
