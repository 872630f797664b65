"""The names of dbt nodes in Dagster.

Belongs here: `TenantDbtTranslator`. The module is imported only when dbt is parsed or run, because the import of
`dagster_dbt` takes longer than all other imports together. Not here: building definitions (`dbt_factory`).
"""

from collections.abc import Mapping
from typing import Any, get_args

from dagster import AssetSpec
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from etl.config.tenant_config import TenantConfig
from etl.errors import DbtError
from etl.running import naming
from etl.running.dbt_keys import get_node, node_key

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
            key=node_key(config, node, manifest),
            group_name=config.group,
            owners=list(spec.owners) or list(config.owners),
            kinds=naming.kinds(config, "dbt"),
            tags={**_plain_tags(spec.tags), **naming.asset_tags(config, "dbt", None, tier=tier)},
        )


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
