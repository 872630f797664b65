"""Extract: reads one window of the tenant's database into one Parquet object, unchanged.

Belongs here: the order of the steps, and the guards on the rows. Not here: drivers (`etl.source.reading`).
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from etl.errors import LakeError, SourceError
from etl.faults import reach
from etl.lake.lake import ObjectRef
from etl.lake.readable import require_readable
from etl.pipeline.guards import VolumeVerdict, guard_rows, judge_volume
from etl.pipeline.lineage import SourceTables, extract_lineage
from etl.pipeline.named_columns import require_named
from etl.pipeline.personal import look_for_personal
from etl.pipeline.publish import DraftRows, audit_and_publish, drafting
from etl.pipeline.room import require_room
from etl.pipeline.schema_guard import ExtractedKeys, guard_schema, known_schema
from etl.pipeline.source_range import SourceRange
from etl.pipeline.stage import StageResult, StageRun, disk_errors
from etl.pipeline.tables import referenced_tables
from etl.source.reading import ExtractReport, ExtractRequest

logger = logging.getLogger(__name__)


def extract(run: StageRun, source: str | SourceRange) -> StageResult:
    """Read the window of `run` from the database, audit the rows and publish them to the lake.

    `source` is the database's URL, or what the partitions of a range share of it.
    """
    if isinstance(source, str):
        with SourceRange(source, [run]) as own:
            return extract(run, own)
    started = datetime.now(UTC)
    require_room(run, "extract")
    ref = run.ref("extract")
    previous = run.lake.find_intact(ref)
    with disk_errors(run, "extract"), drafting(run, "extract") as draft:
        reach("extract.start")
        request = extract_request(run)
        report = _read(run, source, request, draft)
        read = datetime.now(UTC)
        reach("extract.read")
        require_readable(draft, f"{run.label} extract")
        before = previous.provenance.rows_read if previous else None
        guard_rows(
            before,
            report.rows,
            name=f"{run.label} extract",
            allow_empty=run.pipeline.allow_empty,
            max_shrink=run.pipeline.max_shrink,
        )
        _guard_schema(run, draft, ref, source.published)
        if run.pipeline.published_stage == "extract":
            require_named(run.pipeline, pq.read_schema(draft).names, label=f"{run.label} extract")
        tables = referenced_tables(run, "extract")
        volume = _volume(run, report.rows, before)
        personal = look_for_personal(run.pipeline, draft)
        detail = {"driver": report.driver}
        result = audit_and_publish(DraftRows(run, "extract", draft, report.rows, started, tables, detail=detail))
        source.published.add(run.partition)
        seconds = report.seconds + (datetime.now(UTC) - read).total_seconds()
        columns = [name for name, _ in result.sample.columns]
        lineage = extract_lineage(run, columns, SourceTables(source.sql, source.default_schema), request.schema_name)
        found = {
            "volume": volume,
            "personal": personal,
            "seconds": seconds,
            "comments": dict(report.comments),
            "lineage": lineage,
        }
        return result.model_copy(update=found)


def _volume(run: StageRun, rows: int, before: int | None) -> VolumeVerdict | None:
    """Return the verdict of the check `volume`, which never prevents publishing."""
    settings = run.pipeline.volume
    if settings == "off":
        return None
    return judge_volume(rows, before, list(_comparable(run)), settings.max_shrink)


def _comparable(run: StageRun) -> Iterator[int]:
    """The rows that were read of earlier partitions which should have about as many, where they are published."""
    for key in run.pipeline.scheme.comparable(run.partition) if run.partition else ():
        ref = run.ref("extract", run.pipeline.name, key)
        try:
            found = run.lake.find(ref)
        except LakeError as error:  # another partition's object cannot keep this one from being published
            logger.warning("%s extract: %s is not compared: %s", run.label, ref, error.problem)
            continue
        if found is not None:
            yield found.provenance.rows_read


def extract_request(run: StageRun) -> ExtractRequest:
    """Return the request to the pipeline's database for this partition."""
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
        part=run.part(),
        sort_by=pipeline.sort_by,
        mode=pipeline.extract_mode,
        statement_timeout_seconds=source.statement_timeout_seconds if source else None,
    )


def _read(run: StageRun, source: SourceRange, request: ExtractRequest, draft: Path) -> ExtractReport:
    """Read the rows; add the pipeline's name to the source's error."""
    try:
        return source.read(run, request, draft)
    except SourceError as error:
        raise SourceError(f"{run.label} extract: nothing was published: {error.problem}", error.hint) from error


def _guard_schema(run: StageRun, draft: Path, ref: ObjectRef, published: ExtractedKeys) -> None:
    """Compare the columns with the published columns, or with columns that a person accepted later."""
    known = known_schema(run, ref, published)
    if known is not None:
        command = f"`etl schema accept {run.config.id} {run.pipeline.name}`"
        guard_schema(
            known,
            pq.read_schema(draft),
            run.pipeline.schema_changes,
            name=f"{run.label} extract",
            remedy=f"if the change is wanted, {command} lets this one pass; else put the columns back by a `query`",
        )
