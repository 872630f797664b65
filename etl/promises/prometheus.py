"""Metrics for Prometheus about pipelines, checks and promises.

Belongs here: which metrics there are, and their text. Not here: where the numbers come from, and serving them.

The only labels are tenant and pipeline, because a label for runs, partitions or rules would have ever more values. A
metric about a tenant has an empty pipeline label, and one about the platform two empty labels, which Prometheus treats
as no label. Units are base units (seconds,
bytes, ratios from 0 to 1).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.errors import EtlError
from etl.extras import install

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family

LABELS = ("tenant", "pipeline")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: a gauge is a present value, a counter counts events."""

    kind: Literal["gauge", "counter"]
    text: str


METRICS: Mapping[str, Metric] = {
    "etl_metrics_timestamp_seconds": Metric("gauge", "When these numbers were read; a push gateway keeps old ones."),
    "etl_daemon_running": Metric("gauge", "1 if Dagster's daemon runs; 0: nothing is scheduled, no promise watched."),
    "etl_tenant_loaded": Metric("gauge", "1 if the tenant's configuration loads; 0: the tenant has no other metrics."),
    "etl_pipeline_rows": Metric("gauge", "Rows of the newest published partition or table."),
    "etl_pipeline_quarantined_rows": Metric("gauge", "Rows that the last run of each stage set aside."),
    "etl_pipeline_duration_seconds": Metric("gauge", "How long the last successful run took."),
    "etl_pipeline_size_bytes": Metric("gauge", "Size of the newest published object."),
    "etl_pipeline_last_success_timestamp_seconds": Metric("gauge", "When the last successful run ended."),
    "etl_pipeline_consecutive_failures": Metric("gauge", "Failed runs since the last success."),
    "etl_pipeline_runs_total": Metric("counter", "Finished runs."),
    "etl_pipeline_failures_total": Metric("counter", "Failed runs."),
    "etl_checks_passed": Metric("gauge", "Checks of the last run that passed."),
    "etl_checks_failed": Metric("gauge", "Checks of the last run that failed."),
    "etl_checks_warned": Metric("gauge", "Checks of the last run that failed with severity warning."),
    "etl_checks_errored": Metric("gauge", "Checks of the last run that could not be evaluated."),
    "etl_sla_promises": Metric("gauge", "Number of promises of the pipeline."),
    "etl_sla_promises_broken": Metric("gauge", "Promises that are broken now."),
    "etl_sla_promises_at_risk": Metric("gauge", "Promises that will probably not be kept."),
    "etl_sla_promises_unmeasured": Metric("gauge", "Promises of which it is not known whether they are kept."),
    "etl_sla_unjudged": Metric("gauge", "1 if the state of the promises is not known."),
    "etl_quota_used_ratio": Metric("gauge", "Used share of the quota that is nearest to its limit; 1 is used up."),
    "etl_quota_unknown": Metric("gauge", "Quotas with a limit of which it is not known how much is used."),
    "etl_quota_file_mistakes": Metric("gauge", "Mistakes in the platform's file of quotas, tenants/quotas.yaml."),
    "etl_quota_waiting_objects": Metric("gauge", "Objects that a day's quota has refused, and that wait for room."),
    "etl_quota_rows_used": Metric("gauge", "Rows of this day that count for the quota of rows."),
    "etl_quota_rows_limit": Metric("gauge", "Rows that the tenant may publish in a day."),
    "etl_quota_published_bytes_used": Metric("gauge", "Bytes of this day that count for the quota of bytes."),
    "etl_quota_published_bytes_limit": Metric("gauge", "Bytes that the tenant may publish in a day."),
    "etl_quota_lake_bytes_used": Metric("gauge", "Size of the tenant's objects in the lake."),
    "etl_quota_lake_bytes_limit": Metric("gauge", "Largest size of the tenant's objects in the lake."),
    "etl_quota_warehouse_bytes_used": Metric("gauge", "Size of the tenant's tables."),
    "etl_quota_warehouse_bytes_limit": Metric("gauge", "Largest size of the tenant's tables."),
    "etl_quota_messages_used": Metric("gauge", "Messages of this day."),
    "etl_quota_messages_limit": Metric("gauge", "Messages that may be sent in a day."),
    "etl_sla_kept_ratio": Metric("gauge", "Share of this month's watched time in which promises were kept."),
    "etl_sla_error_budget_left_ratio": Metric("gauge", "Share of this month's error budget that is left."),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one pipeline."""

    metric: str
    tenant: str
    pipeline: str
    value: float


def metrics_registry(samples: Iterable[Sample]) -> "CollectorRegistry":
    """Return a registry with `samples`, which can be served or pushed. One series has one number."""
    try:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise EtlError("prometheus-client is not installed", install("metrics")) from error
    values: dict[str, dict[tuple[str, str], float]] = {}
    for each in samples:
        if each.metric not in METRICS:
            raise EtlError(f"there is no metric `{each.metric}`", f"use one of {', '.join(METRICS)}")
        values.setdefault(each.metric, {})[each.tenant, each.pipeline] = each.value
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Samples(values))
    return registry


def metrics_text(samples: Iterable[Sample]) -> str:
    """`samples` in the text format that Prometheus and its text-file collector read."""
    registry = metrics_registry(samples)
    from prometheus_client import generate_latest  # noqa: PLC0415  an optional dependency

    return generate_latest(registry).decode()


class _Samples:
    """A collector of the library: reading the registry calls `collect`."""

    def __init__(self, values: Mapping[str, Mapping[tuple[str, str], float]]) -> None:
        self._values = values

    def collect(self) -> Iterator["Family"]:
        """Yield one family for each metric that has a number, in the order of `METRICS`."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415  optional

        for name, metric in METRICS.items():
            if name not in self._values:
                continue
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = make(name, metric.text, labels=LABELS)
            for labels, value in sorted(self._values[name].items()):
                family.add_metric(labels, value)
            yield family
