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
from etl.pipeline.verify import Reconciliation, reconcile
from etl.resources.executors import in_process_executor
from etl.settings import load_settings

NAME = naming.RECONCILED_CHECK


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
            passed=found.agrees,
            severity=AssetCheckSeverity.ERROR,
            description=summary(found),
            metadata=reconciliation_metadata(found),
        )

    return reconciled


def summary(found: Reconciliation) -> str:
    """One line: complete to which day, or what differs first."""
    if not found.days:
        return "no settled day to compare"
    if found.agrees:
        last, counted = found.days[-1].partition, sum(not each.contents_compared for each in found.days)
        note = f" ({counted} of {len(found.days)} by counts only)" if counted else ""
        return (f"complete to {last}" if last else "complete") + note
    first = next(each for each in found.days if not each.agrees)
    complete = f"complete to {found.complete_to}; " if found.complete_to else ""
    return f"{complete}{first.partition or 'the table'}: {'; '.join(first.differences)}"


def reconciliation_metadata(found: Reconciliation) -> Metadata:
    """The days as a table, the counts as numbers."""
    rows = [
        {
            "day": each.partition or "whole",
            "source": each.source_rows,
            "published": each.published_rows,
            "quarantined": each.quarantined_rows,
            "loaded": each.loaded_rows,
            "compared": "contents" if each.contents_compared else "counts",
            "differences": "; ".join(each.differences),
        }
        for each in found.days
    ]
    metadata: Metadata = {
        "complete_to": MetadataValue.text(found.complete_to or ("whole" if found.agrees else "nothing")),
        "days_compared": MetadataValue.int(len(found.days)),
        "days_that_differ": MetadataValue.int(sum(not each.agrees for each in found.days)),
    }
    if rows:
        metadata["days"] = MetadataValue.md(markdown_table(rows))
    return metadata
