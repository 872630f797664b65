"""From where to where a tenant's data flows, as nodes and edges, each node with its state.

Belongs here: from the configuration and the prepared dbt index to nodes. Not here: the picture (`lineage_picture`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dagster import AssetKey, DagsterInstance

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.dbt.index import DbtAsset
from etl.partitions.zones import moment
from etl.portal.page import Level, Lineage, LineageNode
from etl.portal.words import short_moment

SOURCE, EXTRACT, TRANSFER, LOAD, DBT = range(5)
_DBT_KINDS = {"model": "dbt model", "seed": "dbt seed", "snapshot": "dbt snapshot", "exposure": "exposure"}


def lineage_of(
    config: TenantConfig,
    models: Sequence[DbtAsset],
    levels: Mapping[str, Level],
    built: Mapping[AssetKey, datetime],
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
        at = built.get(AssetKey(list(model.key)))
        is_made = model.resource != "exposure"
        note = f"built {short_moment(at, zone)}" if at else "not built as far as is known" if is_made else ""
        level: Level = "good" if at else "unknown" if is_made else "none"
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


def last_built(instance: DagsterInstance, models: Sequence[DbtAsset]) -> dict[AssetKey, datetime]:
    """Return when each model was made last, in one question."""
    keys = [AssetKey(list(each.key)) for each in models if each.resource != "exposure"]
    found = instance.get_asset_records(keys) if keys else ()
    made = {each.asset_entry.asset_key: each.asset_entry.last_materialization_record for each in found}
    return {key: moment(record.timestamp) for key, record in made.items() if record is not None}


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
