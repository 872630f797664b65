"""A tenant's jobs: those of its YAML, one per tier, one per pipeline, and one for everything.

Belongs here: which assets a job runs. Does not: when it runs (`schedule_factory`).
"""

from collections.abc import Iterable, Mapping, Sequence

from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    Definitions,
    JobDefinition,
    PartitionsDefinition,
    define_asset_job,
)
from dagster._core.errors import DagsterInvalidDefinitionError

from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.factories import naming
from etl.resources.executors import in_process_executor

Assets = Sequence[AssetsDefinition | AssetSpec]


class JobFactory:
    """All jobs of one tenant, resolved against its own assets: a selection never reaches beyond its tenant."""

    def __init__(
        self,
        config: TenantConfig,
        assets: Assets,
        resources: Mapping[str, object],
        models: Mapping[str, Sequence[AssetKey]],
    ) -> None:
        """`assets` and `resources` are this tenant's and nobody else's; `models` are the dbt models of a pipeline."""
        self._models = models
        self._config = config
        self._assets = assets
        self._resources = resources
        self._definitions = Definitions(assets=assets, resources=resources)
        self._graph = self._definitions.resolve_asset_graph()

    def create_all_jobs(self) -> list[JobDefinition]:
        """Every job, each selecting at least one asset; none for a tenant that is switched off."""
        if not self._graph.executable_asset_keys:
            return []
        wanted = {
            **self._automatic(),
            **{naming.job_name(self._config.id, name): self._of_yaml(name) for name in self._config.jobs},
        }
        jobs = [
            define_asset_job(
                name,
                selection=AssetSelection.assets(*keys),
                description=description,
                tags={"tenant": self._config.id, **tags},
                executor_def=in_process_executor,
            )
            for name, (keys, description, tags) in wanted.items()
        ]
        resolved = Definitions(assets=self._assets, resources=self._resources, jobs=jobs)
        return [resolved.resolve_job_def(job.name) for job in jobs]

    def _automatic(self) -> dict[str, tuple[list[AssetKey], str, dict[str, str]]]:
        tenant = self._config.id
        everything = sorted(self._graph.executable_asset_keys)
        found: dict[str, tuple[list[AssetKey], str, dict[str, str]]] = {}
        self._add(found, "all", everything, f"Everything of {self._config.name}.")
        for tier in ("bronze", "silver", "gold"):
            keys = [key for key in everything if self._graph.get(key).tags.get("data_tier") == tier]
            self._add(found, tier, keys, f"The {tier} assets of {self._config.name}.")
        for pipeline in self._config.pipelines:
            keys = [key for key in everything if self._graph.get(key).tags.get("pipeline") == pipeline]
            keys += self._models.get(pipeline, ())
            self._add(found, pipeline, keys, f"{pipeline} of {tenant}, all its stages.")
        return found

    def _add(
        self,
        found: dict[str, tuple[list[AssetKey], str, dict[str, str]]],
        name: str,
        keys: Iterable[AssetKey],
        description: str,
    ) -> None:
        """A job can hold only one set of daily partitions: assets with another one make a job of their own."""
        groups = self._by_partitions(keys)
        for partitions, group in groups.items():
            suffix = "" if len(groups) == 1 or partitions is None else f"_from_{_start(partitions)}"
            found[naming.job_name(self._config.id, f"{name}{suffix}")] = (group, description, {})

    def _by_partitions(self, keys: Iterable[AssetKey]) -> dict[PartitionsDefinition | None, list[AssetKey]]:
        groups: dict[PartitionsDefinition | None, list[AssetKey]] = {}
        for key in keys:
            groups.setdefault(self._graph.get(key).partitions_def, []).append(key)
        if None in groups and len(groups) == 2:  # noqa: PLR2004  one partitioned group takes the whole tables along
            whole = groups.pop(None)
            groups = {partitions: [*group, *whole] for partitions, group in groups.items()}
        return groups

    def _of_yaml(self, name: str) -> tuple[list[AssetKey], str, dict[str, str]]:
        config = self._config
        job = config.jobs[name]
        where = f"{config.origin.path}:{config.line_of('jobs', name)}"
        selection = AssetSelection.from_string(job.selection)
        try:
            keys = selection.resolve(self._graph)
        except DagsterInvalidDefinitionError as error:
            raise ConfigError(f"job `{name}` at {where}: {error}", "mend its `selection`") from error
        # What a step makes it makes together: rows that are rejected come with those that are published.
        keys = {each for key in keys for each in self._graph.get(key).execution_set_asset_keys}
        keys &= self._graph.executable_asset_keys
        if not keys:
            raise ConfigError(
                f"job `{name}` at {where}: the selection `{job.selection}` selects nothing of tenant {config.id}",
                'a selection looks like `*`, `tag:data_tier=gold` or `key:"project_01/load/*"`',
            )
        groups = self._by_partitions(keys)
        if len(groups) > 1:
            starts = ", ".join(_start(each) if each else "none" for each in groups)
            raise ConfigError(
                f"job `{name}` at {where} selects assets with different partitions (starts: {starts})",
                "give the pipelines the same `partitions`, or write one job for each",
            )
        return sorted(keys), job.description or f"The assets `{job.selection}` of {config.name}.", dict(job.tags)


def _start(partitions: PartitionsDefinition) -> str:
    first = partitions.get_first_partition_key()
    return (first or "empty").replace("-", "_")
