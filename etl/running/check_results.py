"""Turns the verdicts about a stage's rules into results of Dagster's asset checks.

Belongs here: from an audit to evaluations, and which checks a stage evaluates. Not here: the checks' definitions
(`etl.factories.check_factory`), judging (`etl.quality`), whether a stage publishes (`etl.pipeline.publish`).
"""

import hashlib
import json
from collections.abc import Iterator

from dagster import AssetCheckEvaluation, AssetCheckSeverity, MetadataValue

from etl.config.tenant_config import TenantConfig
from etl.pipeline.audit import Audit, describe
from etl.pipeline.guards import VolumeVerdict
from etl.pipeline.personal import PersonalVerdict
from etl.pipeline.publish import rejecting_stages
from etl.pipeline.undated import Undated, counts_undated
from etl.quality.results import RuleResult
from etl.quality.rules import AnyRule, check_names, wording
from etl.quality.rules.fields import RuleFields
from etl.running import naming
from etl.running.metadata import Metadata, markdown_table
from etl.running.naming import PipelineStage

ASKED = "rule_digest"
"""The name of the digest of what was asked, in the metadata of a result."""
_ASKS = {
    naming.UNDATED_CHECK: {"source_table", "source_schema", "query", "date_column", "partitions"},
    naming.VOLUME_CHECK: {"volume"},
    naming.PII_CHECK: {"pii", "pii_columns"},
}
"""The configuration that says what a check asks that is no rule."""


def stage_check_names(of: PipelineStage) -> tuple[str, ...]:
    """The names of all checks that the step of a stage evaluates."""
    own = (naming.UNDATED_CHECK,) if checks_undated(of) else ()
    return (*partition_check_names(of), *own)


def partition_check_names(of: PipelineStage) -> tuple[str, ...]:
    """The names of the checks that are evaluated for each partition."""
    volume = (naming.VOLUME_CHECK,) if checks_volume(of) else ()
    personal = (naming.PII_CHECK,) if checks_personal(of) else ()
    return (*check_names(of.rules), *volume, *personal)


def checks_undated(of: PipelineStage) -> bool:
    """Whether the stage counts the rows that belong to no partition."""
    return of.stage == "extract" and counts_undated(of.pipeline)


def asked_by(of: PipelineStage, name: str) -> str:
    """Return a digest of what a check of a stage asks, as it is configured now; empty if the stage has no such check.

    Each result has the digest of what was asked, so that a reader sees whether it still is what is asked.
    """
    pipeline = of.pipeline
    rules = dict(zip(check_names(of.rules), of.rules, strict=True))
    if name in rules:
        return rules[name].digest
    said = pipeline.model_dump(mode="json", include=_ASKS.get(name, set()))
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16] if said else ""


def undated_evaluation(of: PipelineStage, found: Undated) -> AssetCheckEvaluation:
    """Return the evaluation of the number of rows without a partition. A missing number does not pass."""
    metadata: Metadata = {
        "status": MetadataValue.text("not counted" if found.rows is None else "failed" if found.rows else "passed"),
        ASKED: MetadataValue.text(asked_by(of, naming.UNDATED_CHECK)),
    }
    if found.rows is not None:
        metadata["rows_without_a_partition"] = MetadataValue.int(found.rows)
    return AssetCheckEvaluation(
        asset_key=of.asset,
        check_name=naming.UNDATED_CHECK,
        passed=found.rows == 0,
        severity=AssetCheckSeverity.ERROR if of.pipeline.undated == "fail" else AssetCheckSeverity.WARN,
        description=found.description,
        metadata=metadata,
    )


def checks_volume(of: PipelineStage) -> bool:
    """Whether the stage compares its row count with earlier row counts."""
    return of.stage == "extract" and of.pipeline.volume != "off"


def volume_evaluation(of: PipelineStage, verdict: VolumeVerdict, partition: str | None) -> AssetCheckEvaluation:
    """Return the result of the check `volume`; nothing if the row count could not be compared."""
    return AssetCheckEvaluation(
        asset_key=of.asset,
        check_name=naming.VOLUME_CHECK,
        passed=verdict.agrees,
        severity=AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata={
            "status": MetadataValue.text("passed" if verdict.agrees else "failed"),
            "rows": MetadataValue.int(verdict.rows),
            ASKED: MetadataValue.text(asked_by(of, naming.VOLUME_CHECK)),
        },
        partition=partition,
    )


def checks_personal(of: PipelineStage) -> bool:
    """Whether the stage looks for columns that look personal."""
    return of.stage == "extract" and of.pipeline.pii == "scan"


def personal_evaluation(of: PipelineStage, verdict: PersonalVerdict, partition: str | None) -> AssetCheckEvaluation:
    """Return the result of the check `pii`. It names undeclared columns that look personal, and never shows a value."""
    return AssetCheckEvaluation(
        asset_key=of.asset,
        check_name=naming.PII_CHECK,
        passed=not verdict.undeclared,
        severity=AssetCheckSeverity.WARN,
        description=verdict.description,
        metadata={
            "status": MetadataValue.text("failed" if verdict.undeclared else "passed"),
            "columns_of_text": MetadataValue.int(verdict.scanned),
            "undeclared": MetadataValue.text(", ".join(verdict.undeclared)),
            ASKED: MetadataValue.text(asked_by(of, naming.PII_CHECK)),
        },
        partition=partition,
    )


def check_evaluations(
    of: PipelineStage, audit: Audit, partition: str | None, *, published: bool
) -> Iterator[AssetCheckEvaluation]:
    """Return the results of the audit, rule by rule, for exactly this partition."""
    results = audit.check.results
    for name, result, line in zip(check_names([r.rule for r in results]), results, of.rule_lines, strict=True):
        yield AssetCheckEvaluation(
            asset_key=of.asset,
            check_name=name,
            passed=result.status == "passed",
            severity=_severity(result, published=published),
            description=_outcome(result, rejected=_rejected(audit, result)),
            metadata={
                **_metadata(of.config, audit, result, partition, line),
                **(_see_rejected_rows(of, result.rule, partition) if _rejected(audit, result) else {}),
            },
            partition=partition,
        )


def _outcome(result: RuleResult, *, rejected: bool) -> str:
    """Describe the result of a rule, its columns, and the positions of some failing rows."""
    if result.status == "passed":
        return f"{wording(result.rule)}: {result.message}"
    text = describe(result)
    text = text if wording(result.rule) in text else f"{text}: {wording(result.rule)}"
    if result.rows and result.status == "failed" and not rejected:
        more = "" if len(result.rows) >= result.failed_count else ", and more"
        text += f"; rows {', '.join(map(str, result.rows))}{more} (the first row is 0)"
    return text


def _about_rule(rule: AnyRule) -> Metadata:
    """Return the rule's columns as they are written, and its arguments."""
    about: Metadata = {"asked": MetadataValue.text(wording(rule)), ASKED: MetadataValue.text(rule.digest)}
    if rule.judged_columns:
        about["columns"] = MetadataValue.text(", ".join(rule.judged_columns))
    return about


def _rejected(audit: Audit, result: RuleResult) -> bool:
    """Whether rows that broke this rule were rejected."""
    return bool(audit.quarantined) and result.rule.level == "row" and result.rule.severity == "error"


def _see_rejected_rows(of: PipelineStage, rule: AnyRule, partition: str | None) -> Metadata:
    """Return the command that shows the rows that broke the rule, if the pipeline keeps rejected rows."""
    if of.stage not in rejecting_stages(of.pipeline) or rule.level != "row" or rule.severity != "error":
        return {}
    command = f"etl quarantine show {of.config.id} {of.pipeline.name}" + (
        f" --partition {partition}" if partition else ""
    )
    return {"see_rejected_rows": MetadataValue.text(command)}


def _severity(result: RuleResult, *, published: bool) -> AssetCheckSeverity:
    """Return ERROR if the result prevented publishing or is not known, WARN if the rows were published anyway."""
    stopped = result.rule.severity == "error" and not published
    return AssetCheckSeverity.ERROR if stopped or result.status == "error" else AssetCheckSeverity.WARN


def _metadata(config: TenantConfig, audit: Audit, result: RuleResult, partition: str | None, line: int) -> Metadata:
    metadata: Metadata = {
        "status": MetadataValue.text(result.status),
        "engine": MetadataValue.text(audit.check.engine),
        "yaml": MetadataValue.text(f"{config.origin.path.parent.name}/{config.origin.path.name}:{line}"),
    }
    if result.status != "error":  # nothing was counted, and a rate of 1 in a chart would look like a pass
        metadata["failed"] = MetadataValue.int(result.failed_count)
        metadata["total"] = MetadataValue.int(result.total_count)
    if result.total_count:
        metadata["failure_rate"] = MetadataValue.float(result.failure_rate)
        metadata["pass_rate"] = MetadataValue.float(1.0 - result.failure_rate)
    metadata |= _about_rule(result.rule)
    metadata["threshold"] = _threshold(result.rule)
    if isinstance(result.actual, int | float) and not isinstance(result.actual, bool):
        metadata["actual"] = MetadataValue.float(float(result.actual))
    if partition is not None:
        metadata["partition"] = MetadataValue.text(partition)
    # Rejected rows are in another object and in another order: the command shows them.
    named = result.rule.level == "row" or result.rows
    if result.status == "failed" and named and not _rejected(audit, result):
        metadata["rows"] = (
            MetadataValue.json(list(result.rows))
            if result.rows
            else MetadataValue.text(f"the engine {audit.check.engine} does not name rows")
        )
    if result.sample:
        metadata["sample"] = MetadataValue.md(markdown_table(result.sample))
    if audit.quarantined and audit.check.row_count is not None:
        metadata["rows_quarantined"] = MetadataValue.int(audit.quarantined)
        metadata["rows_published"] = MetadataValue.int(audit.check.row_count - audit.quarantined)
    return metadata


def _threshold(rule: AnyRule) -> MetadataValue:
    """Return the required share of good rows, or for a table rule the rule's arguments."""
    if rule.level == "row" or rule.mostly is not None:
        return MetadataValue.float(1.0 if rule.mostly is None else float(rule.mostly))
    common = {*RuleFields.model_fields, "type", "column", "columns"}
    return MetadataValue.json({key: value for key, value in rule.to_dict().items() if key not in common})
