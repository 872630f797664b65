"""Which schemas and tables of a warehouse are a tenant's own.

Belongs here: what its dbt builds, and the schemas that are named after it. Not here: which tables its loads have made
(`etl.warehouse.contents`).
"""

from etl.config.tenant_config import TenantConfig
from etl.dbt.index import last_relations
from etl.dbt.ownership import dbt_place
from etl.settings import Settings
from etl.warehouse.contents import DbtTables


def dbt_tables(config: TenantConfig, settings: Settings) -> DbtTables:
    """Return where this tenant's dbt builds in its warehouse: its own schemas, and single tables in other schemas."""
    if config.warehouse.type == "duckdb":  # the file is the tenant's own, whatever is in it
        return DbtTables()
    own = f"dbt_{config.id}"  # of no other tenant, also if dbt is switched off now
    place = dbt_place(config, settings)
    if place is None or place.type != config.warehouse.type:
        return DbtTables(frozenset({own}))
    schemas = frozenset({own, place.schema.lower()})
    named = frozenset(each.place for each in last_relations(config, settings))
    return DbtTables(schemas, frozenset(each for each in named if each[0] not in schemas))


def own_schemas(tenant: str, dbt: DbtTables) -> tuple[str, ...]:
    """Return the schemas that are removed with their last table, because they are named after the tenant."""
    own = f"dbt_{tenant}"
    return (tenant, own, *sorted({schema for schema, _ in dbt.named if schema.startswith(f"{own}_")}))
