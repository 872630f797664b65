"""`etl secrets`: which secrets the file of a tenant names, where they are, and whether they can be read.

Belongs here: the commands and their tables. Not here: reading (`etl.secrets.cache`), which secrets a file names
(`etl.config.secrets`). No command shows a value, and none writes to a store.
"""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.config.secrets import NamedSecret, named_secrets
from etl.config.tenant_config import TenantConfig
from etl.errors import NothingExamined, SecretError, SecretStoreError
from etl.secrets.cache import versions_read
from etl.secrets.contract import shown
from etl.secrets.template import SECRET
from etl.settings import load_settings

app = typer.Typer(help="Which secrets a tenant names, where they are, and whether they can be read.")
Tenant = Annotated[str, typer.Argument(help="The tenant's id.")]


@app.command("list", epilog="For example: `etl secrets list project_01`")
def list_secrets(tenant: Tenant) -> None:
    """List the secrets that the tenant's file names, and where the platform's store has them. Nothing is read.

    Exit code 3: the file names no secret.
    """
    config = load_tenant(tenant, load_settings())
    store = config.namespace().store()
    table = Table("secret", f"place in {store.store}", "named at")
    for each in _named(config):
        table.add_row(shown(each.name, each.key), store.place(tenant, each.name, each.key), _lines(config, each))
    print_table(Console(), table)


@app.command(epilog="For example: `etl secrets check project_01`")
def check(tenant: Tenant) -> None:
    """Read each secret that the tenant's file names, and say whether it can be read, and its version.

    Exit code 1: a secret is not there, is deleted or may not be read. 3: the store does not answer, or the file names
    no secret.
    """
    config = load_tenant(tenant, load_settings())
    values, console = config.namespace(), Console()
    table = Table("secret", "can be read", "version", "named at")
    errors: list[SecretError] = []
    for each in _named(config):
        answer, version = "[green]yes[/]", ""
        try:
            values[f"{SECRET}{each.name}#{each.key}"]
        except SecretError as error:
            errors.append(error)
            answer = "[yellow]not known[/]" if isinstance(error, SecretStoreError) else "[red]no[/]"
        else:
            version = versions_read(tenant)[each.name].version
        table.add_row(shown(each.name, each.key), answer, version or "-", _lines(config, each))
    print_table(console, table)
    for text in _texts(errors):
        console.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    if errors:
        raise typer.Exit(3 if any(isinstance(each, SecretStoreError) for each in errors) else 1)


def _named(config: TenantConfig) -> list[NamedSecret]:
    found = named_secrets(config)
    if not found:
        raise NothingExamined(
            f"the file of tenant {config.id} names no secret",
            "a secret is written ${secret:name#key}; see docs/secrets.md",
        )
    return found


def _texts(errors: list[SecretError]) -> list[str]:
    """Return what is told: each error of a secret, and of a store that does not answer each remedy only once."""
    told: dict[str, str] = {}
    for each in errors:
        told.setdefault(each.hint if isinstance(each, SecretStoreError) else str(each), str(each))
    return list(told.values())


def _lines(config: TenantConfig, secret: NamedSecret) -> str:
    return ", ".join(f"line {config.line_of(*path)}, {'.'.join(map(str, path))}" for path in secret.paths)
