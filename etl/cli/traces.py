"""`etl traces`: sends spans of ended runs to a receiver of OpenTelemetry.

Belongs here: the command, and the loop that `etl lineage send` shares. Not here: spans (`etl.telemetry.spans`), what is
sent again (`etl.telemetry.sending`).
"""

import os
import sys
import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.cli.receiver_options import Every, OfTenant, Since
from etl.errors import EtlError
from etl.plural import counted
from etl.secrets.scrub import learn
from etl.settings import Settings, load_settings
from etl.telemetry.sending import Receiver, Report, send_ended_runs
from etl.telemetry.spans import CONTENT_TYPE, endpoint, trace_body

HOUR = 3600.0


def traces(
    endpoint_: Annotated[
        str | None, typer.Option("--endpoint", help="Default: OTEL_EXPORTER_OTLP_ENDPOINT. http://localhost:4318")
    ] = None,
    tenant: OfTenant = None,
    every: Every = None,
    since: Since = 24,
) -> None:
    """Send the spans of runs that have ended since the last call: the run, its wait in the queue, its steps.

    The spans are made from Dagster's event log afterwards, so runs are not slower. Each run is sent once. A receiver
    that is away gets the runs next time. Exit code 1: the receiver refused a run. 3: the receiver was away.
    """
    settings = load_settings()
    asked_tenants(settings, [tenant] if tenant is not None else [])
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ""} if endpoint_ else dict(os.environ)
    url, headers = endpoint(environ | ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint_} if endpoint_ else {}))
    service = os.environ.get("OTEL_SERVICE_NAME") or "etl"
    learn_headers(headers)
    receiver = Receiver(
        "traces", url, headers, CONTENT_TYPE, lambda run: [trace_body(run, service, settings.environment)]
    )
    send(settings, receiver, tenant=tenant, every=every, since=since)


def send(settings: Settings, receiver: Receiver, *, tenant: str | None, every: float | None, since: float) -> None:
    """Send once, or again and again until the command is stopped, and say each time what was sent."""
    if every is not None and every <= 0:
        raise EtlError(f"--every is {every:g}", "write a number of seconds, such as 30")
    while True:
        with opened_instance(settings) as instance:
            report = send_ended_runs(instance, settings.data_dir, receiver, tenant=tenant, since=since * HOUR)
        if every is None or report.sent or report.refused or report.away:
            _tell(receiver, report)
        if every is None:
            break
        try:
            time.sleep(every)
        except KeyboardInterrupt:
            return
    if report.away is not None:
        sys.exit(3)
    if report.refused:
        sys.exit(1)


def learn_headers(headers: Mapping[str, str]) -> None:
    """Let no error and no line show a key that a header holds."""
    learn(*headers.values())


def _tell(receiver: Receiver, report: Report) -> None:
    told = f"{counted(report.sent, 'run')} sent" if report.sent or report.away or report.refused else "no new run"
    Console().print(f"{receiver.kind}: {told}", highlight=False)
    wrong = Console(stderr=True)
    for run_id, problem in report.refused.items():
        wrong.print(
            f"[bold red]error:[/] run {run_id} is not sent again: {escape(problem)}", highlight=False, soft_wrap=True
        )
    if report.away is not None:
        wrong.print(f"[bold red]error:[/] {escape(report.away.problem)}", highlight=False, soft_wrap=True)
        wrong.print(f"[green]  ->[/] {escape(report.away.hint)}", highlight=False)
