"""The asset keys of dbt nodes: models, and the sources that a tenant's pipelines make.

Belongs here: from a node of the manifest to a key. Not here: all else that Dagster shows of a node (`dbt_translator`).
"""

import re
from collections.abc import Mapping
from typing import Any

from dagster import AssetKey

from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import loaded_tables
from etl.running import naming


def node_key(config: TenantConfig, node: Mapping[str, Any], manifest: Mapping[str, Any]) -> AssetKey:
    """Return the key: of a source, the stage of the tenant's pipeline that makes it; else `<tenant>/dbt/<name>`."""
    if node["resource_type"] == "source":
        return naming.asset_key(config.id, *_stage_of(node, source_files(node, manifest), config))
    name = node["name"] if not node.get("version") else f"{node['name']}_v{node['version']}"
    return naming.asset_key(config.id, "dbt", name)


def source_files(source: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the files that dbt-duckdb reads in place of a source's table, as compiled SQL names them; usually none."""
    if manifest.get("metadata", {}).get("adapter_type") != "duckdb":  # other databases do not know them
        return ""
    meta = {**(source.get("source_meta") or {}), **(source.get("meta") or {}), **(source["config"].get("meta") or {})}
    files = str(meta.get("external_location") or source["config"].get("external_location") or "")
    table = source.get("identifier") or source["name"]
    for field, value in {"name": source["name"], "identifier": table, "schema": source["schema"]}.items():
        files = files.replace(f"{{{field}}}", value)
    return files


def _stage_of(source: Mapping[str, Any], files: str, config: TenantConfig) -> tuple[naming.Stage, str]:
    """Return the stage and the pipeline that make what a source reads: a table in the warehouse, or files of the lake.

    Models have to wait for that stage: an extract is there before its rows are refined or loaded.
    """
    table = source.get("identifier") or source["name"]
    of_lake = re.search(rf"/{config.id}/(extract|transfer)/([^/]+)/", files)
    if of_lake and of_lake[2] in config.pipelines:
        return ("transfer" if of_lake[1] == "transfer" else "extract"), of_lake[2]
    if not files and (pipeline := loaded_tables(config).get((source["schema"].casefold(), table.casefold()))):
        return "load", pipeline
    return "extract", re.sub(r"\W", "_", source["name"], flags=re.ASCII)  # of nobody, unless a pipeline has the name


def get_node(manifest: Mapping[str, Any], unique_id: str) -> Mapping[str, Any]:
    """Return a node of the manifest, of any kind."""
    for kind in ("nodes", "sources", "exposures"):
        if unique_id in manifest[kind]:
            node: Mapping[str, Any] = manifest[kind][unique_id]
            return node
    raise KeyError(unique_id)
