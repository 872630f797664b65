"""From where to where a tenant's data flows, as nodes and edges, each node with its state.

Belongs here: from the configuration and the prepared dbt index to nodes. Not here: the picture (`lineage_picture`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetKey, DagsterInstance, DagsterRunStatus, RunsFilter

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset
from etl.partitions.zones import moment
from etl.portal.page import Level, Lineage, LineageNode
from etl.portal.words import short_moment

SOURCE, EXTRACT, TRANSFER, LOAD, DBT = range(5)
_DBT_KINDS = {"model": "dbt model", "seed": "dbt seed", "snapshot": "dbt snapshot", "exposure": "exposure"}


@dataclass(frozen=True)
class ModelRuns:
    """What is known of the runs of one dbt model."""

    at: datetime | None = None
    """When it was made last; None if it never was, as far as is known."""
    has_failed: bool = False
    """Whether the newest run that was to make it failed, and did not make it."""


def lineage_of(
    config: TenantConfig,
    models: Sequence[DbtAsset],
    levels: Mapping[str, Level],
    built: Mapping[AssetKey, ModelRuns],
    zone: str,
) -> Lineage:
    """Return the lineage. `levels` are the states of the pipelines' data; `built` says when a dbt model was made."""
    nodes: dict[str, LineageNode] = {}
    edges: dict[tuple[str, str], None] = {}
    for pipeline in config.pipelines.values():
        for node in _pipeline_nodes(pipeline, levels.get(pipeline.name, "unknown")):
            nodes[node.id] = node
        for edge in _pipeline_edges(config, pipeline):
            edges[edge] = None
    own = [each for each in models if each.key[:1] == (config.id,)]
    depths = _depths(own)
    for model in own:
        level, note = _state(built.get(AssetKey(list(model.key)), ModelRuns()), zone)
        if model.resource == "exposure":
            level, note = "none", ""
        name = "/".join(model.key[1:])
        kind = _DBT_KINDS.get(model.resource, model.resource)
        nodes[name] = LineageNode(
            id=name, label=model.key[-1], kind=kind, column=DBT + depths[model.key], level=level, note=note
        )
        for dep in model.deps:
            source = "/".join(dep[1:])
            if dep[:1] == (config.id,):
                edges[_last_of(config, source), name] = None
    return Lineage(
        nodes=tuple(nodes.values()), edges=tuple(each for each in edges if each[0] in nodes and each[1] in nodes)
    )


def last_built(instance: DagsterInstance, models: Sequence[DbtAsset]) -> dict[AssetKey, ModelRuns]:
    """Return when each model was made last, and whether its newest run failed, in two questions."""
    keys = [AssetKey(list(each.key)) for each in models if each.resource != "exposure"]
    entries = [each.asset_entry for each in instance.get_asset_records(keys)] if keys else []
    made = {each.asset_key: each.last_materialization_record for each in entries}
    newer = {each.asset_key: each.last_run_id for each in entries if each.last_run_id}
    newer = {key: run for key, run in newer.items() if (last := made[key]) is None or last.run_id != run}
    runs = instance.get_runs(RunsFilter(run_ids=sorted({*newer.values()}))) if newer else ()
    bad = {each.run_id for each in runs if each.status is DagsterRunStatus.FAILURE}
    return {
        key: ModelRuns(moment(last.timestamp) if last is not None else None, has_failed=newer.get(key) in bad)
        for key, last in made.items()
    }


def _state(built: ModelRuns, zone: str) -> tuple[Level, str]:
    at = f"built {short_moment(built.at, zone)}" if built.at else "not built as far as is known"
    if built.has_failed:
        return "bad", f"its newest run failed; {at}"
    return ("good" if built.at else "unknown"), at


def _pipeline_nodes(pipeline: PipelineConfig, level: Level) -> list[LineageNode]:
    name = pipeline.name
    label = ".".join(filter(None, (pipeline.source_schema, pipeline.source_table))) or "a query"
    found = [
        LineageNode(
            id=f"source/{label if label != 'a query' else name}",
            label=label,
            kind="source",
            column=SOURCE,
            level="none",
        )
    ]
    found.append(LineageNode(id=f"extract/{name}", label=name, kind="as extracted", column=EXTRACT, level=level))
    if pipeline.has_transfer:
        found.append(LineageNode(id=f"transfer/{name}", label=name, kind="refined", column=TRANSFER, level=level))
    output = pipeline.trino_output if pipeline.save_to_trino else None
    if output is not None:
        table = f"{output.target_schema}.{output.target_table}"
        found.append(LineageNode(id=f"load/{name}", label=table, kind="table", column=LOAD, level=level))
    return found


def _pipeline_edges(config: TenantConfig, pipeline: PipelineConfig) -> list[tuple[str, str]]:
    name = pipeline.name
    source = next(each.id for each in _pipeline_nodes(pipeline, "none") if each.column == SOURCE)
    found = [(source, f"extract/{name}")]
    if pipeline.has_transfer:
        found += [
            (f"extract/{each}", f"transfer/{name}") for each in pipeline.transfer_inputs if each in config.pipelines
        ]
    if pipeline.save_to_trino:
        found.append((f"{pipeline.published_stage}/{name}", f"load/{name}"))
    return found


def _last_of(config: TenantConfig, source: str) -> str:
    """Return the node from which dbt reads: the table of a pipeline, though Dagster's graph begins at its extract."""
    stage, _, name = source.partition("/")
    pipeline = config.pipelines.get(name) if stage == "extract" else None
    return f"load/{name}" if pipeline is not None and pipeline.save_to_trino else source


def _depths(models: Sequence[DbtAsset]) -> dict[tuple[str, ...], int]:
    """Return how many models stand before each model on the longest way."""
    reads = {each.key: [dep for dep in each.deps if dep != each.key] for each in models}
    depths = dict.fromkeys(reads, 0)
    for _ in range(len(reads)):
        deeper = {
            key: max((depths[dep] + 1 for dep in deps if dep in depths), default=0) for key, deps in reads.items()
        }
        if deeper == depths:
            break
        depths = deeper
    return depths
