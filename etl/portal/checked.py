"""The checks of a tenant for its page: of each check the newest result, with counts and without values.

Belongs here: from the newest records of Dagster's checks to the page's models. Not here: judging (`etl.quality`).

Only numbers and the rule itself are taken from a record. Its description and its samples may hold values of rows, so
they stay in the event log.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from dagster import AssetCheckEvaluation, AssetCheckKey, AssetCheckSeverity, DagsterInstance, RunsFilter

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.partitions.zones import moment
from etl.portal.page import Check, CheckStatus, Compared, Level
from etl.portal.words import short_moment
from etl.quality.rules import check_names, wording
from etl.running import naming
from etl.running.check_results import ASKED, asked_by, checks_personal, checks_undated, checks_volume
from etl.running.compat import AssetCheckExecutionRecord, AssetCheckExecutionRecordStatus as Status
from etl.running.naming import PipelineStage
from etl.running.reconcile_result import COMPARED, what_is_compared
from etl.running.run_outcomes import number
from etl.running.subjects import last_asset

_LEVELS: Mapping[CheckStatus, Level] = {
    "passed": "good",
    "warned": "notice",
    "failed": "bad",
    "rows rejected": "notice",
    "not judged": "unknown",
    "nothing to judge": "unknown",
    "nothing to compare": "none",
    "running": "notice",
    "never run": "unknown",
    "data gone": "unknown",
    "data damaged": "unknown",
    "rule changed": "unknown",
}


@dataclass(frozen=True)
class _Named:
    """One check of a stage."""

    pipeline: str
    stage: str
    name: str
    says: str
    severity: str
    key: AssetCheckKey
    digest: str
    """What is asked now, as `etl.running.check_results.asked_by` says it."""
    words: str = ""
    """The wording of the rule; empty if the check is no rule."""
    is_conditional: bool = False
    """Whether a run may leave it out: a first partition has no earlier one to be compared with."""


@dataclass(frozen=True)
class Records:
    """The newest record of each check, and which runs that have planned a check are still at work."""

    newest: Mapping[AssetCheckKey, AssetCheckExecutionRecord]
    at_work: Collection[str] = ()


def records_of(instance: DagsterInstance, config: TenantConfig) -> Records:
    """Return the newest record of each check of a tenant, in two questions."""
    keys = [each.key for pipeline in config.pipelines.values() for each in _named(config, pipeline)]
    keys += [_compared_key(config, pipeline) for pipeline in config.pipelines.values()]
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys) if keys else {}
    planned = {each.run_id for each in newest.values() if each.status is Status.PLANNED}
    runs = instance.get_runs(RunsFilter(run_ids=sorted(planned))) if planned else ()
    return Records(newest, {each.run_id for each in runs if not each.is_finished})


def checks_of(config: TenantConfig, pipeline: PipelineConfig, records: Records) -> tuple[Check, ...]:
    """Return the newest result of each check of a pipeline; a check without any result is named as such."""
    return tuple(_check(each, records.newest.get(each.key), records.at_work) for each in _named(config, pipeline))


def compared_of(config: TenantConfig, pipeline: PipelineConfig, records: Records, zone: str) -> Compared:
    """Return when source and warehouse were compared last, and with which result."""
    record = records.newest.get(_compared_key(config, pipeline))
    event = record.event.dagster_event if record is not None and record.event else None
    if record is None or event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
        return Compared(level="none", words="Rows were never compared with the source.")
    found, at = event.asset_check_evaluation_data, moment(record.create_timestamp)
    status, to = _text(found.metadata, "status"), _text(found.metadata, "complete_to")
    days = int(number(found.metadata, "days_that_differ") or 0)
    when = short_moment(at, zone)
    upto = f", up to {to}" if to not in ("", "whole", "nothing") else ""
    match status:
        case "agrees" if _text(found.metadata, COMPARED) != what_is_compared(pipeline):
            words = f"Compared with the source at {when}: every row agreed, by another or unknown configuration."
            return Compared(level="unknown", words=words, at=at)
        case "agrees":
            return Compared(level="good", words=f"Compared with the source at {when}: every row agrees{upto}.", at=at)
        case "differs":
            what = f" in {days} partitions" if days else ""
            return Compared(level="bad", words=f"Compared with the source at {when}: rows differ{what}.", at=at)
        case _:
            words = f"Compared with the source at {when}: not everything could be compared{upto}."
            return Compared(level="unknown", words=words, at=at)


def _named(config: TenantConfig, pipeline: PipelineConfig) -> list[_Named]:
    found: list[_Named] = []
    for stage in pipeline.stages:
        of = PipelineStage(config, pipeline, stage)

        def named(
            name: str, says: str, severity: str, of: PipelineStage = of, *, words: str = "", conditional: bool = False
        ) -> _Named:
            key, digest = AssetCheckKey(of.asset, name), asked_by(of, name)
            return _Named(of.pipeline.name, of.stage, name, says, severity, key, digest, words, conditional)

        for name, rule in zip(check_names(of.rules), of.rules, strict=True):
            words = wording(rule)
            found.append(named(name, rule.description or words.replace("`", ""), rule.severity, words=words))
        if checks_volume(of):
            found.append(named(naming.VOLUME_CHECK, "about as many rows as usual", "warning", conditional=True))
        if checks_personal(of):
            found.append(named(naming.PII_CHECK, "no undeclared column looks personal", "warning", conditional=True))
        if checks_undated(of):
            severity = "error" if pipeline.undated == "fail" else "warning"
            found.append(named(naming.UNDATED_CHECK, "every row of the source belongs to a partition", severity))
    return found


def _compared_key(config: TenantConfig, pipeline: PipelineConfig) -> AssetCheckKey:
    return AssetCheckKey(last_asset(config, pipeline), naming.RECONCILED_CHECK)


def _check(named: _Named, record: AssetCheckExecutionRecord | None, at_work: Collection[str]) -> Check:
    event = record.event.dagster_event if record is not None and record.event else None
    base = Check(
        pipeline=named.pipeline,
        stage=named.stage,
        name=named.name,
        says=named.says,
        severity=named.severity,
        status="never run",
        level="unknown",
    )
    if record is None:
        return base.model_copy(update={"level": "none"}) if named.is_conditional else base
    at = moment(record.create_timestamp)
    if event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
        status: CheckStatus = "not judged"
        if record.status is Status.PLANNED and record.run_id in at_work:
            status = "running"
        elif record.status is Status.PLANNED and named.is_conditional:
            status = "nothing to compare"
        return base.model_copy(update={"status": status, "level": _LEVELS[status], "at": at})
    found = event.asset_check_evaluation_data
    if not _is_of_this_rule(named, found):
        update = {
            "status": "rule changed",
            "level": _LEVELS["rule changed"],
            "partition": found.partition or "",
            "at": at,
        }
        return base.model_copy(update=update)
    failed, total = number(found.metadata, "failed"), number(found.metadata, "total")
    if failed is None and (undated := number(found.metadata, "rows_without_a_partition")) is not None:
        failed = undated
    said = _text(found.metadata, "status")
    if said in ("error", "not counted"):
        status = "not judged"
    elif found.passed:
        status = "nothing to judge" if total == 0 and failed is not None else "passed"
    else:
        status = _failed(named, found)
    counts = {
        "status": status,
        "level": _LEVELS[status],
        "failed": None if failed is None else int(failed),
        "total": None if total is None else int(total),
        "partition": found.partition or "",
        "at": at,
    }
    return base.model_copy(update=counts)


def _is_of_this_rule(named: _Named, found: AssetCheckEvaluation) -> bool:
    """Whether a result is of what the check asks now: a check keeps its name when its rule is changed.

    Results of releases before the digest have the rule in words. One that has neither does not say what was asked, and
    so it is not known whether it counts.
    """
    if digest := _text(found.metadata, ASKED):
        return digest == named.digest
    return bool(named.words) and _text(found.metadata, "asked") == named.words


def _failed(named: _Named, found: AssetCheckEvaluation) -> CheckStatus:
    """Return how a check that did not pass is called: rows that were set aside are not in what was published."""
    if found.severity is AssetCheckSeverity.ERROR:
        return "failed"
    if number(found.metadata, "rows_quarantined"):
        return "rows rejected"
    return "failed" if named.severity == "error" else "warned"


def _text(metadata: Mapping[str, object], name: str) -> str:
    value = getattr(metadata.get(name), "value", "")
    return value if isinstance(value, str) else ""
