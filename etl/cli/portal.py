"""`etl portal`: builds a page for each tenant, as files that can be given to its people.

Belongs here: the command. Not here: the pages (`etl.portal`), the sensor that keeps them fresh (`etl.factories`).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.cli.locations import served_with_others
from etl.cli.sla import complain
from etl.cli.tables import print_table
from etl.config.config_loader import list_tenants, tenants_listed_once
from etl.definitions import served_config, troubles_of
from etl.errors import EtlError, NothingExamined
from etl.portal.build import Built, build_operator, build_pages, remove_pages
from etl.portal.gather import Gathering
from etl.portal.page import Level
from etl.settings import load_settings

app = typer.Typer(help="A page for each tenant, as files that can be given to its people.", no_args_is_help=True)

_PATIENCE = 60.0
_COLOURS: dict[Level, str] = {"good": "green", "notice": "yellow", "unknown": "yellow", "bad": "red", "none": "dim"}
_WRONG = 2


@app.command(epilog="For example: `etl portal build --out /srv/portal`")
def build(
    out: Annotated[Path, typer.Option(help="The folder of the pages; it is made if it is missing.")],
    tenant: Annotated[list[str] | None, typer.Argument(help="Only these tenants. Default: all.")] = None,
    valid_minutes: Annotated[
        int, typer.Option(help="For how long a page holds, if nothing is due before.", min=1, max=7 * 24 * 60)
    ] = 60,
) -> None:
    """Write OUT/TENANT/index.html and page.json for each tenant, and OUT/_operator for yourself.

    A tenant that cannot be loaded has a page that says so. Exit code 0: every page was written, whatever it says.
    2: a page could not be written. 3: it could not be found out what a page has to say, or there is no tenant.
    """
    settings, now = load_settings(), datetime.now(UTC)
    names = asked_tenants(settings, tenant or ())
    with tenants_listed_once(settings):
        troubles = troubles_of(names, settings, served_with_others(settings))
        configs = {name: served_config(name, troubles.get(name), settings) for name in names}
    with opened_instance(settings) as instance:
        gathering = Gathering(
            settings,
            instance,
            now,
            configs,
            troubles,
            valid_for=timedelta(minutes=valid_minutes),
            budget=_PATIENCE,
            tenants=list_tenants(settings),
        )
        built = build_pages(gathering, out)
    every = list_tenants(settings)
    removed, kept = ([], []) if tenant else remove_pages(out, every)
    operator = build_operator(out, every, datetime.now(UTC))
    _show(built, removed, kept, out, operator)
    complain([EtlError(f"{name}: {error}") for name, error in gathering.errors.items()])
    if built.problems:
        raise typer.Exit(_WRONG)
    if built.unknown:
        raise NothingExamined(
            f"it could not be found out how {', '.join(built.unknown)} stands",
            "what went wrong stands above; the other pages were written",
        )


def _show(built: Built, removed: list[str], kept: list[str], out: Path, operator: Path) -> None:
    console = Console()
    table = Table("tenant", "page says", "")
    for name, level in built.pages.items():
        answer, detail = built.answers[name]
        table.add_row(name, Text(answer, style=_COLOURS[level]), Text(detail, style="dim"))
    if table.row_count:
        print_table(console, table)
    lines = [f"{name}: another process has written a newer page" for name in built.newer]
    lines += [f"{name}: the tenant is gone, and its page was removed" for name in removed]
    lines += [f"{out / name} has files that are not ours: they were kept" for name in kept]
    pages = "1 page" if len(built.pages) == 1 else f"{len(built.pages)} pages"
    lines.append(f"{pages} in {out}; yours, over all tenants: {operator}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    errors = Console(stderr=True)
    for name, error in built.problems.items():
        errors.print(f"{name}: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
