"""Makes a span of OpenTelemetry for each check, with an event for each rule (extra `opentelemetry`).

Belongs here: spans. Not here: where spans are sent, which the program configures with the library's SDK.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.errors import QualityError
from etl.extras import install
from etl.quality.events import CheckEnded, CheckStarted, RuleJudged

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider
    from opentelemetry.util.types import AttributeValue


class OpenTelemetryListener:
    """Makes a span `quality.check` for each check, inside the span that is current where the check is called.

    A check that failed, and one that could not be judged, has a span with the status error.
    """

    def __init__(
        self, tracer_provider: "TracerProvider | None" = None, attributes: Mapping[str, str] | None = None
    ) -> None:
        """Take a provider (default: the program's), and attributes that each span has, such as the tenant."""
        try:
            from opentelemetry import trace  # noqa: PLC0415  an optional dependency
        except ImportError as error:
            raise QualityError("opentelemetry-api is not installed", install("opentelemetry")) from error
        self._tracer = trace.get_tracer("etl.quality", tracer_provider=tracer_provider)
        self._failure = trace.StatusCode.ERROR
        self._attributes = dict(attributes or {})
        self._spans: dict[str, Span] = {}

    def check_started(self, event: CheckStarted) -> None:
        """Start the span."""
        attributes: dict[str, AttributeValue] = {"quality.engine": event.engine, "quality.rule_count": event.rule_count}
        self._spans[event.check_id] = self._tracer.start_span(
            "quality.check", attributes={**self._attributes, **attributes}
        )

    def rule_judged(self, event: RuleJudged) -> None:
        """Add an event to the span."""
        attributes: dict[str, AttributeValue] = {
            "quality.check_name": event.check_name,
            "quality.rule_type": event.rule_type,
            "quality.severity": event.severity,
            "quality.status": event.status,
            "quality.failed_count": event.failed_count,
            "quality.total_count": event.total_count,
        }
        self._spans[event.check_id].add_event("quality.rule", attributes=attributes)

    def check_ended(self, event: CheckEnded) -> None:
        """End the span with the verdict."""
        span = self._spans.pop(event.check_id)
        span.set_attributes(
            {
                "quality.status": event.status.value,
                "quality.passed_count": event.passed_count,
                "quality.failed_count": event.failed_count,
                "quality.warning_count": event.warning_count,
                "quality.error_count": event.error_count,
            }
        )
        if event.row_count is not None:
            span.set_attribute("quality.row_count", event.row_count)
        if event.status in ("failed", "error"):
            span.set_status(self._failure, event.raised or f"the check {event.status.value}")
        span.end()
