"""`etl dbt`: prepares dbt projects, and converts quality rules into dbt tests and back.

Belongs here: the commands and their output. Not here: parsing a project (`etl.dbt.project`), its index
(`etl.dbt.index`), the conversion (`etl.dbt.rules`).
"""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from etl.cli.asked import asked_tenants
from etl.config.config_loader import load_tenant
from etl.dbt.index import fresh_index
from etl.dbt.project import tenant_dbt
from etl.dbt.rules import from_schema, to_schema
from etl.errors import DbtError, EtlError, NothingExamined
from etl.running.dbt_prepare import prepare as prepare_index
from etl.settings import Settings, load_settings

app = typer.Typer(help="Prepare dbt projects; convert rules into dbt tests and back.", no_args_is_help=True)


@app.command("prepare", epilog="For example: `etl dbt prepare project_01`")
def prepare(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to prepare. Default: all that use dbt.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Parse a project again even if it has not changed.")] = False,
) -> None:
    """Parse dbt projects now, so that loading definitions does not have to start dbt.

    Exit code 2: a project cannot be parsed. 3: none of the tenants uses dbt.
    """
    console = Console()
    settings = load_settings()
    failed: list[EtlError] = []
    projects = 0
    for name in asked_tenants(settings, tenant or ()):
        try:
            done = _prepare(name, settings, force=force)
            projects += done is not None
            console.print(f"[bold]{name}[/]: {done or 'no dbt'}", highlight=False)
        except EtlError as error:
            failed.append(error)
            console.print(f"[bold]{name}[/]: [bold red]error:[/] {escape(str(error))}", highlight=False)
    if failed:
        raise typer.Exit(2)
    if not projects:
        raise NothingExamined("nothing was prepared: no tenant uses dbt", "dbt: {enabled: true}")


@app.command("rules", epilog="For example: `etl dbt rules project_01`")
def rules(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    pipeline: Annotated[str | None, typer.Argument(help="One pipeline. Default: all that have rules.")] = None,
    prefix: Annotated[str, typer.Option(help="A model's name is this prefix and the pipeline's name.")] = "stg_",
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Read this schema.yml and print its tests as rules of the tenant.")
    ] = None,
) -> None:
    """Print a tenant's rules as a dbt schema.yml; with --from, print the tests of a schema.yml as rules.

    Exit code 1: some rules were left out. 3: there are no rules.
    """
    config = load_tenant(tenant, load_settings())
    if pipeline is not None and pipeline not in config.pipelines:
        raise EtlError(f"tenant {tenant} has no pipeline {pipeline}", f"it has {', '.join(config.pipelines) or 'none'}")
    shown: Any
    if from_file is None:
        names = [name for name, each in config.pipelines.items() if each.quality.rules and pipeline in {None, name}]
        shown, left = to_schema(config, names, prefix)
    else:
        found, left = from_schema(_read(from_file), prefix)
        names = [name for name in found if pipeline in {None, name}]
        shown = {"pipelines": {name: {"quality": {"rules": found[name]}} for name in names}}
    if not names and not left:
        raise NothingExamined("nothing was converted: there is no rule", "`etl rules` lists what can be written")
    typer.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=120), nl=False)
    for each in left:
        typer.echo(f"left out: {each}", err=True)
    if left:
        raise typer.Exit(1)


def _prepare(name: str, settings: Settings, *, force: bool) -> str | None:
    """Prepare a tenant and return what was done; None for a tenant without dbt."""
    config = load_tenant(name, settings)
    if not config.dbt.enabled:
        return None
    project = tenant_dbt(config, settings)
    if not force and fresh_index(config, project) is not None:
        return f"fresh, nothing to do ({project.folder.name})"
    began = time.monotonic()
    index = prepare_index(config, project)
    seconds = time.monotonic() - began
    return f"prepared {project.folder.name}: {len(index.assets)} assets, {len(index.checks)} checks, {seconds:.1f} s"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DbtError(f"{path} cannot be read: {error}", "name a schema.yml of a dbt project") from error
    if not isinstance(found, dict):
        raise DbtError(f"{path} contains no mapping", "name a schema.yml of a dbt project")
    return found
