"""Makes assets from a tenant's pipelines: extract, transfer, load, and rejected rows.

Belongs here: the specs of assets. Not here: materializing an asset (`etl.running.step`), checks (`check_factory`),
names (`etl.running.naming`).
"""

import hashlib
from collections.abc import Iterator

from dagster import (
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    CodeReferencesMetadataValue,
    LocalFileCodeReference,
    MetadataValue,
    PartitionsDefinition,
    multi_asset,
)

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import TenantConfig, fingerprint
from etl.config.tenant_loader import transform_path
from etl.factories.check_factory import check_specs
from etl.factories.freshness_policy import freshness_policy
from etl.pipeline.publish import rejecting_stages
from etl.running import naming
from etl.running.metadata import Metadata
from etl.running.partition_definitions import definition_of, dependency
from etl.running.step import Step, StepEvent, resource_keys


class AssetFactory:
    """All ETL assets of one tenant."""

    def __init__(self, config: TenantConfig) -> None:
        """Only `config` is needed: building opens no connection."""
        self._config = config

    def create_all_etl_assets(self) -> list[AssetsDefinition]:
        """The stages of every enabled pipeline, in the order of the YAML."""
        return [
            _stage_asset(naming.PipelineStage(self._config, pipeline, stage), version)
            for pipeline in self._config.pipelines.values()
            for version in [fingerprint(pipeline)]
            for stage in pipeline.stages
        ]


def _stage_asset(of: naming.PipelineStage, version: str) -> AssetsDefinition:
    tenant, stage = of.config.id, of.stage
    partitions = definition_of(of.pipeline.scheme)
    pool = naming.warehouse_pool(tenant) if stage == "load" else naming.source_pool(tenant)

    def stage_asset(context: AssetExecutionContext) -> Iterator[StepEvent]:
        yield from Step(of).run(context)

    stage_asset.__annotations__.clear()  # Dagster evaluates them eight times for each asset, and needs none of them
    return multi_asset(
        name=f"{tenant}__{stage}__{of.pipeline.name}",
        specs=_specs(of, partitions, version),
        check_specs=check_specs(of, partitions),
        partitions_def=partitions,
        backfill_policy=BackfillPolicy.single_run() if partitions else None,
        pool=None if stage == "transfer" else pool,
        required_resource_keys=resource_keys(tenant, stage),
    )(stage_asset)


def _specs(of: naming.PipelineStage, partitions: PartitionsDefinition[str] | None, version: str) -> list[AssetSpec]:
    spec = _spec(of, partitions, version)
    return [spec, _quarantine_spec(of, spec)] if of.stage in rejecting_stages(of.pipeline) else [spec]


def _spec(of: naming.PipelineStage, partitions: PartitionsDefinition[str] | None, version: str) -> AssetSpec:
    config, pipeline, stage = of.config, of.pipeline, of.stage
    metadata: Metadata = {"dagster/code_references": _code_references(of)}
    if stage == "load" and pipeline.trino_output is not None:
        output = pipeline.trino_output
        metadata["dagster/table_name"] = MetadataValue.text(f"{output.target_schema}.{output.target_table}")
    return AssetSpec(
        key=of.asset,
        deps=[_dependency(of, upstream) for upstream in _upstream(of)],
        description=pipeline.description or _DESCRIPTIONS[stage].format(pipeline=pipeline.name),
        group_name=config.group,
        owners=[*dict.fromkeys([*pipeline.owners, *config.owners])],
        tags=naming.asset_tags(config, stage, pipeline.name),
        kinds=naming.kinds(config, stage),
        code_version=_code_version(of, version),
        metadata=metadata,
        partitions_def=partitions,
        freshness_policy=freshness_policy(config, pipeline) if stage == pipeline.stages[-1] else None,
    )


def _quarantine_spec(of: naming.PipelineStage, published: AssetSpec) -> AssetSpec:
    name, stage = of.pipeline.name, of.stage
    return published.replace_attributes(
        key=of.quarantine,
        freshness_policy=None,  # there are no promises about rejected rows
        description=f"The rows of {name} that broke a rule of its {stage}, with the reasons.",
        tags=naming.asset_tags(of.config, "quarantine", name, tier=naming.TIERS[stage]),
    )


def _upstream(of: naming.PipelineStage) -> list[AssetKey]:
    tenant, pipeline = of.config.id, of.pipeline
    match of.stage:
        case "extract":
            before: list[AssetKey] = []
        case "transfer":
            before = [naming.asset_key(tenant, "extract", name) for name in pipeline.transfer_inputs]
        case "load":
            before = [naming.asset_key(tenant, pipeline.published_stage, pipeline.name)]
    referenced = [
        naming.asset_key(tenant, of.config.pipelines[rule.to].published_stage, rule.to)
        for rule in of.rules
        if rule.type == "foreign_key" and rule.to in of.config.pipelines
    ]
    return [key for key in dict.fromkeys([*before, *referenced]) if key != of.asset]


def _dependency(of: naming.PipelineStage, upstream: AssetKey) -> AssetDep:
    other = of.config.pipelines[naming.AssetAddress.of(upstream).name]
    return dependency(upstream, of.pipeline.scheme, other.scheme)


def _code_references(of: naming.PipelineStage) -> CodeReferencesMetadataValue:
    config, name = of.config, of.pipeline.name
    line = config.line_of("assets", "pipelines", name)
    places = [LocalFileCodeReference(file_path=str(config.origin.path), line_number=line, label=f"{name} (YAML)")]
    if of.stage == "transfer":
        path = transform_path(config.origin.folder, name)
        places.append(LocalFileCodeReference(file_path=str(path), line_number=1, label="transform"))
    return CodeReferencesMetadataValue(code_references=places)


def _code_version(of: naming.PipelineStage, version: str) -> str:
    if of.stage != "transfer":
        return version
    code = transform_path(of.config.origin.folder, of.pipeline.name).read_bytes()
    return hashlib.sha256(version.encode() + code).hexdigest()[:16]


_DESCRIPTIONS: dict[Stage, str] = {
    "extract": "The source rows of {pipeline}, unchanged.",
    "transfer": "{pipeline}, refined and checked.",
    "load": "{pipeline} in the warehouse.",
}
