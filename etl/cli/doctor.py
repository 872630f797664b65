"""`etl doctor`: examines the installation, says what is wrong and what to do, and does it with `--fix`.

Belongs here: the command, its table, and running fixes. Not here: the examinations (`etl.health`).
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.asked import asked_tenants
from etl.cli.home import FILE, missing_settings, opened_instance, prepare_dagster_home
from etl.cli.locations import served_with_others, unserved
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.definitions import tried_out
from etl.errors import EtlError
from etl.health.dagster_home import examine_dagster
from etl.health.finding import Condition, Examined, good
from etl.health.formats import examine_objects, examine_state_files
from etl.health.leftovers import examine_leftovers
from etl.health.machine import examine_machine
from etl.health.releases import examine_releases
from etl.health.tenants import examine_tenant
from etl.last_good import served_instead
from etl.platform import platform_of
from etl.settings import Settings, load_settings
from etl.trial.own_python import has_own_python

_COLOURS = {
    Condition.GOOD: "green",
    Condition.WARNING: "yellow",
    Condition.BAD: "bold red",
    Condition.UNKNOWN: "magenta",
}


def doctor(
    tenant: Annotated[list[str] | None, typer.Argument(help="Tenants to examine. Default: all.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Do what can be done without losing anything.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Show also what is good.")] = False,
    format_: Annotated[Literal["table", "json"], typer.Option("--format", help="How the findings are written.")] = (
        "table"
    ),
) -> None:
    """Examine the installation: machine, versions, data folder, Dagster's storage, and what each tenant keeps.

    Nothing is changed without --fix. A fix removes drafts of dead processes, parses a dbt project whose index is old,
    or writes a DuckDB file again without its free part.

    Exit code 1: something is wrong. 3: something could not be examined. A warning alone is no failure.
    """
    settings = load_settings()
    names = asked_tenants(settings, tenant or ())
    console = Console(stderr=format_ == "json")
    findings = []
    with console.status("examining") as status:
        for each in _examine(settings, names):
            status.update(f"examined {each.place}: {each.what}")
            findings.append(_fixed(each, console) if fix and each.fix else each)
    if format_ == "json":
        typer.echo(json.dumps([_plain(each) for each in findings], indent=2, ensure_ascii=False))
    else:
        _show(findings, console, everything=everything)
    states = {each.state for each in findings}
    if Condition.BAD in states:
        raise typer.Exit(1)
    if Condition.UNKNOWN in states:
        raise typer.Exit(3)


def _examine(settings: Settings, tenants: tuple[str, ...]) -> Iterator[Examined]:
    yield from examine_machine(settings)
    yield from examine_releases()
    yield from examine_leftovers(settings)
    yield from examine_state_files(settings)
    yield from _dagster(settings)
    yield from (Examined("workspace.yaml", "tenants", Condition.WARNING, e.problem, e.hint) for e in unserved(settings))
    together = sorted(served_with_others(settings) & {*tenants})
    own = [each for each in together if has_own_python(settings.tenants_dir / each)]
    errors = tried_out(own, settings)
    hurting = {each: errors.get(each) for each in own}
    for name in tenants:
        try:
            config = load_tenant(name, settings)
        except EtlError as error:
            what = f"cannot be loaded: {error.problem}"
            yield Examined(name, "configuration", Condition.BAD, what, f"`etl check {name}` names every mistake")
            yield from _instead(name, settings)
            continue
        yield _loaded(config)
        if name in hurting:
            yield from _python(name, hurting[name], settings)
        try:
            yield from examine_objects(config, settings)
        except EtlError as error:
            yield Examined(name, "objects", Condition.UNKNOWN, error.problem, error.hint)
        yield from examine_tenant(config, settings)


def _python(name: str, error: EtlError | None, settings: Settings) -> Iterator[Examined]:
    """Yield whether a tenant's own Python can be imported beside other tenants, as a location of several does it."""
    if error is None:
        yield good(name, "python", "it can be imported beside other tenants")
        return
    yield Examined(name, "python", Condition.BAD, error.problem, error.hint)
    yield from _instead(name, settings)


def _instead(name: str, settings: Settings) -> Iterator[Examined]:
    """Yield what is served in the place of a broken tenant, if the platform keeps the last good configuration."""
    if platform_of(settings.project_dir, os.environ).keep_last_good and name in served_with_others(settings):
        said = str(served_instead(name, settings)[1])
        remedy = "correct the present files: they are served as soon as they load"
        yield Examined(name, "last good configuration", Condition.WARNING, said, remedy)


def _loaded(config: TenantConfig) -> Examined:
    count = len(config.pipelines)
    if not count and config.enabled:
        return Examined(
            config.id, "configuration", Condition.WARNING, "it has no pipeline", "write one below `assets: pipelines:`"
        )
    return good(config.id, "configuration", f"loads, with {count} pipelines{'' if config.enabled else ', not enabled'}")


def _dagster(settings: Settings) -> Iterator[Examined]:
    """Yield what Dagster's home lacks, and the state of the storage in it."""
    try:
        home = prepare_dagster_home(settings)
        path = home / FILE
        there = path.is_file()
        lacks = (
            missing_settings(path)
            if there
            else [("there is no such file", "the project's own file: `etl init` has one")]
        )
        yield from (
            Examined("dagster", "settings", Condition.WARNING, f"{path}: {e}", f"add: {line}") for e, line in lacks
        )
        if not lacks:
            yield good("dagster", "settings", f"{path} has what the product needs")
        with ExitStack() as stack:
            yield from examine_dagster(stack.enter_context(opened_instance(settings)))
    except EtlError as error:
        yield Examined("dagster", "storage", Condition.UNKNOWN, error.problem, error.hint)


def _fixed(found: Examined, console: Console) -> Examined:
    """Do the fix of a finding, and return what became of it."""
    if found.fix is None:
        return found
    try:
        done = found.fix()
    except EtlError as error:
        console.print(f"[bold red]not fixed:[/] {escape(str(error))}", highlight=False)
        return found
    return good(found.place, found.what, done)


def _show(findings: list[Examined], console: Console, *, everything: bool) -> None:
    shown = [each for each in findings if everything or each.state is not Condition.GOOD]
    if shown:
        table = Table("where", "what", "state", "seen", "what to do")
        for each in shown:
            colour = _COLOURS[each.state]
            words = (each.place, each.what, f"[{colour}]{each.state}[/]", escape(each.said), escape(each.remedy))
            table.add_row(*words)
        print_table(console, table)
    count = sum(each.state is Condition.GOOD for each in findings)
    console.print(f"{len(findings)} examined, {count} good", highlight=False)


def _plain(found: Examined) -> dict[str, object]:
    return {
        "place": found.place,
        "what": found.what,
        "state": str(found.state),
        "said": found.said,
        "remedy": found.remedy,
        "fixable": found.fix is not None,
    }
