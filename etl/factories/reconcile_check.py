"""The asset check `reconciled`: source and warehouse agree, complete to a day. It runs only on request.

Belongs here: the check and its job. Not here: the comparison (`etl.pipeline.verify`).
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
    asset_check,
    define_asset_job,
)

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.pipeline.verdict import Status
from etl.pipeline.verify import reconcile
from etl.running import naming
from etl.running.executors import in_process_executor
from etl.running.reconcile_result import reconciliation_metadata, summary
from etl.running.subjects import last_asset
from etl.settings import load_settings

NAME = naming.RECONCILED_CHECK
SEVERITIES: dict[Status, AssetCheckSeverity] = {
    "agrees": AssetCheckSeverity.ERROR,
    "differs": AssetCheckSeverity.ERROR,
    "not_compared": AssetCheckSeverity.WARN,
}
"""Something that was not compared is neither a pass nor an error."""


def reconcile_checks(config: TenantConfig) -> list[AssetChecksDefinition]:
    """One check per pipeline."""
    return [_check(config, pipeline) for pipeline in config.pipelines.values()]


def verify_jobs(
    config: TenantConfig,
    checks: Sequence[AssetChecksDefinition],
    assets: Sequence[AssetsDefinition | AssetSpec],
    resources: Mapping[str, object],
) -> list[JobDefinition]:
    """Return the job that runs only these checks, resolved against its own tenant; empty without pipelines.

    `checks` are the same objects as in the location, because Dagster refuses two definitions with one name.
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
