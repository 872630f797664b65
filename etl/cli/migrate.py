"""`etl migrate`: rewrites a file of another tool, or of an older spelling, into a tenant's file.

Belongs here: the command and what it shows. Not here: the rewriting (`etl.config.migration`).
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from etl.config.config_loader import CONFIG_FILE, load_text
from etl.config.migration import Migration, migrate
from etl.config.rewriting import Note
from etl.errors import ConfigError, EtlError
from etl.settings import Settings, load_settings

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def migrate_file(
    path: Annotated[Path, typer.Argument(help="The file: a tenant's config.yaml, or the file of another tool.")],
    tenant: Annotated[
        str | None, typer.Option(help="The tenant's id. Default: the name of the folder that the file is in.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Write the result. Without it, nothing is written.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the result. Default: the file itself, which is overwritten.")
    ] = None,
) -> None:
    """Rewrite a file into a tenant's file, with its comments; show the difference and what a person decides.

    Keys and words of older files and of other tools (Sling, dlt, Meltano, dag-factory, Bruin, Airbyte, dbt, ...) are
    rewritten where they have one meaning here. The result is checked as if it stood in the tenant's folder.

    Exit code 0: the result loads. 1: it does not load yet. 2: the file cannot be read.
    """
    settings, console = load_settings(), Console()
    name = tenant or path.resolve().parent.name
    before = _read(path)
    done = migrate(before, name)
    _show(done, before, console)
    problems = _problems(name, done.text, settings)
    if problems:
        console.print(f"[bold red]the result does not load yet[/]: {_count(len(problems), 'problem')}")
        for each in problems:
            console.print(f"  - {each}", highlight=False, markup=False)
    else:
        console.print("[green]the result loads[/]")
    target = output or path
    if write:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(done.text, encoding="utf-8")
        console.print(f"written: {target}", highlight=False)
    elif done.text != before:
        console.print("nothing was written; write --write to write it", highlight=False)
    if problems:
        sys.exit(1)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EtlError(f"{path} cannot be read: {error.strerror}", "name a file that exists") from error
    except UnicodeDecodeError as error:
        raise EtlError(f"{path} is not UTF-8", "save it as UTF-8") from error


def _show(done: Migration, before: str, console: Console) -> None:
    """Show the difference, the changes, and what was left."""
    for line in done.difference(before):
        console.print(Text(line, style=_COLOURS.get(line[:1], "")), soft_wrap=True)
    _list(f"changed: {_count(len(done.changed), 'place')}", done.changed, console)
    _list(f"left to you: {_count(len(done.left), 'place')}", done.left, console)
    if not done.changed and not done.left:
        console.print("there is nothing to rewrite")


def _list(title: str, notes: list[Note], console: Console) -> None:
    if notes:
        console.print(Text(f"\n{title}", style="bold"))
    for each in notes:
        console.print(Text(f"  line {each.line:<4} {each.where}  {each.text}"), soft_wrap=True)


def _problems(tenant: str, text: str, settings: Settings) -> tuple[str, ...]:
    """Return why the result does not load; nothing if it loads."""
    try:
        load_text(tenant, text.encode(), settings.tenants_dir / tenant / CONFIG_FILE, settings)
    except ConfigError as error:
        return error.problems or (str(error),)
    return ()


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
