"""`etl contract`: exports and imports data contracts, and compares two of them.

Belongs here: arguments, files, tables, exit codes. Not here: what a contract says (`etl.odcs`).
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.start import EXIT_FAILED, EXIT_UNKNOWN
from etl.cli.tables import print_table
from etl.config.changed_file import read_config, write_config
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.odcs.changes import ContractChange, Effect
from etl.odcs.difference import contract_changes, version_advice
from etl.odcs.document import Contract, contract_text, read_contract
from etl.odcs.exporting import export_contract, undelivered_rules
from etl.odcs.fundamentals import grouped
from etl.odcs.importing import import_contract
from etl.odcs.reading import EARLIER, READS_FROM
from etl.odcs.tenant_file import pipeline_text, with_imported
from etl.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    help="Data contracts (Open Data Contract Standard): export a pipeline's, import one, say what a change breaks.",
)
_EFFECTS: dict[Effect, tuple[str, str]] = {
    "breaking": ("breaks a consumer", "bold red"),
    "unknown": ("not compared", "bold yellow"),
    "harmless": ("breaks nobody", "green"),
}


@app.command(epilog="For example: `etl contract export project_01/lot_history --out lot_history.odcs.yaml`")
def export(
    subject: Annotated[str, typer.Argument(help="A tenant, or TENANT/PIPELINE.")],
    out: Annotated[
        Path | None, typer.Option(help="The file; of a tenant: the folder. Default for a pipeline: the terminal.")
    ] = None,
) -> None:
    """Write the contract of a pipeline, or a file for each pipeline of a tenant.

    Types come from the last published object. An existing file is overwritten, so that it can be kept under version
    control. Exit code 3: there is no pipeline.
    """
    settings = load_settings()
    tenant, _, pipeline = subject.partition("/")
    config = load_tenant(tenant, settings)
    console = Console(stderr=True)
    names = [pipeline] if pipeline else list(config.pipelines)
    for name, each in config.assets.pipelines.items():
        if not pipeline and not each.enabled:
            console.print(Text(f"{tenant}/{name}: left out: it is switched off"))
    if not names:
        raise NothingExamined(f"nothing was examined: {tenant} has no pipeline", "write one below `assets: pipelines:`")
    if out is None and not pipeline:
        raise EtlError(f"{tenant} has {len(names)} pipelines, each with a contract", "give a folder: --out contracts")
    for name in names:
        contract = export_contract(config, settings, name)
        text = contract_text(contract.data)
        for rule in undelivered_rules(config.assets.pipelines[name]):
            console.print(Text(f"{tenant}/{name}: left out: {rule} judges the extract, which consumers do not get"))
        _name_what_is_unsure(contract, f"{tenant}/{name}", console)
        if not _has_types(contract):
            console.print(Text(f"{tenant}/{name}: without types, because nothing is published and no rule says them"))
        if out is None:
            typer.echo(text, nl=False)
            continue
        path = out if pipeline else out / f"{name}.odcs.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        console.print(Text.from_markup("[green]wrote[/] ").append(str(path)), soft_wrap=True)


@app.command(
    "import", epilog="For example: `etl contract import orders.odcs.yaml --tenant project_01 --pipeline orders`"
)
def import_file(
    file: Annotated[Path, typer.Argument(help="The contract's YAML file.")],
    tenant: Annotated[str, typer.Option(help="The tenant that gets the pipeline.")],
    pipeline: Annotated[
        str | None, typer.Option(help="The pipeline's name. Default: the name of the table in the contract.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the YAML, and change nothing.")] = False,
) -> None:
    """Make pipelines from a contract: columns, rules, promises and owners, in the tenant's config.yaml.

    What is in the file stays as it is. A pipeline that exists already is refused. Each part of the contract that became
    nothing is named with the reason, here and as a comment.
    """
    settings = load_settings()
    config = load_tenant(tenant, settings)
    contract = read_contract(file)
    imported = import_contract(contract, config, pipeline)
    before = read_config(settings, tenant)
    text = with_imported(before, tenant, settings, imported, file.name)
    console = Console()
    if dry_run:
        for each in imported:
            typer.echo(pipeline_text(each, 6, file.name), nl=False)
        return
    write_config(settings, tenant, before, text)
    for each in imported:
        console.print(Text.from_markup("[green]made[/] the pipeline ").append(f"{tenant}/{each.name}"))
    _show_left(list(dict.fromkeys(left for each in imported for left in each.left)), contract, console)
    names = " ".join(each.name for each in imported)
    console.print(
        Text(f"next: check `source_table` of {names} in tenants/{tenant}/config.yaml, then `etl check {tenant}`"),
        soft_wrap=True,
    )


@app.command(epilog="For example: `etl contract diff lot_history.odcs.yaml project_01/lot_history`")
def diff(
    old: Annotated[str, typer.Argument(help="The old contract: a file, or TENANT/PIPELINE.")],
    new: Annotated[str, typer.Argument(help="The new contract: a file, or TENANT/PIPELINE.")],
    output_format: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
) -> None:
    """Say which changes between two contracts break a consumer.

    Exit code 1: a change breaks a consumer. 3: something could not be compared.
    """
    if output_format not in ("text", "json", "markdown"):
        raise EtlError(f"there is no format `{output_format}`", "text, json or markdown")
    before, after = _contract(old), _contract(new)
    changes = contract_changes(before, after)
    advice = version_advice(before, after, changes)
    if output_format == "json":
        typer.echo(json.dumps({"changes": [asdict(each) for each in changes], "version": advice}, ensure_ascii=False))
    elif output_format == "markdown":
        typer.echo(_markdown(before, after, changes, advice))
    else:
        _show_changes(before, after, changes, advice)
    if any(each.effect == "unknown" for each in changes):
        sys.exit(EXIT_UNKNOWN)
    if any(each.effect == "breaking" for each in changes):
        sys.exit(EXIT_FAILED)


def _contract(subject: str) -> Contract:
    """Return the contract of a file, or else of a pipeline as it is now."""
    path = Path(subject)
    tenant, _, pipeline = subject.partition("/")
    if path.is_file() or not pipeline or path.suffix in {".yaml", ".yml"}:
        return read_contract(path)
    settings = load_settings()
    return export_contract(load_tenant(tenant, settings), settings, pipeline)


def _has_types(contract: Contract) -> bool:
    columns = [column for table in contract.data["schema"] for column in table.get("properties") or []]
    return any(each.get("logicalType") for each in columns)


def _name_what_is_unsure(contract: Contract, label: str, console: Console) -> None:
    custom = {each["property"]: each["value"] for each in contract.data["schema"][0]["customProperties"]}
    if custom[READS_FROM].get("published") == EARLIER:
        said = "the YAML has changed since the newest object was published, which its columns and types come from"
        console.print(Text(f"{label}: {said}"))
    if elsewhere := custom.get("environments"):
        said = f"left out: the values for {', '.join(elsewhere)}, of which only fingerprints are written"
        console.print(Text(f"{label}: {said}"))


def _show_left(left: Sequence[tuple[str, str]], contract: Contract, console: Console) -> None:
    if not left:
        return
    table = Table("line", title="Not taken over", title_justify="left")
    table.add_column("part of the contract", overflow="fold")
    table.add_column("why it became nothing", overflow="fold")
    for at, reason in grouped(left):
        line = contract.line_of(_path(at))
        table.add_row(str(line or ""), Text(at), Text(reason))
    print_table(console, table)


def _path(at: str) -> tuple[str | int, ...]:
    """Return the keys of a place such as `schema[0].quality[1]`."""
    words = at.partition(":")[0].replace("[", ".").replace("]", "").split(".")
    return tuple(int(each) if each.isdigit() else each for each in words)


def _show_changes(old: Contract, new: Contract, changes: Sequence[ContractChange], advice: str) -> None:
    console = Console()
    if not changes:
        console.print(Text(f"{old.name} and {new.name} promise the same", style="green"), soft_wrap=True)
        return
    table = Table("", title=f"From {old.name} to {new.name}", title_justify="left")
    table.add_column("where", overflow="fold")
    table.add_column("what", overflow="fold")
    for each in changes:
        word, style = _EFFECTS[each.effect]
        table.add_row(Text(word, style=style), Text(each.at), Text(each.what))
    print_table(console, table)
    if advice:
        console.print(Text(advice, style="bold"), soft_wrap=True)


def _markdown(old: Contract, new: Contract, changes: Sequence[ContractChange], advice: str) -> str:
    if not changes:
        return f"`{old.name}` and `{new.name}` promise the same."
    lines = [f"From `{old.name}` to `{new.name}`:", "", "| | where | what |", "|---|---|---|"]
    for each in changes:
        what = each.what.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {_EFFECTS[each.effect][0]} | `{each.at}` | {what} |")
    return "\n".join([*lines, *(["", f"**{advice}**"] if advice else [])])
