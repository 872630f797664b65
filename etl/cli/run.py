"""`etl run`: one of a tenant's jobs, for a range of days, by a real Dagster run.

Belongs here: the command. Does not: launching (`runs`), what the job does (`etl.pipeline`).
"""

import time
from datetime import date
from typing import Annotated

import typer
from dagster import DagsterInstance, DagsterRunStatus
from rich.console import Console

from etl.cli.demo import make_source
from etl.cli.home import prepare_dagster_home
from etl.cli.runs import failures, launch, wait, workspace
from etl.errors import EtlError
from etl.factories import naming
from etl.factories.schedule_factory import RANGE_END, RANGE_START
from etl.resources.run_worker import release_dead_runs
from etl.settings import load_settings


def run(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    job: Annotated[str, typer.Option(help="The job, with or without the tenant in front.")] = "all",
    first: Annotated[str | None, typer.Option("--from", help="First day. Default: the newest complete one.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day. Default: the same as --from.")] = None,
) -> None:
    """Run a job of a tenant: `etl run project_01 --job lot_history --from 2026-01-01 --to 2026-01-05`."""
    settings = load_settings()
    console = Console()
    tags = _days(first, last)
    make_source(tenant, settings, console)
    prepare_dagster_home(settings)
    began = time.monotonic()
    with DagsterInstance.get() as instance:
        release_dead_runs(instance)
        with workspace(instance, settings, {tenant}) as context:
            started = launch(instance, context, tenant, naming.job_name(tenant, job), tags)
            console.print(f"run {started.run_id}")
            ended = next(wait(instance, [started.run_id]))
        if ended.status == DagsterRunStatus.SUCCESS:
            console.print(f"[green]succeeded[/] in {time.monotonic() - began:.0f} s")
            return
        for problem in failures(instance, started.run_id):
            console.print(problem, style="red", markup=False, highlight=False)
    raise typer.Exit(1)


def _days(first: str | None, last: str | None) -> dict[str, str]:
    """The tags of a run of these days; none for the newest complete day."""
    if first is None:
        if last is not None:
            raise EtlError("--to without --from", f"write --from YYYY-MM-DD --to {last}")
        return {}
    begin, end = _day(first), _day(last or first)
    if end < begin:
        raise EtlError(f"--to {end} is before --from {begin}", "turn them round")
    return {RANGE_START: begin.isoformat(), RANGE_END: end.isoformat()}


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise EtlError(f"`{text}` is no day", "write it as 2026-01-31") from error
