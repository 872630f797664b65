"""Spans of OpenTelemetry from the events of a run: the run, its wait in the queue, and its steps.

Belongs here: names, ids, times and attributes of spans. Not here: sending (`sending`), spans of the quality core in
other programs (`etl.quality.listeners.opentelemetry`).

The ids are made from the run's id and the step's key: a run that is sent twice has the same spans, and who knows the
id of a run knows its trace.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dagster import AssetCheckSeverity, DagsterEvent

from etl.errors import EtlError
from etl.extras import install
from etl.running.naming import AssetAddress
from etl.running.run_outcomes import ROWS
from etl.secrets.scrub import scrub
from etl.telemetry.ended_runs import EndedRun, StepEvents, materialization_of, number
from etl.telemetry.posting import checked, headers_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan

MOST_EVENTS = 500
"""The number of reports of a step that are events of its span; the number of the others is an attribute."""
PATH = "/v1/traces"
CONTENT_TYPE = "application/x-protobuf"
_ENDPOINT, _TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_LONGEST = 500
Attributes = dict[str, str | bool | int | float]


def endpoint(environ: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the address and the headers, from OpenTelemetry's own variables."""
    headers = headers_of(
        environ.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    )
    if url := environ.get(_TRACES):
        return checked(url, _TRACES), headers
    if base := environ.get(_ENDPOINT):
        return checked(base.rstrip("/") + PATH, _ENDPOINT), headers
    raise EtlError(
        "there is no receiver of traces", f"set {_ENDPOINT}, such as http://localhost:4318, or give --endpoint"
    )


def trace_body(run: EndedRun, service: str, environment: str) -> bytes:
    """Return the spans of a run as the body of a request: ExportTraceServiceRequest of OTLP in protobuf."""
    try:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import (  # noqa: PLC0415  an optional dependency
            encode_spans,
        )
    except ImportError as error:
        raise EtlError("the library of OpenTelemetry is not installed", install("opentelemetry")) from error
    body: bytes = encode_spans(list(spans_of(run, service, environment))).SerializeToString()
    return body


def spans_of(run: EndedRun, service: str, environment: str) -> "Iterator[ReadableSpan]":
    """Yield the span of the run, then those of its wait and of its steps."""
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  an optional dependency

    resource = Resource({"service.name": service, "deployment.environment.name": environment})
    make = _SpanMaker(run, resource)
    yield make.span("", f"run {run.run.job_name}", run.started, run.end.at, _of_run(run), error=_error_of(run))
    times = run.times
    for name, first, last in (
        ("queued", "PIPELINE_ENQUEUED", "PIPELINE_DEQUEUED"),
        ("starting", "PIPELINE_STARTING", "PIPELINE_START"),
    ):
        if first in times and last in times:
            yield make.span(name, name, times[first], times[last], _of_run(run))
    for step in run.steps:
        error = step.error if step.ended is not None else "the step did not end: its process was killed or canceled"
        yield make.span(
            step.key,
            _name(step),
            step.started,
            run.end.at if step.ended is None else step.ended,
            _of_step(run, step),
            error=error,
            events=_events(step),
        )


def trace_id(run_id: str) -> int:
    """Return the id of a run's trace: the number of the run's UUID."""
    try:
        return UUID(run_id).int
    except ValueError:  # an id of another kind, from another launcher
        return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16])


class _SpanMaker:
    """Makes the spans of one run."""

    def __init__(self, run: EndedRun, resource: Any) -> None:  # noqa: ANN401  a type of the optional library
        self._run, self._resource = run, resource

    def span(
        self,
        key: str,
        name: str,
        start: float,
        end: float,
        attributes: Attributes,
        *,
        error: str = "",
        events: "Sequence[Event]" = (),
    ) -> "ReadableSpan":
        """Return a span. Its parent is the span of the run, whose key is empty."""
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415  an optional dependency
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

        status = Status(StatusCode.ERROR, scrub(error)[:_LONGEST]) if error else Status(StatusCode.OK)
        return ReadableSpan(
            name=name,
            context=self._context(key),
            parent=self._context("") if key else None,
            resource=self._resource,
            attributes=attributes,
            events=events,
            kind=SpanKind.INTERNAL,
            status=status,
            start_time=_nanoseconds(start),
            end_time=_nanoseconds(max(start, end)),
            instrumentation_scope=InstrumentationScope("etl"),
        )

    def _context(self, key: str) -> Any:  # noqa: ANN401  a type of the optional library
        from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415  an optional dependency

        run_id = self._run.run.run_id
        number_of_span = int.from_bytes(hashlib.sha256(f"{run_id}/{key}".encode()).digest()[:8]) or 1
        return SpanContext(
            trace_id(run_id), number_of_span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
        )


def _of_run(run: EndedRun) -> Attributes:
    found: Attributes = {
        "dagster.run_id": run.run.run_id,
        "dagster.job": run.run.job_name,
        "dagster.status": run.run.status.value,
        "etl.tenant": ",".join(run.tenants),
    }
    for name in ("dagster/partition", "dagster/backfill", "dagster/schedule_name", "dagster/sensor_name"):
        if name in run.run.tags:
            found[name.replace("/", ".")] = run.run.tags[name]
    return found


def _of_step(run: EndedRun, step: StepEvents) -> Attributes:
    address = step.address
    found: Attributes = {
        "dagster.run_id": run.run.run_id,
        "dagster.step": step.key,
        "etl.tenant": address.tenant,
        "etl.stage": address.stage,
        "etl.pipeline": address.name,
    }
    made = [each for _, event in step.reports if (each := materialization_of(event)) is not None]
    own = (each for each in made if AssetAddress.of(each.asset_key).stage == address.stage)  # not the rejected rows
    rows = [count for each in own if (count := number(each, *ROWS)) is not None]
    if rows:
        found["etl.rows"] = sum(rows)
    if len(step.reports) > MOST_EVENTS:
        found["etl.events_left_out"] = len(step.reports) - MOST_EVENTS
    return found


def _events(step: StepEvents) -> "list[Event]":
    from opentelemetry.sdk.trace import Event  # noqa: PLC0415  an optional dependency

    found = []
    for at, event in step.reports[:MOST_EVENTS]:
        name, attributes = _report(event)
        found.append(Event(name, attributes, _nanoseconds(at)))
    return found


def _report(event: DagsterEvent) -> tuple[str, Attributes]:
    """Return the name and the attributes of a materialization or of a check. No value of a row is among them."""
    made = materialization_of(event)
    if made is not None:
        found: Attributes = {"etl.asset": made.asset_key.to_user_string()}
        if made.partition:
            found["etl.partition"] = made.partition
        for name, keys in (("etl.rows", ROWS), ("etl.bytes", ("bytes",)), ("etl.seconds", ("seconds",))):
            if (value := number(made, *keys)) is not None:
                found[name] = value
        return "materialization", found
    check = event.asset_check_evaluation_data
    is_error = check.severity is AssetCheckSeverity.ERROR
    of_check: Attributes = {
        "etl.asset": check.asset_key.to_user_string(),
        "etl.check": check.check_name,
        "etl.passed": check.passed,
        "etl.severity": "error" if is_error else "warning",
    }
    return "check", of_check | ({"etl.partition": check.partition} if check.partition else {})


def _error_of(run: EndedRun) -> str:
    match run.end.stream:
        case "failed":
            return run.error or "the run failed"
        case "canceled":
            return "the run was canceled"
        case _:
            return ""


def _name(step: StepEvents) -> str:
    address = step.address
    return f"{address.stage} {address.tenant}/{address.name}" if address.name else step.key


def _nanoseconds(at: float) -> int:
    return int(at * 1_000_000) * 1000
