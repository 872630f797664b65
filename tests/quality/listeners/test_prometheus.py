"""What Prometheus reads after checks: from the registry, over HTTP, and in a push gateway."""

import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import polars as pl
import pytest
from prometheus_client import CollectorRegistry

from etl.errors import QualityError
from etl.quality import CheckEnded, CheckStatus, PrometheusListener, check
from etl.quality.listeners.prometheus import MOST_ENGINES

FRAME = pl.DataFrame({"id": [1, None, None]})
RULES = [
    {"column": "id", "type": "not_null"},
    {"column": "id", "type": "positive"},
    {"column": "gone", "type": "unique"},
]


def told(listener: PrometheusListener) -> PrometheusListener:
    for _ in range(2):
        check(FRAME, RULES, engine="polars", listeners=[listener])
    return listener


def value(listener: PrometheusListener, name: str, **labels: str) -> float | None:
    return listener.registry.get_sample_value(name, labels)


def test_checks_rules_rows_and_seconds_are_counted() -> None:
    listener = told(PrometheusListener())
    assert value(listener, "quality_checks_total", engine="polars", status="error") == 2
    rule = {"engine": "polars", "severity": "error"}
    assert value(listener, "quality_rules_total", **rule, rule_type="not_null", status="failed") == 2
    assert value(listener, "quality_rules_total", **rule, rule_type="positive", status="passed") == 2
    assert value(listener, "quality_rules_total", **rule, rule_type="unique", status="error") == 2
    assert value(listener, "quality_failed_rows_total", engine="polars", rule_type="not_null") == 4
    assert value(listener, "quality_check_seconds_count", engine="polars") == 2
    assert (value(listener, "quality_check_seconds_sum", engine="polars") or 0) > 0


def test_a_check_that_raises_is_counted_as_an_error() -> None:
    listener = PrometheusListener()
    with pytest.raises(QualityError):
        check(FRAME, [], engine="polars", listeners=[listener])
    assert value(listener, "quality_checks_total", engine="polars", status="error") == 1


def test_labels_of_the_program_stand_on_each_series() -> None:
    registry = CollectorRegistry()
    listener = told(PrometheusListener(registry, labels={"tenant": "acme"}))
    assert value(listener, "quality_checks_total", tenant="acme", engine="polars", status="error") == 2
    with pytest.raises(QualityError, match="`status` cannot be a label"):
        PrometheusListener(labels={"status": "x"})


def test_the_number_of_series_is_bounded() -> None:
    listener = PrometheusListener()
    for number in range(MOST_ENGINES + 10):
        listener.check_ended(CheckEnded(str(number), f"e{number}", CheckStatus.PASSED, 1, 0, 0, 0, 1, 0.1, None))
    assert value(listener, "quality_checks_total", engine="other", status="passed") == 10
    assert value(listener, "quality_checks_total", engine="e0", status="passed") == 1


def test_the_metrics_are_served_over_http() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told(PrometheusListener()).serve(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'quality_checks_total{engine="polars",status="error"} 2.0' in text


def test_the_metrics_are_pushed_to_a_gateway() -> None:
    pushed: list[tuple[str, str]] = []

    class Gateway(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pushed.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        told(PrometheusListener()).push(f"127.0.0.1:{server.server_port}", job="nightly")
        thread.join(10)
    ((path, body),) = pushed
    assert path == "/metrics/job/nightly"
    assert 'quality_failed_rows_total{engine="polars",rule_type="not_null"} 4.0' in body
