"""`etl check`: checks every tenant's configuration, and whether the built definitions keep the conventions.

Belongs here: walking tenants and showing findings. Not here: the conventions (`etl.conventions.check`).
"""

import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from dagster import Definitions
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.asked import asked_tenants
from etl.cli.connect import Tried, shown, try_out
from etl.cli.locations import unserved
from etl.config.config_loader import list_tenants, load_tenant
from etl.config.shared_jobs import shared_job_names
from etl.config.shared_prefixes import shared_prefixes
from etl.config.shared_tables import shared_tables
from etl.conventions.check import file_violations, files_of, violations
from etl.dbt.ownership import dbt_place, shared_dbt_schemas
from etl.definitions import load_location
from etl.errors import ConfigError, EtlError, NothingExamined
from etl.platform import Conventions, platform_of
from etl.resources.warehouse import refused_warehouse
from etl.settings import Settings, load_settings


def check(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to check. Default: all.")] = None,
    module: Annotated[
        str | None, typer.Option(help="Check a hand-written code location instead, e.g. my_project.definitions.")
    ] = None,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect",
            help="Also connect to each tenant's source, lake (a small object is written and deleted) and warehouse.",
        ),
    ] = False,
) -> None:
    """Load tenants and check that they keep the conventions.

    A tenant that no code location of workspace.yaml serves is a warning.

    Exit code 1: violations. 2: a tenant cannot be loaded, or with --connect something does not answer as a run needs.
    3: there was nothing to check, or a tenant has no asset.
    """
    console = Console()
    settings = load_settings()
    names = [module] if module else list(asked_tenants(settings, tenant or ()))
    look = _Look(platform_of(settings.project_dir, os.environ).conventions)
    for name in names:
        look.at(name, lambda name=name: _module(name) if module else _tenant(name, settings))  # type: ignore[misc]
    look.broken += [] if module else _shared_places(settings, set(names))
    tried = _connected(names, settings, look) if connect and not module else []
    for warning in unserved(settings) if not module else ():
        console.print(f"[yellow]warning:[/] {escape(str(warning))}", highlight=False)
    for problem in look.broken:
        console.print(f"[bold red]error:[/] {escape(str(problem))}", highlight=False)
    if tried:
        console.print(shown(tried))
    if look.found.row_count:
        console.print(look.found)
    if look.broken:
        sys.exit(2)
    if look.found.row_count:
        sys.exit(1)
    empty = [name for name in look.empty if module or load_tenant(name, settings).enabled]
    if empty or len(look.empty) == len(names):
        raise NothingExamined(
            f"nothing was examined: {', '.join(empty or look.empty)} has no asset",
            "write a pipeline below `assets: {pipelines: ...}`; a tenant with `enabled: false` has no assets either",
        )
    console.print(f"[green]{len(names)} checked[/], no findings: {', '.join(names)}")


@dataclass
class _Look:
    """The findings about the locations that were checked."""

    conventions: Conventions
    broken: list[EtlError] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    """Locations that define nothing, so that nothing was examined."""
    found: Table = field(default_factory=lambda: Table("where", "asset", "what is wrong", "remedy"))

    def at(self, name: str, load: Callable[[], tuple[Definitions, set[Path]]]) -> None:
        """Check one location. If a location cannot be built, the other locations are still checked."""
        try:
            definitions, files = load()
            if not definitions.resolve_asset_graph().get_all_asset_keys() and not definitions.resolve_all_job_defs():
                self.empty.append(name)
            wrong = [*violations(definitions, self.conventions), *file_violations(files, self.conventions)]
        except EtlError as error:
            self.broken.append(error)
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001  a person's own code may raise anything
            what = f"{type(error).__name__}: {error}"
            self.broken.append(EtlError(f"{name} cannot be built: {what}", "correct the code that raises this error"))
            return
        for each in wrong:
            self.found.add_row(name, each.subject, each.problem, each.remedy)


def _tenant(name: str, settings: Settings) -> tuple[Definitions, set[Path]]:
    """Return a tenant's definitions, with the additions of its own definitions.py, and its Python files."""
    return load_location(name), set((settings.tenants_dir / name).rglob("*.py"))


def _connected(names: list[str], settings: Settings, look: _Look) -> list[Tried]:
    """Try the places of all tenants that can be loaded, and note what does not answer."""
    tried: list[Tried] = []
    for name in names:
        with suppress(ConfigError):  # reported by `_Look`
            tried += try_out(load_tenant(name, settings), settings)
    look.broken += [each.error for each in tried if each.error]
    return tried


def _shared_places(settings: Settings, names: set[str]) -> list[ConfigError]:
    """Return warehouses that cannot work, and places that two tenants would write to.

    All tenants are compared, not only checked ones.
    """
    configs = []
    for each in list_tenants(settings):
        with suppress(ConfigError):  # reported above if the tenant is one of the checked ones
            configs.append(load_tenant(each, settings))
    places = [dbt_place(each, settings) for each in configs]
    unfit = [(frozenset({each.id}), error) for each in configs if (error := refused_warehouse(each, settings))]
    found = (
        *shared_tables(configs),
        *shared_prefixes(configs),
        *shared_job_names(configs),
        *shared_dbt_schemas(configs, places),
        *unfit,
    )
    return [error for tenants, error in found if tenants & names]


def _module(name: str) -> tuple[Definitions, set[Path]]:
    """Return the definitions of a hand-written code location, and the files in which its assets are written."""
    sys.path.insert(0, ".")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EtlError(
            f"{name} cannot be imported: {error}", "run this where `python -c 'import ...'` finds the module"
        ) from error
    found = getattr(module, "defs", None)
    if not isinstance(found, Definitions):
        raise EtlError(f"{name} has no `defs`", "name a module whose `defs` is a Dagster Definitions")
    return found, files_of(found) | ({Path(module.__file__)} if module.__file__ else set())
