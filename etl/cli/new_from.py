"""`etl new --from` and `etl new --add`: shows what a database offers, while it is read and at the end.

Belongs here: progress, the table, the last line and the exit code. Not here: reading and proposing (`etl.onboarding`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from etl.cli.start import EXIT_FAILED
from etl.cli.tables import print_table
from etl.config.tenant_config import TenantConfig
from etl.onboarding import survey as surveys
from etl.onboarding.limits import Limits
from etl.onboarding.pipeline_yaml import one_line, rows_of
from etl.onboarding.proposal import Proposal
from etl.onboarding.survey import Survey
from etl.onboarding.tenant_text import Identity
from etl.onboarding.tenants import Asked, add_from_database, make_from_database
from etl.partitions.scheme import complete_range
from etl.plural import counted
from etl.settings import Settings

__all__ = ["Asked", "Identity", "Limits", "add_to_tenant", "new_from_database"]

_NAMED = 5


def new_from_database(console: Console, settings: Settings, identity: Identity, asked: Asked) -> None:
    """Make a tenant and show it."""
    announce = partial(_announce, console, asked, f"the database of {identity.variable}")
    with _progress(console) as on_progress:
        found, config = make_from_database(settings, identity, asked, announce, on_progress)
    _show(console, found)
    console.print(f"[green]made[/] tenants/{identity.tenant}, and its entry in workspace.yaml", highlight=False)
    _next_steps(console, config, found.proposals)
    _end(console, f"{counted(len(found.proposals), 'pipeline')} made", found)


def add_to_tenant(console: Console, settings: Settings, tenant: str, asked: Asked) -> None:
    """Add tables to a tenant and show them."""
    announce = partial(_announce, console, asked, f"the database of tenant {tenant}")
    with _progress(console) as on_progress:
        found, config = add_from_database(settings, tenant, asked, announce, on_progress)
    if not found.proposals:
        _show_covered(console, found)
    if found.proposals:
        _show(console, found)
        console.print(f"[green]added[/] to tenants/{tenant}/config.yaml, which is otherwise unchanged", highlight=False)
        _next_steps(console, config, found.proposals)
    _end(console, f"{counted(len(found.proposals), 'pipeline')} added", found)


def _announce(console: Console, asked: Asked, what: str) -> None:
    limits = asked.limits
    console.print(
        f"reading the catalogue of {what}, then at most {limits.rows:,} rows of each table by a statement, "
        f"and at most {limits.seconds} s a statement",
        highlight=False,
    )


@contextmanager
def _progress(console: Console) -> Iterator[surveys.Progress]:
    """Show a bar on a terminal, and a line for each table elsewhere."""
    if not console.is_terminal:  # a bar needs one

        def told(done: int, total: int, table: str) -> None:
            if table:
                console.print(f"[{done + 1}/{total}] {escape(one_line(table))}", highlight=False)

        yield told
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("the catalogue", total=None)

        def moved(done: int, total: int, table: str) -> None:
            bar.update(task, completed=done, total=total, description=escape(one_line(table)))

        yield moved


def _show(console: Console, found: Survey) -> None:
    table = Table("table", "rows", "key", "date column", "partitions", "mode", "rules", "personal columns")
    for each in found.proposals:
        table.add_row(
            escape(each.name),
            escape(rows_of(each.sample).partition(" row")[0]),
            escape(", ".join(each.key.columns)) or "[yellow]none[/]",
            escape(each.choice.column.name) if each.choice.column else "",
            escape(each.partitions.shown) if each.partitions else "whole",
            each.mode,
            str(len(each.rules.rules)),
            escape(", ".join(each.personal)),
        )
    print_table(console, table)
    zone = found.zone
    console.print(
        f"time zone of the days: {zone.name} ({escape(zone.why)}); `--timezone` chooses another", highlight=False
    )
    _show_covered(console, found)
    for each in found.proposals:
        for name, why in each.sample.unreadable.items():
            what = one_line(f"column {each.name}.{name}: {why}")
            console.print(f"[yellow]left out:[/] {escape(what)}", highlight=False)
        for note in each.notes:
            console.print(f"[yellow]look at[/] {escape(each.name)}: {escape(note)}", highlight=False)


def _show_covered(console: Console, found: Survey) -> None:
    if len(found.covered) > _NAMED:
        count = len(found.covered)
        console.print(f"not needed: {count} tables whose rows a pipeline reads already, such as:", highlight=False)
    for each in found.covered[:_NAMED]:
        console.print(f"not needed: {escape(one_line(f'{each.table}: {each.why}'))}", highlight=False)


def _next_steps(console: Console, config: TenantConfig, proposals: Sequence[Proposal]) -> None:
    tenant = config.id
    console.print(f"next: read tenants/{tenant}/config.yaml, where each choice has its reason; then", highlight=False)
    for command in (f"etl check {tenant} --connect", f"etl plan {tenant}", f"etl run {tenant}"):
        console.print(f"  [bold]{command}[/]", highlight=False)
    schemes = [config.pipelines[each.name].scheme for each in proposals]
    if (known := complete_range(schemes, datetime.now(UTC))) is not None:
        command = f"etl run {tenant} --from {known[0]} --to {known[1]}"
        console.print(f"  [bold]{command}[/]   all partitions until now", highlight=False, soft_wrap=True)


def _end(console: Console, made: str, found: Survey) -> None:
    """Say what was made and what was left out. Something that was left out is a finding."""
    for each in found.left:
        what = f"{one_line(each.table)}: {one_line(each.why)}"
        console.print(f"[yellow]left out:[/] {escape(what)}", highlight=False)
    for pattern in found.unfit:
        console.print(f"[yellow]left out:[/] no table fits {escape(one_line(pattern))}", highlight=False)
    columns = sum(len(each.sample.unreadable) for each in found.proposals)
    numbers = ((len(found.left), "table"), (columns, "column"), (len(found.unfit), "pattern"))
    left = [counted(number, word) for number, word in numbers if number]
    if left:
        together = " and ".join(filter(None, (", ".join(left[:-1]), left[-1])))
        console.print(f"[yellow]{made}, {together} left out[/]", highlight=False)
        raise typer.Exit(EXIT_FAILED)
    console.print(f"[green]{made}[/], nothing left out", highlight=False)
