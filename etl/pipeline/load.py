"""Load: one audited lake object into the tenant's warehouse, in one transaction.

Belongs here: which object is loaded and with which request. Does not: SQL (`etl.storage.warehouse` and its children).
"""

import logging
from datetime import UTC, datetime

from etl.errors import LakeError
from etl.faults import reach
from etl.pipeline.audit import Blocked, audit_file
from etl.pipeline.stage import StageResult, StageRun, disk_errors, sample_of
from etl.pipeline.tables import referenced_tables
from etl.storage.lake import Published
from etl.storage.warehouse import LoadRequest, Warehouse

logger = logging.getLogger(__name__)


def load(run: StageRun, warehouse: Warehouse) -> StageResult:
    """Put the last good object of this partition into the warehouse; loading it twice changes nothing."""
    with disk_errors(run, "load"):
        return _load(run, warehouse)


def _load(run: StageRun, warehouse: Warehouse) -> StageResult:
    started = datetime.now(UTC)
    source = last_good(run)
    reach("load.start")
    path = run.lake.local_copy(source.ref)
    audit = audit_file(run.pipeline, "load", path, tables=referenced_tables(run, "load"))
    if audit is not None and audit.blocking and run.pipeline.quality.on_failure != "warn":
        raise Blocked(run.label, audit)
    sample = sample_of(run.lake.scan([source.ref]), run.pipeline)
    report = warehouse.load(load_request(run, source), path)
    reach("load.done")
    if report.changed is False:
        logger.info("%s load: this object is in %s already; nothing changed", run.label, report.table)
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
        detail={
            "table": report.table,
            "changed": report.changed,
            "rows_before": report.rows_before,
            "rows_after": report.rows_after,
            "from_run": source.provenance.run_id,
        },
    )


def last_good(run: StageRun) -> Published:
    """The published object that this partition is loaded from; it may be of an earlier run."""
    stage = run.pipeline.published_stage
    source = run.lake.find(run.ref(stage))
    if source is None:
        raise LakeError(
            f"{run.label}: there is no published {stage} object"
            + (f" of partition {run.partition}" if run.partition else ""),
            f"materialize {run.config.id}/{stage}/{run.pipeline.name} first",
        )
    if source.provenance.run_id != run.run_id:
        logger.info("%s load: the object was published by run %s", run.label, source.provenance.run_id)
    return source


def load_request(run: StageRun, source: Published) -> LoadRequest:
    """What the warehouse is asked to do with the object."""
    output = run.pipeline.trino_output
    if output is None:
        raise LakeError(f"{run.label}: no target table is configured", "add `trino_output` with `target_table`")
    return LoadRequest(
        tenant=run.config.id,
        pipeline=run.pipeline.name,
        partition=run.partition,
        schema_name=output.target_schema,
        table=output.target_table,
        key_columns=output.key_columns,
        order_column=output.order_column,
        mode=output.mode,
        version=source.version,
        rows=source.rows,
        run_id=run.run_id,
        schema_changes=run.pipeline.schema_changes,
    )
