"""`etl verify`: does the warehouse hold what the source holds?

Belongs here: the command. Does not: the comparison (`etl.pipeline.verify`).
"""

from typing import Annotated

import typer
from dagster import AssetCheckEvaluation
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.home import opened_instance
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.factories.reconcile_check import NAME, SEVERITIES, reconciliation_metadata, summary
from etl.factories.subjects import last_asset
from etl.pipeline.verdict import EXIT_CODES, Status
from etl.pipeline.verify import MAX_ROWS, reconcile
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.settings import load_settings

_COLOURS: dict[Status, str] = {"agrees": "green", "differs": "red", "not_compared": "yellow"}


def verify(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    days: Annotated[int | None, typer.Option(help="Only the newest settled days. Default: all.", min=1)] = None,
    max_rows: Annotated[
        int, typer.Option(help="Values of larger partitions are counted and not compared.", min=1)
    ] = MAX_ROWS,
) -> None:
    """Compare source, lake and warehouse, read-only. The result is also the asset check `reconciled` in Dagster.

    Exit code 0: everything was compared and agrees. 1: something differs. 3: something was not
    compared, or there is no pipeline.
    """
    settings = load_settings()
    config = load_tenant(tenant, settings)
    if pipeline is not None and pipeline not in config.pipelines:
        raise EtlError(
            f"tenant {tenant} has no pipeline `{pipeline}`", f"one of {', '.join(config.pipelines) or 'none'}"
        )
    chosen = [each for name, each in config.pipelines.items() if pipeline in (None, name)]
    if not chosen:
        raise NothingExamined(f"{tenant} has no pipeline: nothing was examined", "write one, or see `etl check`")
    url = rdb_resource(config, str(settings.demo_dir / f"{tenant}.sqlite")).url(config)
    warehouse = warehouse_of_tenant(config).open(config)
    table = Table("pipeline", "days", "source rows", "published", "quarantined", "loaded", "verdict")
    ended: set[Status] = set()
    with opened_instance(settings) as instance:
        for each in chosen:
            found = reconcile(config, each, url, warehouse, settings, days=days, max_rows=max_rows)
            ended.add(found.status)
            instance.report_runless_asset_event(
                AssetCheckEvaluation(
                    asset_key=last_asset(config, each),
                    check_name=NAME,
                    passed=found.status == "agrees",
                    severity=SEVERITIES[found.status],
                    description=summary(found),
                    metadata=reconciliation_metadata(found),
                )
            )
            table.add_row(
                each.name,
                str(len(found.days)),
                f"{sum(day.source_rows for day in found.days):,}",
                f"{sum(day.published_rows for day in found.days):,}",
                f"{sum(day.quarantined_rows for day in found.days):,}",
                f"{sum(day.loaded_rows or 0 for day in found.days):,}",
                Text(summary(found), style=_COLOURS[found.status]),
            )
    Console().print(table)
    worst: Status = "differs" if "differs" in ended else "not_compared" if "not_compared" in ended else "agrees"
    if worst != "agrees":
        raise typer.Exit(EXIT_CODES[worst])
