"""`etl verify`: does the warehouse hold what the source holds?

Belongs here: the command. Does not: the comparison (`etl.pipeline.verify`).
"""

from typing import Annotated

import typer
from dagster import AssetCheckEvaluation, AssetCheckSeverity, DagsterInstance
from rich.console import Console
from rich.table import Table

from etl.cli.home import prepare_dagster_home
from etl.config.config_loader import load_tenant
from etl.factories.reconcile_check import NAME, reconciliation_metadata, summary
from etl.factories.subjects import last_asset
from etl.pipeline.verify import MAX_DAYS, reconcile
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import load_settings


def verify(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    days: Annotated[int, typer.Option(help="How many of the newest settled days.", min=1)] = MAX_DAYS,
) -> None:
    """Compare source, lake and warehouse, read-only. The result is also the asset check `reconciled` in Dagster.

    Exit code 1: something differs.
    """
    settings = load_settings()
    config = load_tenant(tenant, settings)
    prepare_dagster_home(settings)
    url = rdb_resource(config, str(settings.demo_dir / f"{tenant}.sqlite")).url(config)
    warehouse = warehouse_of_tenant(config).open(config)
    table = Table("pipeline", "days", "source rows", "published", "quarantined", "loaded", "verdict")
    agrees = True
    with DagsterInstance.get() as instance:
        for name, each in config.pipelines.items():
            if pipeline not in (None, name):
                continue
            found = reconcile(config, each, url, warehouse, settings, days=days)
            agrees &= found.agrees
            instance.report_runless_asset_event(
                AssetCheckEvaluation(
                    asset_key=last_asset(config, each),
                    check_name=NAME,
                    passed=found.agrees,
                    severity=AssetCheckSeverity.ERROR,
                    description=summary(found),
                    metadata=reconciliation_metadata(found),
                )
            )
            table.add_row(
                name,
                str(len(found.days)),
                f"{sum(day.source_rows for day in found.days):,}",
                f"{sum(day.published_rows for day in found.days):,}",
                f"{sum(day.quarantined_rows for day in found.days):,}",
                f"{sum(day.loaded_rows or 0 for day in found.days):,}",
                f"[green]{summary(found)}[/]" if found.agrees else f"[red]{summary(found)}[/]",
            )
    Console().print(table)
    if not agrees:
        raise typer.Exit(1)
