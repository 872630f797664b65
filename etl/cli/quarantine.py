"""`etl quarantine`: see rejected rows, replay them through the real path, or discard them.

Belongs here: the commands. Does not: what they do to the lake (`etl.pipeline.quarantine`), the run that a replay is.
"""

from datetime import UTC, datetime
from typing import Annotated

import typer
from dagster import AssetKey, DagsterInstance, DagsterRunStatus
from rich.console import Console
from rich.table import Table

from etl.cli.runs import launch, prepare_dagster_home, wait, workspace
from etl.config.config_loader import list_tenants, load_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.factories import naming
from etl.pipeline.quarantine import (
    Decision,
    Rejected,
    discard as discard_rows,
    find_rejected,
    history as decisions,
    read_rejected,
    rejected_rows,
    remember,
)
from etl.settings import Settings, load_settings

app = typer.Typer(help="Rows that broke a rule: see them, replay them, discard them.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(help="The tenant's id.")]
PipelineArgument = Annotated[str, typer.Argument(help="The pipeline's name.")]
PartitionOption = Annotated[str | None, typer.Option(help="The day, for example 2026-01-05. Default: every day.")]


@app.command("list", epilog="For example: `etl quarantine list project_01`")
def list_rejected(
    tenant: Annotated[str | None, typer.Argument(help="Only this tenant. Default: all.")] = None,
) -> None:
    """Which partitions hold rejected rows, how many, and which rules rejected them."""
    settings = load_settings()
    table = Table("tenant", "pipeline", "partition", "rejected", "of", "rules", "run", title="Rejected rows")
    for name in [tenant] if tenant else list_tenants(settings):
        for each in rejected_rows(load_tenant(name, settings), settings):
            table.add_row(
                each.tenant,
                each.pipeline,
                each.partition or "whole",
                f"{each.rows:,}",
                f"{each.rows_read:,}",
                ", ".join(f"{rule} {count}" for rule, count in each.reasons.items()),
                each.run_id[:8],
            )
    console = Console()
    console.print(table if table.row_count else "[green]No rejected rows.[/]")


@app.command(epilog="For example: `etl quarantine show project_01 equipment_event --partition 2026-01-05`")
def show(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    partition: PartitionOption = None,
    rows: Annotated[int, typer.Option(help="How many rows of each partition.", min=1, max=1000)] = 10,
) -> None:
    """The rejected rows themselves, with the rules that each one broke. Personal columns are masked."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    console = Console()
    for each in _chosen(config, settings, pipeline, partition):
        frame = read_rejected(config, settings, each, rows)
        title = f"{tenant}/{pipeline} {each.partition or ''}: {min(rows, each.rows)} of {each.rows} rejected rows"
        table = Table(*frame.columns, title=title)
        for row in frame.iter_rows():
            table.add_row(*(", ".join(v) if isinstance(v, list) else "" if v is None else str(v) for v in row))
        console.print(table)


@app.command(epilog="For example: `etl quarantine replay project_01 equipment_event --from-source`")
def replay(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    partition: PartitionOption = None,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Read the database again first: the data was mended there.")
    ] = False,
) -> None:
    """Judge the partition again, by a real Dagster run, after the rule or the data was mended."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    console = Console()
    chosen = _chosen(config, settings, pipeline, partition)
    prepare_dagster_home(settings)
    with DagsterInstance.get() as instance, workspace(instance, settings) as context:
        for each in chosen:
            tags = {"dagster/partition": each.partition} if each.partition else {}
            assets = _assets(config, each, from_source=from_source)
            run = launch(instance, context, tenant, naming.job_name(tenant, pipeline), tags, assets)
            ended = next(wait(instance, [run.run_id]))
            if ended.status != DagsterRunStatus.SUCCESS:
                raise EtlError(
                    f"the replay of {tenant}/{pipeline} {each.partition or ''} failed: run {run.run_id}",
                    "nothing was lost: the rejected rows are where they were; see the run in the UI",
                )
            left = find_rejected(config, settings, pipeline, each.partition)
            after = left.rows if left else 0
            remember(settings, _replayed(each, after, run.run_id))
            console.print(f"{tenant}/{pipeline} {each.partition or ''}: {each.rows} rejected before, {after} now")


@app.command(epilog="For example: `etl quarantine discard project_01 equipment_event --why 'test machines'`")
def discard(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    why: Annotated[str, typer.Option(help="The reason; it is kept in the history.")],
    partition: PartitionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete rejected rows for good. How many there were and why they went is kept."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    chosen = _chosen(config, settings, pipeline, partition)
    rows = sum(each.rows for each in chosen)
    if not yes:
        typer.confirm(f"Delete {rows} rejected rows of {tenant}/{pipeline} for good?", abort=True)
    for each in chosen:
        discard_rows(config, settings, each, why)
    Console().print(f"{rows} rejected rows of {tenant}/{pipeline} discarded")


@app.command(epilog="For example: `etl quarantine history project_01`")
def history(tenant: TenantArgument) -> None:
    """What was decided about rejected rows, by whom and why."""
    table = Table("when", "what", "pipeline", "partition", "rows before", "after", "by", "why")
    for each in decisions(load_settings(), tenant):
        table.add_row(
            f"{each.at:%Y-%m-%d %H:%M}",
            each.action,
            each.pipeline,
            each.partition or "whole",
            str(each.rows_before),
            str(each.rows_after),
            each.by,
            each.why,
        )
    Console().print(table)


def _chosen(config: TenantConfig, settings: Settings, pipeline: str, partition: str | None) -> list[Rejected]:
    found = [
        each for each in rejected_rows(config, settings, pipeline) if partition is None or each.partition == partition
    ]
    if pipeline not in config.pipelines:
        raise EtlError(f"tenant {config.id} has no pipeline `{pipeline}`", f"one of {', '.join(config.pipelines)}")
    if not found:
        where = f"{config.id}/{pipeline}" + (f" of {partition}" if partition else "")
        raise EtlError(f"{where} has no rejected rows", f"`etl quarantine list {config.id}` shows what there is")
    return found


def _assets(config: TenantConfig, rejected: Rejected, *, from_source: bool) -> list[AssetKey]:
    """The stage that rejected, what comes after it, and the extract if the data was mended in the database."""
    pipeline = config.pipelines[rejected.pipeline]
    stages: list[naming.Stage] = [pipeline.published_stage]
    if pipeline.quality.on_failure == "quarantine":  # it may have been changed since the rows were rejected
        stages.append("quarantine")
    if pipeline.save_to_trino:
        stages.append("load")
    if from_source and pipeline.has_transfer:
        stages.append("extract")
    return [naming.asset_key(config.id, stage, rejected.pipeline) for stage in stages]


def _replayed(rejected: Rejected, after: int, run_id: str) -> Decision:
    return Decision(
        action="replayed",
        tenant=rejected.tenant,
        pipeline=rejected.pipeline,
        partition=rejected.partition,
        rows_before=rejected.rows,
        rows_after=after,
        at=datetime.now(UTC),
        by="etl quarantine replay",
        run_id=run_id,
    )
