"""Reconciliation: does the warehouse hold what the source holds? Read-only, over settled days only.

Belongs here: which days are compared, rows that belong to no day, and putting the parts together. Does not: comparing
one partition of the lake (`verify_lake`) or the table (`verify_table`), mending what differs (run it again), showing it
(`etl.cli.verify`, `etl.factories.reconcile_check`).

Green means: each stage was made from what stands before it now, values were compared and not only counts, no day since
the first is missing, and every row of the source and of the table belongs somewhere. What was not compared is said, and
is not green.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.pipeline.extract import extract_request
from etl.pipeline.stage import StageRun
from etl.pipeline.verdict import DayVerdict, Findings, Reconciliation
from etl.pipeline.verify_lake import LakeDay, compare_lake
from etl.pipeline.verify_table import TableVerdict, compare_table
from etl.settings import Settings
from etl.storage.lake import Pinned
from etl.storage.source import Window, count_rows
from etl.storage.sql import binds_window
from etl.storage.warehouse import Warehouse

MAX_ROWS = 2_000_000
"""The values of a larger partition (by `upsert`: of a larger table) are not compared, unless that is asked for."""
_FAR = datetime(9999, 12, 30, tzinfo=UTC)


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
    every = settled(pipeline, now or datetime.now(UTC))
    chosen = every[-days:] if days else every
    whole = Findings()
    if len(chosen) < len(every):
        whole.not_compared.append(
            f"{len(every) - len(chosen)} days before {chosen[0]} were not compared (`--days {days}`)"
        )
    run = StageRun(config=config, pipeline=pipeline, partition=None, run_id="", settings=settings)
    try:
        found = {each: compare_lake(_of(run, each), url, max_rows) for each in chosen}
        undated = _undated(run, url, found, whole)
        output = pipeline.trino_output if pipeline.save_to_trino else None
        table = TableVerdict()
        if output is not None:
            published = _published(run, found)
            table = compare_table(pipeline, output, warehouse, warehouse.ledger(), published, max_rows)
            whole.add(table.whole)
            _add_other_days(whole, table, found)
    finally:
        run.close()
    return Reconciliation(
        tenant=config.id,
        pipeline=pipeline.name,
        days=tuple(_day(each, lake, table) for each, lake in found.items()),
        differences=tuple(whole.differences),
        not_compared=tuple(whole.not_compared),
        undated=undated,
        has_table=output is not None,
    )


def settled(pipeline: PipelineConfig, now: datetime) -> Sequence[str | None]:
    """The days whose late rows have had their time to come."""
    partitions = pipeline.partitions
    if pipeline.date_column is None or partitions is None:
        return [None]
    today = now.astimezone(ZoneInfo(partitions.timezone)).date()
    last = today - timedelta(days=1 + partitions.lookback_days)
    last = min(last, partitions.end) if partitions.end else last
    count = (last - partitions.start).days + 1
    return [(partitions.start + timedelta(days=n)).isoformat() for n in range(max(count, 0))]


def _of(run: StageRun, partition: str | None) -> StageRun:
    """The same task for another partition, with the same open lakes: `model_copy` keeps what was opened."""
    run.lake  # noqa: B018  opened once, so that every copy shares it
    return run.model_copy(update={"partition": partition})


def _published(run: StageRun, found: dict[str | None, LakeDay]) -> dict[str | None, Pinned]:
    """Every published object of the pipeline: the table is made of all of them, also of days that are not settled."""
    stage = run.pipeline.published_stage
    published = {partition: day.published for partition, day in found.items() if day.published}
    if run.pipeline.date_column:
        for partition in run.lake.partitions(run.config.id, stage, run.pipeline.name):
            if partition not in found:
                published[partition] = run.lake.pin(_of(run, partition).ref(stage))
    return dict(sorted(published.items(), key=lambda each: each[0] or ""))


def _add_other_days(whole: Findings, table: TableVerdict, found: dict[str | None, LakeDay]) -> None:
    """What differs on a day that was not compared with its source is a difference all the same, but for new days."""
    last = max((each for each in found if each), default="")
    for partition, findings in table.by_partition.items():
        if partition not in found and (partition or "") < last:
            whole.differences += [f"{partition}: {each}" for each in findings.differences]


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


def _undated(run: StageRun, url: str, found: dict[str | None, LakeDay], whole: Findings) -> int | None:
    """How many rows of the source belong to no partition: without a date, with one that is none, or before the first.

    Counted once for all days: every row, less those of the days from the first on.
    """
    pipeline = run.pipeline
    if pipeline.date_column is None or pipeline.partitions is None or pipeline.undated == "ignore":
        return None
    if pipeline.query is not None and binds_window(pipeline.query):
        return None  # the query itself decides which rows there are, and it knows none outside of a window
    start = _of(run, pipeline.partitions.start.isoformat()).window()
    if start is None:
        return None
    request = extract_request(run)
    rows = count_rows(url, request.model_copy(update={"window": None}))
    end = _of(run, pipeline.partitions.end.isoformat()).window() if pipeline.partitions.end else None
    until = end.end if end else _FAR
    dated = count_rows(url, request.model_copy(update={"window": _between(start, start.start, until)}))
    if found:
        # Between two days lies nothing but text that is no date: it is counted in the range, and in no day.
        first, last = (_of(run, each).window() for each in (next(iter(found)), next(reversed(found))))
        if first and last:
            compared = request.model_copy(update={"window": _between(start, first.start, last.end)})
            dated -= max(0, count_rows(url, compared) - sum(each.source_rows for each in found.values()))
    count = max(0, rows - dated)
    if count and pipeline.undated == "fail":
        whole.differences.append(f"{count} rows of the source belong to no partition")
    return count


def _between(window: Window, start: datetime, end: datetime) -> Window:
    return window.model_copy(update={"start": start, "end": end})
