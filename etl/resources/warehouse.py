"""The tenant's warehouse as a Dagster resource.

Belongs here: `WarehouseResource`, and `TrinoResource` for a warehouse on Trino. Not here: how rows are loaded
(`etl.warehouse.contract` and the warehouses).
"""

from dagster import ConfigurableResource
from pydantic import SecretStr

from etl.config.config_loader import load_tenant
from etl.config.ownership import checked_url
from etl.config.tenant_config import TenantConfig
from etl.settings import load_settings
from etl.warehouse.choice import has_address, open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """The tenant's warehouse. It is opened only for the time of a load."""

    tenant: str
    type: str

    def open(self, config: TenantConfig | None = None) -> Warehouse:
        """Return the warehouse that the tenant's YAML names. No connection stays open between two calls."""
        settings = load_settings()
        config = config or load_tenant(self.tenant, settings)
        warehouse = config.warehouse
        url: SecretStr | None = None
        if has_address(warehouse.type):
            clear = warehouse.resolve_url(config.namespace())
            url = SecretStr(checked_url(clear, config.id, settings, config.origin.platform))
        return open_warehouse(WarehousePlace(type=warehouse.type, url=url), settings, config.id)


class TrinoResource(WarehouseResource):
    """The warehouse of a tenant with `warehouse: {type: trino}`.

    `open` refuses: this release has the kind in its configuration and no implementation behind it.
    """


def warehouse_of_tenant(config: TenantConfig) -> WarehouseResource:
    """The resource of a tenant."""
    kind = TrinoResource if config.warehouse.type == "trino" else WarehouseResource
    return kind(tenant=config.id, type=config.warehouse.type)
