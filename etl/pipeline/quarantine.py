"""Lists, shows and discards rejected rows, and records what people decided about them.

Belongs here: finding, reading and discarding rejected rows, and the history of decisions. Not here: rejecting rows
(`publish`), starting a run that replays rejected rows (`etl.cli.quarantine`).
"""

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.errors import LakeError
from etl.faults import reach
from etl.formats import check_format
from etl.lake.lake import OvertakenError, Pinned, scan_pinned
from etl.lake.pairs import quarantine_stage, rejection_of, write_discarded
from etl.locks import exclusive
from etl.pipeline.stage import StageRun
from etl.settings import Settings

REASONS = "_rules"

# The format of a line of the history. Lines without a number have the same format.
HISTORY_FORMAT = 1


class Rejected(BaseModel):
    """The rejected rows of one partition of one pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str
    pipeline: str
    stage: Stage
    partition: str | None
    rows: int
    rows_read: int
    run_id: str
    at: datetime
    attempt: str
    reasons: dict[str, int]


class Decision(BaseModel):
    """A person's decision about rejected rows, and the effect on their number.

    A replay is recorded when its run begins, and again when its run ends. An interrupted replay has no end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["replay begun", "replayed", "replay failed", "discarded"]
    tenant: str
    pipeline: str
    stage: str = ""
    partition: str | None
    rows_before: int
    rows_after: int
    at: datetime
    by: str
    why: str = ""
    run_id: str = ""


def rejected_rows(
    config: TenantConfig, settings: Settings, pipeline: str | None = None, newest: int | None = None
) -> Iterator[Rejected]:
    """Yield the partitions whose published object names rejected rows, in order.

    With `newest`, only so many of the newest partitions that may have rejected rows are looked at.
    """
    for name, each in config.pipelines.items():
        if pipeline not in (None, name):
            continue
        run = _run(config, settings, name, None)
        for stage in _stages(each):
            partitions: tuple[str | None, ...] = (None,)
            if each.partitions:
                partitions = run.lake.folders(config.id, quarantine_stage(stage), name)[-newest if newest else None :]
            for partition in partitions:
                found = _find(_run(config, settings, name, partition), stage)
                if found is not None:
                    yield found


def anything_published(config: TenantConfig, settings: Settings) -> bool:
    """Whether any stage of any pipeline has an object. Without an object, no rows can have been rejected."""
    for name, each in config.pipelines.items():
        for stage in _stages(each):
            run = _run(config, settings, name, None)
            if run.lake.partitions(config.id, stage, name) if each.partitions else run.lake.find(run.ref(stage)):
                return True
    return False


def _stages(pipeline: PipelineConfig) -> tuple[Stage, ...]:
    """Return the stages that may have rejected rows, regardless of the present YAML."""
    return ("extract", "transfer") if pipeline.has_transfer else ("extract",)


def still_rejected(config: TenantConfig, settings: Settings, before: Rejected) -> Rejected | None:
    """Return the rows that are rejected now where `before` were; None if there are none any more."""
    return _find(_run(config, settings, before.pipeline, before.partition), before.stage)


def _find(run: StageRun, stage: Stage) -> Rejected | None:
    try:
        found = _pinned(run, stage)
        return None if found is None else _described(found, run, stage)
    finally:
        run.close()


def _pinned(run: StageRun, stage: Stage) -> Pinned | None:
    rejection = rejection_of(run.lake, run.ref(stage))
    return rejection.object if rejection else None


def _described(found: Pinned, run: StageRun, stage: Stage) -> Rejected:
    counts = scan_pinned([(found.ref, found.path)]).select(pl.col(REASONS).explode()).collect()
    return Rejected(
        tenant=run.config.id,
        pipeline=run.pipeline.name,
        stage=stage,
        partition=run.partition,
        rows=found.rows,
        rows_read=found.provenance.rows_read,
        run_id=found.provenance.run_id,
        at=found.provenance.created_at,
        attempt=found.ref.attempt,
        reasons=dict(sorted(counts.to_series().value_counts().iter_rows(), key=lambda row: -row[1])),
    )


def read_rejected(config: TenantConfig, settings: Settings, rejected: Rejected, rows: int) -> pl.DataFrame:
    """Return the first rejected rows with their reasons; personal columns are masked."""
    run = _run(config, settings, rejected.pipeline, rejected.partition)
    try:
        frame = scan_pinned([(each.ref, each.path) for each in [_same(run, rejected)]]).head(rows).collect()
    finally:
        run.close()
    hidden = [name for name in run.pipeline.pii_columns if name in frame.columns]
    masked = frame.with_columns(pl.when(pl.col(name).is_not_null()).then(pl.lit("***")).alias(name) for name in hidden)
    technical = [name for name in masked.columns if name.startswith("_") and name != REASONS]
    return masked.select(REASONS, pl.exclude(REASONS, *technical))


def _same(run: StageRun, rejected: Rejected) -> Pinned:
    """Pin the listed rows, if they are still the rejected rows of the partition."""
    found = _pinned(run, rejected.stage)
    if found is None or _described(found, run, rejected.stage) != rejected:
        raise _changed(run)
    return found


def _changed(run: StageRun) -> LakeError:
    return LakeError(
        f"{run.label}: the rejected rows have changed since they were listed; nothing was discarded",
        f"`etl quarantine list {run.config.id}` shows what there is now",
    )


def discard(config: TenantConfig, settings: Settings, rejected: Rejected, why: str) -> Decision:
    """Delete the rejected rows permanently. Only their number and the reason are kept.

    What is deleted is what was decided about: rows that came or went meanwhile are somebody else's to decide.
    """
    run = _run(config, settings, rejected.pipeline, rejected.partition)
    decision = Decision(
        action="discarded",
        tenant=config.id,
        pipeline=rejected.pipeline,
        stage=rejected.stage,
        partition=rejected.partition,
        rows_before=rejected.rows,
        rows_after=0,
        at=datetime.now(UTC),
        by=getpass.getuser(),
        why=why,
        run_id=rejected.run_id,
    )
    ref = run.ref(quarantine_stage(rejected.stage)).model_copy(update={"attempt": rejected.attempt})
    with _writing_history(settings, config.id), closing(run), run.lake.draft(ref, rejected.run_id) as path:
        found = _same(run, rejected)
        said = write_discarded(found, path)
        # Written first: a crash in between leaves rows that are there and known, never rows that are gone and unknown.
        known = any(_same_rows(each, decision) for each in history(settings, config.id))
        size = 0 if known else _append(settings, decision)
        reach("quarantine.decided")
        try:
            run.lake.publish(ref, path, said)
        except OvertakenError:  # a run has just replaced the rows, so they were not discarded
            if not known:
                os.truncate(history_path(settings, config.id), size)
            raise _changed(run) from None
    return decision


def _same_rows(one: Decision, other: Decision) -> bool:
    """Whether an interrupted command already recorded that it discards the same rows."""
    compared = ("action", "pipeline", "stage", "partition", "run_id")
    return all(getattr(one, name) == getattr(other, name) for name in compared)


def remember(settings: Settings, decision: Decision) -> None:
    """Add a decision to the tenant's history."""
    with _writing_history(settings, decision.tenant):
        _append(settings, decision)


def _append(settings: Settings, decision: Decision) -> int:
    """Add a line and return the file's size before it."""
    path = history_path(settings, decision.tenant)
    path.parent.mkdir(parents=True, exist_ok=True)
    history(settings, decision.tenant)  # raises if the history cannot be read, so that nothing is added to it
    line = {"format": HISTORY_FORMAT, **decision.model_dump(mode="json")}
    with path.open("a", encoding="utf-8") as file:
        size = file.tell()
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return size


def _writing_history(settings: Settings, tenant: str) -> AbstractContextManager[int]:
    lock = settings.data_dir / "locks" / f"quarantine_{tenant}.lock"
    return exclusive(lock, what=f"the quarantine history of {tenant}", error=LakeError)


def history(settings: Settings, tenant: str) -> tuple[Decision, ...]:
    """Every decision about a tenant's rejected rows, oldest first."""
    path = history_path(settings, tenant)
    if not path.is_file():
        return ()
    lines = path.read_bytes().split(b"\n")
    return tuple(_decision(line, number, path, tenant) for number, line in enumerate(lines, start=1) if line)


def _decision(line: bytes, number: int, path: Path, tenant: str) -> Decision:
    what = f"line {number} of {path}"
    try:
        content = json.loads(line)
        check_format(content.pop("format", None), newest=HISTORY_FORMAT, what=what)
        return Decision.model_validate(content)
    except (ValueError, TypeError, AttributeError):  # not JSON, not an object, or other keys
        raise LakeError(
            f"{what} is no decision about rejected rows: it was cut off while it was written, or changed by hand",
            f"see it with `sed -n {number}p '{path}'` and remove it with `sed -i {number}d '{path}'`; "
            f"`etl quarantine list {tenant}` says whether the rows that it was about are still there",
        ) from None


def history_path(settings: Settings, tenant: str) -> Path:
    """The history's file: one file for each tenant, one line for each decision."""
    return settings.data_dir / "quarantine" / f"{tenant}.jsonl"


def _run(config: TenantConfig, settings: Settings, pipeline: str, partition: str | None) -> StageRun:
    if pipeline not in config.pipelines:
        raise LakeError(
            f"tenant {config.id} has no pipeline `{pipeline}`", f"its pipelines: {', '.join(config.pipelines)}"
        )
    return StageRun(
        config=config,
        pipeline=config.pipelines[pipeline],
        partition=partition,
        run_id="",
        settings=settings,
    )
