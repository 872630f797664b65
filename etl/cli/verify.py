"""`etl verify`: compares source, lake and warehouse.

Belongs here: the command. Not here: the comparison (`etl.pipeline.verify`).
"""

from typing import Annotated

import typer
from dagster import AssetCheckEvaluation
from rich.console import Console
from rich.table import Table
from rich.text import Text

from etl.cli.home import opened_instance
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.errors import EtlError, NothingExamined
from etl.factories.check_factory import NAME, SEVERITIES
from etl.partitions.scheme import PartitionScheme
from etl.pipeline.joint_remedies import joint
from etl.pipeline.verdict import EXIT_CODES, Reconciliation, Status
from etl.pipeline.verify import MAX_ROWS, reconcile
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.running.reconcile_result import reconciliation_metadata, summary
from etl.running.subjects import last_asset
from etl.settings import load_settings

SHOWN = 40
"""The greatest number of findings of a pipeline that are printed."""
_COLOURS: dict[Status, str] = {"agrees": "green", "differs": "red", "not_compared": "yellow"}


def verify(
    tenant: Annotated[str, typer.Argument(help="The tenant's id.")],
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    days: Annotated[
        int | None, typer.Option(help="Compare only this many of the newest partitions. Default: all.", min=1)
    ] = None,
    max_rows: Annotated[
        int | None,
        typer.Option(
            help="In partitions with more rows, rows are counted but not compared. Default: 2 million.", min=1
        ),
    ] = None,
) -> None:
    """Compare source, lake and warehouse, read-only. The result is also Dagster's asset check `reconciled`.

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
    counted = "days" if {each.scheme.kind for each in chosen} <= {"day", "whole"} else "partitions"
    table = Table("pipeline", counted, "source rows", "published", "quarantined", "loaded", "verdict")
    compared: list[Reconciliation] = []
    with opened_instance(settings) as instance:
        for each in chosen:
            found = reconcile(config, each, url, warehouse, settings, days=days, max_rows=max_rows or MAX_ROWS)
            compared.append(found)
            instance.report_runless_asset_event(
                AssetCheckEvaluation(
                    asset_key=last_asset(config, each),
                    check_name=NAME,
                    passed=found.status == "agrees",
                    severity=SEVERITIES[found.status],
                    description=summary(found),
                    metadata=reconciliation_metadata(found, each),
                )
            )
            table.add_row(
                each.name,
                str(len(found.days)),
                f"{sum(day.source_rows for day in found.days):,}",
                f"{sum(day.published_rows for day in found.days):,}",
                f"{sum(day.quarantined_rows for day in found.days):,}",
                f"{sum(day.loaded_rows or 0 for day in found.days):,}",
                Text(_verdict(found), style=_COLOURS[found.status]),
            )
    console = Console()
    print_table(console, table)
    for found in compared:
        _tell(found, config.pipelines[found.pipeline].scheme, console)
    ended = {found.status for found in compared}
    worst: Status = "differs" if "differs" in ended else "not_compared" if "not_compared" in ended else "agrees"
    if worst != "agrees":
        raise typer.Exit(EXIT_CODES[worst])


def _verdict(found: Reconciliation) -> str:
    """Return the status in a few words; the findings are printed below the table."""
    to = f", complete to {found.complete_to}" if found.complete_to else ""
    loaded = "" if found.has_table else ", not loaded: source and lake were compared"
    return f"{found.status.replace('_', ' ')}{to}{loaded}"


def _tell(found: Reconciliation, scheme: PartitionScheme, console: Console) -> None:
    """Print all findings; those that have the same remedy stand above it."""
    findings = [(place, "", each) for place, each in found.differing]
    findings += [(place, "not compared", each) for place, each in found.unknown]
    findings += [("", "", each) for each in found.notes]
    if not findings:
        return
    lines, shown = [f"{found.tenant}/{found.pipeline}"], 0
    for each in joint(scheme, findings):
        if shown < SHOWN:
            lines += [*(f"  {problem}" for problem in each.problems[: SHOWN - shown]), f"    -> {each.remedy}"]
        shown += len(each.problems)
    if shown > SHOWN:
        lines.append(f"  and {shown - SHOWN} more: the check `{NAME}` has them in Dagster (`make dev`)")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
