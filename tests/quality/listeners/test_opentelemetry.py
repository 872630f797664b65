"""A check is a span, and its rules are the span's events."""

import threading

import polars as pl
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from etl.errors import QualityError
from etl.quality import OpenTelemetryListener, check

FRAME = pl.DataFrame({"id": [1, None]})
FAILING = [{"column": "id", "type": "not_null"}, {"column": "id", "type": "positive"}]


@pytest.fixture
def spans() -> tuple[TracerProvider, InMemorySpanExporter]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return provider, kept


def test_a_check_is_a_span_with_an_event_for_each_rule(spans: tuple[TracerProvider, InMemorySpanExporter]) -> None:
    provider, kept = spans
    listener = OpenTelemetryListener(provider, {"tenant": "acme"})
    with provider.get_tracer("host").start_as_current_span("task") as task:
        check(FRAME, FAILING, engine="polars", listeners=[listener])
    span = next(each for each in kept.get_finished_spans() if each.name == "quality.check")
    attributes = dict(span.attributes or {})
    assert span.parent is not None
    assert span.parent.span_id == task.get_span_context().span_id
    assert (attributes["tenant"], attributes["quality.engine"], attributes["quality.status"]) == (
        "acme",
        "polars",
        "failed",
    )
    assert (attributes["quality.row_count"], attributes["quality.failed_count"]) == (2, 1)
    assert [(each.attributes or {})["quality.check_name"] for each in span.events] == ["not_null__id", "positive__id"]
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("rules", [[], FAILING[1:]], ids=["raises", "passes"])
def test_a_span_ends_whatever_happens(
    rules: list[dict[str, str]], spans: tuple[TracerProvider, InMemorySpanExporter]
) -> None:
    provider, kept = spans
    listener = OpenTelemetryListener(provider)
    if rules:
        check(FRAME, rules, engine="polars", listeners=[listener])
    else:
        with pytest.raises(QualityError):
            check(FRAME, rules, engine="polars", listeners=[listener])
    (span,) = kept.get_finished_spans()
    assert span.status.status_code is (StatusCode.UNSET if rules else StatusCode.ERROR)
    assert listener._spans == {}


def test_checks_of_several_threads_have_spans_of_their_own(spans: tuple[TracerProvider, InMemorySpanExporter]) -> None:
    provider, kept = spans
    listener = OpenTelemetryListener(provider)
    threads = [
        threading.Thread(target=check, args=(FRAME, FAILING), kwargs={"engine": "polars", "listeners": [listener]})
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [len(each.events) for each in kept.get_finished_spans()] == [2] * 4
