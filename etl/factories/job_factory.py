"""Makes a tenant's jobs: one for all assets, and the jobs of its YAML.

Belongs here: which assets or checks a job runs. Not here: when it runs (`schedule_factory`), building one
(`etl.running.asset_jobs`, `etl.running.care_step`).

There is no job for each pipeline or tier: Dagster's cost of a location grows with its jobs. A run of some assets is a
run of the job of all assets with a selection (`etl run --pipeline`, or the assets that are selected in Dagster's UI).
"""

from collections.abc import Mapping, Sequence
from functools import cache

from dagster import (
    AssetChecksDefinition,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    DagsterError,
    JobDefinition,
)

from etl.config.tenant_config import JobConfig, TenantConfig
from etl.errors import ConfigError
from etl.running import naming
from etl.running.asset_jobs import job_of_assets, job_of_checks
from etl.running.care_step import care_job
from etl.running.compat import AssetGraph


class JobFactory:
    """All jobs of one tenant, resolved against its own assets: a selection never reaches beyond its tenant."""

    def __init__(
        self,
        config: TenantConfig,
        assets: Sequence[AssetsDefinition | AssetSpec],
        resources: Mapping[str, object],
        reconciled: Sequence[AssetChecksDefinition] = (),
    ) -> None:
        """All arguments are those of this tenant only; `reconciled` are the checks that a job with `verify` runs."""
        self._config = config
        self._resources = resources
        self._reconciled = reconciled
        self._definitions = [AssetsDefinition(specs=[each]) if isinstance(each, AssetSpec) else each for each in assets]
        self._graph = AssetGraph.from_assets(self._definitions)

    def create_all_jobs(self) -> list[JobDefinition]:
        """Return all jobs; each runs something. A tenant that is switched off has no jobs."""
        everything = sorted(self._graph.executable_asset_keys)
        if not everything:
            return []
        name = naming.job_name(self._config.id, naming.JOB_OF_ALL)
        return [
            self._job(name, everything, JobConfig(description=f"Everything of {self._config.name}.")),
            *(self._of_yaml(name, job) for name, job in self._config.jobs.items()),
        ]

    def _job(self, name: str, keys: Sequence[AssetKey], job: JobConfig) -> JobDefinition:
        description = job.description or f"The assets `{job.selection}` of {self._config.name}."
        return job_of_assets(name, self._graph, keys, self._resources, description, self._tags(job))

    def _tags(self, job: JobConfig) -> dict[str, str]:
        marked = {name: value for name, value in self._config.tags.items() if name == naming.LAST_GOOD_TAG}
        return {**job.tags, **marked, "tenant": self._config.id}

    def _of_yaml(self, name: str, job: JobConfig) -> JobDefinition:
        full_name = naming.job_name(self._config.id, name)
        if job.maintain:
            description = job.description or f"Care for the tables that {self._config.name} has loaded."
            return care_job(full_name, self._config, self._resources, description, self._tags(job))
        keys = self._selected(name, job)
        if not job.verify:
            return self._job(full_name, sorted(keys), job)
        checks = [key for each in self._reconciled for key in each.check_keys if key.asset_key in keys]
        if not checks:
            raise ConfigError(
                f"job `{name}` at {self._place(name)} verifies no pipeline: the selection `{job.selection}` has no"
                " asset of a last stage, where source and warehouse are compared",
                "select the assets of last stages as well, such as `*` or `tag:pipeline=orders`",
            )
        description = job.description or f"Compare the source of {self._config.name} with its warehouse, read-only."
        graph = AssetGraph.from_assets([*self._definitions, *self._reconciled])
        return job_of_checks(full_name, graph, checks, self._resources, description, self._tags(job))

    def _selected(self, name: str, job: JobConfig) -> set[AssetKey]:
        where = self._place(name)
        shape = 'a selection looks like `*`, `tag:data_tier=gold` or `key:"project_01/load/*"`'
        try:
            keys = _parsed(job.selection).resolve(self._graph)
        except DagsterError as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(
                f"job `{name}` at {where}: the selection `{job.selection}` cannot be read: {reason}", shape
            ) from error
        # A step makes all its assets together: rejected rows come with the published rows.
        found = {each for key in keys for each in self._graph.get(key).execution_set_asset_keys}
        found &= self._graph.executable_asset_keys
        if not found:
            raise ConfigError(
                f"job `{name}` at {where}: the selection `{job.selection}` selects nothing of tenant {self._config.id}",
                shape,
            )
        return found

    def _place(self, name: str) -> str:
        return self._config.place_of("jobs", name, "selection")


@cache
def _parsed(selection: str) -> AssetSelection:
    return AssetSelection.from_string(selection)
