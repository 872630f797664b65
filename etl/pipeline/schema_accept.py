"""The columns that an extract may have: those of the published objects, or those that a person accepted since.

Belongs here: finding them, and keeping what was accepted. Not here: the comparison (`schema_guard`), the command
(`etl.cli.schema`).

What was accepted is an object without rows, beside the pipeline's others: whichever host runs the next extract sees it,
and its footer says when it was accepted. An object that was published later counts instead of it.
"""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from etl.config.tenant_config import fingerprint
from etl.lake.lake import PLACEHOLDER_FOOTER, ObjectRef, Provenance
from etl.pipeline.schema_guard import differences
from etl.pipeline.stage import StageRun

STAGE = "schema"


def known_schema(run: StageRun, ref: ObjectRef) -> pa.Schema | None:
    """What the columns of `ref` are held against: this partition as it is, else the newest other one.

    None where nothing was ever published that can be read.
    """
    others = reversed(run.lake.partitions(run.config.id, "extract", run.pipeline.name))
    refs = (ref, *(run.ref("extract", run.pipeline.name, each) for each in others))
    known = next((found for each in refs if (found := run.lake.find_intact(each))), None)
    if known is None:
        return None
    accepted = run.lake.find(_accepted(run))
    if accepted is not None and accepted.provenance.created_at > known.provenance.created_at:
        known = accepted
    return pq.read_schema(run.lake.local_copy(known.ref))


def wanted_change(run: StageRun, now: pa.Schema) -> list[str]:
    """The differences between what extracts are held against and the columns that the source has now."""
    partitions = run.lake.partitions(run.config.id, "extract", run.pipeline.name)
    known = known_schema(run, run.ref("extract", run.pipeline.name, partitions[-1] if partitions else None))
    return [] if known is None else differences(known, now, run.pipeline.schema_changes)


def accept(run: StageRun, now: pa.Schema) -> None:
    """Let the next extract of any partition have these columns."""
    ref = _accepted(run)
    with run.lake.stage(ref, run.run_id) as staged:
        pq.write_table(now.with_metadata(PLACEHOLDER_FOOTER).empty_table(), staged)
        run.lake.publish(
            ref,
            staged,
            Provenance(
                tenant=ref.tenant,
                stage=ref.stage,
                pipeline=ref.pipeline,
                partition=None,
                run_id=run.run_id,
                config_hash=fingerprint(run.pipeline),
                rows=0,
                rows_read=0,
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def _accepted(run: StageRun) -> ObjectRef:
    return run.ref(STAGE, run.pipeline.name)
