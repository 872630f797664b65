"""Runs one unit test: the given rows are published in a lake of their own, and the real stages work on them.

Belongs here: the lake in a temporary folder, the order of the stages, what they leave. Not here: whether that is what
the unit test expects (`judgement`).

No database, no lake of the tenant and no warehouse is opened. A limit on the share of rejected rows
(`max_quarantine_rate`) is left out, because the rows of a unit test are chosen and are no sample.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from etl.config.connections import LakeConfig
from etl.config.pipeline_config import PipelineConfig, StagedRule
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError, EtlError, QualityError
from etl.lake.lake import PLACEHOLDER_FOOTER, Provenance, scan_pinned
from etl.lake.pairs import rejection_of
from etl.pipeline.audit import Audit, Blocked, describe
from etl.pipeline.publish import DraftRows, audit_and_publish, drafting
from etl.pipeline.quarantine import REASONS
from etl.pipeline.stage import StageRun
from etl.pipeline.tables import referenced_tables
from etl.pipeline.transfer import file_schema, transfer
from etl.quality.rules import check_names
from etl.settings import Settings
from etl.unit_tests.fixture import GivenInput, GivenStage, TestVerdict, UnitTest
from etl.unit_tests.given import GivenFrame, PublishedTypes, given_frame

_RUN = "unit_test"


@dataclass(frozen=True)
class PipelineOutcome:
    """What the stages left of the given rows."""

    verdict: TestVerdict | None = None
    """None: the stages failed, or a rule could not be judged."""
    rows: pl.DataFrame | None = None
    rejected: pl.DataFrame | None = None
    """The rejected rows of all stages, with the names of their rules in the column `_rules`."""
    failed_rules: tuple[str, ...] = ()
    judged_rules: int = 0
    """How many rules were judged; skipped ones were not."""
    audits: tuple[str, ...] = ()
    """One sentence for each rule that did not pass."""
    error: str = ""
    unjudged: str = ""
    """Why the result cannot be known: a rule that could not be judged, a missing engine."""
    origins: Counter[str] = field(default_factory=Counter)


def run_unit_test(
    test: UnitTest, config: TenantConfig, settings: Settings, folder: Path, published: PublishedTypes
) -> PipelineOutcome:
    """Publish the given rows below `folder`, run the stages of the pipeline, and return what they leave.

    Raises ConfigError if the unit test itself is wrong.
    """
    run = _sandboxed(test, config, settings, folder)
    needed = needed_objects(run)
    frames = {
        (each.pipeline, stage): given_frame(each, stage, published, test.shown_path)
        for each, stage in _placed(test, needed)
    }
    origins = sum((each.origins for each in frames.values()), Counter[str]())
    try:
        return _run(run, frames, test.now or datetime.now(UTC), origins)
    finally:
        run.close()


def _run(
    run: StageRun, frames: Mapping[tuple[str, GivenStage], GivenFrame], now: datetime, origins: Counter[str]
) -> PipelineOutcome:
    audits: list[Audit] = []
    own = run.pipeline.name
    try:
        for (name, stage), given in frames.items():
            if name != own:
                _publish_given(run, name, stage, given.frame)
        audits += _extract(run, frames[own, "extract"].frame, now) if (own, "extract") in frames else []
        if run.pipeline.has_transfer:
            found = transfer(run, now=now).audit
            audits += [found] if found else []
    except Blocked as blocked:
        return _outcome([*audits, blocked.audit], "blocked", None, None, origins)
    except QualityError as error:
        return PipelineOutcome(unjudged=str(error), origins=origins)
    except EtlError as error:
        return PipelineOutcome(error=str(error), origins=origins)
    rows = run.lake.scan([run.ref(run.pipeline.published_stage)]).collect()
    rejected = _rejected(run)
    return _outcome(audits, _verdict(audits), rows, rejected, origins)


def _outcome(
    audits: list[Audit],
    verdict: TestVerdict,
    rows: pl.DataFrame | None,
    rejected: pl.DataFrame | None,
    origins: Counter[str],
) -> PipelineOutcome:
    judged = [each for audit in audits for each in audit.check.results]
    results = [each for each in judged if each.status != "passed"]
    unjudged = [describe(each) for each in results if each.status == "error"]
    return PipelineOutcome(
        verdict=None if unjudged else verdict,
        rows=rows,
        rejected=rejected,
        failed_rules=tuple(each.check_name for each in results if each.status == "failed"),
        judged_rules=len(judged),
        audits=tuple(describe(each) for each in results),
        unjudged="; ".join(unjudged),
        origins=origins,
    )


def _verdict(audits: list[Audit]) -> TestVerdict:
    """Return the worst verdict of stages that have published."""
    if any(each.quarantined for each in audits):
        return "quarantined"
    return "passed" if all(each.verdict == "passed" for each in audits) else "warned"


def _extract(run: StageRun, frame: pl.DataFrame, now: datetime) -> list[Audit]:
    """Publish the rows as the extract of the tested pipeline, which its rules of this stage judge."""
    with drafting(run, "extract") as draft:
        _write(frame, draft)
        tables = referenced_tables(run, "extract")
        result = audit_and_publish(DraftRows(run, "extract", draft, frame.height, now, tables))
    return [result.audit] if result.audit else []


def _publish_given(run: StageRun, name: str, stage: GivenStage, frame: pl.DataFrame) -> None:
    """Publish the rows of another pipeline unjudged: they stand for what that pipeline has published."""
    other = run.config.pipelines[name]
    ref = run.ref(stage, name, (run.partition or other.scheme.first) if other.partitions else None)
    with run.lake.draft(ref, run.run_id) as draft:
        _write(frame, draft)
        run.lake.publish(
            ref,
            draft,
            Provenance(
                tenant=ref.tenant,
                stage=ref.stage,
                pipeline=ref.pipeline,
                partition=ref.partition,
                run_id=run.run_id,
                config_hash="",
                rows=frame.height,
                rows_read=frame.height,
                rows_quarantined=0,
                audit="unchecked",
                created_at=datetime.now(UTC),
            ),
        )


def _write(frame: pl.DataFrame, path: Path) -> None:
    lazy = frame.lazy()
    lazy.sink_parquet(
        path,
        compression="zstd",
        metadata=dict(PLACEHOLDER_FOOTER),
        arrow_schema=file_schema(lazy),
        engine="streaming",
    )


def _rejected(run: StageRun) -> pl.DataFrame:
    """Return the rejected rows of all stages, without the columns that say which run rejected them."""
    found = []
    for stage in run.pipeline.stages:
        rejection = rejection_of(run.lake, run.ref(stage)) if stage != "load" else None
        if rejection and rejection.object:
            frame = scan_pinned([(rejection.object.ref, rejection.object.path)]).collect()
            found.append(frame.drop("_run_id", "_partition", "_stage"))
    if not found:
        return pl.DataFrame(schema={REASONS: pl.List(pl.String)})
    return pl.concat(found, how="diagonal_relaxed")


def _sandboxed(test: UnitTest, config: TenantConfig, settings: Settings, folder: Path) -> StageRun:
    """Return the task of the tested pipeline, with a lake in a temporary folder and without the skipped rules."""
    pipeline = config.pipelines[test.pipeline]
    quality = pipeline.quality.model_copy(
        update={"rules": _judged(pipeline, test.skip_rules), "max_quarantine_rate": None}
    )
    tested = pipeline.model_copy(update={"quality": quality})
    pipelines = {**config.assets.pipelines, test.pipeline: tested}
    assets = config.assets.model_copy(update={"pipelines": pipelines})
    return StageRun(
        config=config.model_copy(update={"assets": assets, "storage": LakeConfig()}),
        pipeline=tested,
        partition=test.partition,
        run_id=_RUN,
        settings=settings.model_copy(update={"data_dir": folder}),
    )


def _judged(pipeline: PipelineConfig, skipped: tuple[str, ...]) -> tuple[StagedRule, ...]:
    """Return the rules without the skipped ones, which are named by their checks."""
    judged: list[StagedRule] = []
    stages = dict.fromkeys(each.stage or pipeline.published_stage for each in pipeline.quality.rules)
    for stage in stages:
        rules = [each for each in pipeline.quality.rules if (each.stage or pipeline.published_stage) == stage]
        names = check_names([each.rule for each in rules])
        judged += [rule for rule, name in zip(rules, names, strict=True) if name not in skipped]
    return tuple(judged)


def needed_objects(run: StageRun) -> dict[tuple[str, GivenStage], str]:
    """Return the objects that the stages read, each with the reason."""
    pipeline = run.pipeline
    inputs = pipeline.transfer_inputs if pipeline.has_transfer else (pipeline.name,)
    needed: dict[tuple[str, GivenStage], str] = {(name, "extract"): "its transform reads it" for name in inputs}
    if any(pipeline.rules_for("extract")):
        needed.setdefault((pipeline.name, "extract"), "a rule judges it")
    stages = pipeline.stages
    rules = [rule for stage in stages for rule in pipeline.rules_for(stage) if rule.type == "foreign_key"]
    for rule in rules:
        other = run.config.pipelines.get(rule.to)
        if other is not None:
            needed.setdefault((rule.to, other.published_stage), f"the rule {rule.check_name} looks into it")
    return needed


def _placed(test: UnitTest, needed: Mapping[tuple[str, GivenStage], str]) -> list[tuple[GivenInput, GivenStage]]:
    """Return each given input with its stage. Raises ConfigError if an input is missing, or if nothing reads it."""
    placed: list[tuple[GivenInput, GivenStage]] = []
    for each in test.given:
        read = [stage for name, stage in needed if name == each.pipeline]
        stage = each.stage or (read[0] if read else "extract")
        if (each.pipeline, stage) not in needed:
            known = ", ".join(f"{name} ({stage})" for name, stage in needed)
            raise ConfigError(
                f"{test.shown_path}:{each.mark.line}: `{test.pipeline}` does not read the {stage} of `{each.pipeline}`",
                f"it reads {known}",
            )
        placed.append((each, stage))
    given = {(each.pipeline, stage) for each, stage in placed}
    if missing := [key for key in needed if key not in given]:
        name, stage = missing[0]
        more = "" if stage == "extract" else f", stage: {stage}"
        raise ConfigError(
            f"{test.place}: the test `{test.name}` gives no rows of the {stage} of `{name}`: {needed[missing[0]]}",
            f"add `- {{input: {name}{more}, rows: [...]}}` to `given`; `rows: []` with `types` for no rows",
        )
    return placed
