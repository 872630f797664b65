"""Reconciliation: does the warehouse hold what the source holds? Read-only, over settled days only.

Belongs here: which days are compared, rows that belong to no day, and joining the findings. Not here: comparing one
partition of the lake (`verify_lake`) or the table (`verify_table`), repairing differences (run the partition again),
showing the result (`etl.cli.verify`, `etl.factories.check_factory`).

Green means: each stage was made from the present objects of the stage before, values were compared and not only counts,
no day since the first day is missing, and every row of the source and of the table belongs to a day. Everything that
was not compared is named, and the result is then not green.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError, LakeError, LakeUnreadableError
from etl.lake.lake import Pinned
from etl.partitions.cut import Cut, are_alike, cut_of
from etl.partitions.keys import moved
from etl.partitions.scheme import TimeScheme
from etl.pipeline.remedies import Remedies
from etl.pipeline.stage import StageRun
from etl.pipeline.undated import counts_undated, look_for_undated
from etl.pipeline.verdict import DayVerdict, Finding, Findings, Reconciliation, TableVerdict
from etl.pipeline.verify_lake import LakeDay, compare_lake, compare_objects, is_intact, joined, run_again
from etl.pipeline.verify_table import compare_table
from etl.plural import counted
from etl.secrets.scrub import scrub
from etl.settings import Settings
from etl.source.kept import KeptConnections
from etl.warehouse.contract import Warehouse

MAX_ROWS = 2_000_000
"""The values of a larger partition (with `upsert`: of a larger table) are compared only if a larger limit is given."""

_OTHER_TYPES = "see whether somebody changed a column's type in the table; `etl set-aside` and a new load make it anew"


def reconcile(
    config: TenantConfig,
    pipeline: PipelineConfig,
    url: str,
    warehouse: Warehouse,
    settings: Settings,
    *,
    days: int | None = None,
    max_rows: int = MAX_ROWS,
    now: datetime | None = None,
) -> Reconciliation:
    """Compare the settled days of a pipeline, all or the newest ones; nothing is written anywhere."""
    now = now or datetime.now(UTC)
    every = settled(pipeline, now)
    chosen = every[-days:] if days else every
    whole, remedies = Findings(), Remedies(config, pipeline)
    if len(chosen) < len(every):
        word = pipeline.scheme.word
        left_out = f"{len(every) - len(chosen)} {word}s before {chosen[0]} were not compared (`--days {days}`)"
        whole.skip(left_out, remedies.verify())
    if not chosen:
        first = first_settled(pipeline)
        whole.skip(f"there is no settled {pipeline.scheme.word} yet", f"{remedies.verify()} on {first} or later")
    run = StageRun(config=config, pipeline=pipeline, partition=None, run_id="", settings=settings)
    output = pipeline.trino_output if pipeline.save_to_trino else None
    found: dict[str | None, LakeDay] = {}
    table, undated, notes = TableVerdict(), None, list[Finding]()
    published: dict[str | None, Pinned] = {}
    try:
        with KeptConnections() as connections, connections.in_use():
            for each in chosen:
                found[each] = compare_lake(_of(run, each), url, max_rows)
            undated, notes = _undated(run, url, whole)
        notes += _unsettled(run, every, now, whole)
        _tell_days_outside(run, remedies, whole)
        _tell_days_to_come(run, now, remedies, whole)
        if output is not None:
            published = _published(run, found, whole)
            remedies = Remedies(config, pipeline, tuple(published))
            with warehouse.kept_open():
                table = compare_table(remedies, output, warehouse, warehouse.ledger(), published, max_rows)
            whole.add(table.whole)
            if table.anew:
                for lake in found.values():
                    differing = lake.findings.differences
                    lake.findings.differences = [Finding(each.problem, table.anew) for each in differing]
            _add_other_days(whole, table, found)
        if chosen and not whole.differences and not any(_has_rows(day) for day in found.values()):
            empty = "there is no row in the source and none is published: nothing was compared"
            look = remedies.edit("look whether `source_database` and `source_table` or `query` name what is meant")
            whole.skip(empty, f"{look}; a source that is empty stays unknown until it has a row")
    except EtlError as error:  # a pipeline that cannot be compared must not hide the others
        whole.skip(error.problem, joined(error.hint, remedies.verify()))
    except pl.exceptions.PolarsError as error:
        _not_comparable(run, whole, error, published)
    finally:
        run.close()
    return Reconciliation(
        tenant=config.id,
        pipeline=pipeline.name,
        days=tuple(_day(each, lake, table) for each, lake in found.items()),
        differences=tuple(whole.differences),
        not_compared=tuple(whole.not_compared),
        notes=tuple(notes),
        undated=undated,
        has_table=output is not None,
    )


def _not_comparable(
    run: StageRun, whole: Findings, error: pl.exceptions.PolarsError, published: dict[str | None, Pinned]
) -> None:
    """Tell what to do about values that cannot be read: a damaged object is made again, whatever the table has."""
    cause = f"the values cannot be compared: {scrub(str(error)).strip()}"
    damaged = [partition for partition, each in published.items() if not is_intact(each)]
    for partition in damaged:
        whole.skip(f"{partition}: {cause}" if partition else cause, run_again(_of(run, partition)))
    if not damaged:
        whole.skip(cause, _OTHER_TYPES)


def settled(pipeline: PipelineConfig, now: datetime) -> Sequence[str | None]:
    """The partitions whose late rows have had their time to come."""
    return pipeline.scheme.keys(now, behind=pipeline.partitions.behind if pipeline.partitions else 0)


def _has_rows(day: LakeDay) -> bool:
    """Whether there were rows to compare. A difference is shown in any case."""
    published = day.published.rows if day.published else 0
    return bool(day.source_rows or published or day.rejected_rows or day.findings.differences)


def _tell_days_outside(run: StageRun, remedies: Remedies, whole: Findings) -> None:
    """Report objects of days that the pipeline does not have: readers such as dbt read them, but no source has them."""
    pipeline = run.pipeline
    if not pipeline.partitions:
        return
    for stage in dict.fromkeys(("extract", pipeline.published_stage)):
        published = run.lake.partitions(run.config.id, stage, pipeline.name)
        outside = [each for each in published if not remedies.has(each)]
        otherwise = [each for each in outside if not are_alike(Cut(each), cut_of(pipeline.scheme))]
        if otherwise:
            whole.skip(
                f"{stage}: {len(otherwise)} objects ({otherwise[0]} to {otherwise[-1]}) are cut in another way than the"
                " pipeline's; whoever reads the folder reads their rows twice",
                f"remove their objects from {run.config.id}/{stage}/{pipeline.name} of the lake",
            )
        outside = [each for each in outside if each not in otherwise]
        if outside:
            whole.skip(
                f"{stage}: objects of {len(outside)} {pipeline.scheme.word}s that the pipeline does not have"
                f" ({outside[0]} to {outside[-1]}) were not compared with the source; whoever reads the folder reads"
                " them",
                remedies.edit(f"remove their objects, or let `partitions` have these {pipeline.scheme.word}s"),
            )


def _tell_days_to_come(run: StageRun, now: datetime, remedies: Remedies, whole: Findings) -> None:
    """Report objects of days that have not ended: this machine's clock, or that of the run, was wrong."""
    scheme = run.pipeline.scheme
    if not isinstance(scheme, TimeScheme):
        return
    newest = scheme.newest_complete(now) or ""
    for stage in dict.fromkeys(("extract", run.pipeline.published_stage)):
        published = run.lake.partitions(run.config.id, stage, run.pipeline.name)
        early = [each for each in published if scheme.has(each) and each > newest]
        if early:
            whole.skip(
                f"{stage}: objects of {counted(len(early), scheme.word)} ({early[0]} to {early[-1]}) that, by this"
                " machine's clock, have not ended were not compared with the source",
                f"correct the clock; {remedies.verify()}",
            )


def first_settled(pipeline: PipelineConfig) -> str:
    """When the first partition of the pipeline is settled; an empty text where that has no time."""
    scheme, said = pipeline.scheme, pipeline.partitions
    return moved(scheme.start, 1 + said.behind) if isinstance(scheme, TimeScheme) and said else ""


def _of(run: StageRun, partition: str | None) -> StageRun:
    """Return the same task for another partition. `model_copy` keeps the open lakes."""
    run.lake  # noqa: B018  opened once, so that every copy shares it
    return run.model_copy(update={"partition": partition})


def _published(run: StageRun, found: dict[str | None, LakeDay], whole: Findings) -> dict[str | None, Pinned]:
    """Return all published objects of the pipeline, also of unsettled days: the table is made from all of them."""
    stage, now = run.pipeline.published_stage, cut_of(run.pipeline.scheme)
    published = {partition: day.published for partition, day in found.items() if day.published}
    if run.pipeline.partitions:
        for partition in run.lake.partitions(run.config.id, stage, run.pipeline.name):
            if partition not in found and are_alike(Cut(partition), now):
                other = _of(run, partition)
                try:
                    published[partition] = run.lake.pin(other.ref(stage))
                except LakeUnreadableError:
                    raise
                except LakeError as error:
                    whole.differ(f"{partition}: {error.problem}", joined(error.hint, run_again(other)))
    return dict(sorted(published.items(), key=lambda each: each[0] or ""))


def _add_other_days(whole: Findings, table: TableVerdict, found: dict[str | None, LakeDay]) -> None:
    """Add differences of the table on days that were not compared with their source: they need no settled source."""
    for partition, findings in table.by_partition.items():
        if partition not in found:
            for each in findings.differences:
                whole.differ(f"{partition}: {each.problem}", each.remedy)


def _unsettled(run: StageRun, every: Sequence[str | None], now: datetime, whole: Findings) -> list[Finding]:
    """Compare the objects of the complete days whose rows may still change; return a note that names these days."""
    pipeline = run.pipeline
    late = [each for each in pipeline.scheme.keys(now) if each not in every]
    if not (late and every and isinstance(pipeline.scheme, TimeScheme) and pipeline.partitions):
        return []
    for partition in late:
        for each in compare_objects(_of(run, partition)).findings.differences:
            whole.differ(f"{partition}: {each.problem}", each.remedy)
    word, last = pipeline.scheme.word, str(late[-1])
    days = f"{late[0]} is" if len(late) == 1 else f"{len(late)} {word}s ({late[0]} to {last}) are"
    again = f"{Remedies(run.config, pipeline).verify()} on {moved(last, 1 + pipeline.partitions.behind)} or later"
    return [Finding(f"{days} not settled yet (`lookback`), so the source was not compared with it", again)]


def _day(partition: str | None, lake: LakeDay, table: TableVerdict) -> DayVerdict:
    lake.findings.add(table.by_partition.get(partition, Findings()))
    return DayVerdict(
        partition=partition,
        source_rows=lake.source_rows,
        published_rows=lake.published.rows if lake.published else 0,
        quarantined_rows=lake.rejected_rows,
        loaded_rows=table.loaded.get(partition),
        differences=tuple(lake.findings.differences),
        not_compared=tuple(lake.findings.not_compared),
    )


def _undated(run: StageRun, url: str, whole: Findings) -> tuple[int | None, list[Finding]]:
    """Return the number of source rows that belong to no partition (None if not counted), and their findings."""
    if not counts_undated(run.pipeline):
        return None, []
    found, remedies = look_for_undated(run, url), Remedies(run.config, run.pipeline)
    if found.rows is None:
        whole.skip(found.description, joined(found.remedy, remedies.verify()))
    elif found.rows and run.pipeline.undated == "fail":
        whole.differ(found.description, remedies.edit(f"{found.remedy}, or write `undated: warn`"))
    elif found.rows:
        return found.rows, [Finding(found.description, remedies.edit(f"{found.remedy}, or write `undated: ignore`"))]
    return found.rows, []
