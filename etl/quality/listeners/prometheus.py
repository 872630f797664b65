"""Counts checks, rules and seconds for Prometheus, by its own client library (extra `metrics`).

Belongs here: the metrics, and handing them to the library's server and push gateway. Not here: metrics of promises
(`etl.promises.prometheus`).
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.errors import QualityError
from etl.extras import install
from etl.quality.events import CheckEnded, CheckStarted, RuleJudged

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

MOST_ENGINES = 32
"""How many names of engines become values of the label `engine`; later names are counted as `other`."""
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_OWN = ("engine", "status", "severity", "rule_type", "le")


class PrometheusListener:
    """Counts in a registry of `prometheus_client`; make one listener for a program and give it to each check.

    The metrics are `quality_checks_total` (engine, status), `quality_rules_total` (engine, rule_type, severity,
    status), `quality_failed_rows_total` (engine, rule_type) and the histogram `quality_check_seconds` (engine). Columns
    and names of checks are no labels, so the number of series does not grow with the rules.
    """

    def __init__(self, registry: "CollectorRegistry | None" = None, labels: Mapping[str, str] | None = None) -> None:
        """Take a registry (default: one of its own), and labels that each series has, such as the tenant."""
        try:
            from prometheus_client import CollectorRegistry, Counter, Histogram  # noqa: PLC0415  an optional dependency
        except ImportError as error:
            raise QualityError("prometheus-client is not installed", install("metrics")) from error
        self._more = dict(labels or {})
        for name in self._more:
            if not _LABEL.fullmatch(name) or name in _OWN:
                raise QualityError(
                    f"`{name}` cannot be a label here",
                    f"a label is a word of letters, digits and underscores, and none of {', '.join(_OWN)}",
                )
        self._engines: set[str] = set()
        self.registry = registry if registry is not None else CollectorRegistry()
        more = tuple(self._more)
        self._checks = Counter(
            "quality_checks", "Checks by verdict.", (*more, "engine", "status"), registry=self.registry
        )
        self._rules = Counter(
            "quality_rules",
            "Judged rules by result.",
            (*more, "engine", "rule_type", "severity", "status"),
            registry=self.registry,
        )
        self._rows = Counter(
            "quality_failed_rows", "Rows that broke a rule.", (*more, "engine", "rule_type"), registry=self.registry
        )
        self._seconds = Histogram(
            "quality_check_seconds", "Seconds of a check.", (*more, "engine"), registry=self.registry
        )

    def check_started(self, event: CheckStarted) -> None:
        """Count nothing: a check is counted when it ends."""

    def rule_judged(self, event: RuleJudged) -> None:
        """Count the rule and the rows that broke it."""
        engine = self._engine(event.engine)
        self._rules.labels(
            **self._more, engine=engine, rule_type=event.rule_type, severity=event.severity, status=event.status
        ).inc()
        self._rows.labels(**self._more, engine=engine, rule_type=event.rule_type).inc(event.failed_count)

    def check_ended(self, event: CheckEnded) -> None:
        """Count the check and its seconds."""
        engine = self._engine(event.engine)
        self._checks.labels(**self._more, engine=engine, status=event.status.value).inc()
        self._seconds.labels(**self._more, engine=engine).observe(event.seconds)

    def serve(self, port: int, address: str = "127.0.0.1") -> None:
        """Serve the metrics over HTTP from a thread of the library, as long as the program runs."""
        from prometheus_client import start_http_server  # noqa: PLC0415  an optional dependency

        start_http_server(port, address, self.registry)

    def push(self, gateway: str, job: str) -> None:
        """Send the metrics to a push gateway: for a program that ends before anybody can ask it."""
        from prometheus_client import push_to_gateway  # noqa: PLC0415  an optional dependency

        push_to_gateway(gateway, job=job, registry=self.registry)

    def _engine(self, name: str) -> str:
        if name not in self._engines and len(self._engines) >= MOST_ENGINES:
            return "other"
        self._engines.add(name)
        return name
