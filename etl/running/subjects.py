"""Maps a tenant's assets, steps and checks to their pipelines, so that the SLA sensor can read events.

Belongs here: from the names of definitions to pipelines. Not here: events (`run_outcomes`, `sla_history`).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from dagster import AssetKey, DagsterRun, RepositoryDefinition

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.quality.rules import check_names
from etl.running import naming


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
        """For each pipeline, the asset to which its promises belong: the asset of its last stage."""
        return {last_asset(self.config, pipeline): pipeline.name for pipeline in self.config.pipelines.values()}

    @cached_property
    def last_steps(self) -> Mapping[str, str]:
        """The step that ends each pipeline."""
        tenant, pipelines = self.config.id, self.config.pipelines.values()
        return {pipeline.name: f"{tenant}__{pipeline.stages[-1]}__{pipeline.name}" for pipeline in pipelines}

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
    def partitions(self) -> Mapping[str, TimeScheme | StaticKeys | None]:
        """The partitions of each pipeline; None for a whole table."""
        schemes = {name: pipeline.scheme for name, pipeline in self.config.pipelines.items()}
        return {name: None if isinstance(each, WholeTable) else each for name, each in schemes.items()}

    @cached_property
    def upstream(self) -> Mapping[tuple[str, str], frozenset[str]]:
        """The pipelines that each pipeline reads."""
        tenant = self.config.id
        return {
            (tenant, name): frozenset({*pipeline.transfer_inputs, *_referenced(pipeline)}) - {name}
            for name, pipeline in self.config.pipelines.items()
        }

    def models(self, assets: Iterable[DbtAsset]) -> Mapping[tuple[str, str], frozenset[str]]:
        """What each dbt model and exposure reads. A model is called `dbt orders`, unlike a pipeline `orders`."""
        return {
            (self.config.id, _model(each.key)): frozenset(
                self.pipeline_of_asset.get(AssetKey(list(dep)), _model(dep)) for dep in each.deps
            )
            for each in assets
        }

    def owners(self, pipeline: str) -> tuple[str, ...]:
        """The owners of a pipeline; the tenant's owners if there is no such pipeline."""
        found = self.config.assets.pipelines.get(pipeline)
        return (found.owners if found else ()) or self.config.owners

    def _stages(self) -> list[tuple[PipelineConfig, Stage]]:
        return [(pipeline, stage) for pipeline in self.config.pipelines.values() for stage in pipeline.stages]

    def _key(self, stage: Stage, pipeline: PipelineConfig) -> AssetKey:
        return naming.asset_key(self.config.id, stage, pipeline.name)


@dataclass(frozen=True)
class Location:
    """The code location of a tenant's sensor, with all its definitions, also hand-written ones."""

    repository: RepositoryDefinition
    name: str | None

    def lacks(self, subjects: Iterable[str]) -> set[str]:
        """Return the steps and jobs that are not in this location, or no longer."""
        # A step inside a graph is called `graph.step`; a dynamic step is called `step[key]`.
        return {each for each in subjects if re.split(r"[.\[]", each)[0] not in self._known}

    @cached_property
    def _known(self) -> set[str]:
        jobs = self.repository.get_all_jobs()
        return {job_subject(job.name) for job in jobs} | {node for job in jobs for node in job.graph.node_dict}

    def started(self, run: DagsterRun | None) -> bool:
        """Whether a run's job belongs to this location, as far as is known."""
        origin = run.remote_job_origin if run else None
        return origin is None or self.name in (None, origin.location_name)


def job_subject(job: str) -> str:
    """The subject of runs of a job that failed as a whole."""
    return f"job {job}"


def last_asset(config: TenantConfig, pipeline: PipelineConfig) -> AssetKey:
    """The asset of a pipeline's last stage, which readers use."""
    return naming.asset_key(config.id, pipeline.stages[-1], pipeline.name)


def _model(key: tuple[str, ...]) -> str:
    return " ".join(key[1:])


def _referenced(pipeline: PipelineConfig) -> set[str]:
    return {each.rule.to for each in pipeline.quality.rules if each.rule.type == "foreign_key"}
