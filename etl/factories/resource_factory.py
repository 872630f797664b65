"""Makes a tenant's resources, under keys that contain the tenant.

Belongs here: which resources a tenant has. Not here: the resources themselves (`etl.resources`).
"""

from dagster import ConfigurableResource

from etl.config.tenant_config import TenantConfig
from etl.resources.duckdb_file import TenantDuckDBResource
from etl.resources.lake import lake_of_tenant
from etl.resources.rdb import rdb_resource
from etl.resources.warehouse import warehouse_of_tenant
from etl.running import naming
from etl.settings import load_settings


class ResourceFactory:
    """The database, the lake and the warehouse of one tenant, and its DuckDB file where that is the warehouse."""

    def __init__(self, config: TenantConfig) -> None:
        """Only `config` is needed; nothing is opened."""
        self._config = config

    def create_all_resources(self) -> dict[str, ConfigurableResource]:  # type: ignore[type-arg]
        """Resources by key."""
        config = self._config
        settings = load_settings()
        demo = settings.demo_dir / f"{config.id}.sqlite"
        own: dict[str, ConfigurableResource] = {}  # type: ignore[type-arg]
        if config.warehouse.type == "duckdb":
            file = settings.warehouse_dir / f"{config.id}.duckdb"
            own[naming.duckdb_resource(config.id)] = TenantDuckDBResource(database=str(file))
        return own | {
            naming.source_resource(config.id): rdb_resource(config, str(demo)),
            naming.lake_resource(config.id): lake_of_tenant(config),
            naming.warehouse_resource(config.id): warehouse_of_tenant(config),
        }
