"""`etl lineage`: shows from which columns a column comes, and sends OpenLineage events.

Belongs here: the commands. Not here: the events (`etl.telemetry.lineage_events`), deriving a lineage (`etl.lineage`).
"""

import os
import sys
from collections.abc import Mapping
from typing import Annotated

import typer
from dagster import AssetKey, DagsterInstance, TableColumnLineage
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.asked import asked_tenants
from etl.cli.home import opened_instance
from etl.cli.receiver_options import Every, OfTenant, Since
from etl.cli.tables import print_table
from etl.cli.traces import learn_headers, send
from etl.errors import EtlError, NothingExamined
from etl.running.lineage_metadata import LINEAGE, UNKNOWN
from etl.running.naming import AssetAddress
from etl.settings import load_settings
from etl.suggest import nearest
from etl.telemetry.ended_runs import EndedRun
from etl.telemetry.lineage_events import CONTENT_TYPE, endpoint, lineage_bodies
from etl.telemetry.sending import Receiver

app = typer.Typer(help="From which columns a column comes, and OpenLineage events of runs.", no_args_is_help=True)


@app.command(epilog="For example: `etl lineage show project_01 --column qty`")
def show(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    asset: Annotated[str | None, typer.Option(help="Only this asset, such as load/orders. Default: all.")] = None,
    column: Annotated[str | None, typer.Option(help="Only columns of this name. Default: all.")] = None,
) -> None:
    """Show for each column of the last materializations the columns that its value is made from.

    Exit code 1: the origin of a column is unknown. 3: nothing was materialized yet.
    """
    settings = load_settings()
    asked_tenants(settings, [tenant])
    table = Table("asset", "column", "comes from")
    unknown = 0
    with opened_instance(settings) as instance:
        keys = [each for each in _assets(instance, tenant) if asset is None or _name(each) == asset]
        if asset is not None and not keys:
            raise _no_asset(instance, tenant, asset)
        for key in keys:
            for name, origins in _columns(instance, key).items():
                if column is None or name == column:
                    unknown += origins.startswith("[yellow]")
                    table.add_row(escape(_name(key)), escape(name), origins)
    if not table.row_count:
        raise NothingExamined("nothing was examined: no column has a lineage yet", f"run it first: `etl run {tenant}`")
    print_table(Console(), table)
    if unknown:
        Console().print(f"{unknown} column(s) of unknown origin. `column_lineage` declares those of a transform.")
        sys.exit(1)


@app.command("send", epilog="For example: `etl lineage send --url http://localhost:5000 --every 30`")
def send_events(
    url: Annotated[str | None, typer.Option(help="Default: OPENLINEAGE_URL. The receiver of events.")] = None,
    tenant: OfTenant = None,
    every: Every = None,
    since: Since = 24,
) -> None:
    """Send OpenLineage events of runs that have ended since the last call: runs, assets, columns, checks.

    The events are made from Dagster's event log afterwards, so runs are not slower. Each run is sent once. A receiver
    that is away gets the runs next time. Exit code 1: the receiver refused a run. 3: the receiver was away.
    """
    settings = load_settings()
    asked_tenants(settings, [tenant] if tenant is not None else [])
    address, headers = endpoint(dict(os.environ) | ({"OPENLINEAGE_URL": url} if url else {}))
    learn_headers(headers)
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE") or "etl"

    def bodies(run: EndedRun) -> list[bytes]:
        return lineage_bodies(run, namespace)

    receiver = Receiver("lineage", address, headers, CONTENT_TYPE, bodies)
    send(settings, receiver, tenant=tenant, every=every, since=since)


def _columns(instance: DagsterInstance, key: AssetKey) -> dict[str, str]:
    """Return for each column of the last materialization what a person reads about its origin."""
    event = instance.get_latest_materialization_event(key)
    made = event.asset_materialization if event is not None else None
    if made is None:
        return {}
    found: dict[str, str] = {}
    lineage = made.metadata[LINEAGE].value if LINEAGE in made.metadata else None
    if isinstance(lineage, TableColumnLineage):
        for name, deps in lineage.deps_by_column.items():
            words = [f"{_name(each.asset_key)}.{each.column_name}" for each in deps]
            found[name] = escape(", ".join(words)) or "[dim]no column[/]"
    unknown = made.metadata[UNKNOWN].value if UNKNOWN in made.metadata else None
    if isinstance(unknown, Mapping):
        found |= {str(name): f"[yellow]unknown:[/] {escape(str(reason))}" for name, reason in unknown.items()}
    return found


def _assets(instance: DagsterInstance, tenant: str) -> list[AssetKey]:
    return sorted(each for each in instance.all_asset_keys() if AssetAddress.of(each).tenant == tenant)


def _name(key: AssetKey) -> str:
    address = AssetAddress.of(key)
    return f"{address.stage}/{address.name}"


def _no_asset(instance: DagsterInstance, tenant: str, asset: str) -> EtlError:
    known = [_name(each) for each in _assets(instance, tenant)]
    close = nearest(asset, known)
    hint = f"did you mean `{close}`?" if close else f"assets: {', '.join(known) or 'none'}"
    return EtlError(f"{tenant} has no materialized asset `{asset}`", hint)
