"""`etl metrics`: writes numbers about pipelines, checks and promises for Prometheus.

Belongs here: making the samples of each pipeline, and writing or serving them; giving out the files for Prometheus and
Grafana. Not here: the list of metrics (`etl.promises.prometheus`), the files (`etl.telemetry.monitoring_files`).
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dagster import DagsterInstance
from rich.console import Console

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.cli.sla import PATIENCE, attainments, complain, loaded, write_report
from etl.config.config_loader import list_tenants
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError, NothingExamined
from etl.extras import install
from etl.health.dagster_home import sensor_daemon
from etl.pipeline.stage import lake_of
from etl.promises.attainment import Attainment
from etl.promises.freshness import State
from etl.promises.judge import PipelineHistory, PipelineRun
from etl.promises.pipeline_log import Counters
from etl.promises.prometheus import Sample, metrics_registry, metrics_text
from etl.quotas.quotas_file import mistakes_of, read_quotas
from etl.quotas.usage import usage_of_tenant
from etl.running.sla_result import promised
from etl.running.sla_watch import SlaWatch, Verdicts
from etl.settings import Settings, load_settings
from etl.telemetry.gateway import NotPushedError, push as push_groups
from etl.telemetry.monitoring_files import ALERTS, DASHBOARD, monitoring_file

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

LOOPBACK = "127.0.0.1"
HIGHEST_PORT = 65535


def metrics(
    output: Annotated[Path | None, typer.Option(help="Write a text file, for a text-file collector.")] = None,
    port: Annotated[int | None, typer.Option(help="Serve http://127.0.0.1:PORT/metrics until stopped.")] = None,
    push: Annotated[str | None, typer.Option(help="Replace the tenants' groups in this push gateway: its URL.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant. Default: all.")] = None,
    alerts: Annotated[bool, typer.Option("--alerts", help="Write the alert rules for Prometheus instead.")] = False,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Write the dashboard for Grafana instead.")] = False,
) -> None:
    """Write numbers of every pipeline, by tenant and pipeline, to a file, a port, a gateway or the terminal.

    The counters of a pipeline that never ran are 0. Exit code 2: a tenant does not load, or the gateway did not take
    the numbers of a tenant; those of the others are written. 3: no tenant, or no pipeline.

    With --alerts or --dashboard, no number is read, and no project is needed. A file that is there already, and that
    is another one, is left as it is.
    """
    asked = [name for name, is_asked in (("--alerts", alerts), ("--dashboard", dashboard)) if is_asked]
    if asked:
        _one_of({**dict.fromkeys(asked, True), "--port": port, "--push": push, "--tenant": tenant})
        _give_out(ALERTS if alerts else DASHBOARD, output, asked[0])
        return
    _one_of({"--output": output, "--port": port, "--push": push})
    settings = load_settings()
    asked_tenants(settings, [tenant] if tenant is not None else [])
    if port is not None:
        _serve(settings, port, tenant)
        return
    samples, failures = collect(settings, tenant)
    text = metrics_text(samples)
    if push is not None:
        failures += _pushed(samples, push)
    elif output is None:
        sys.stdout.write(text)
    else:
        write_report(output, text)
    complain(failures)
    if failures:
        sys.exit(2)
    if not any(each.pipeline for each in samples):
        raise NothingExamined("nothing was measured: there is no pipeline", "write one")


def _one_of(given: Mapping[str, object]) -> None:
    """Refuse options that exclude each other."""
    if len(both := [name for name, value in given.items() if value is not None]) > 1:
        raise EtlError(f"both {' and '.join(both)} are given", "give one of them")


def _give_out(name: str, output: Path | None, option: str) -> None:
    """Write one of the files for other programs. What a person has changed in a file is not lost."""
    text = monitoring_file(name)
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists() and (not output.is_file() or output.read_bytes() != text.encode()):
        raise EtlError(
            f"{output} is there already, and is not the file of this release",
            f"compare them (`etl metrics {option} | diff {output} -`), and give the name of a new file",
        )
    write_report(output, text)


def _pushed(samples: Iterable[Sample], url: str) -> list[EtlError]:
    """Push the groups, say which the gateway took, and return the error of the others."""
    failures: list[EtlError] = []
    try:
        tenants = push_groups(samples, url)
    except NotPushedError as error:
        tenants = error.pushed
        failures.append(error)
    if tenants or not failures:
        Console().print(f"{len(tenants)} tenant(s) pushed: {', '.join(tenants)}", highlight=False)
    return failures


def collect(settings: Settings, tenant: str | None = None) -> tuple[list[Sample], list[EtlError]]:
    """Return all samples, from the event log and this month's promises, and the errors of tenants that do not load."""
    now = datetime.now(UTC)
    kept = attainments(settings, now.date().replace(day=1), tenant)
    samples = [each for attainment in kept for each in _attainment_samples(attainment)]
    names = [each for each in list_tenants(settings) if tenant in (None, each)]  # tenants change while a server runs
    configs, unloaded = loaded(settings, names)
    samples += [Sample("etl_metrics_timestamp_seconds", name, "", now.timestamp()) for name in names]
    samples += [Sample("etl_tenant_loaded", name, "", 0.0) for name in names]
    samples += [Sample("etl_tenant_loaded", config.id, "", 1.0) for config in configs]  # a series has its last number
    with opened_instance(settings) as instance:
        if tenant is None:
            samples += [*_platform_samples(instance, now), *_quota_file_samples(settings)]
        for config in configs:
            samples += _quota_samples(config, settings, now)
            watch = SlaWatch(config, settings, budget=PATIENCE)
            verdicts, unjudged = watch.judge_with_data(instance, now)
            samples += _promise_samples(verdicts)
            samples += [Sample("etl_sla_unjudged", config.id, name, name in unjudged) for name in promised(config)]
            for pipeline, counters in watch.log.counters().items():
                samples += _counter_samples(config, pipeline, counters)
            for history in watch.log.histories(config.id, watch.subjects.partitions).values():
                samples += _run_samples(history)
    return samples, unloaded


def _platform_samples(instance: DagsterInstance, now: datetime) -> Iterator[Sample]:
    is_alive, _ = sensor_daemon(instance, now)
    yield Sample("etl_metrics_timestamp_seconds", "", "", now.timestamp())
    yield Sample("etl_daemon_running", "", "", is_alive)


def _quota_file_samples(settings: Settings) -> Iterator[Sample]:
    """Yield how many mistakes the file of quotas has, if there is a file."""
    try:
        quotas = read_quotas(settings)
        found = mistakes_of(quotas, settings) if quotas else ()
    except ConfigError as error:
        quotas, found = None, (error,)
    if quotas or found:
        yield Sample("etl_quota_file_mistakes", "", "", sum(max(1, len(each.problems)) for each in found))


_QUOTAS = {
    "rows_per_day": "rows",
    "bytes_per_day": "published_bytes",
    "lake_bytes": "lake_bytes",
    "warehouse_bytes": "warehouse_bytes",
    "messages_per_day": "messages",
}


def _quota_samples(config: TenantConfig, settings: Settings, now: datetime) -> Iterator[Sample]:
    """Yield what is known of the quotas. What is not known has no number, and is counted as unknown."""
    try:
        if read_quotas(settings) is None:
            return
        with lake_of(config, settings) as lake:
            uses = usage_of_tenant(config, settings, lake, now)
    except EtlError:
        yield Sample("etl_quota_unknown", config.id, "", len(_QUOTAS))
        return
    for each in uses:
        if each.used is not None:
            yield Sample(f"etl_quota_{_QUOTAS[each.name]}_used", config.id, "", each.used)
        if each.limit is not None:
            yield Sample(f"etl_quota_{_QUOTAS[each.name]}_limit", config.id, "", each.limit)
    unknown = sum(each.is_unknown for each in uses)
    yield Sample("etl_quota_unknown", config.id, "", unknown)
    yield Sample("etl_quota_waiting_objects", config.id, "", sum(each.refused for each in uses))
    shares = [each.share for each in uses if each.share is not None]
    if shares:
        yield Sample("etl_quota_used_ratio", config.id, "", max(shares))


def _counter_samples(config: TenantConfig, pipeline: str, counters: Counters) -> Iterator[Sample]:
    tenant, known = config.id, config.pipelines.get(pipeline)
    yield Sample("etl_pipeline_runs_total", tenant, pipeline, counters.runs)
    yield Sample("etl_pipeline_failures_total", tenant, pipeline, counters.failures)
    names = {
        "rows": "etl_pipeline_rows",
        "bytes": "etl_pipeline_size_bytes",
    }
    for key, metric in names.items():
        if key in counters.values:
            yield Sample(metric, tenant, pipeline, counters.values[key])
    quarantined = counters.quarantined(known.stages) if known is not None else None
    if quarantined is not None:
        yield Sample("etl_pipeline_quarantined_rows", tenant, pipeline, quarantined)


def _run_samples(history: PipelineHistory) -> Iterator[Sample]:
    def sample(metric: str, value: float) -> Sample:
        return Sample(metric, history.tenant, history.pipeline, value)

    runs = [each for each in history.runs if each.complete]
    yield sample("etl_pipeline_consecutive_failures", _failures_in_a_row(runs))
    good = [each for each in runs if each.succeeded]
    if good:
        yield sample("etl_pipeline_last_success_timestamp_seconds", good[-1].ended.timestamp())
        if good[-1].metrics is not None:
            yield sample("etl_pipeline_duration_seconds", good[-1].metrics.execution_time_seconds)
    checked = [
        each.metrics
        for each in history.runs
        if each.metrics is not None and (each.metrics.total_count or each.examined_nothing)
    ]
    if checked:
        last = checked[-1]
        yield sample("etl_checks_passed", last.passed_count)
        yield sample("etl_checks_failed", last.failed_count)
        yield sample("etl_checks_warned", last.warning_count)
        yield sample("etl_checks_errored", last.error_count)


def _failures_in_a_row(runs: Iterable[PipelineRun]) -> int:
    count = 0
    for each in runs:
        count = 0 if each.succeeded else count + 1
    return count


def _promise_samples(verdicts: Verdicts) -> Iterator[Sample]:
    for pipeline, found in verdicts.items():
        for each in found[:1]:
            states = [verdict.state for verdict in found]
            yield Sample("etl_sla_promises", each.tenant, pipeline, len(found))
            yield Sample("etl_sla_promises_broken", each.tenant, pipeline, states.count(State.BROKEN))
            yield Sample("etl_sla_promises_at_risk", each.tenant, pipeline, states.count(State.AT_RISK))
            yield Sample("etl_sla_promises_unmeasured", each.tenant, pipeline, states.count(State.UNMEASURED))


def _attainment_samples(attainment: Attainment) -> Iterator[Sample]:
    if attainment.kept_share is not None and attainment.budget_left is not None:
        where = (attainment.tenant, attainment.pipeline)
        yield Sample("etl_sla_kept_ratio", *where, attainment.kept_share)
        yield Sample("etl_sla_error_budget_left_ratio", *where, attainment.budget_left)


class _Live:
    """A collector of the library. It reads the numbers at the time of each request."""

    def __init__(self, settings: Settings, tenant: str | None) -> None:
        self._settings, self._tenant = settings, tenant

    def describe(self) -> list["Family"]:
        """Return nothing, so that registering the collector does not read the numbers."""
        return []

    def collect(self) -> Iterator["Family"]:
        """Read and return the present numbers."""
        samples, _ = collect(self._settings, self._tenant)  # `etl_tenant_loaded` says which do not load
        yield from metrics_registry(samples).collect()


def _serve(settings: Settings, port: int, tenant: str | None) -> None:
    if not 0 <= port <= HIGHEST_PORT:
        raise EtlError(f"{port} is no port", f"a number from 0 to {HIGHEST_PORT}; 0 takes a free one")
    try:
        from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise EtlError("prometheus-client is not installed", install("metrics")) from error
    registry = CollectorRegistry()
    registry.register(_Live(settings, tenant))
    try:
        server, thread = start_http_server(port, LOOPBACK, registry)
    except OSError as error:
        raise EtlError(f"port {port} cannot be used: {error.strerror}", "choose another one") from error
    Console().print(f"http://{LOOPBACK}:{server.server_port}/metrics", highlight=False)
    try:
        thread.join()
    except KeyboardInterrupt:
        server.shutdown()
