"""`etl lineage` and `etl traces` on a real project: what a run says of its columns, and what receivers get of it."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from dagster import DagsterInstance

from etl.config.config_loader import load_tenant
from etl.definitions import definitions_of
from etl.settings import load_settings
from tests.telemetry.receiver import Received, receiving
from tests.tiny_project import TinyProject

from .conftest import Etl, Said

DAY = "2026-01-03"
QUERY = """
SELECT o.order_id, o.amount + (SELECT max(amount) FROM (SELECT orders.amount FROM orders)) AS twice, name, x.n
FROM Main.orders o CROSS JOIN (SELECT count(*) AS n FROM orders) x
WHERE o.created_at >= :window_start AND o.created_at < :window_end
"""


@pytest.fixture
def ran(project: TinyProject) -> TinyProject:
    """The project after a run of one day, in which every address that telemetry could use leads nowhere."""
    lineage = {"*": "orders", "cents": ["amount"]}
    dated = {"date_column": "created_at", "partitions": {"start": "2026-01-01", "end": "2026-01-03"}}
    queried = {"query": QUERY.replace("name, x.n", "name, x.n, o.created_at"), **dated}
    project.write_tenant({"assets": {"pipelines": {"orders": {"column_lineage": lineage}, "queried": queried}}})
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        assert job.execute_in_process(partition_key=DAY, instance=instance).success
    return project


@pytest.fixture
def receiver() -> Iterator[Received]:
    with receiving() as received:
        yield received


def origins(said: Said) -> dict[tuple[str, str], str]:
    cells = ([cell.strip() for cell in line.split("│")[1:4]] for line in said.out.splitlines() if line.startswith("│"))
    return {(asset, column): origin for asset, column, origin in cells}


def test_columns_of_a_run_are_shown_and_sent(ran: TinyProject, etl: Etl, receiver: Received) -> None:
    said = etl("lineage", "show", "acme")
    found = origins(said)
    assert found["extract/orders", "amount"] == "source/orders.amount"
    assert found["transfer/orders", "amount"] == "extract/orders.amount"
    assert found["transfer/orders", "cents"] == "extract/orders.amount"
    assert found["load/orders", "cents"] == "transfer/orders.cents"
    assert found["extract/queried", "twice"] == "source/orders.amount"
    assert found["extract/queried", "n"] == "no column"
    assert found["extract/queried", "name"] == "source/orders.name"
    assert (said.code, [key for key, origin in found.items() if origin.startswith("unknown")]) == (0, [])
    assert origins(etl("lineage", "show", "acme", "--asset", "load/orders", "--column", "cents")).keys() == {
        ("load/orders", "cents")
    }
    typo = etl("lineage", "show", "acme", "--asset", "load/order")
    assert (typo.code, "did you mean `load/orders`?" in typo.err) == (2, True)

    away = etl("traces", "--endpoint", "http://127.0.0.1:1")
    assert (away.code, "cannot be reached" in away.err) == (3, True)
    assert etl("traces", "--endpoint", receiver.url).out == "traces: 1 run sent\n"
    assert etl("traces", "--endpoint", receiver.url).out == "traces: no new run\n"
    assert len(receiver.bodies) == 1
    receiver.answers = [200, 400]
    refused = etl("lineage", "send", "--url", receiver.url)
    assert (refused.code, "is not sent again: " in refused.err) == (1, True)
    assert etl("lineage", "send", "--url", receiver.url, "--tenant", "acme").out == "lineage: 1 run sent\n"
    events = [json.loads(each) for each in receiver.bodies[2:]]
    (made,) = [e for e in events if (e["eventType"], e["job"]["name"]) == ("COMPLETE", "transfer/orders")]
    fields = made["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert [(each["name"], each["field"]) for each in fields["cents"]["inputFields"]] == [("extract/orders", "amount")]
    assert [each["name"] for each in made["inputs"]] == ["extract/orders"]


def test_what_a_transform_does_not_declare_is_unknown(project: TinyProject, etl: Etl) -> None:
    nothing = etl("lineage", "show", "acme")
    assert (nothing.code, "nothing was examined" in nothing.err) == (3, True)
    project.write_pipeline({"column_lineage": {"cents": "amuont"}})
    with DagsterInstance.from_config(str(project.data / "dagster")) as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        assert job.execute_in_process(partition_key=DAY, instance=instance).success
    said = etl("lineage", "show", "acme", "--asset", "transfer/orders")
    found = origins(said)
    assert said.code == 1
    assert found["transfer/orders", "cents"].startswith("unknown: `column_lineage` names orders.amuont")
    assert found["transfer/orders", "name"].startswith("unknown: a transform is Python")


@pytest.mark.slow
def test_the_libraries_of_telemetry_are_not_loaded_where_runs_are_executed(project: TinyProject) -> None:
    code = (
        "import sys, etl.definitions, etl.running.step, etl.resources.run_worker\n"
        "assert not {'openlineage', 'dagster_openlineage', 'opentelemetry'} & sys.modules.keys()\n"
        "assert not [each for each in sys.modules if each.startswith('etl.telemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=project.process_environ)


def test_a_run_asks_no_receiver(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

    def connect(*_: object) -> None:
        raise AssertionError("a run opened a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with DagsterInstance.ephemeral() as instance:
        job = definitions_of(load_tenant("acme", load_settings())).resolve_job_def("acme_all")
        assert job.execute_in_process(partition_key=DAY, instance=instance).success


def test_a_gateway_that_refuses_one_tenant_gets_the_others(project: TinyProject, etl: Etl, receiver: Received) -> None:
    for name in ("beta", "gamma"):
        project.write_tenant(tenant=name)
    receiver.refused = "/tenant/acme"
    said = etl("metrics", "--push", receiver.url)
    assert (said.code, said.out) == (2, "2 tenant(s) pushed: beta, gamma\n")
    assert "the metrics of acme were not pushed" in said.err
    assert {path for path, _, _ in receiver.requests} == {
        "/metrics/job/etl",
        "/metrics/job/etl/tenant/beta",
        "/metrics/job/etl/tenant/gamma",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("traces",), "there is no receiver of traces"),
        (("traces", "--endpoint", "ftp://x"), "write an address that begins with http://"),
        (("traces", "--endpoint", "http://x", "--every", "0"), "--every is 0"),
        (("lineage", "send"), "there is no receiver of lineage"),
        (("metrics", "--push", "ftp://user:hunter2@x"), "--push is `ftp://x`"),
        (("metrics", "--push", "http://x", "--port", "1"), "both --port and --push are given"),
    ],
)
def test_wrong_usage_is_told(project: TinyProject, etl: Etl, arguments: tuple[str, ...], says: str) -> None:
    said = etl(*arguments)
    assert (said.code, says in said.err) == (2, True), said.err
    assert "hunter2" not in said.err
