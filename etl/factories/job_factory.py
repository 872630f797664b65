"""Makes a tenant's jobs: the jobs of its YAML, one per tier, one per pipeline, and one for all assets.

Belongs here: which assets a job runs. Not here: when it runs (`schedule_factory`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    DagsterError,
    Definitions,
    JobDefinition,
    define_asset_job,
)

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.running import naming
from etl.running.different_partitions import job_of_different_partitions
from etl.running.executors import in_process_executor
from etl.running.run_spans import partition_sets

Assets = Sequence[AssetsDefinition | AssetSpec]


@dataclass(frozen=True)
class JobPlan:
    """A job before it is built: the assets that it runs, its description and its tags."""

    name: str
    keys: Sequence[AssetKey]
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)


class JobFactory:
    """All jobs of one tenant, resolved against its own assets: a selection never reaches beyond its tenant."""

    def __init__(
        self,
        config: TenantConfig,
        assets: Assets,
        resources: Mapping[str, object],
        models: Mapping[str, Sequence[AssetKey]],
    ) -> None:
        """`assets` and `resources` are those of this tenant only; `models` are the dbt models of each pipeline."""
        self._models = models
        self._config = config
        self._assets = assets
        self._resources = resources
        self._definitions = Definitions(assets=assets, resources=resources)
        self._graph = self._definitions.resolve_asset_graph()

    def create_all_jobs(self) -> list[JobDefinition]:
        """Return all jobs; each selects at least one asset. A tenant that is switched off has no jobs."""
        if not self._graph.executable_asset_keys:
            return []
        plans = {each.name: each for each in self._automatic()}
        plans |= {each.name: each for each in map(self._of_yaml, self._config.jobs)}
        alike = [each for each in plans.values() if len(self._partition_sets(each)) <= 1]
        defined = [
            define_asset_job(
                each.name,
                selection=AssetSelection.assets(*each.keys),
                description=each.description,
                tags={"tenant": self._config.id, **each.tags},
                executor_def=in_process_executor,
            )
            for each in alike
        ]
        resolved = Definitions(assets=self._assets, resources=self._resources, jobs=defined)
        return [
            resolved.resolve_job_def(each.name) if each in alike else self._of_different_partitions(each)
            for each in plans.values()
        ]

    def _partition_sets(self, plan: JobPlan) -> set[object]:
        return set(partition_sets({key: self._graph.get(key).partitions_def for key in plan.keys}))

    def _of_different_partitions(self, plan: JobPlan) -> JobDefinition:
        return job_of_different_partitions(
            plan.name,
            self._graph,
            AssetSelection.assets(*plan.keys),
            self._resources,
            plan.description,
            {"tenant": self._config.id, **plan.tags},
        )

    def _automatic(self) -> list[JobPlan]:
        tenant = self._config.id
        everything = sorted(self._graph.executable_asset_keys)
        plans = [self._plan("all", everything, f"Everything of {self._config.name}.")]
        for tier in ("bronze", "silver", "gold"):
            keys = [key for key in everything if self._graph.get(key).tags.get("data_tier") == tier]
            plans.append(self._plan(tier, keys, f"The {tier} assets of {self._config.name}."))
        for pipeline in self._config.pipelines:
            keys = [key for key in everything if self._graph.get(key).tags.get("pipeline") == pipeline]
            keys += self._models.get(pipeline, ())
            plans.append(self._plan(pipeline, keys, f"{pipeline} of {tenant}, all its stages."))
        return [each for each in plans if each.keys]

    def _plan(self, name: str, keys: Sequence[AssetKey], description: str) -> JobPlan:
        return JobPlan(naming.job_name(self._config.id, name), keys, description)

    def _of_yaml(self, name: str) -> JobPlan:
        config = self._config
        job = config.jobs[name]
        where = config.place_of("jobs", name, "selection")
        shape = 'a selection looks like `*`, `tag:data_tier=gold` or `key:"project_01/load/*"`'
        try:
            keys = AssetSelection.from_string(job.selection).resolve(self._graph)
        except DagsterError as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"job `{name}` at {where}: the selection `{job.selection}` cannot be read: {reason}", shape
            ) from error
        # A step makes all its assets together: rejected rows come with the published rows.
        keys = {each for key in keys for each in self._graph.get(key).execution_set_asset_keys}
        keys &= self._graph.executable_asset_keys
        if not keys:
            raise ConfigError(
                f"job `{name}` at {where}: the selection `{job.selection}` selects nothing of tenant {config.id}",
                shape,
            )
        description = job.description or f"The assets `{job.selection}` of {config.name}."
        return JobPlan(naming.job_name(config.id, name), sorted(keys), description, dict(job.tags))
