"""The asset check `reconciled`: source and warehouse agree, complete to a day. It runs when it is asked for.

Belongs here: the check and its job. Does not: the comparison (`etl.pipeline.verify`).
"""

from collections.abc import Mapping, Sequence

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    Definitions,
    JobDefinition,
    MetadataValue,
    asset_check,
    define_asset_job,
)

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.factories import naming
from etl.factories.metadata import Metadata, markdown_table
from etl.factories.subjects import last_asset
from etl.pipeline.verdict import Finding, Reconciliation, Status
from etl.pipeline.verify import reconcile
from etl.resources.executors import in_process_executor
from etl.settings import load_settings

NAME = naming.RECONCILED_CHECK
SHOWN_DAYS = 31
SUMMED_UP = 2
"""So many findings stand in the summary; the metadata have those of a month."""
SEVERITIES: dict[Status, AssetCheckSeverity] = {
    "agrees": AssetCheckSeverity.ERROR,
    "differs": AssetCheckSeverity.ERROR,
    "not_compared": AssetCheckSeverity.WARN,
}
"""What was not compared is no pass, and no error either."""


def reconcile_checks(config: TenantConfig) -> list[AssetChecksDefinition]:
    """One check per pipeline."""
    return [_check(config, pipeline) for pipeline in config.pipelines.values()]


def verify_jobs(
    config: TenantConfig,
    checks: Sequence[AssetChecksDefinition],
    assets: Sequence[AssetsDefinition | AssetSpec],
    resources: Mapping[str, object],
) -> list[JobDefinition]:
    """The job that runs these checks and nothing else, resolved against its own tenant; none without pipelines.

    `checks` are the very ones of the location: Dagster refuses two definitions of one name.
    """
    if not checks:
        return []
    job = define_asset_job(
        naming.job_name(config.id, "verify"),
        selection=AssetSelection.checks(*checks),
        description=f"Compare the source of {config.name} with its warehouse; nothing is written.",
        tags={"tenant": config.id},
        executor_def=in_process_executor,
    )
    own = Definitions(assets=assets, asset_checks=checks, resources=resources, jobs=[job])
    return [own.resolve_job_def(job.name)]


def _check(config: TenantConfig, pipeline: PipelineConfig) -> AssetChecksDefinition:
    keys = {naming.source_resource(config.id), naming.warehouse_resource(config.id)}

    @asset_check(
        asset=last_asset(config, pipeline),
        name=NAME,
        description="The warehouse holds what the source holds, day by day. Run it with `etl verify` or its job.",
        required_resource_keys=keys,
    )
    def reconciled(context: AssetCheckExecutionContext) -> AssetCheckResult:
        source = getattr(context.resources, naming.source_resource(config.id))
        warehouse = getattr(context.resources, naming.warehouse_resource(config.id))
        found = reconcile(config, pipeline, source.url(config), warehouse.open(config), load_settings())
        return AssetCheckResult(
            passed=found.status == "agrees",
            severity=SEVERITIES[found.status],
            description=summary(found),
            metadata=reconciliation_metadata(found),
        )

    return reconciled


def summary(found: Reconciliation) -> str:
    """One line: complete to which day, what differs first, or what was not compared, and what to do about that."""
    parts = []
    if found.status == "agrees":
        parts.append(f"complete to {found.complete_to}" if found.complete_to else "complete")
    elif found.complete_to:
        parts.append(f"complete to {found.complete_to}")
    told = [_told(*each) for each in found.differing]
    told = told or [f"not compared: {_told(*each)}" for each in found.unknown]
    parts += told[:SUMMED_UP]
    if len(told) > SUMMED_UP:
        parts.append(f"and {len(told) - SUMMED_UP} more")
    if found.undated:
        parts.append(f"{found.undated} rows of the source belong to no partition")
    if not found.has_table:
        parts.append("not loaded: source and lake were compared")
    return "; ".join(parts)


def _told(place: str, finding: Finding) -> str:
    return f"{place}: {finding}" if place else str(finding)


def reconciliation_metadata(found: Reconciliation) -> Metadata:
    """The days as a table, the counts as numbers."""
    agreeing = [each for each in found.days if each.status == "agrees"]
    shown = [each for each in found.days if each.status != "agrees"][:SHOWN_DAYS] or agreeing[-SHOWN_DAYS:]
    rows = [
        {
            "day": each.partition or "whole",
            "source": each.source_rows,
            "published": each.published_rows,
            "quarantined": each.quarantined_rows,
            "loaded": each.loaded_rows,
            "status": each.status.replace("_", " "),
            "differences": "; ".join(finding.problem for finding in each.differences),
            "not compared": "; ".join(finding.problem for finding in each.not_compared),
            "what to do": "; ".join({finding.remedy: "" for finding in (*each.differences, *each.not_compared)}),
        }
        for each in shown
    ]
    whole = "whole" if found.status == "agrees" else "nothing"
    metadata: Metadata = {
        "status": MetadataValue.text(found.status),
        "complete_to": MetadataValue.text(found.complete_to or whole),
        "days_compared": MetadataValue.int(len(found.days)),
        "days_that_differ": MetadataValue.int(sum(bool(each.differences) for each in found.days)),
    }
    if found.differences:
        metadata["differences"] = MetadataValue.text("\n".join(map(str, found.differences)))
    if found.not_compared:
        metadata["not_compared"] = MetadataValue.text("\n".join(map(str, found.not_compared)))
    if found.undated is not None:
        metadata["rows_without_a_partition"] = MetadataValue.int(found.undated)
    if found.notes:
        metadata["notes"] = MetadataValue.text("\n".join(map(str, found.notes)))
    if rows:
        metadata["days"] = MetadataValue.md(markdown_table(rows))
    return metadata
