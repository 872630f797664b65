"""`etl backup`: a backup of everything that an installation keeps on its machine.

Belongs here: the command and what it prints. Not here: making the backup (`etl.deployment.backup`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.tables import print_table
from etl.deployment.backup import keep_newest, make_backup
from etl.deployment.manifest import BackupManifest, read_manifest
from etl.deployment.shape import Shape
from etl.deployment.stored import SHAPE, Stored, elsewhere, password_of, read_shape, stored_by, stored_in
from etl.health.finding import size
from etl.settings import Settings, load_settings


def backup(
    out: Annotated[Path, typer.Option(help="The folder of all backups. Each backup is a folder in it.")],
    keep: Annotated[int, typer.Option(min=0, help="How many backups to keep; older ones are removed. 0: all.")] = 0,
    shape: Annotated[
        Path | None,
        typer.Option(help="The file shape.json of the installation. Default: /etc/etl/shape.json if it exists."),
    ] = None,
) -> None:
    """Write a backup of Dagster's history, lakes, warehouses and state, while runs are at work.

    On a machine with an installation for systemd, run it as root, with the variable DAGSTER_PG_PASSWORD. Elsewhere it
    writes the data folder of this project, and DAGSTER_HOME. What tenants keep in buckets and servers is named, and is
    not in the backup.

    Exit code 1: a database cannot be read. It is in the backup as it is, and no older backup is removed. 3: there is
    nothing to back up.
    """
    found = shape_here(shape)
    settings = settings_of(found)
    stored = stored_of(found, settings)
    password = password_of(os.environ) if stored.database is not None else ""
    console = Console(soft_wrap=True)
    damaged: dict[Path, str] = {}
    with console.status("reading") as status:
        done = make_backup(
            stored,
            out,
            password=password,
            elsewhere=elsewhere(settings, os.environ if found is None else {}),
            tell=lambda what: status.update(f"reading {what}"),
            damaged=damaged,
        )
    _show(console, done, read_manifest(done))
    if damaged:
        _complain(damaged)
        raise typer.Exit(1)
    removed, foreign = keep_newest(out, keep, stored) if keep else ([], [])
    for each in removed:
        console.print(f"removed {each}")
    if foreign:
        console.print(f"left alone: {len(foreign)} that no backup of this installation made, such as {foreign[0]}")


def _complain(damaged: Mapping[Path, str]) -> None:
    """Name the databases that cannot be read."""
    console = Console(stderr=True, soft_wrap=True)
    for path, why in damaged.items():
        text = f"the database {path} cannot be read: {why}. It is in the backup as it is"
        console.print(f"[bold red]error:[/] {escape(text)}", highlight=False)
    console.print("  -> restore it from an older backup, of which none was removed; `etl doctor` says what it is for")


def shape_here(path: Path | None) -> Shape | None:
    """Return the shape of the installation on this machine; None if this is a project without one."""
    if path is None and not SHAPE.exists():
        return None
    return read_shape(path or SHAPE)


def settings_of(shape: Shape | None) -> Settings:
    """Return the settings of the installation, or of the project around the current folder."""
    return load_settings() if shape is None else load_settings({**os.environ, **shape.settings})


def stored_of(shape: Shape | None, settings: Settings) -> Stored:
    """Return what is kept here."""
    return stored_in(settings, os.environ) if shape is None else stored_by(shape)


def _show(console: Console, folder: Path, manifest: BackupManifest) -> None:
    table = Table("part", "files", "size")
    for each in manifest.parts:
        table.add_row(each.service or "Dagster's database", f"{each.files:,}", size(each.bytes))
    print_table(console, table)
    for what in manifest.elsewhere:
        console.print(f"not in the backup: {what}", style="yellow")
    console.print(str(folder), markup=False, highlight=False)
