"""Turns a draft into a published object: audit, quarantine, publish, and the check that no row is lost.

Belongs here: the steps that extract and transfer share after rows are draft. Not here: where the rows come from
(`extract.py`, `transfer.py`), how an object is published (`etl.lake.lake`).
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import fingerprint
from etl.errors import LakeError
from etl.faults import reach
from etl.lake.lake import Inputs, Provenance, Published
from etl.lake.objects import NO_INPUTS
from etl.lake.pairs import attempt, publish_pair, rejection_of, remove_unnamed
from etl.lake.scan import scan_files
from etl.pipeline.audit import Audit, Blocked, audit_file, audit_good_rows, describe
from etl.pipeline.room import room_to_publish
from etl.pipeline.stage import PublishedSample, StageResult, StageRun, sample_of
from etl.pipeline.tables import present_inputs
from etl.quality.quarantine import split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DraftRows:
    """A file that a stage has written and that is not visible to readers yet."""

    run: StageRun
    stage: Stage
    path: Path
    rows: int
    started: datetime
    tables: Mapping[str, pl.LazyFrame] = field(default_factory=dict)
    inputs: Inputs = NO_INPUTS
    detail: Mapping[str, str | int | float | bool] = field(default_factory=dict)


def drafting(run: StageRun, stage: Stage) -> AbstractContextManager[Path]:
    """Yield a path for the stage's file. The file may replace only the object that is published at this moment."""
    return run.lake.draft(run.ref(stage), run.run_id)


def audit_and_publish(draft: DraftRows) -> StageResult:
    """Judge the draft. Publish the whole file or its good rows, or publish nothing and raise `Blocked`."""
    run, stage = draft.run, draft.stage
    reach(f"{stage}.staged")
    audit = audit_file(run.pipeline, stage, draft.path, tables=draft.tables, now=draft.started)
    reach(f"{stage}.audited")
    on_failure = run.pipeline.quality.on_failure
    if audit is None or not audit.blocking or on_failure == "warn":
        sample = _sample(draft, draft.path)
        with room_to_publish(run, stage, draft.rows, draft.path.stat().st_size):
            published = run.lake.publish(run.ref(stage), draft.path, _provenance(draft, audit, draft.rows))
        reach(f"{stage}.published")
        remove_unnamed(run.lake, run.ref(stage))
        return _result(draft, audit, published, sample)
    if on_failure == "block" or audit.beyond_rows:
        raise Blocked(run.label, audit)
    return _publish_good_rows(draft, audit)


def already_published(run: StageRun, stage: Stage, started: datetime) -> StageResult | None:
    """Return the result of an interrupted run that had published this partition; None if nothing is published.

    None too for a transfer whose inputs were published again since, because its rows would be different now.
    """
    rejection = rejection_of(run.lake, run.ref(stage))
    if rejection is None:
        return None
    published = rejection.published
    made_from = published.provenance.inputs
    if stage == "transfer" and (made_from is None or made_from.digest != present_inputs(run).digest):
        return None
    rejected = run.lake.find(rejection.object.ref) if rejection.object else None
    draft = DraftRows(run, stage, Path(published.uri), published.provenance.rows_read, started)
    sample = sample_of(run.lake.scan([published.ref]), run.pipeline)
    result = _result(draft, None, published, sample, rejected)
    return result.model_copy(update={"run_id": published.provenance.run_id})


def rejecting_stages(pipeline: PipelineConfig) -> tuple[Stage, ...]:
    """The stages that reject bad rows: the stage that publishes, and an extract before it that has rules."""
    if pipeline.quality.on_failure != "quarantine":
        return ()
    stages: tuple[Stage, ...] = ("extract", "transfer")
    return tuple(each for each in stages if each == pipeline.published_stage or _rejects(pipeline, each))


def _rejects(pipeline: PipelineConfig, stage: Stage) -> bool:
    return any(rule.severity == "error" and rule.level == "row" for rule in pipeline.rules_for(stage))


def _publish_good_rows(draft: DraftRows, audit: Audit) -> StageResult:
    run, stage = draft.run, draft.stage
    good_ref = run.ref(stage)
    rejected_ref = attempt(good_ref, run.run_id)
    with (
        run.lake.draft(good_ref, run.run_id, like=draft.path) as good,
        run.lake.draft(rejected_ref, run.run_id) as rejected,
    ):
        parts = split(
            draft.path,
            [each.rule for each in audit.blocking],
            good,
            rejected,
            extra={"_run_id": run.run_id, "_partition": run.partition or "", "_stage": stage},
            tables=draft.tables,
            now=draft.started,  # the same moment as in the audit, so that "future" means the same for both
        )
        if parts.good + parts.rejected != draft.rows:
            raise LakeError(
                f"{run.label} {stage}: of {draft.rows} rows {parts.good} are good and {parts.rejected} rejected",
                "nothing was published; report this as a fault of the program",
            )
        limit = run.pipeline.quality.max_quarantine_rate
        if limit is not None and parts.rejected > limit * draft.rows:
            share = parts.rejected / draft.rows
            raise Blocked(run.label, audit, f"{share:.2%} of the rows would be rejected, {limit:.2%} is the limit")
        reach(f"{stage}.split")
        audit = audit_good_rows(audit, run.pipeline, good, parts.rejected, tables=draft.tables, now=draft.started)
        if audit.beyond_rows:
            raise Blocked(
                run.label, audit, f"the {parts.good} of {draft.rows} rows that would be left do not satisfy it either"
            )
        audit = audit.model_copy(update={"quarantined": parts.rejected})
        sample = _sample(draft, good)
        size = good.stat().st_size + rejected.stat().st_size
        with room_to_publish(run, stage, draft.rows, size):
            published, kept = publish_pair(
                run.lake,
                (good_ref, good, _provenance(draft, audit, parts.good)),
                (rejected_ref, rejected, _provenance(draft, audit, parts.rejected, rejected_ref.stage)),
                between=lambda: reach(f"{stage}.quarantined"),
            )
        reach(f"{stage}.published")
    remove_unnamed(run.lake, good_ref)
    broken = "; ".join(describe(each) for each in audit.blocking)
    logger.warning("%s %s: %d of %d rows rejected: %s", run.label, stage, parts.rejected, draft.rows, broken)
    return _result(draft, audit, published, sample, kept)


def _provenance(draft: DraftRows, audit: Audit | None, rows: int, stage: str | None = None) -> Provenance:
    run = draft.run
    return Provenance(
        tenant=run.config.id,
        stage=stage or draft.stage,
        pipeline=run.pipeline.name,
        partition=run.partition,
        run_id=run.run_id,
        config_hash=fingerprint(run.pipeline),
        rows=rows,
        rows_read=draft.rows,
        rows_quarantined=audit.quarantined if audit else 0,
        audit=audit.verdict if audit else "unchecked",
        created_at=datetime.now(UTC),
        inputs=draft.inputs,
    )


def _sample(draft: DraftRows, path: Path) -> PublishedSample:
    """Take the rows that people see from the draft, so that the file is not read again after publishing."""
    return sample_of(scan_files([(f"{draft.run.label} {draft.stage}", path)]), draft.run.pipeline)


def _result(
    draft: DraftRows,
    audit: Audit | None,
    published: Published,
    sample: PublishedSample,
    quarantine: Published | None = None,
) -> StageResult:
    return StageResult(
        stage=draft.stage,
        partition=draft.run.partition,
        rows_read=draft.rows,
        rows=published.rows,
        rows_quarantined=quarantine.rows if quarantine else 0,
        bytes=published.bytes,
        seconds=(datetime.now(UTC) - draft.started).total_seconds(),
        uri=published.uri,
        version=published.version,
        run_id=draft.run.run_id,
        sample=sample,
        audit=audit,
        quarantine=quarantine,
        detail=dict(draft.detail),
    )
