"""Which asset, step and check of a tenant belongs to which pipeline, as the SLA sensor needs it.

Belongs here: names of definitions, read backwards. Does not: events (`run_outcomes`, `sla_history`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dagster import AssetKey

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.factories import naming
from etl.factories.asset_factory import stages_of
from etl.quality.rules import check_names
from etl.sla.freshness import DailyPartitions


@dataclass(frozen=True)
class Subjects:
    """One tenant's definitions by name."""

    config: TenantConfig

    @cached_property
    def pipeline_of_step(self) -> Mapping[str, str]:
        """The pipeline of each step."""
        tenant = self.config.id
        return {f"{tenant}__{stage}__{pipeline.name}": pipeline.name for pipeline, stage in self._stages()}

    @cached_property
    def pipeline_of_asset(self) -> Mapping[AssetKey, str]:
        """The pipeline of each stage's asset."""
        return {self._key(stage, pipeline): pipeline.name for pipeline, stage in self._stages()}

    @cached_property
    def promised_assets(self) -> Mapping[AssetKey, str]:
        """The asset of each pipeline that its promises are about: its last stage."""
        return {last_asset(self.config, pipeline): pipeline.name for pipeline in self.config.pipelines.values()}

    @cached_property
    def last_steps(self) -> Mapping[str, str]:
        """The step that ends each pipeline."""
        tenant, pipelines = self.config.id, self.config.pipelines.values()
        return {pipeline.name: f"{tenant}__{stages_of(pipeline)[-1]}__{pipeline.name}" for pipeline in pipelines}

    @cached_property
    def severities(self) -> Mapping[tuple[AssetKey, str], str]:
        """The severity of the rule behind each check."""
        found = {}
        for pipeline, stage in self._stages():
            rules = pipeline.rules_for(stage)
            for name, rule in zip(check_names(rules), rules, strict=True):
                found[self._key(stage, pipeline), name] = rule.severity
        return found

    @cached_property
    def partitions(self) -> Mapping[str, DailyPartitions | None]:
        """The days of each pipeline."""
        return {name: _days(pipeline) for name, pipeline in self.config.pipelines.items()}

    @cached_property
    def upstream(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The pipelines that each pipeline reads."""
        tenant = self.config.id
        return {
            (tenant, name): frozenset({*pipeline.transfer_inputs, *_referenced(pipeline)}) - {name}
            for name, pipeline in self.config.pipelines.items()
        }

    def owners(self, pipeline: str) -> tuple[str, ...]:
        """Who is told about a pipeline; the tenant's owners if it is none."""
        found = self.config.assets.pipelines.get(pipeline)
        return (found.owners if found else ()) or self.config.owners

    def _stages(self) -> list[tuple[PipelineConfig, Stage]]:
        return [(pipeline, stage) for pipeline in self.config.pipelines.values() for stage in stages_of(pipeline)]

    def _key(self, stage: Stage, pipeline: PipelineConfig) -> AssetKey:
        return naming.asset_key(self.config.id, stage, pipeline.name)


def last_asset(config: TenantConfig, pipeline: PipelineConfig) -> AssetKey:
    """The asset of a pipeline's last stage: what its readers read."""
    return naming.asset_key(config.id, stages_of(pipeline)[-1], pipeline.name)


def _days(pipeline: PipelineConfig) -> DailyPartitions | None:
    days = pipeline.partitions
    if pipeline.date_column is None or days is None:
        return None
    return DailyPartitions(days.start, days.end, days.timezone)


def _referenced(pipeline: PipelineConfig) -> set[str]:
    return {each.rule.to for each in pipeline.quality.rules if each.rule.type == "foreign_key"}
