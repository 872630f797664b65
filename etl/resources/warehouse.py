"""The tenant's warehouse as a Dagster resource.

Belongs here: `WarehouseResource`. Not here: how rows are loaded (`etl.warehouse.contract` and the warehouses).
"""

from dagster import ConfigurableResource
from pydantic import SecretStr

from etl.config.ownership import checked_url
from etl.config.tenant_config import TenantConfig
from etl.settings import load_settings
from etl.warehouse.choice import has_address, open_warehouse
from etl.warehouse.contract import Warehouse, WarehousePlace


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """Which kind of warehouse this tenant has; opened only for the moment of a load."""

    tenant: str
    type: str

    def open(self, config: TenantConfig) -> Warehouse:
        """The warehouse that the tenant's YAML names."""
        warehouse, settings = config.warehouse, load_settings()
        url: SecretStr | None = None
        if has_address(warehouse.type):
            clear = warehouse.resolve_url(config.namespace())
            url = SecretStr(checked_url(clear, config.id, settings, config.origin.platform))
        return open_warehouse(WarehousePlace(type=warehouse.type, url=url), settings, config.id)


def warehouse_of_tenant(config: TenantConfig) -> WarehouseResource:
    """The resource of a tenant."""
    return WarehouseResource(tenant=config.id, type=config.warehouse.type)
