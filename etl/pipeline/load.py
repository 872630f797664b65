"""Load: puts one audited object of the lake into the tenant's warehouse, in one transaction.

Belongs here: which object is loaded and with which request. Not here: SQL (`etl.warehouse.contract` and its children).
"""

import logging
from datetime import UTC, datetime
from pathlib import Path

from etl.config.pipeline_config import TrinoOutput
from etl.errors import LakeError
from etl.faults import reach
from etl.lake.footer import read_footer
from etl.lake.lake import Published
from etl.lake.scan import scan_files
from etl.partitions.cut import cut_by
from etl.pipeline.audit import Blocked, audit_file
from etl.pipeline.lineage import load_lineage
from etl.pipeline.stage import StageResult, StageRun, disk_errors, sample_of
from etl.pipeline.tables import referenced_tables
from etl.warehouse.contract import LoadRequest, Warehouse
from etl.warehouse.series import LoadSeries

logger = logging.getLogger(__name__)


def load(run: StageRun, warehouse: Warehouse | LoadSeries, *, reload: bool = False) -> StageResult:
    """Put the published object of this partition into the warehouse. Loading the object twice changes nothing.

    `reload`: load also if the table already holds the object.
    """
    with disk_errors(run, "load"):
        return _load(run, warehouse, reload=reload)


def _load(run: StageRun, warehouse: Warehouse | LoadSeries, *, reload: bool) -> StageResult:
    started = datetime.now(UTC)
    reach("load.start")
    output = target(run)
    with warehouse.writing(output.target_schema, output.target_table, run.run_id) as table:
        # The published object is looked up only now: a load that waited for the lock must not load an older object.
        source, path = last_good(run)
        reach("load.fetched")
        audit = audit_file(run.pipeline, "load", path, tables=referenced_tables(run, "load"))
        if audit is not None and audit.blocking and run.pipeline.quality.on_failure != "warn":
            raise Blocked(run.label, audit)
        sample = sample_of(scan_files([(str(source.ref), path)]), run.pipeline)
        report = table.load(load_request(run, source, reload=reload), path)
    reach("load.done")
    if report.reason:
        logger.warning("%s load: %s: %s", run.label, "loaded again" if report.changed else "not loaded", report.reason)
    elif not report.changed:
        logger.info("%s load: this object is in %s already; nothing changed", run.label, report.table)
    for each in report.warnings:
        logger.warning("%s load: %s", run.label, each)
    return StageResult(
        stage="load",
        partition=run.partition,
        rows_read=source.rows,
        rows=source.rows,
        bytes=source.bytes,
        seconds=(datetime.now(UTC) - started).total_seconds(),
        uri=source.uri,
        version=source.version,
        run_id=run.run_id,
        sample=sample,
        audit=audit,
        lineage=load_lineage(run, [name for name, _ in sample.columns]),
        detail={
            "table": report.table,
            "changed": report.changed,
            "rows_before": report.rows_before,
            "rows_after": report.rows_after,
            "from_run": source.provenance.run_id,
        }
        | ({"reason": report.reason} if report.reason else {})
        | ({"warning": "; ".join(report.warnings)} if report.warnings else {}),
    )


def last_good(run: StageRun) -> tuple[Published, Path]:
    """Return the published object of this partition, and a copy of the object that no other run replaces.

    The object's description is read from the copy. An earlier run may have published the object.
    """
    stage = run.pipeline.published_stage
    ref = run.ref(stage)
    found = run.lake.find(ref)
    if found is None:
        raise LakeError(
            f"{run.label}: there is no published {stage} object"
            + (f" of partition {run.partition}" if run.partition else ""),
            f"materialize {run.config.id}/{stage}/{run.pipeline.name} first",
        )
    path = run.lake.local_copy(ref)
    footer = read_footer(path, str(ref))
    stamp = footer.stamp(str(ref))
    source = found.model_copy(
        update={
            "version": stamp.version,
            "provenance": stamp.provenance,
            "rows": footer.rows,
            "bytes": path.stat().st_size,
        }
    )
    if source.provenance.run_id != run.run_id:
        logger.info("%s load: the object was published by run %s", run.label, source.provenance.run_id)
    return source, path


def target(run: StageRun) -> TrinoOutput:
    """The table that the pipeline loads."""
    output = run.pipeline.trino_output
    if output is None:
        raise LakeError(f"{run.label}: no target table is configured", "add `trino_output` with `target_table`")
    return output


def load_request(run: StageRun, source: Published, *, reload: bool = False) -> LoadRequest:
    """Return the request to the warehouse for the object."""
    output = target(run)
    return LoadRequest(
        tenant=run.config.id,
        pipeline=run.pipeline.name,
        partition=run.partition,
        cut_by=cut_by(run.pipeline.scheme),
        schema_name=output.target_schema,
        table=output.target_table,
        key_columns=output.key_columns,
        order_column=output.order_column,
        mode=output.mode,
        version=source.version,
        rows=source.rows,
        run_id=run.run_id,
        schema_changes=run.pipeline.schema_changes,
        reload=reload,
    )
