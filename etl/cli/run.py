"""`etl run`: a tenant's assets, all or some of them, for a range of partitions, by real Dagster runs.

Belongs here: the command. Not here: which assets are meant (`chosen`), launching and showing the runs (`launching`),
signals (`signals`), what a step does (`etl.pipeline`).
"""

import time
from typing import Annotated

import typer
from rich.console import Console

from etl.cli.demo_source import make_source
from etl.cli.home import opened_instance
from etl.cli.launching import run_wanted
from etl.cli.messages import Wanted
from etl.cli.runs import runs_of
from etl.cli.signals import Interrupted, interruptible
from etl.deployment.restore_mark import refuse_half_restored
from etl.errors import EtlError
from etl.resources.run_worker import release_dead_runs
from etl.running import naming
from etl.settings import load_settings


def run(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    job: Annotated[
        str | None, typer.Option(help="The job, with or without the tenant in front. Default: all assets.")
    ] = None,
    pipeline: Annotated[
        list[str] | None, typer.Option(help="Only this pipeline and the dbt models that it selects; may be repeated.")
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this stage: extract, transfer, load or dbt; may be repeated.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First day, hour, week or month. Default: the newest complete one.")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last one. Default: the same as --from.")] = None,
    partition: Annotated[str | None, typer.Option(help="One partition by its key, such as a region.")] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Load again also what the warehouse's table holds already.")
    ] = False,
) -> None:
    """Run a tenant's assets: `etl run project_01 --pipeline lot_history --from 2026-01-01 --to 2026-01-05`."""
    settings = load_settings()
    refuse_half_restored(settings.data_dir)
    console = Console()
    since, until = _asked(first, last, partition)
    wanted = Wanted(job=job, pipelines=tuple(pipeline or ()), stages=tuple(stage or ()), first=since, last=until)
    more = {naming.RELOAD_TAG: "true"} if reload else {}
    make_source(tenant, settings, console)
    began = time.monotonic()
    with interruptible() as signals, opened_instance(settings) as instance:
        try:
            release_dead_runs(instance)
            with runs_of(instance, settings, {tenant}) as runs:
                failed = run_wanted(tenant, wanted, more, instance, runs, signals, console)
        except Interrupted as why:
            console.print(f"{why}: no run was started", highlight=False)
            raise typer.Exit(why.exit_code) from why
    if failed:
        raise typer.Exit(1)
    console.print(f"[green]succeeded[/] in {time.monotonic() - began:.0f} s")


def _asked(first: str | None, last: str | None, partition: str | None) -> tuple[str | None, str | None]:
    """Return the first and the last partition as the person wrote them; None for the newest complete one."""
    if partition is not None:
        if first is not None or last is not None:
            raise EtlError("--partition beside --from or --to", "--partition names one, --from and --to a range")
        return partition, partition
    if first is None and last is not None:
        raise EtlError("--to without --from", f"write --from YYYY-MM-DD --to {last}")
    return first, last or first
