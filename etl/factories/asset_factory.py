"""Makes assets from a tenant's pipelines: extract, transfer, load, and rejected rows.

Belongs here: the specs of assets. Not here: materializing an asset (`etl.running.step`), checks (`check_factory`),
names (`etl.running.naming`).
"""

import hashlib
from collections.abc import Iterator, Sequence

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

from etl.config.pipeline_config import PipelineConfig, Stage
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
            self._stage_asset(pipeline, stage)
            for pipeline in self._config.pipelines.values()
            for stage in pipeline.stages
        ]

    def _stage_asset(self, pipeline: PipelineConfig, stage: Stage) -> AssetsDefinition:
        config = self._config
        partitions = definition_of(pipeline.scheme)
        key = naming.asset_key(config.id, stage, pipeline.name)
        pool = naming.warehouse_pool(config.id) if stage == "load" else naming.source_pool(config.id)

        @multi_asset(
            name=f"{config.id}__{stage}__{pipeline.name}",
            specs=self._specs(pipeline, stage, partitions),
            check_specs=check_specs(config, pipeline, stage, key, partitions),
            partitions_def=partitions,
            backfill_policy=BackfillPolicy.single_run() if partitions else None,
            pool=None if stage == "transfer" else pool,
            required_resource_keys=resource_keys(config.id, stage),
        )
        def stage_asset(context: AssetExecutionContext) -> Iterator[StepEvent]:
            yield from Step(config, pipeline, stage).run(context)

        return stage_asset

    def _specs(
        self, pipeline: PipelineConfig, stage: Stage, partitions: PartitionsDefinition[str] | None
    ) -> list[AssetSpec]:
        config = self._config
        specs = [self._spec(pipeline, stage, self._dependencies(pipeline, stage), partitions)]
        if stage in rejecting_stages(pipeline):
            specs.append(self._quarantine_spec(pipeline, stage, partitions))
        return [spec.merge_attributes(tags=dict(config.tags)) for spec in specs]

    def _spec(
        self,
        pipeline: PipelineConfig,
        stage: Stage,
        deps: Sequence[AssetKey],
        partitions: PartitionsDefinition[str] | None,
    ) -> AssetSpec:
        config = self._config
        metadata: Metadata = {"dagster/code_references": self._code_references(pipeline, stage)}
        if stage == "load" and pipeline.trino_output is not None:
            output = pipeline.trino_output
            metadata["dagster/table_name"] = MetadataValue.text(f"{output.target_schema}.{output.target_table}")
        return AssetSpec(
            key=naming.asset_key(config.id, stage, pipeline.name),
            deps=[self._dependency(dep, pipeline) for dep in deps],
            description=pipeline.description or _DESCRIPTIONS[stage].format(pipeline=pipeline.name),
            group_name=config.group,
            owners=[*dict.fromkeys([*pipeline.owners, *config.owners])],
            tags=naming.asset_tags(config, stage, pipeline.name),
            kinds=naming.kinds(config, stage),
            code_version=self._code_version(pipeline, stage),
            metadata=metadata,
            partitions_def=partitions,
            freshness_policy=freshness_policy(config, pipeline) if stage == pipeline.stages[-1] else None,
        )

    def _quarantine_spec(
        self, pipeline: PipelineConfig, stage: Stage, partitions: PartitionsDefinition[str] | None
    ) -> AssetSpec:
        key = naming.quarantine_key(self._config.id, pipeline, stage)
        return self._spec(pipeline, stage, self._dependencies(pipeline, stage), partitions).replace_attributes(
            key=key,
            freshness_policy=None,  # there are no promises about rejected rows
            description=f"The rows of {pipeline.name} that broke a rule of its {stage}, with the reasons.",
            tags=naming.asset_tags(self._config, "quarantine", pipeline.name, tier=naming.TIERS[stage]),
        )

    def _dependencies(self, pipeline: PipelineConfig, stage: Stage) -> list[AssetKey]:
        tenant = self._config.id
        match stage:
            case "extract":
                before: list[AssetKey] = []
            case "transfer":
                before = [naming.asset_key(tenant, "extract", name) for name in pipeline.transfer_inputs]
            case "load":
                before = [naming.asset_key(tenant, pipeline.published_stage, pipeline.name)]
        own = naming.asset_key(tenant, stage, pipeline.name)
        referenced = [
            naming.asset_key(tenant, self._config.pipelines[rule.to].published_stage, rule.to)
            for rule in pipeline.rules_for(stage)
            if rule.type == "foreign_key" and rule.to in self._config.pipelines
        ]
        return [key for key in dict.fromkeys([*before, *referenced]) if key != own]

    def _dependency(self, upstream: AssetKey, pipeline: PipelineConfig) -> AssetDep:
        other = self._config.pipelines[naming.AssetAddress.of(upstream).name]
        return dependency(upstream, pipeline.scheme, other.scheme)

    def _code_references(self, pipeline: PipelineConfig, stage: Stage) -> CodeReferencesMetadataValue:
        config = self._config
        line = config.line_of("assets", "pipelines", pipeline.name)
        places = [
            LocalFileCodeReference(file_path=str(config.origin.path), line_number=line, label=f"{pipeline.name} (YAML)")
        ]
        if stage == "transfer":
            path = transform_path(config.origin.folder, pipeline.name)
            places.append(LocalFileCodeReference(file_path=str(path), line_number=1, label="transform"))
        return CodeReferencesMetadataValue(code_references=places)

    def _code_version(self, pipeline: PipelineConfig, stage: Stage) -> str:
        version = fingerprint(pipeline)
        if stage != "transfer":
            return version
        code = transform_path(self._config.origin.folder, pipeline.name).read_bytes()
        return hashlib.sha256(version.encode() + code).hexdigest()[:16]


_DESCRIPTIONS: dict[Stage, str] = {
    "extract": "The source rows of {pipeline}, unchanged.",
    "transfer": "{pipeline}, refined and checked.",
    "load": "{pipeline} in the warehouse.",
}
