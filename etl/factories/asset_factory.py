"""A tenant's pipelines become assets: extract, transfer, load, and what was rejected.

Belongs here: specs and the step around each stage's function. Does not: what a stage does (`etl.pipeline`), checks
(`check_factory`), names (`naming`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dagster import (
    AssetCheckEvaluation,
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    CodeReferencesMetadataValue,
    DailyPartitionsDefinition,
    Failure,
    LocalFileCodeReference,
    MaterializeResult,
    MetadataValue,
    Output,
    multi_asset,
)

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig, fingerprint
from etl.errors import EtlError
from etl.factories import naming
from etl.factories.check_factory import check_evaluations, check_specs
from etl.factories.metadata import Metadata, stage_metadata
from etl.factories.partitions import daily_partitions, partition_keys
from etl.pipeline.audit import Blocked
from etl.pipeline.extract import extract
from etl.pipeline.load import load
from etl.pipeline.stage import StageResult, StageRun
from etl.pipeline.transfer import transfer

StepEvent = AssetCheckEvaluation | AssetMaterialization | MaterializeResult | Output  # type: ignore[type-arg]


class AssetFactory:
    """All ETL assets of one tenant."""

    def __init__(self, config: TenantConfig) -> None:
        """`config` is all that is needed: building opens no connection."""
        self._config = config

    def create_all_etl_assets(self) -> list[AssetsDefinition]:
        """The stages of every enabled pipeline, in the order of the YAML."""
        return [
            self._stage_asset(pipeline, stage)
            for pipeline in self._config.pipelines.values()
            for stage in stages_of(pipeline)
        ]

    def _stage_asset(self, pipeline: PipelineConfig, stage: Stage) -> AssetsDefinition:
        config = self._config
        partitions = daily_partitions(pipeline)
        key = naming.asset_key(config.id, stage, pipeline.name)
        pool = naming.warehouse_pool(config.id) if stage == "load" else naming.source_pool(config.id)

        @multi_asset(
            name=f"{config.id}__{stage}__{pipeline.name}",
            specs=self._specs(pipeline, stage, partitions),
            check_specs=check_specs(config, pipeline, stage, key, partitions),
            partitions_def=partitions,
            backfill_policy=BackfillPolicy.single_run() if partitions else None,
            pool=None if stage == "transfer" else pool,
            required_resource_keys=_resource_keys(config.id, stage),
        )
        def step(context: AssetExecutionContext) -> Iterator[StepEvent]:
            yield from run_stage(context, config, pipeline, stage, partitions)

        return step

    def _specs(
        self, pipeline: PipelineConfig, stage: Stage, partitions: DailyPartitionsDefinition | None
    ) -> list[AssetSpec]:
        config = self._config
        specs = [self._spec(pipeline, stage, self._dependencies(pipeline, stage), partitions)]
        if pipeline.quality.on_failure == "quarantine" and stage == pipeline.published_stage:
            specs.append(self._quarantine_spec(pipeline, stage, partitions))
        return [spec.merge_attributes(tags=dict(config.tags)) for spec in specs]

    def _spec(
        self,
        pipeline: PipelineConfig,
        stage: Stage,
        deps: Sequence[AssetKey],
        partitions: DailyPartitionsDefinition | None,
    ) -> AssetSpec:
        config = self._config
        metadata: Metadata = {"dagster/code_references": self._code_references(pipeline, stage)}
        if stage == "load" and pipeline.trino_output is not None:
            output = pipeline.trino_output
            metadata["dagster/table_name"] = MetadataValue.text(f"{output.target_schema}.{output.target_table}")
        return AssetSpec(
            key=naming.asset_key(config.id, stage, pipeline.name),
            deps=[AssetDep(dep) for dep in deps],
            description=pipeline.description or _DESCRIPTIONS[stage].format(pipeline=pipeline.name),
            group_name=config.group,
            owners=[*dict.fromkeys([*pipeline.owners, *config.owners])],
            tags=naming.asset_tags(config, stage, pipeline.name),
            kinds=naming.kinds(config, stage),
            code_version=self._code_version(pipeline, stage),
            metadata=metadata,
            partitions_def=partitions,
        )

    def _quarantine_spec(
        self, pipeline: PipelineConfig, stage: Stage, partitions: DailyPartitionsDefinition | None
    ) -> AssetSpec:
        key = naming.asset_key(self._config.id, "quarantine", pipeline.name)
        return self._spec(pipeline, stage, self._dependencies(pipeline, stage), partitions).replace_attributes(
            key=key,
            description=f"The rows of {pipeline.name} that broke a rule, with the reasons.",
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

    def _code_references(self, pipeline: PipelineConfig, stage: Stage) -> CodeReferencesMetadataValue:
        config = self._config
        line = config.line_of("assets", "pipelines", pipeline.name)
        places = [
            LocalFileCodeReference(file_path=str(config.origin.path), line_number=line, label=f"{pipeline.name} (YAML)")
        ]
        if stage == "transfer":
            path = transform_path(config, pipeline)
            places.append(LocalFileCodeReference(file_path=str(path), line_number=1, label="transform"))
        return CodeReferencesMetadataValue(code_references=places)

    def _code_version(self, pipeline: PipelineConfig, stage: Stage) -> str:
        version = fingerprint(pipeline)
        if stage != "transfer":
            return version
        code = transform_path(self._config, pipeline).read_bytes()
        return hashlib.sha256(version.encode() + code).hexdigest()[:16]


_DESCRIPTIONS: dict[Stage, str] = {
    "extract": "The source rows of {pipeline}, unchanged.",
    "transfer": "{pipeline}, refined and checked.",
    "load": "{pipeline} in the warehouse.",
}


def stages_of(pipeline: PipelineConfig) -> list[Stage]:
    """Which stages a pipeline has."""
    stages: list[Stage] = ["extract"]
    if pipeline.has_transfer:
        stages.append("transfer")
    if pipeline.save_to_trino:
        stages.append("load")
    return stages


def transform_path(config: TenantConfig, pipeline: PipelineConfig) -> Path:
    """The file of the pipeline's transform."""
    return config.origin.folder / "transforms" / f"{pipeline.name}.py"


def run_stage(
    context: AssetExecutionContext,
    config: TenantConfig,
    pipeline: PipelineConfig,
    stage: Stage,
    partitions: DailyPartitionsDefinition | None,
) -> Iterator[StepEvent]:
    """Do the stage for each partition of the step, and tell Dagster what happened to each."""
    keys = partition_keys(context, partitions)
    asset = naming.asset_key(config.id, stage, pipeline.name)
    done: list[StageResult] = []
    blocked: list[Blocked] = []
    started = datetime.now(UTC)
    for position, partition in enumerate(keys, start=1):
        run = StageRun(
            config=config,
            pipeline=pipeline,
            partition=partition,
            run_id=context.run.run_id,
            settings=getattr(context.resources, naming.lake_resource(config.id)).settings(),
        )
        try:
            result = _do(context, run, stage)
        except Blocked as error:  # every other partition of the range is still judged by itself
            blocked.append(error)
            yield from check_evaluations(config, pipeline, stage, asset, error.audit, partition, published=False)
            continue
        except EtlError:
            yield from _materializations(asset, done)
            raise
        done.append(result)
        if result.audit is not None:
            yield from check_evaluations(config, pipeline, stage, asset, result.audit, partition, published=True)
        _log_progress(context, run.label, result, position, len(keys), started)
    if blocked:
        yield from _materializations(asset, done)
        raise Failure("\n".join(str(each) for each in blocked), allow_retries=False)
    yield from _results(context, config, pipeline, asset, done)
    # Each partition's evaluations are events of their own; the step still owes Dagster one output per check.
    for check in check_specs(config, pipeline, stage, asset, partitions):
        yield Output(None, output_name=check.get_python_identifier())


def _do(context: AssetExecutionContext, run: StageRun, stage: Stage) -> StageResult:
    tenant = run.config.id
    match stage:
        case "extract":
            source = getattr(context.resources, naming.source_resource(tenant))
            return extract(run, source.url(run.config))
        case "transfer":
            return transfer(run)
        case "load":
            warehouse = getattr(context.resources, naming.warehouse_resource(tenant))
            return load(run, warehouse.open(run.config))


def _results(
    context: AssetExecutionContext,
    config: TenantConfig,
    pipeline: PipelineConfig,
    asset: AssetKey,
    done: list[StageResult],
) -> Iterator[StepEvent]:
    """One materialization per partition, each with metadata of its own, also when a range was one step."""
    named = context.has_partition_key or context.has_partition_key_range
    if not named and done[0].partition is not None:
        # Dagster would record a materialization of no partition; the newest day is what was made.
        yield from _materializations(asset, done)
    quarantine = naming.asset_key(config.id, "quarantine", pipeline.name)
    has_quarantine = quarantine in context.selected_asset_keys
    if len(done) > 1:
        for result in done:
            context.add_asset_metadata(stage_metadata(result), asset_key=asset, partition_key=result.partition)
            if has_quarantine:
                context.add_asset_metadata(
                    _quarantine_metadata(result), asset_key=quarantine, partition_key=result.partition
                )
        yield MaterializeResult(asset_key=asset)
        if has_quarantine:
            yield MaterializeResult(asset_key=quarantine)
        return
    yield MaterializeResult(asset_key=asset, metadata=stage_metadata(done[0]))
    if has_quarantine:
        yield MaterializeResult(asset_key=quarantine, metadata=_quarantine_metadata(done[0]))


def _materializations(asset: AssetKey, done: list[StageResult]) -> Iterator[AssetMaterialization]:
    """What was published stays published although the step fails: say so for each partition."""
    for result in done:
        yield AssetMaterialization(asset_key=asset, partition=result.partition, metadata=stage_metadata(result))


def _quarantine_metadata(result: StageResult) -> Metadata:
    count = "dagster/partition_row_count" if result.partition else "dagster/row_count"
    metadata: Metadata = {count: MetadataValue.int(result.rows_quarantined)}
    if result.quarantine is not None:
        metadata["dagster/uri"] = MetadataValue.text(result.quarantine.uri)
    return metadata


def _log_progress(
    context: AssetExecutionContext, label: str, result: StageResult, position: int, total: int, started: datetime
) -> None:
    elapsed = (datetime.now(UTC) - started).total_seconds()
    left = elapsed / position * (total - position)
    context.log.info(
        "%s %s: %d rows in %.2f s (%.0f rows/s), %d of %d%s",
        label,
        result.stage,
        result.rows,
        result.seconds,
        result.rows_per_second,
        position,
        total,
        f", about {left:.0f} s left" if position < total else "",
    )


def _resource_keys(tenant: str, stage: Stage) -> set[str]:
    keys = {naming.lake_resource(tenant)}
    if stage == "extract":
        keys.add(naming.source_resource(tenant))
    if stage == "load":
        keys.add(naming.warehouse_resource(tenant))
    return keys
