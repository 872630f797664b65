"""A real push gateway: what it shows after pushes, and after a tenant has fewer pipelines."""

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etl.errors import EtlError
from etl.promises.prometheus import Sample
from etl.telemetry.gateway import NotPushedError, push
from tests.servers import free_port, require
from tests.telemetry.receiver import receiving


@contextlib.contextmanager
def started() -> Iterator[str]:
    port = free_port()
    command = [require("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready").close()
                    break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def shown(url: str) -> dict[tuple[str, str, str], float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        text = answer.read().decode()
    return {
        (sample.name, sample.labels.get("tenant", ""), sample.labels.get("pipeline", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("etl_") and sample.labels.get("job") == "etl"
    }


ROWS = "etl_pipeline_rows"


def test_a_push_replaces_the_tenants_group_and_leaves_the_others() -> None:
    with started() as url:
        acme = [Sample(ROWS, "acme", "orders", 5), Sample(ROWS, "acme", "old", 7)]
        assert push([*acme, Sample(ROWS, "umbrella", "x", 1), Sample("etl_daemon_running", "", "", 1)], url) == ("acme", "umbrella")  # fmt: skip
        assert shown(url) == {
            (ROWS, "acme", "orders"): 5,
            (ROWS, "acme", "old"): 7,
            (ROWS, "umbrella", "x"): 1,
            ("etl_daemon_running", "", ""): 1,
        }
        push([Sample(ROWS, "acme", "orders", 6)], url)
        assert shown(url) == {
            (ROWS, "acme", "orders"): 6,
            (ROWS, "umbrella", "x"): 1,
            ("etl_daemon_running", "", ""): 1,
        }


def test_a_gateway_that_is_away_is_named_without_its_login() -> None:
    with pytest.raises(EtlError, match="the metrics of acme were not pushed") as caught:
        push([Sample(ROWS, "acme", "orders", 5)], "http://user:hunter2-canary@127.0.0.1:1")
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


GROUPS = [Sample(ROWS, each, "orders", 5) for each in ("acme", "umbrella", "zebra")]


def test_a_group_that_is_refused_keeps_no_other_group_back() -> None:
    with receiving() as gateway:
        gateway.refused = "/tenant/acme"
        with pytest.raises(NotPushedError, match=r"the metrics of acme were not pushed: .* answers 400") as caught:
            push([*GROUPS, Sample("etl_daemon_running", "", "", 1)], gateway.url)
        pushed = [path for path, _, _ in gateway.requests]
    assert pushed == [f"/metrics/job/etl{each}" for each in ("/tenant/umbrella", "/tenant/zebra", "")]
    assert caught.value.pushed == ("umbrella", "zebra")
    assert "umbrella" not in str(caught.value)


def test_each_refused_group_is_named_and_the_platforms_too() -> None:
    with receiving() as gateway:
        gateway.answers = [400, 200, 503, 400]
        with pytest.raises(NotPushedError) as caught:
            push([*GROUPS, Sample("etl_daemon_running", "", "", 1)], gateway.url)
    assert caught.value.problem.splitlines() == [
        f"the metrics of acme, the platform were not pushed: {gateway.url} answers 400",
        f"the metrics of zebra were not pushed: {gateway.url} answers 503",
    ]


def test_a_gateway_that_is_away_is_asked_once_and_all_groups_are_named() -> None:
    with pytest.raises(NotPushedError, match=r"the metrics of acme, umbrella, zebra were not pushed: .* cannot be"):
        push(GROUPS, "http://127.0.0.1:1")
