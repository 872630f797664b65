"""The names of dbt nodes in Dagster.

Belongs here: `TenantDbtTranslator`. The module is imported only when dbt is parsed or run, because the import of
`dagster_dbt` takes longer than all other imports together. Not here: building definitions (`dbt_factory`).
"""

import re
from collections.abc import Mapping
from typing import Any, get_args

from dagster import AssetKey, AssetSpec
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import loaded_tables
from etl.errors import DbtError
from etl.running import naming

_TIER_BY_FOLDER: dict[str, naming.Tier] = {"staging": "silver", "marts": "gold", "intermediate": "silver"}


class TenantDbtTranslator(DagsterDbtTranslator):
    """A source is the stage of the tenant's pipeline that makes it; all other nodes are `<tenant>/dbt/<name>`."""

    def __init__(self, config: TenantConfig) -> None:
        """`config` has tenant, group, owners and tags."""
        super().__init__(DagsterDbtTranslatorSettings(enable_code_references=False, enable_source_tests_as_checks=True))
        self._config = config

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> AssetSpec:
        """Return dagster-dbt's own spec with this product's names."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        config = self._config
        node = get_node(manifest, unique_id)
        tier = tier_of(node, config.id)
        return spec.replace_attributes(
            key=self._key(node, manifest),
            group_name=config.group,
            owners=list(spec.owners) or list(config.owners),
            kinds=naming.kinds(config, "dbt"),
            tags={**_plain_tags(spec.tags), **naming.asset_tags(config, "dbt", None, tier=tier)},
        )

    def _key(self, node: Mapping[str, Any], manifest: Mapping[str, Any]) -> AssetKey:
        if node["resource_type"] == "source":
            files = _files_of(node) if manifest.get("metadata", {}).get("adapter_type") == "duckdb" else ""
            return naming.asset_key(self._config.id, *_stage_of(node, files, self._config))
        name = node["name"] if not node.get("version") else f"{node['name']}_v{node['version']}"
        return naming.asset_key(self._config.id, "dbt", name)


def _files_of(source: Mapping[str, Any]) -> str:
    """Return the files that dbt-duckdb reads in place of a table; other databases do not know them."""
    meta = {**(source.get("source_meta") or {}), **(source.get("meta") or {}), **(source["config"].get("meta") or {})}
    return str(meta.get("external_location") or source["config"].get("external_location") or "")


def _stage_of(source: Mapping[str, Any], files: str, config: TenantConfig) -> tuple[naming.Stage, str]:
    """Return the stage and the pipeline that make what a source reads: a table in the warehouse, or files of the lake.

    Models have to wait for that stage: an extract is there before its rows are refined or loaded.
    """
    table = source.get("identifier") or source["name"]
    for field, value in {"name": source["name"], "identifier": table, "schema": source["schema"]}.items():
        files = files.replace(f"{{{field}}}", value)
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


def tier_of(node: Mapping[str, Any], tenant: str) -> naming.Tier:
    """Return `meta.data_tier`, or the folder's tier. By default, seeds are raw, snapshots refined, models final."""
    meta = {**(node.get("meta") or {}), **(node.get("config", {}).get("meta") or {})}
    if "data_tier" in meta:
        tier: naming.Tier = meta["data_tier"]
        if tier not in get_args(naming.Tier):
            raise DbtError(
                f"tenant {tenant}: {node['original_file_path']}: {node['name']} has `data_tier: {tier}`",
                f"a tier is {', '.join(get_args(naming.Tier))}",
            )
        return tier
    for folder in node.get("fqn", []):
        if folder in _TIER_BY_FOLDER:
            return _TIER_BY_FOLDER[folder]
    return {"seed": "bronze", "snapshot": "silver", "source": "bronze"}.get(node["resource_type"], "gold")  # type: ignore[return-value]


def _plain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the project's own tags, without tags that dagster-dbt reserves."""
    return {key: value for key, value in tags.items() if not key.startswith("dagster/")}
