"""Spans as a receiver of OTLP reads them, from the bytes of the request."""

from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from etl.telemetry.sending import Receiver, send_ended_runs
from etl.telemetry.spans import CONTENT_TYPE, endpoint, trace_body
from tests.telemetry.conftest import SECRET, VALUE, World
from tests.telemetry.receiver import Received


def sent(world: World, received: Received) -> list[Any]:
    url, headers = endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT": received.url, "OTEL_EXPORTER_OTLP_HEADERS": "a=b%20c,d=e"})
    receiver = Receiver("traces", url, headers, CONTENT_TYPE, lambda run: [trace_body(run, "etl", "dev")])
    report = send_ended_runs(world.instance, world.data, receiver)
    assert (report.refused, report.away) == ({}, None)
    return [span for body in received.bodies for span in spans(body)]


def spans(body: bytes) -> Iterator[Any]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    for of_resource in request.resource_spans:
        names = {each.key: each.value.string_value for each in of_resource.resource.attributes}
        assert (names["service.name"], names["deployment.environment.name"]) == ("etl", "dev")
        for of_scope in of_resource.scope_spans:
            yield from of_scope.spans


def attributes(of: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def test_a_run_is_a_trace_with_its_steps_and_what_they_made(world: World, receiver: Received) -> None:
    run_id = world.run()
    root, *steps = sent(world, receiver)
    assert root.trace_id.hex() == run_id.replace("-", "")
    assert (root.name, root.parent_span_id, root.status.code) == ("run acme_orders", b"", 1)
    assert [each.name for each in steps] == ["extract acme/orders", "load acme/orders"]
    stats = {each.step_key: each for each in world.instance.get_run_step_stats(run_id)}
    for span, key in zip(steps, ("acme__extract__orders", "acme__load__orders"), strict=True):
        assert (span.trace_id, span.parent_span_id) == (root.trace_id, root.span_id)
        assert (
            root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
        )
        assert abs(span.start_time_unix_nano / 1e9 - stats[key].start_time) < 0.001
        assert abs(span.end_time_unix_nano / 1e9 - stats[key].end_time) < 0.001
    said = attributes(steps[0])
    assert (said["etl.tenant"], said["etl.stage"], said["etl.pipeline"], said["etl.rows"]) == ("acme", "extract", "orders", 20)  # fmt: skip
    made, check = (
        {each.name: attributes(each) for each in steps[0].events}[name] for name in ("materialization", "check")
    )
    assert made == {"etl.asset": "acme/extract/orders", "etl.partition": "2026-01-01", "etl.rows": 20, "etl.bytes": 512}
    assert (check["etl.check"], check["etl.passed"], check["etl.severity"]) == ("not_null", False, "warning")
    path, headers, _ = receiver.requests[0]
    assert (path, headers["content-type"], headers["a"], headers["d"]) == ("/v1/traces", CONTENT_TYPE, "b c", "e")


def test_a_failed_and_a_canceled_run_are_errors_and_show_no_secret(world: World, receiver: Received) -> None:
    world.run("acme_broken")
    world.canceled()
    failed, step, canceled = sent(world, receiver)
    assert [each.status.code for each in (failed, step, canceled)] == [2, 2, 2]
    assert "EtlError" in step.status.message
    assert canceled.status.message == "the run was canceled"
    assert attributes(failed)["dagster.status"] == "FAILURE"
    assert SECRET.encode() not in b"".join(receiver.bodies)


def test_of_an_error_of_a_tenants_own_code_only_the_kind_is_sent(world: World, receiver: Received) -> None:
    world.run("acme_shop")
    sent(world, receiver)
    everything = b"".join(receiver.bodies)
    assert b"the tenant's own code raised ValueError" in everything
    assert VALUE.encode() not in everything


def test_a_run_that_is_sent_again_has_the_same_bytes(world: World, receiver: Received) -> None:
    world.run()
    sent(world, receiver)
    (world.data / "telemetry.sqlite").unlink()
    sent(world, receiver)
    assert len(receiver.bodies) == 2
    assert receiver.bodies[0] == receiver.bodies[1]
    ids = [each.span_id for each in spans(receiver.bodies[0])]
    assert len(set(ids)) == len(ids) == 3
