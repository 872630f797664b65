"""`etl sla`: shows the present state of all promises, and how well they were kept in a month.

Belongs here: the commands. Not here: judging (`etl.promises.judge`), the text of a report (`etl.promises.report`).
"""

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from dagster import DagsterInstance
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, NothingExamined
from etl.health.dagster_home import sensor_daemon
from etl.partitions.zones import zone
from etl.promises.attainment import OBJECTIVE, Attainment, attain, month_bounds
from etl.promises.freshness import State
from etl.promises.report import HEADER, report_html, report_json, report_rows
from etl.promises.state_log import StateLog
from etl.quality.whole_file import write_whole
from etl.running.sla_watch import SlaWatch
from etl.settings import Settings, load_settings

app = typer.Typer(help="The present state of promises, and how well they were kept.", no_args_is_help=True)

Format = Literal["table", "json", "html"]
TenantOption = Annotated[str | None, typer.Option(help="Only this tenant. Default: all.")]
PATIENCE = 60.0  # seconds that a command may read the event log; a sensor has less time
_COLOURS = {
    State.BROKEN: "red",
    State.AT_RISK: "yellow",
    State.UNMEASURED: "yellow",
    State.RECOVERED: "cyan",
    State.ON_TRACK: "green",
}


@app.command(epilog="For example: `etl sla status --tenant project_01`")
def status(tenant: TenantOption = None) -> None:
    """Show the present state of every promise, judged from Dagster's event log and from what the lake publishes.

    Exit code 1: a promise is broken. 2: a tenant does not load. 3: a promise could not be judged or was never measured,
    or nothing is promised.
    """
    settings, now = load_settings(), datetime.now(UTC)
    configs, unloaded = loaded(settings, asked_tenants(settings, [tenant] if tenant is not None else []))
    table = Table("tenant", "pipeline", "promise", "state", "since", "what")
    states: list[State] = []
    unjudged: list[str] = []
    with opened_instance(settings) as instance:
        for config in configs:
            verdicts, unknown = SlaWatch(config, settings, budget=PATIENCE).judge_with_data(instance, now)
            unjudged += unknown.values()
            for each in (verdict for found in verdicts.values() for verdict in found):
                since = f"{each.since:%Y-%m-%d %H:%M}" if each.since else ""
                state = f"[{_COLOURS[each.state]}]{each.state.value.replace('_', ' ')}"
                table.add_row(each.tenant, each.pipeline, each.promise, state, since, escape(each.message))
                states.append(each.state)
        watching = watchers(instance, now)
    if table.row_count:
        print_table(Console(), table)
    Console().print(watching, highlight=False)
    complain(unloaded)
    complain([EtlError(each) for each in unjudged])
    if unloaded:
        sys.exit(2)
    if unjudged:
        sys.exit(3)
    if State.BROKEN in states:
        sys.exit(1)
    if not states:
        raise NothingExamined("nothing was examined: nothing is promised", "write `sla:` into a pipeline")
    if State.UNMEASURED in states:
        raise NothingExamined(
            f"{states.count(State.UNMEASURED)} promise(s) could not be measured, so it is not known if they are kept",
            "run the pipelines; a pipeline without rules cannot keep a promise about checks",
        )


@app.command(epilog="For example: `etl sla report --month 2026-01 --format html --output january.html`")
def report(
    tenant: TenantOption = None,
    month: Annotated[str | None, typer.Option(help="YYYY-MM. Default: the present month.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="table, json, or html with a chart.")] = "table",
    output: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    timezone: Annotated[str, typer.Option(help="Where days begin and end.")] = "UTC",
    objective: Annotated[float, typer.Option(help="The share of kept time to reach; the rest is the error budget.")] = (
        OBJECTIVE
    ),
) -> None:
    """Show for a month the share of time in which promises were kept, the error budget left, and the worst days.

    Exit code 3: no promise was watched in that month.
    """
    settings = load_settings()
    asked_tenants(settings, [tenant] if tenant is not None else [])
    first = month_of(month, timezone)
    found = attainments(settings, first, tenant, timezone=timezone, objective=objective)
    text = _text(found, format_, f"Promises kept in {first:%Y-%m}")
    if output is not None:
        write_report(output, text)
    elif format_ == "table":
        _print_table(found, first)
    else:
        sys.stdout.write(text)
    if not any(each.watched_hours for each in found):
        raise NothingExamined(
            f"no promise was watched in {first:%Y-%m}", "keep `dagster dev` or `dagster-daemon run` running"
        )


def attainments(
    settings: Settings, first: date, tenant: str | None = None, *, timezone: str = "UTC", objective: float = OBJECTIVE
) -> tuple[Attainment, ...]:
    """Return the attainment of every pipeline that was watched in the month that begins with `first`."""
    begin, end = month_bounds(first, timezone)
    intervals = StateLog(settings.data_dir / "sla.sqlite").intervals(begin, end, tenant)
    return attain(intervals, first, timezone=timezone, objective=objective)


def watchers(instance: DagsterInstance, now: datetime) -> str:
    """Say whether the process that runs sensors is alive. Without it, no message about a broken promise is sent."""
    is_alive, seen = sensor_daemon(instance, now)
    if is_alive:
        return "The sensors' daemon runs, so promises are watched."
    return (
        f"[yellow]The sensors' daemon does not run[/] ({seen}): no message about a broken promise is sent. "
        "`dagster dev` and `dagster-daemon run` start it."
    )


def loaded(settings: Settings, names: Sequence[str]) -> tuple[list[TenantConfig], list[EtlError]]:
    """Load tenants. Returns the configurations, and the errors of tenants that do not load."""
    configs, broken = [], []
    for name in names:
        try:
            configs.append(load_tenant(name, settings))
        except EtlError as error:
            broken.append(error)
    return configs, broken


def complain(errors: Sequence[EtlError]) -> None:
    """Show the errors of tenants that do not load, besides the results of the others."""
    console = Console(stderr=True)
    for each in errors:
        console.print(f"[bold red]error:[/] {escape(str(each))}", highlight=False)


def write_report(path: Path, text: str) -> None:
    """Write a file in one step; the error says what a person can do."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise EtlError(f"{path} cannot be written: {error.strerror}", "name a file in a folder that exists") from error


def month_of(text: str | None, timezone: str) -> date:
    """Return the first day of a month written as YYYY-MM, or of the present month if `text` is None."""
    try:
        today = datetime.now(zone(timezone)).date()
    except ValueError as error:
        raise EtlError(str(error), "see --timezone") from error
    if text is None:
        return today.replace(day=1)
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise EtlError(f"`{text}` is no month", "write it as 2026-01") from error


def _text(found: tuple[Attainment, ...], format_: Format, title: str) -> str:
    match format_:
        case "json":
            return report_json(found) + "\n"
        case "html":
            return report_html(found, title)
        case "table":
            return "\n".join("\t".join(row) for row in [HEADER, *report_rows(found)]) + "\n"


def _print_table(found: tuple[Attainment, ...], first: date) -> None:
    if not found:
        return
    table = Table(*HEADER, title=f"Promises kept in {first:%Y-%m}")
    for row in report_rows(found):
        table.add_row(*row)
    print_table(Console(), table)
