"""`etl demo`: runs all tenants on demo data with real Dagster runs, and shows a table of the results.

Belongs here: finding missing partitions, launching their runs, showing the result. Not here: how a run is launched
(`runs`) and followed (`follow`), what a run does (`etl.pipeline`).
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRunStatus, JobDefinition
from pydantic import BaseModel, ConfigDict
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from etl.cli.asked import asked_tenants
from etl.cli.demo_source import make_source
from etl.cli.follow import Followed, follow, view
from etl.cli.home import opened_instance
from etl.cli.messages import PlannedRun
from etl.cli.runs import failures, runs_of
from etl.cli.signals import interruptible, stopping
from etl.definitions import build_tenant_definitions
from etl.errors import NothingExamined
from etl.resources.run_worker import release_dead_runs
from etl.running import naming
from etl.running.naming import AssetAddress
from etl.running.run_spans import Definition, Range, Span, alike, partition_sets, spans, within
from etl.settings import Settings, load_settings


class DemoPlan(BaseModel):
    """One missing run: of partitions that a job's assets share, or of whole tables only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    job: str
    span: Span
    events: int = 0
    reload: bool = False

    @property
    def run(self) -> PlannedRun:
        """The run."""
        tags = {**self.span.tags, **({naming.RELOAD_TAG: "true"} if self.reload else {})}
        return PlannedRun(job=self.job, tags=tags, assets=tuple(tuple(key.path) for key in self.span.selection))


def demo(
    tenant: Annotated[list[str] | None, typer.Option(help="Only these tenants. Default: all.")] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Run every partition of every asset again, also what is there already.")
    ] = False,
) -> None:
    """Make the demo sources, run every tenant end to end with Dagster, and show the results."""
    console = Console(width=None if sys.stdout.isatty() else 120)  # a log has no width, but a table needs one
    settings = load_settings()
    began = time.monotonic()
    sys.path.insert(0, str(settings.project_dir))
    os.environ["PYTHONWARNINGS"] = "ignore"  # for the runs' processes; in tests warnings are errors
    os.environ.setdefault("ETL_PROJECT_DIR", str(settings.project_dir))
    tenants = list(asked_tenants(settings, tenant or ()))
    for each in tenants:
        make_source(each, settings, console)
    with opened_instance(settings) as instance:
        home = Path(instance.root_directory)
        release_dead_runs(instance)
        if not any(build_tenant_definitions(each).resolve_asset_graph().executable_asset_keys for each in tenants):
            raise NothingExamined(
                f"nothing to run: {', '.join(tenants)} has no asset",
                "write a pipeline below `assets: {pipelines: ...}`",
            )
        plans = [plan for each in tenants for plan in plans_of(each, instance, reload=reload)]
        failed = run_plans(plans, instance, settings, console) if plans else []
        if not plans:
            console.print("[green]All partitions of all assets exist already.[/] Nothing was changed.")
        console.print(result_table(tenants, instance))
    seconds = time.monotonic() - began
    if failed:
        console.print(f"[bold red]{len(failed)} run(s) failed[/] after {seconds:.0f} s: {', '.join(failed)}")
        console.print("next: [bold]make dev[/], then open the run in the UI to see the step that failed")
        raise typer.Exit(1)
    console.print(f"{len(plans)} run(s), {seconds:.0f} s. Dagster's own data is in {_short(home)}.")
    console.print(
        "next: [bold]make dev[/] and open http://localhost:3000/asset-groups, or change a rule in "
        f"tenants/{tenants[0]}/config.yaml and materialize a day again"
    )


def plans_of(tenant: str, instance: DagsterInstance, *, reload: bool = False) -> Iterator[DemoPlan]:
    """Return the missing runs: in the job `all`, those of partitions that an asset does not have yet.

    With `reload`, these are all partitions: the runs extract and load each of them again.
    """
    job = build_tenant_definitions(tenant).resolve_job_def(naming.job_name(tenant, "all"))
    partitions = {key: job.asset_layer.get(key).partitions_def for key in _keys(job)}
    missing: dict[Definition, set[str]] = {}
    whole_missing = False
    for key, definition in partitions.items():
        if definition is None:
            whole_missing |= reload or instance.get_latest_materialization_event(key) is None
        elif lacking := set(definition.get_partition_keys()) - (
            set() if reload else instance.get_materialized_partitions(key)
        ):
            missing.setdefault(definition, set()).update(lacking)
    if missing:
        ranges: dict[Definition, Range] = {}
        for group in alike(partition_sets(partitions)):
            if lacking := set[str]().union(*(missing.get(each, ()) for each in group)):
                ranges |= within(group, (min(lacking), max(lacking)))
        for span in spans(partitions, ranges):
            events = sum(span.size if partitions[key] else 1 for key in span.keys)
            yield DemoPlan(tenant=tenant, job=job.name, span=span, events=events, reload=reload)
    elif whole_missing:
        whole = Span(None, None, frozenset(partitions), is_all=True)
        yield DemoPlan(tenant=tenant, job=job.name, span=whole, events=len(partitions), reload=reload)


def run_plans(plans: list[DemoPlan], instance: DagsterInstance, settings: Settings, console: Console) -> list[str]:
    """Launch all runs, show the progress of each, and return the names of those that failed."""
    console.print("starting the code locations of workspace.yaml")
    tenants = {plan.tenant for plan in plans}
    with (
        interruptible() as signals,
        runs_of(instance, settings, tenants, signals.held) as runs,
        stopping(instance, runs, console),
        view(console) as shown,
    ):
        started = runs.start([(plan.tenant, plan.run) for plan in plans])
        followed = [
            Followed(run, plan.events, f"{plan.job} ({plan.span})") for plan, run in zip(plans, started, strict=True)
        ]
        ended = follow(instance, followed, shown)
    failed = [run for run in ended if run.status != DagsterRunStatus.SUCCESS]
    for run in failed:
        for problem in failures(instance, run.run_id):
            console.print(f"[red]{run.job_name}[/]: {escape(problem)}", highlight=False)
    return [run.job_name for run in failed]


def result_table(tenants: list[str], instance: DagsterInstance) -> Table:
    """Return a table of the rows of every asset, from Dagster's event log."""
    settings = load_settings()
    places = f"days are partitions; lake: {_short(settings.lake_dir)}, tables: {_short(settings.warehouse_dir)}"
    table = Table(title="What the tenants hold now", caption=places, box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name, style in (("tenant", "bold"), ("stage", ""), ("pipeline", "")):
        table.add_column(name, style=style, no_wrap=True)
    for name in ("days", "rows", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for tenant in tenants:
        graph = build_tenant_definitions(tenant).resolve_asset_graph()
        for key in sorted(graph.executable_asset_keys, key=_order):
            table.add_row(*_asset_row(key, instance))
        table.add_section()
    return table


_STAGES = {"extract": 0, "transfer": 1, "quarantine": 2, "load": 3, "dbt": 4}


def _order(key: AssetKey) -> tuple[str, int]:
    address = AssetAddress.of(key)
    return address.name, _STAGES.get(address.stage, 9)


def _asset_row(key: AssetKey, instance: DagsterInstance) -> tuple[str, ...]:
    latest: dict[str | None, dict[str, object]] = {}
    cursor = None
    while True:
        page = instance.fetch_materializations(AssetRecordsFilter(asset_key=key), limit=500, cursor=cursor)
        for record in page.records:
            event = record.asset_materialization
            if event is not None:
                latest.setdefault(record.partition_key, {name: each.value for name, each in event.metadata.items()})
        cursor = page.cursor
        if not page.has_more:
            break
    if len(latest) > 1:
        latest.pop(None, None)
    counts = [each.get("dagster/partition_row_count", each.get("dagster/row_count")) for each in latest.values()]
    rows = f"{sum(map(_int, counts)):,}" if any(each is not None for each in counts) else "view"
    seconds = sum(float(str(each.get("seconds", 0))) for each in latest.values())
    where = next((_where(each) for each in latest.values() if _where(each)), "")
    partitions = str(len(latest)) if latest and None not in latest else ("whole" if latest else "none")
    address = AssetAddress.of(key)
    return (address.tenant, address.stage, address.name, partitions, rows, f"{seconds:.2f}", where)


def _where(metadata: dict[str, object]) -> str:
    table = metadata.get("dagster/table_name") or metadata.get("dagster/relation_identifier")
    if table:
        return ".".join(str(table).split(".")[-2:])
    uri = str(metadata.get("dagster/uri", ""))
    return uri.partition("/dt=")[0] if uri.startswith("s3://") else "lake" if uri else ""


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _int(value: object) -> int:
    return int(str(value)) if value is not None else 0


def _keys(job: JobDefinition) -> list[AssetKey]:
    return sorted(job.asset_layer.executable_asset_keys)
