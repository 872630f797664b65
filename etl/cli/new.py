"""`etl new`: makes a working tenant from the template, or a tenant from a database.

Belongs here: the options, and copying and renaming the template. Not here: the keys of a tenant (`etl.config`), reading
a database (`etl.onboarding`), showing what it offers (`new_from`).
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from etl.config.changed_file import replace_file
from etl.config.config_loader import load_tenant
from etl.config.yaml_word import yaml_word
from etl.errors import EtlError
from etl.onboarding.example_variables import add_to_example
from etl.onboarding.workspace import with_location
from etl.platform import platform_of
from etl.settings import Settings, load_settings

if TYPE_CHECKING:
    from etl.cli import new_from

TEMPLATE = "_template"


def new(
    tenant: Annotated[str, typer.Argument(help="The new tenant's id: lowercase letters, digits, underscore.")],
    group: Annotated[str | None, typer.Option(help="The asset group, for example CD or NPS.")] = None,
    name: Annotated[str | None, typer.Option(help="The tenant's name for people. Default: made from the id.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="The variable that holds the URL of a database; its tables become pipelines."),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add tables of its database to a tenant that exists. Nothing else changes.")
    ] = False,
    tables: Annotated[
        list[str] | None,
        typer.Option(
            help="Only tables whose names fit, for example `order*` or `sales.*`; may be given several times."
        ),
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of the days. Default: the zone of the server.")] = None,
    rows: Annotated[int, typer.Option(min=100, help="Read at most so many rows of a table by a statement.")] = 20_000,
    seconds: Annotated[int, typer.Option(min=1, help="The database ends a longer statement.")] = 20,
    whole_below: Annotated[
        int, typer.Option(min=0, help="A table with fewer rows is read as a whole, without partitions.")
    ] = 10_000,
) -> None:
    """Make a tenant: from the template, with demo data; or from a database, whose tables become pipelines.

    `--from` and `--add` read the database's catalogue and a bounded sample of each table, and propose keys, partitions,
    rules and promises, each with its reason as a comment in the YAML. No file is overwritten.

    Exit code 1: made, but a table or column was left out, which is named. 3: no table can be used, nothing was made.
    """
    console, settings = Console(emoji=False), load_settings()
    if source is None and not add:
        _refuse_options(tables, timezone)
        make_tenant(settings, tenant, group, name)
        console.print(f"[green]made[/] tenants/{tenant}, and its entry in workspace.yaml")
        console.print(f"next: edit tenants/{tenant}/config.yaml, or see it run: [bold]etl demo --tenant {tenant}[/]")
        return
    from etl.cli import new_from  # noqa: PLC0415  reading a database loads Polars and SQLAlchemy

    limits = new_from.Limits(rows, seconds, whole_below)
    patterns = tuple(dict.fromkeys(part.strip() for each in tables or () for part in each.split(",")))
    asked = new_from.Asked(patterns, timezone, limits)
    if source is None:
        if group is not None or name is not None:
            raise EtlError("`--add` changes neither group nor name", f"edit tenants/{tenant}/config.yaml")
        new_from.add_to_tenant(console, settings, tenant, asked)
        return
    if add:
        raise EtlError(
            "`--add` reads the tenant's own `source_database`",
            "leave `--from` out, or make a new tenant without `--add`",
        )
    new_from.new_from_database(console, settings, _identity(settings, tenant, source, group, name), asked)


def _refuse_options(tables: list[str] | None, timezone: str | None) -> None:
    """Refuse options that only a database gives a meaning."""
    given = "--tables" if tables else "--timezone" if timezone else ""
    if given:
        raise EtlError(f"`{given}` needs a database", "give `--from VARIABLE`, or `--add` for a tenant that exists")


def _identity(
    settings: Settings, tenant: str, variable: str, group: str | None, name: str | None
) -> "new_from.Identity":
    from etl.cli import new_from  # noqa: PLC0415  reading a database loads Polars and SQLAlchemy

    groups = platform_of(settings.project_dir, os.environ).conventions.groups
    why = "" if group is not None else f"the first allowed one of {', '.join(groups)}"
    called = _called(tenant) if name is None else name
    return new_from.Identity(tenant, called, group or groups[0], why, variable)


def make_tenant(
    settings: Settings, tenant: str, group: str | None = None, name: str | None = None, *, in_workspace: bool = True
) -> None:
    """Copy the template under the tenant's id, and add it to workspace.yaml. After an error no files are left."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", tenant):
        raise EtlError(
            f"`{tenant}` cannot be a tenant's id", "lowercase letters, digits and underscores, a letter first"
        )
    target = settings.tenants_dir / tenant
    if target.exists():
        remedy = "choose another id, or edit the existing tenant"
        if not (target / "config.yaml").exists():
            remedy = f"choose another id, or move it away; `etl new {tenant} --from VARIABLE` keeps its files"
        raise EtlError(f"tenants/{tenant} exists already", remedy)
    source = settings.tenants_dir / TEMPLATE
    if not source.is_dir():
        raise EtlError(f"{source} is missing", "run this in the project's folder, the one with tenants/")
    workspace = with_location(settings, tenant) if in_workspace else None
    try:
        config = _copy(source, target, tenant, group, name)
        # Checked as in dev, because in prod the new tenant's variables are not set yet.
        load_tenant(tenant, settings.model_copy(update={"environment": "dev"}))
        if workspace is not None:
            replace_file(settings.project_dir / "workspace.yaml", workspace)
    except (EtlError, OSError):  # for example, the group is not allowed, or the disk is full
        shutil.rmtree(target, ignore_errors=True)
        raise
    add_to_example(settings, tenant, config)


def _copy(source: Path, target: Path, tenant: str, group: str | None, name: str | None) -> str:
    """Copy the template's files under the tenant's id. Return the text of config.yaml."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(target.rglob("*")):
        if path.suffix in {".yaml", ".py", ".md", ".sql"}:
            text = path.read_text(encoding="utf-8")
            text = text.replace(f"id: {TEMPLATE} ", f"id: {yaml_word(tenant)} ", 1)
            text = text.replace(TEMPLATE, tenant).replace("TEMPLATE_", f"{tenant.upper()}_")
            path.write_text(text, encoding="utf-8")
    config_path = target / "config.yaml"
    text = config_path.read_text(encoding="utf-8")
    # JSON is YAML, so it can be used to quote a name with quotes and colons.
    called = yaml_word(_called(tenant)) if name is None else json.dumps(name, ensure_ascii=False)
    text = text.replace("name: Template ", f"name: {called} ", 1)
    if group is not None:
        text = text.replace("group: CD ", f"group: {group} ", 1)
    config_path.write_text(text, encoding="utf-8")
    return text


def _called(tenant: str) -> str:
    """Return a tenant's name for people, made from the id."""
    return tenant.replace("_", " ").strip().title()
