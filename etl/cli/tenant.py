"""`etl tenant`: a tenant's life: export, import, rename, retire, erase, and the erasure of one person.

Belongs here: arguments, tables, exit codes. Not here: what is done (`etl.lifecycle`).
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.home import opened_instance
from etl.cli.start import EXIT_FAILED, EXIT_UNKNOWN
from etl.cli.tables import print_table
from etl.config.config_loader import list_tenants, load_tenant
from etl.errors import EtlError
from etl.health.finding import size
from etl.lifecycle.certificate import Certificate, LeftError, NotErased
from etl.lifecycle.dagster_records import DagsterRecords
from etl.lifecycle.erase import erase as erase_all, planned, subject_of
from etl.lifecycle.erased import erased_before
from etl.lifecycle.export import export as export_tenant
from etl.lifecycle.export_gaps import LACKS
from etl.lifecycle.importing import import_tenant
from etl.lifecycle.item import Amount
from etl.lifecycle.manifest import FILE, checked_manifest
from etl.lifecycle.not_erased import not_erased
from etl.lifecycle.rename import refuse_rename, rename as rename_tenant, undo_rename
from etl.lifecycle.retire import make_active, retire as retire_tenant
from etl.lifecycle.subject import person_of
from etl.lifecycle.subject_search import Found
from etl.settings import load_settings

app = typer.Typer(
    no_args_is_help=True,
    help="A tenant's life: export, import, rename, retire or erase it; erase the rows of one person.",
)
Tenant = Annotated[str, typer.Argument(help="The tenant's id.")]
Confirm = Annotated[str | None, typer.Option(help="The tenant's id once more. Without it, nothing is changed.")]


@app.command(epilog="For example: `etl tenant retire acme --reason 'the contract ended' --confirm acme`")
def retire(
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why, for everybody who asks later.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Make a retired tenant active again.")] = False,
    confirm: Confirm = None,
) -> None:
    """Stop a tenant and keep everything that it has.

    The tenant has no jobs, schedules and sensors any more. A step of a run that begins later, on any host, is refused.
    Without --confirm, the command only says what it would do.
    """
    settings, console = load_settings(), Console()
    config = load_tenant(tenant, settings)
    if undo:
        if is_confirmed(tenant, confirm, "would be made active again", console):
            make_active(config, settings)
            console.print(f"{tenant} is active; load its code location again", highlight=False)
        return
    if is_confirmed(tenant, confirm, "would be retired: it stops, and its data stays", console):
        with opened_instance(settings) as instance:
            records = DagsterRecords(instance, tenant, list_tenants(settings))
            state, runs = retire_tenant(config, settings, records, reason)
        console.print(f"{tenant} is retired since {state.since:%Y-%m-%d %H:%M} UTC; load its code location again")
        console.print(f"`tenants/{tenant}/life.json` says so: put it under version control", highlight=False)
        if runs:
            console.print(f"these runs had begun before; their next steps are refused: {', '.join(runs)}")


@app.command(epilog="For example: `etl tenant erase acme`, then the same with `--confirm acme`")
def erase(
    tenant: Tenant,
    confirm: Confirm = None,
    out: Annotated[Path | None, typer.Option(help="The certificate's file. Default: below certificates/.")] = None,
    without_warehouse: Annotated[
        bool, typer.Option("--without-warehouse", help="Leave the warehouse alone; the certificate says so.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="An earlier text of the tenant's file, if the file itself cannot be read.")
    ] = None,
) -> None:
    """Erase a tenant: its lake, tables, state, messages, history in Dagster, variables in .env, and files.

    Without --confirm, the command lists what it would remove. A second call goes on where a first one was interrupted.
    At the end everything is counted again, and a certificate says what was removed and what could not be. Exit code 1:
    something is left. Exit code 3: something could not be examined, such as the warehouse of a tenant whose file cannot
    be read. For a tenant that was erased before, it names the certificate and ends with 0.
    """
    settings, console = load_settings(), Console()
    if (said := erased_before(tenant, settings)) is not None:
        console.print(Text(f"{said}. Nothing is left to do"), soft_wrap=True)
        return
    with opened_instance(settings) as instance:
        subject = subject_of(
            tenant, settings, instance, with_warehouse=not without_warehouse, unreadable=True, said=config
        )
        if confirm is None:
            plan = planned(subject)
            unknown = plan.not_examined
            _show(plan.amounts, console)
            for each in not_erased(subject):
                console.print(Text(f"not erased: {each.what}: {each.do}"), soft_wrap=True)
            _warn(unknown, console)
        if is_confirmed(tenant, confirm, "would be erased: all of the above", console):
            with left_is_failed():
                certificate, path = erase_all(subject, out, lambda title: console.print(Text(f"removed: {title}")))
            _tell(certificate, path, console)
            unknown = certificate.not_examined
        if unknown:
            raise typer.Exit(EXIT_UNKNOWN)


@app.command(epilog="For example: `etl tenant export acme --out /srv/exports/acme`")
def export(
    tenant: Tenant,
    out: Annotated[Path, typer.Option(help="A new folder for the export.")],
    without_warehouse: Annotated[
        bool, typer.Option("--without-warehouse", help="Leave the tables out; the manifest says so.")
    ] = False,
) -> None:
    """Write a tenant into a folder: objects, tables, ledger, contracts and its own files, with a manifest of hashes.

    Keep the SHA-256 of the manifest, which the command tells, apart from the folder: with it, an import notices every
    change. What is damaged or missing is named, and left out; then the exit code is 1. Exit code 3: the tenant has
    nothing to export.
    """
    settings, console = load_settings(), Console()
    with opened_instance(settings) as instance:
        subject = subject_of(tenant, settings, instance, with_warehouse=not without_warehouse)
        manifest, digest = export_tenant(subject, out.absolute())
    objects = [each for each in manifest.files if each.kind == "object"]
    rows = sum(each.table.rows for each in manifest.tables)
    console.print(
        f"{len(objects)} objects ({size(sum(each.bytes for each in objects))}), {len(manifest.tables)} tables"
        f" ({rows} rows), {manifest.entries} entries of the ledger",
        highlight=False,
    )
    for each in manifest.not_exported:
        console.print(Text(f"not exported: {each}"), soft_wrap=True)
    console.print(Text(f"{out.absolute() / FILE}, SHA-256 {digest}"), soft_wrap=True)
    if any(each.startswith(LACKS) for each in manifest.not_exported):
        console.print("[red]The export is not whole:[/] it lacks what is named as damaged or missing.")
        raise typer.Exit(1)


@app.command("import", epilog="For example: `etl tenant import /srv/exports/acme --sha256 ...`")
def import_folder(
    folder: Annotated[Path, typer.Argument(help="The folder of an export.")],
    sha256: Annotated[str | None, typer.Option(help="The SHA-256 of the manifest, as the export has told it.")] = None,
    over_erased: Annotated[
        str | None, typer.Option(help="The tenant's id: import it although it was erased here.")
    ] = None,
) -> None:
    """Make an exported tenant here: the same objects, tables and ledger. A run afterwards changes nothing.

    A changed or incomplete export is refused before anything is written. A second call goes on where a first one was
    interrupted.
    """
    settings, console = load_settings(), Console()
    manifest = checked_manifest(folder, sha256)
    remarks = import_tenant(folder, manifest, settings, over_erased=over_erased == manifest.tenant)
    console.print(
        f"{manifest.tenant} is here: {sum(each.kind == 'object' for each in manifest.files)} objects,"
        f" {sum(each.table.kind == 'table' for each in manifest.tables)} tables, {manifest.entries} ledger entries",
        highlight=False,
    )
    for each in remarks:
        console.print(Text(each), soft_wrap=True)
    console.print(f"`etl check {manifest.tenant}` says which variables are missing; load the code location again")


@app.command(epilog="For example: `etl tenant rename acme acme_eu --confirm acme`")
def rename(
    tenant: Tenant,
    new: Annotated[str | None, typer.Argument(help="The new id. Not needed with --undo.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Give an interrupted renaming up: the old id stays.")] = False,
    confirm: Confirm = None,
) -> None:
    """Give a tenant another id: its objects, its ledger, its state and its files.

    Tables keep their names, so that their readers notice nothing. Dagster's history stays under the old id. Everything
    that can be known is checked before the first write. A second call goes on where a first one was interrupted.
    """
    settings, console = load_settings(), Console()
    config = load_tenant(tenant, settings).as_if_active()
    if undo:
        if is_confirmed(tenant, confirm, "would keep its id: the interrupted renaming is given up", console):
            with opened_instance(settings) as instance:
                given_up = undo_rename(config, settings, DagsterRecords(instance, tenant, list_tenants(settings)))
            console.print(f"{tenant} keeps its id; nothing is left of {given_up}", highlight=False)
        return
    if new is None:
        raise EtlError("the new id is missing", f"`etl tenant rename {tenant} NEW`")
    refuse_rename(config, settings, new)
    if is_confirmed(tenant, confirm, f"would be renamed to {new}", console):
        with opened_instance(settings) as instance:
            records = DagsterRecords(instance, tenant, list_tenants(settings))
            remarks = rename_tenant(config, settings, records, new)
        console.print(f"{tenant} is called {new} now; load its code location again", highlight=False)
        for each in remarks:
            console.print(Text(each), soft_wrap=True)


@app.command("erase-subject", epilog="For example: `etl tenant erase-subject acme --key customer_id=-`")
def erase_subject(
    tenant: Tenant,
    key: Annotated[
        list[str],
        typer.Option(
            help="COLUMN=@NAME takes the value from the variable NAME, COLUMN=- from the standard input, one a line."
            " COLUMN=VALUE works too, but other users of the machine see a command line. Several must all be met."
        ),
    ],
    confirm: Confirm = None,
    out: Annotated[Path | None, typer.Option(help="The certificate's file. Default: below certificates/.")] = None,
    without_warehouse: Annotated[
        bool, typer.Option("--without-warehouse", help="Leave the warehouse alone; the certificate says so.")
    ] = False,
) -> None:
    """Erase the rows of one person: in the lake, among rejected rows, in the warehouse, and in Dagster's previews.

    Without --confirm, the command counts the rows and changes nothing. The certificate names the key columns and holds
    no value. It tells what could not be examined, and what the source would bring back. Exit code 1: the person has no
    row anywhere, or something is left. Exit code 2: nothing has a column of this name. Exit code 3: something could not
    be examined, such as a column whose type cannot be compared with the value.
    """
    settings, console = load_settings(), Console()
    if (said := erased_before(tenant, settings)) is not None:
        raise EtlError(f"no person can be erased from a tenant that is gone: {said}", "nothing is left to do")
    with opened_instance(settings) as instance:
        subject = subject_of(tenant, settings, instance, with_warehouse=not without_warehouse)
        person = person_of(subject, _values(key))
        if confirm is None:
            found = person.find()
            _tell_found(found, console)
            unknown = found.not_examined
            if not found.rows:
                sure = "in what was examined" if unknown else "anywhere"
                console.print(f"the person has no row of {tenant} {sure}. Nothing was changed", highlight=False)
                raise typer.Exit(EXIT_UNKNOWN if unknown else EXIT_FAILED)
        if is_confirmed(tenant, confirm, "would lose these rows", console):
            with left_is_failed():
                certificate, path = person.erase(out)
            _show(certificate.removed, console)
            for line in certificate.changed:
                console.print(Text(line), soft_wrap=True)
            console.print(Text(f"certificate: {path} and {path.with_suffix('.txt')}"), soft_wrap=True)
            for other in certificate.not_erased:
                console.print(Text(f"not erased: {other.what}: {other.do}"), soft_wrap=True)
            unknown = certificate.not_examined
            _warn(unknown, console)
            if not unknown and not any(each.rows for each in certificate.removed):
                console.print(f"the person had no row of {tenant} anywhere", highlight=False)
                raise typer.Exit(EXIT_FAILED)
        if unknown:
            raise typer.Exit(EXIT_UNKNOWN)


def _tell_found(found: Found, console: Console) -> None:
    _show(found.amounts, console)
    for each in sorted({f"{ref.stage} {ref.pipeline}" for ref in found.without_key}):
        console.print(Text(f"not examined, because it lacks a key column: {each}"), soft_wrap=True)
    if found.tables_without_key:
        console.print(Text(f"not examined: {', '.join(found.tables_without_key)}"), soft_wrap=True)
    _warn(found.not_examined, console)


def _values(keys: Sequence[str]) -> dict[str, str]:
    """Return the values of the key columns: given, of a variable, or of the standard input."""
    found = {}
    for each in keys:
        column, equals, value = each.partition("=")
        if not column or not equals or not value:
            raise EtlError("a --key is COLUMN=-, COLUMN=@NAME or COLUMN=VALUE", "for example --key customer_id=-")
        if value == "-":
            value = sys.stdin.readline().rstrip("\n")
        elif value.startswith("@"):
            if value[1:] not in os.environ:
                raise EtlError(f"--key {column}: the variable {value[1:]} is not set", "set it")
            value = os.environ[value[1:]]
        if not value:
            raise EtlError(f"--key {column}: the value is empty", "an empty value names no person")
        found[column] = value
    return found


@contextmanager
def left_is_failed() -> Iterator[None]:
    """End with the code of a failure, and not of wrong usage, if something is left at the end of an erasure."""
    try:
        yield
    except LeftError as error:
        console = Console(stderr=True)
        console.print(Text(f"{error.problem}\n  -> {error.hint}"), style="red", soft_wrap=True)
        raise typer.Exit(EXIT_FAILED) from None


def is_confirmed(tenant: str, confirm: str | None, what: str, console: Console) -> bool:
    """Whether the tenant's id was given a second time. If it was not given, say that nothing was done."""
    if confirm is None:
        console.print(f"{tenant} {what}. Nothing was changed; `--confirm {tenant}` does it", highlight=False)
        return False
    if confirm != tenant:
        raise EtlError(f"--confirm names `{confirm}`, the tenant is `{tenant}`", "give the same id twice")
    return True


def _show(amounts: Sequence[Amount], console: Console) -> None:
    table = Table("what", "number", "rows", "bytes")
    for each in amounts:
        table.add_row(each.title, str(each.count), str(each.rows or "-"), size(each.bytes) if each.bytes else "-")
    print_table(console, table)


def _warn(unknown: Sequence[NotErased], console: Console) -> None:
    for each in unknown:
        console.print(Text(f"NOT EXAMINED: {each.what}: {each.why}\n  -> {each.do}"), style="red", soft_wrap=True)


def _tell(certificate: Certificate, path: Path, console: Console) -> None:
    _show(certificate.removed, console)
    console.print(f"{certificate.tenant} is erased; nothing is left in these places", highlight=False)
    _warn(certificate.not_examined, console)
    console.print(Text(f"certificate: {path} and {path.with_suffix('.txt')}"), soft_wrap=True)
    console.print(f"{len(certificate.not_erased)} things could not be erased from here; the certificate names them")
