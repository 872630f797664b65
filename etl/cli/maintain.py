"""`etl maintain`: cares for the tables that a tenant has loaded.

Belongs here: the command and its table. Not here: the care (`etl.warehouse.care`), the job that does it on a schedule
(`etl.running.care_step`).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import load_settings
from etl.warehouse.care import check_any
from etl.warehouse.contract import Care, CareRequest


def maintain(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    older_than: Annotated[
        int | None,
        typer.Option(
            help="On a Trino: remove snapshots and files that nothing has needed for so many days. Default: 7."
        ),
    ] = None,
    rewrite: Annotated[
        bool,
        typer.Option(
            "--rewrite",
            help="Give back all free space: write the file again (DuckDB), or each table (PostgreSQL). Loads wait.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Care for the tables that a tenant has loaded: join small files, remove what no load and no reader needs.

    The rows stay the same, and loads go on meanwhile. On a Trino: `optimize`, old snapshots and files without a
    snapshot are removed. PostgreSQL: VACUUM (ANALYZE), or with --rewrite VACUUM (FULL, ANALYZE). DuckDB: CHECKPOINT, or
    with --rewrite a new file of the same content. Tables of others are left alone.

    Exit code 1: a table could not be cared for. 3: there is no table to care for.
    """
    config = load_tenant(tenant, load_settings())
    asked = CareRequest(
        run_id="maintain",
        dry_run=dry_run,
        rewrite=rewrite,
        older_than=None if older_than is None else timedelta(days=older_than),
    )
    found = list(warehouse_of_tenant(config).open(config).care(asked))
    console = Console()
    if found:
        print_table(console, _shown(found))
    failed = [each for each in found if each.error is not None]
    for each in failed:
        console.print(str(each.error), style="red", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
    check_any(found, tenant)


def _shown(found: Sequence[Care]) -> Table:
    measures = list(dict.fromkeys(name for each in found for name in (*each.before, *each.after)))
    table = Table("table", "care", *measures)
    for each in found:
        table.add_row(each.table, _words(each), *(_change(each, name) for name in measures))
    return table


def _words(care: Care) -> Text:
    done = ", ".join(care.done)
    if care.error is not None:
        return Text(f"failed{f' ({done})' if done else ''}", style="red")
    return Text(f"left alone: {care.left_alone}" if care.left_alone else done or "nothing was necessary")


def _change(care: Care, name: str) -> str:
    before, after = care.before.get(name), care.after.get(name)
    if before is None or after is None or before == after:
        return "" if before is None else f"{before:,}"
    return f"{before:,} -> {after:,}"
