"""Extract: one window of the tenant's database into one Parquet object, unchanged.

Belongs here: the order of the steps and the guards on what came. Does not: drivers (`etl.storage.source`).
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from etl.errors import SourceError
from etl.faults import reach
from etl.pipeline.publish import StagedRows, audit_and_publish, staging
from etl.pipeline.schema_guard import guard_schema
from etl.pipeline.stage import StageResult, StageRun, disk_errors
from etl.pipeline.tables import referenced_tables
from etl.storage.guards import guard_rows
from etl.storage.lake import PLACEHOLDER_FOOTER, ObjectRef
from etl.storage.source import ExtractReport, ExtractRequest, extract_to_parquet

logger = logging.getLogger(__name__)


def extract(run: StageRun, url: str) -> StageResult:
    """Read the window of `run` from the database at `url`, audit it and publish it to the lake."""
    started = datetime.now(UTC)
    ref = run.ref("extract")
    previous = run.lake.find(ref)
    with disk_errors(run, "extract"), staging(run, "extract") as staged:
        reach("extract.start")
        report = _read(run, url, extract_request(run), staged)
        reach("extract.read")
        before = previous.provenance.rows_read if previous else None
        guard_rows(
            before,
            report.rows,
            name=f"{run.label} extract",
            allow_empty=run.pipeline.allow_empty,
            max_shrink=run.pipeline.max_shrink,
        )
        _guard_schema(run, staged, ref)
        tables = referenced_tables(run, "extract")
        return audit_and_publish(
            StagedRows(run, "extract", staged, report.rows, started, tables, detail={"driver": report.driver})
        )


def extract_request(run: StageRun) -> ExtractRequest:
    """What the pipeline asks of its database, for this partition."""
    pipeline = run.pipeline
    source = run.config.source_database
    return ExtractRequest(
        table=pipeline.source_table,
        query=pipeline.query,
        schema_name=None
        if run.config.uses_demo_source()
        else pipeline.source_schema or (source.schema_name if source else None),
        columns=pipeline.columns,
        window=run.window(),
        sort_by=pipeline.sort_by,
        mode=pipeline.extract_mode,
        statement_timeout_seconds=source.statement_timeout_seconds if source else None,
    )


def _read(run: StageRun, url: str, request: ExtractRequest, staged: Path) -> ExtractReport:
    """The source knows its tables; whose they are is known here."""
    try:
        return extract_to_parquet(url, request, staged, footer=PLACEHOLDER_FOOTER)
    except SourceError as error:
        raise SourceError(f"{run.label} extract: nothing was published: {error.problem}", error.hint) from error


def _guard_schema(run: StageRun, staged: Path, ref: ObjectRef) -> None:
    """Compare with what readers know: this partition as it is, else the newest other one."""
    known = run.lake.find(ref)
    if known is None:
        others = run.lake.partitions(run.config.id, "extract", run.pipeline.name)
        known = run.lake.find(run.ref("extract", run.pipeline.name, others[-1])) if others else None
    if known is not None:
        guard_schema(
            pq.read_schema(run.lake.local_copy(known.ref)),
            pq.read_schema(staged),
            run.pipeline.schema_changes,
            name=f"{run.label} extract",
        )
