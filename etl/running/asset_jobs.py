"""Builds a job of some assets or checks of a tenant, resolved against the tenant's own asset graph only.

Belongs here: building a job. Not here: which assets a job runs (`job_factory`), cutting a range into runs
(`etl.running.run_spans`).

`define_asset_job` resolves a job against all assets of a location, once for each job, and it refuses assets whose
partitions differ: other first or last days, other zones, or another way to cut their rows. The partitions of such a job
are the days that all its assets have; none where the assets are cut in different ways. Dagster's own asset job, with
which the UI materializes any selection of assets, holds different sets of partitions in the same way, but has no
partitions at all.
"""

from collections.abc import Mapping, Sequence

from dagster import AssetCheckKey, AssetKey, AssetSelection, JobDefinition

from etl.running.compat import AssetGraph, AssetSelectionData, build_asset_job, get_asset_graph_for_job
from etl.running.executors import in_process_executor
from etl.running.run_spans import common_partitions, partition_sets


class JobOfDifferentPartitions(JobDefinition):
    """A job whose partitions are the days that all its assets have. A run of some assets may have other days."""

    def _get_job_def_for_asset_selection(self, selection_data: AssetSelectionData) -> JobDefinition:
        """Return the job of some of the assets, with the days of these assets."""
        without_days = self._copy(partitions_def=None)
        return without_days._get_job_def_for_asset_selection(selection_data)  # noqa: SLF001  the method that this is


def job_of_assets(
    name: str,
    graph: AssetGraph,
    keys: Sequence[AssetKey],
    resources: Mapping[str, object],
    description: str,
    tags: Mapping[str, str],
) -> JobDefinition:
    """Return one job of these assets, each of which has its own days."""
    selection = AssetSelection.assets(*keys)
    partitions = {key: graph.get(key).partitions_def for key in keys}
    if len(partition_sets(partitions)) <= 1:
        return _job(name, graph, selection, resources, description, tags)
    own = get_asset_graph_for_job(graph, selection, allow_different_partitions_defs=True)
    job = build_asset_job(
        name, asset_graph=own, allow_different_partitions_defs=True, resource_defs=resources, description=description
    )
    return JobOfDifferentPartitions(
        graph_def=job.graph,
        resource_defs=job.resource_defs,
        executor_def=in_process_executor,
        name=name,
        description=description,
        tags=tags,
        asset_layer=job.asset_layer,
        partitions_def=common_partitions(partitions),
    )


def job_of_checks(
    name: str,
    graph: AssetGraph,
    checks: Sequence[AssetCheckKey],
    resources: Mapping[str, object],
    description: str,
    tags: Mapping[str, str],
) -> JobDefinition:
    """Return a job that runs only these checks.

    The graph has the same definitions as the location, because Dagster refuses two definitions with one name.
    """
    return _job(name, graph, AssetSelection.checks(*checks), resources, description, tags)


def _job(
    name: str,
    graph: AssetGraph,
    selection: AssetSelection,
    resources: Mapping[str, object],
    description: str,
    tags: Mapping[str, str],
) -> JobDefinition:
    return build_asset_job(
        name,
        asset_graph=get_asset_graph_for_job(graph, selection),
        allow_different_partitions_defs=False,
        resource_defs=resources,
        description=description,
        tags=tags,
        executor_def=in_process_executor,
    )
