"""Which schemas of a warehouse are a tenant's own.

Belongs here: the schemas of its dbt, and those that are named after it. Not here: which tables are the tenant's
(`etl.warehouse.contents`).
"""

from etl.config.tenant_config import TenantConfig
from etl.dbt.ownership import dbt_place
from etl.settings import Settings


def dbt_schemas(config: TenantConfig, settings: Settings) -> tuple[str, ...]:
    """Return the schemas of the warehouse into which only this tenant's dbt writes."""
    if not config.dbt.enabled or config.warehouse.type == "duckdb":  # the file is the tenant's own, whatever is in it
        return ()
    place = dbt_place(config, settings)
    return (place.schema,) if place is not None and place.type == config.warehouse.type else ()


def own_schemas(tenant: str) -> tuple[str, ...]:
    """Return the schemas that are removed with their last table, because they are named after the tenant."""
    return (tenant, f"dbt_{tenant}")
