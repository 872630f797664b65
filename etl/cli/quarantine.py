"""`etl quarantine`: shows rejected rows, replays them with a real Dagster run, or discards them.

Belongs here: the commands. Not here: changes of the lake (`etl.pipeline.quarantine`), the run itself (`runs`).
"""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from dagster import AssetKey, DagsterRunStatus
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from etl.cli.asked import asked_tenants
from etl.cli.follow import Followed, follow, view
from etl.cli.home import opened_instance
from etl.cli.messages import PlannedRun
from etl.cli.runs import failures, runs_of
from etl.cli.signals import interruptible, stopping
from etl.cli.tables import print_table
from etl.config.config_loader import load_tenant
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError, NothingExamined
from etl.partitions.keys import kind_of
from etl.partitions.scheme import TimeScheme, named_time
from etl.pipeline.publish import rejecting_stages
from etl.pipeline.quarantine import (
    Decision,
    Rejected,
    anything_published,
    discard as discard_rows,
    history as decisions,
    read_rejected,
    rejected_rows,
    remember,
    still_rejected,
)
from etl.pipeline.rejected_gaps import rejected_gaps
from etl.running import naming
from etl.settings import Settings, load_settings

app = typer.Typer(help="Show, replay or discard rows that broke a rule.", no_args_is_help=True)

TenantArgument = Annotated[str, typer.Argument(help="The tenant's id.")]
PipelineArgument = Annotated[str, typer.Argument(help="The pipeline's name.")]
PartitionOption = Annotated[
    str | None,
    typer.Option(help="The partition, or several, as `etl run` takes them: 2026-01-05, 2026-W02. Default: all."),
]


@app.command("list", epilog="For example: `etl quarantine list project_01`")
def list_rejected(
    tenant: Annotated[str | None, typer.Argument(help="Only this tenant. Default: all.")] = None,
) -> None:
    """List the partitions with rejected rows, the number of rows, and the rules that rejected them.

    Exit code 3: there is no tenant, nothing was published yet, or it is not known which rows are rejected, because an
    object is damaged or gone.
    """
    settings = load_settings()
    table = Table("tenant", "pipeline", "stage", "partition", "rejected", "of", "rules", "run", title="Rejected rows")
    broken: list[str] = []
    gaps: list[str] = []
    published = False
    for name in asked_tenants(settings, [tenant] if tenant else []):
        try:
            config = load_tenant(name, settings).as_if_active()  # rows stay rejected when a pipeline is switched off
        except EtlError as error:
            if tenant:
                raise
            broken.append(f"{name}: {error}")
            continue
        unknown = _list_tenant(config, settings, table)
        published = published or bool(unknown) or anything_published(config, settings)
        gaps += unknown
    console = Console()
    if table.row_count:
        print_table(console, table)
    _show_gaps(console, gaps)
    if broken:
        raise EtlError("rejected rows of tenants that do not load:\n" + "\n".join(broken), "see `etl check`")
    if gaps:
        raise typer.Exit(3)
    if not table.row_count and not published:
        raise NothingExamined(
            "nothing was examined, because nothing was published yet", "`etl run TENANT` runs the newest partition"
        )
    if not table.row_count:
        console.print("[green]No rejected rows.[/]")


def _list_tenant(config: TenantConfig, settings: Settings, table: Table) -> list[str]:
    """Add what is there to the table, and return what is not known."""
    gaps = [*rejected_gaps(config, settings)]
    for pipeline in config.pipelines:
        try:
            for each in rejected_rows(config, settings, pipeline):
                table.add_row(*_row(each))
        except LakeError as error:  # what the other pipelines have is listed all the same
            gaps.append(f"{config.id}/{pipeline}: {error.problem}")
    return gaps


def _show_gaps(console: Console, gaps: list[str]) -> None:
    if gaps:
        console.print("Not known, because an object is damaged or gone:")
    for gap in dict.fromkeys(gaps):
        console.print(f"- {escape(gap)}", highlight=False, soft_wrap=True)


def _row(each: Rejected) -> tuple[str, ...]:
    return (
        each.tenant,
        each.pipeline,
        each.stage,
        each.partition or "whole",
        f"{each.rows:,}",
        f"{each.rows_read:,}",
        ", ".join(f"{rule} {count}" for rule, count in each.reasons.items()),
        each.run_id[:8],
    )


@app.command(epilog="For example: `etl quarantine show project_01 equipment_event --partition 2026-01-05`")
def show(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    partition: PartitionOption = None,
    rows: Annotated[int, typer.Option(help="How many rows of each partition.", min=1, max=1000)] = 10,
) -> None:
    """Show rejected rows, with the rules that each row broke. Personal columns are masked."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    console = Console()
    for each in _chosen(config, settings, pipeline, partition):
        frame = read_rejected(config, settings, each, rows)
        title = f"{_name(each)}: {min(rows, each.rows)} of {each.rows} rejected rows"
        table = Table(*map(escape, frame.columns), title=title)
        for reasons, *values in frame.iter_rows():  # etl: allow row-loop (as many rows as fit on a screen)
            table.add_row(", ".join(reasons), *(_cell(each) for each in values))
        print_table(console, table)


@app.command(epilog="For example: `etl quarantine replay project_01 equipment_event --from-source`")
def replay(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    partition: PartitionOption = None,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Read the database again first, because the data was corrected there.")
    ] = False,
) -> None:
    """Check the partition again with a real Dagster run, after the rule or the data was corrected."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    console = Console()
    chosen = _chosen(config, settings, pipeline, partition)
    with (
        opened_instance(settings) as instance,
        interruptible() as signals,
        runs_of(instance, settings, {tenant}, signals.held) as runs,
        stopping(instance, runs, console),
    ):
        for each in chosen:
            tags = {"dagster/partition": each.partition} if each.partition else {}
            assets = tuple(tuple(key.path) for key in _assets(config, each, from_source=from_source))
            planned = PlannedRun(job=naming.job_name(tenant, naming.JOB_OF_ALL), tags=tags, assets=assets)
            (run,) = runs.start([(tenant, planned)])
            remember(settings, _replay("replay begun", each, each.rows, run.run_id))
            with view(console) as shown:
                (ended,) = follow(instance, [Followed(run, 1 if each.partition else 0)], shown)
            left = still_rejected(config, settings, each)
            after = left.rows if left else 0
            if ended.status != DagsterRunStatus.SUCCESS:
                remember(settings, _replay("replay failed", each, after, run.run_id))
                said = [f"{_name(each)}: the replay failed, run {run.run_id}", *failures(instance, run.run_id)]
                said += ["no row was lost: each row is published, rejected, or where it was before"]
                console.print("\n".join(said), style="red", markup=False, highlight=False)
                raise typer.Exit(1)
            remember(settings, _replay("replayed", each, after, run.run_id))
            console.print(f"{_name(each)}: {each.rows} rejected before, {after} now", markup=False)


@app.command(epilog="For example: `etl quarantine discard project_01 equipment_event --why 'test machines'`")
def discard(
    tenant: TenantArgument,
    pipeline: PipelineArgument,
    why: Annotated[str, typer.Option(help="The reason; it is kept in the history.")],
    partition: PartitionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete rejected rows for good. The history keeps their number and the reason."""
    settings = load_settings()
    config = load_tenant(tenant, settings)
    chosen = _chosen(config, settings, pipeline, partition, whole=True)
    rows = sum(each.rows for each in chosen)
    if not yes:
        typer.confirm(f"Delete {rows} rejected rows of {tenant}/{pipeline} for good?", abort=True)
    for each in chosen:
        discard_rows(config, settings, each, why)
    Console().print(f"{rows} rejected rows of {tenant}/{pipeline} discarded")


@app.command(epilog="For example: `etl quarantine history project_01`")
def history(tenant: TenantArgument) -> None:
    """List the decisions about rejected rows, with person and reason. An unfinished replay is shown as begun."""
    settings = load_settings()
    table = Table("when", "what", "pipeline", "partition", "rows before", "after", "by", "why", "run")
    decided = decisions(settings, load_tenant(tenant, settings).id)
    ended = {each.run_id for each in decided if each.action in ("replayed", "replay failed")}
    for each in decided:
        if each.action == "replay begun" and each.run_id in ended:
            continue
        table.add_row(
            f"{each.at:%Y-%m-%d %H:%M}",
            each.action,
            each.pipeline,
            each.partition or "whole",
            str(each.rows_before),
            str(each.rows_after),
            Text(each.by),
            Text(each.why),
            each.run_id[:8],
        )
    if not table.row_count:
        raise NothingExamined(f"there is no decision about rejected rows of {tenant} yet")
    print_table(Console(), table)


def _chosen(
    config: TenantConfig, settings: Settings, pipeline: str, partition: str | None, *, whole: bool = False
) -> list[Rejected]:
    if pipeline not in config.pipelines:
        raise EtlError(f"tenant {config.id} has no pipeline `{pipeline}`", f"one of {', '.join(config.pipelines)}")
    found = list(rejected_rows(config, settings, pipeline))
    if partition is not None:
        # A key with rejected rows is accepted even if the YAML no longer has it.
        named = [each for each in found if each.partition == partition]
        first, last = (partition, partition) if named else _keys(config, pipeline, partition, whole=whole)
        kind = kind_of(first)
        found = named or [
            each
            for each in found
            if each.partition and kind_of(each.partition) == kind and first <= each.partition <= last
        ]
    if not found:
        where = f"{config.id}/{pipeline}" + (f" of {partition}" if partition else "")
        raise NothingExamined(f"{where} has no rejected rows", f"`etl quarantine list {config.id}` shows what there is")
    return found


def _keys(config: TenantConfig, pipeline: str, text: str, *, whole: bool) -> tuple[str, str]:
    """Return the first and last partition that a text names. With `whole`, the text must cover their whole time."""
    scheme, label = config.pipelines[pipeline].scheme, f"{config.id}/{pipeline}"
    try:
        first, last = scheme.range(text, text)
    except ValueError as error:
        raise EtlError(f"{label}: {error}", f"`etl quarantine list {config.id}` shows what there is") from None
    if isinstance(scheme, TimeScheme):
        newest = scheme.newest_complete(datetime.now(UTC))
        if newest is None or last < scheme.start or first > newest:
            own = f"its {scheme.word}s go from {scheme.start} to {newest}" if newest else "none is complete yet"
            raise EtlError(f"{label} has no {scheme.word} {text}: {own}", f"`etl quarantine list {config.id}`")
        begin, end = named_time(text, scheme.timezone)
        if whole and (scheme.window(first)[0] < begin or end < scheme.window(last)[1]):
            raise EtlError(f"{label}: {text} is only a part of {first}", f"name all of it: --partition {first}")
    return first, last


def _assets(config: TenantConfig, rejected: Rejected, *, from_source: bool) -> list[AssetKey]:
    """Return the assets to run: the stage that rejected, the later stages, and the extract if it is read again."""
    pipeline = config.pipelines[rejected.pipeline]
    again_from_lake = pipeline.has_transfer and not from_source and rejected.stage == "transfer"
    stages = [stage for stage in pipeline.stages if stage != "extract" or not again_from_lake]
    keys = [naming.asset_key(config.id, stage, pipeline.name) for stage in stages]
    # A step materializes all of its assets together. The YAML may have changed since the rows were rejected.
    rejecting = [each for each in rejecting_stages(pipeline) if each in stages]
    return [*keys, *(naming.quarantine_key(config.id, pipeline, each) for each in rejecting)]


def _name(rejected: Rejected) -> str:
    day = f" {rejected.partition}" if rejected.partition else ""
    return f"{rejected.tenant}/{rejected.pipeline}{day} {rejected.stage}"


def _cell(value: object) -> Text:
    """Return a value unchanged: text that looks like markup is data, and null differs from an empty text."""
    return Text("null", style="dim") if value is None else Text(str(value))


def _replay(
    action: Literal["replay begun", "replayed", "replay failed"], rejected: Rejected, after: int, run_id: str
) -> Decision:
    return Decision(
        action=action,
        tenant=rejected.tenant,
        pipeline=rejected.pipeline,
        stage=rejected.stage,
        partition=rejected.partition,
        rows_before=rejected.rows,
        rows_after=after,
        at=datetime.now(UTC),
        by=getpass.getuser(),
        run_id=run_id,
    )
