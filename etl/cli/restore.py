"""`etl restore`: reads a backup into an empty installation.

Belongs here: the command, and ending the runs that were at work when the backup was made. Not here: reading the backup
(`etl.deployment.restore`).
"""

import os
from pathlib import Path
from typing import Annotated

import typer
from dagster import DagsterInstance
from rich.console import Console

from etl.cli.backup import settings_of, shape_here, stored_of
from etl.cli.home import opened_instance
from etl.deployment.restore import examined_backup, restore_backup
from etl.deployment.shape import Shape
from etl.deployment.stored import password_of
from etl.resources.run_worker import fail_runs_at_work
from etl.settings import Settings


def restore(
    folder: Annotated[Path, typer.Argument(help="The backup: a folder that `etl backup` has printed.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look whether it could be restored here.")] = False,
    shape: Annotated[
        Path | None,
        typer.Option(help="The file shape.json of the installation. Default: /etc/etl/shape.json if it exists."),
    ] = None,
) -> None:
    """Read a backup into an empty installation, after looking whether it is whole.

    Everything must be stopped, the folders of the services empty, and Dagster's database without tables. Nothing is
    overwritten. If a restore was ended half-way, the same command goes on with it, and until then no run works. Runs
    that were at work when the backup was made are marked as failed, because they have no process.
    """
    found = shape_here(shape)
    settings = settings_of(found)
    stored = stored_of(found, settings)
    password = password_of(os.environ) if stored.database is not None else ""
    console = Console(soft_wrap=True, highlight=False)
    ended: list[str] = []
    with console.status("examining the backup") as status:
        manifest = examined_backup(folder, stored, password)
        made = f"{manifest.begun:%Y-%m-%d %H:%M} UTC"
        if not dry_run:
            restore_backup(
                folder,
                manifest,
                stored,
                password=password,
                tell=lambda what: status.update(f"writing {what}"),
                then=lambda: ended.extend(_end_runs(found, settings, made)),
            )
    for each in manifest.elsewhere:
        console.print(f"not in the backup: {each}", style="yellow")
    if dry_run:
        console.print(f"the backup of {made} is whole, and can be restored here; nothing was changed")
        return
    for run_id in ended:
        console.print(f"run {run_id} was at work when the backup was made: it is marked as failed")
    console.print(f"restored the backup of {made}. Start everything, and compare: `etl verify` of each tenant")


def _end_runs(shape: Shape | None, settings: Settings, made: str) -> list[str]:
    why = f"The installation was restored from a backup of {made}. This run was at work then, and its process is gone."
    if shape is None:
        with opened_instance(settings) as instance:
            return fail_runs_at_work(instance, why)
    os.environ.update({**shape.settings, **shape.daemon.settings})
    with DagsterInstance.get() as instance:
        return fail_runs_at_work(instance, why)
