"""Reconciliation: does the warehouse hold what the source holds? Read-only, within limits, over settled days only.

Belongs here: comparing source, lake and warehouse of one pipeline by counts, sums and hashes. Does not: mending what
differs (run the partition again), showing it (`etl.cli.verify`, `etl.factories.reconcile_check`).
"""

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, TrinoOutput
from etl.config.tenant_config import TenantConfig
from etl.errors import LakeError, WarehouseError
from etl.pipeline.digest import as_published, differences as contents_differ
from etl.pipeline.extract import extract_request
from etl.pipeline.stage import StageRun
from etl.settings import Settings
from etl.storage.lake import PLACEHOLDER_FOOTER, Published
from etl.storage.source import count_rows, extract_to_parquet
from etl.storage.transaction import quoted
from etl.storage.warehouse import PARTITION_COLUMN, LedgerEntry, Warehouse

# Reading more than this again to compare contents would be a second extract; counts are compared all the same.
MAX_ROWS = 200_000
MAX_DAYS = 31


class DayVerdict(BaseModel):
    """One partition, or one whole table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partition: str | None
    source_rows: int
    published_rows: int
    quarantined_rows: int
    loaded_rows: int | None
    contents_compared: bool
    differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class Reconciliation(BaseModel):
    """One pipeline over its settled days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    days: tuple[DayVerdict, ...]

    @property
    def agrees(self) -> bool:
        """Whether every compared day agrees; with nothing to compare that is not known."""
        return bool(self.days) and all(each.agrees for each in self.days)

    @property
    def complete_to(self) -> str | None:
        """The last day up to which every compared day agrees."""
        last: str | None = None
        for each in self.days:
            if not each.agrees:
                break
            last = each.partition
        return last


def reconcile(
    config: TenantConfig,
    pipeline: PipelineConfig,
    url: str,
    warehouse: Warehouse,
    settings: Settings,
    *,
    days: int = MAX_DAYS,
    now: datetime | None = None,
) -> Reconciliation:
    """Compare the newest settled days of a pipeline; nothing is written anywhere."""
    loads = _loads(pipeline, warehouse)
    verdicts = []
    for partition in settled(pipeline, now or datetime.now(UTC))[-days:]:
        run = StageRun(config=config, pipeline=pipeline, partition=partition, run_id="", settings=settings)
        try:
            verdicts.append(_compare(run, url, warehouse, loads.get(partition)))
        finally:
            run.close()
    return Reconciliation(tenant=config.id, pipeline=pipeline.name, days=tuple(verdicts))


def _loads(pipeline: PipelineConfig, warehouse: Warehouse) -> dict[str | None, LedgerEntry]:
    """What the ledger says last of each partition that is in the pipeline's table now."""
    output = pipeline.trino_output
    if output is None:
        return {}
    target = (output.target_schema, output.target_table)
    entries = [each for each in warehouse.ledger() if (each.schema_name, each.table_name) == target]
    start = max((at for at, each in enumerate(entries) if each.created_table), default=0)
    return {each.partition: each for each in entries[start:] if each.pipeline == pipeline.name}


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


def _compare(run: StageRun, url: str, warehouse: Warehouse, load: LedgerEntry | None) -> DayVerdict:
    pipeline = run.pipeline
    request = extract_request(run)
    source_rows = count_rows(url, request)
    bronze = run.lake.find(run.ref("extract"))
    if bronze is None:
        problem = f"{source_rows} rows in the source, never extracted"
        return _verdict(run, source_rows, None, None, load, compared=False, differences=(problem,))
    differences = []
    if bronze.provenance.rows_read != source_rows:
        differences.append(f"{source_rows} rows in the source, {bronze.provenance.rows_read} were extracted")
    compared = source_rows <= MAX_ROWS and not bronze.provenance.rows_quarantined
    if compared and not differences:
        differences += _extracted(run, url)
    published = run.lake.find(run.ref(pipeline.published_stage))
    if published is None:
        differences.append(f"the {pipeline.published_stage} stage was never published")
    elif pipeline.save_to_trino:
        found, all_compared = _loaded(run, warehouse, published, load)
        differences += found
        compared = compared and all_compared
    return _verdict(run, source_rows, bronze, published, load, compared=compared, differences=tuple(differences))


def _extracted(run: StageRun, url: str) -> list[str]:
    """The source read once more, beside what was extracted."""
    with tempfile.TemporaryDirectory(prefix="verify-", dir=_scratch(run.settings)) as folder:
        path = Path(folder) / "source.parquet"
        extract_to_parquet(url, extract_request(run), path, footer=PLACEHOLDER_FOOTER)
        extracted = run.lake.scan([run.ref("extract")])
        return contents_differ(pl.scan_parquet(path), extracted, "the source and its extract")


def _loaded(
    run: StageRun, warehouse: Warehouse, published: Published, load: LedgerEntry | None
) -> tuple[list[str], bool]:
    """What differs between the published object and its table, and whether their contents were compared."""
    output = run.pipeline.trino_output
    if output is None:
        raise LakeError(f"{run.label}: no target table is configured", "add `trino_output`")
    if load is None:
        return [f"{published.rows} rows published, never loaded"], False
    if load.version != published.version:
        return [f"what is loaded is not what is published last (run {published.provenance.run_id[:8]})"], False
    if output.mode == "append" and run.partition is None:
        return [], False  # the table holds every snapshot: which rows are of this one, nothing says
    try:
        return _table(run, warehouse, published, output)
    except WarehouseError as error:  # a table that cannot be read is a verdict, and not the end of the other days
        return [error.problem], False


def _table(run: StageRun, warehouse: Warehouse, published: Published, output: TrinoOutput) -> tuple[list[str], bool]:
    table = warehouse.relation(output.target_schema, output.target_table)
    where = f"WHERE {PARTITION_COLUMN} = DATE '{date.fromisoformat(run.partition)}'" if run.partition else ""
    if output.mode == "upsert":  # a key of this day may have been replaced by a later one, but it is there
        where = ""
    rows = int(warehouse.query(f"SELECT count(*) FROM {table} {where}").item())
    if output.mode != "upsert" and rows != published.rows:
        return [f"{published.rows} rows published, {rows} in {table}"], False
    if max(rows, published.rows) > MAX_ROWS:
        return [], False
    object_rows = run.lake.scan([published.ref])
    if output.mode == "upsert":
        return _keys_missing(warehouse, table, output.key_columns, object_rows), True
    names = [name for name, dtype in object_rows.collect_schema().items() if dtype != pl.Null]
    in_table = warehouse.query(f"SELECT {', '.join(map(quoted, names))} FROM {table} {where}")
    between = f"the {run.pipeline.published_stage} object and {table}"
    return contents_differ(object_rows.select(names), as_published(in_table, object_rows), between), True


def _keys_missing(warehouse: Warehouse, table: str, keys: Sequence[str], published: pl.LazyFrame) -> list[str]:
    in_table = warehouse.query(f"SELECT {', '.join(map(quoted, keys))} FROM {table}")
    missing = published.select(keys).unique().join(as_published(in_table, published), on=list(keys), how="anti")
    count = int(missing.select(pl.len()).collect(engine="streaming").item())
    return [f"{count} of the published keys are not in {table}"] if count else []


def _verdict(
    run: StageRun,
    source_rows: int,
    bronze: Published | None,
    published: Published | None,
    load: LedgerEntry | None,
    *,
    compared: bool,
    differences: tuple[str, ...],
) -> DayVerdict:
    rejected = {each.ref: each.provenance.rows_quarantined for each in (bronze, published) if each}
    return DayVerdict(
        partition=run.partition,
        source_rows=source_rows,
        published_rows=published.rows if published else 0,
        quarantined_rows=sum(rejected.values()),
        loaded_rows=load.rows if load else None,
        contents_compared=compared,
        differences=differences,
    )


def _scratch(settings: Settings) -> Path:
    settings.staging_dir.mkdir(parents=True, exist_ok=True)
    return settings.staging_dir
