"""`etl check`: is every tenant's configuration right, and do the built definitions keep the conventions?

Belongs here: walking tenants and showing findings. Does not: the conventions (`etl.factories.conventions`).
"""

import sys
from typing import Annotated

import typer
from dagster import Definitions
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.config.config_loader import list_tenants
from etl.definitions import build_tenant_definitions
from etl.errors import EtlError
from etl.factories.conventions import load_conventions, violations
from etl.settings import load_settings


def check(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to check. Default: all.")] = None,
    module: Annotated[
        str | None, typer.Option(help="Check a hand-written code location instead, e.g. my_project.definitions.")
    ] = None,
) -> None:
    """Load tenants and hold what they become against the conventions. Exit code 1: violations, 2: cannot load."""
    console = Console()
    settings = load_settings()
    conventions = load_conventions(settings.project_dir)
    names = [module] if module else list(tenant or list_tenants(settings))
    broken: list[EtlError] = []
    found = Table("where", "asset", "what is wrong", "remedy")
    for name in names:
        try:
            definitions = _location(name) if module else build_tenant_definitions(name)
        except EtlError as error:
            broken.append(error)
            continue
        for each in violations(definitions, conventions):
            found.add_row(name, each.subject, each.problem, each.remedy)
    for problem in broken:
        console.print(f"[bold red]error:[/] {escape(str(problem))}", highlight=False)
    if found.row_count:
        console.print(found)
    if broken:
        sys.exit(2)
    if found.row_count:
        sys.exit(1)
    console.print(f"[green]{len(names)} checked[/], nothing to complain about: {', '.join(names)}")


def _location(module: str) -> Definitions:
    import importlib  # noqa: PLC0415  only for hand-written locations

    sys.path.insert(0, ".")
    try:
        found = getattr(importlib.import_module(module), "defs", None)
    except Exception as error:  # a location is a person's own code and may raise anything
        raise EtlError(
            f"{module} cannot be imported: {type(error).__name__}: {error}",
            "run this where `python -c 'import ...'` finds the module, and mend what it raises",
        ) from error
    if not isinstance(found, Definitions):
        raise EtlError(f"{module} has no `defs`", "name a module whose `defs` is a Dagster Definitions")
    return found
