"""The tenant's warehouse as a Dagster resource.

Belongs here: `WarehouseResource`, and `TrinoResource` for a warehouse on Trino. Not here: how rows are loaded
(`etl.warehouse.contract` and the warehouses).
"""

from dagster import ConfigurableResource
from pydantic import SecretStr

from etl.config.config_loader import load_tenant
from etl.config.ownership import checked_url
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.secrets.scrub import learn
from etl.secrets.template import EnvTemplate
from etl.settings import Settings, load_settings
from etl.warehouse.choice import has_address, open_warehouse
from etl.warehouse.contract import TrinoPlace, Warehouse, WarehousePlace


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """The tenant's warehouse. It is opened only for the time of a load."""

    tenant: str
    type: str

    def open(self, config: TenantConfig | None = None) -> Warehouse:
        """Return the warehouse that the tenant's YAML names. No connection stays open between two calls."""
        settings = load_settings()
        config = config or load_tenant(self.tenant, settings)
        warehouse = config.warehouse
        if warehouse.type == "trino":
            return open_warehouse(_trino(config, settings), settings, config.id)
        url: SecretStr | None = None
        if has_address(warehouse.type):
            clear = warehouse.resolve_url(config.namespace())
            url = SecretStr(checked_url(clear, config.id, settings, config.origin.platform))
        return open_warehouse(WarehousePlace(type=warehouse.type, url=url), settings, config.id)


class TrinoResource(WarehouseResource):
    """The warehouse of a tenant with `warehouse: {type: trino}`: tables of Iceberg, which a Trino reads and changes."""


def warehouse_of_tenant(config: TenantConfig) -> WarehouseResource:
    """The resource of a tenant."""
    kind = TrinoResource if config.warehouse.type == "trino" else WarehouseResource
    return kind(tenant=config.id, type=config.warehouse.type)


def _trino(config: TenantConfig, settings: Settings) -> WarehousePlace:
    """Return the Trino that the tenant's YAML names, with the platform's settings for what the YAML leaves out."""
    said, environ, shared = config.warehouse, config.namespace(), settings.trino
    if missing := said.missing(environ):
        names = ", ".join(missing)
        raise ConfigError(f"tenant {config.id}: not set in the environment: {names}", f"set {names}")

    def part(template: EnvTemplate | None, default: str) -> str:
        return (template.resolve(environ) if template is not None else "") or default

    host = part(said.host, shared.host or "")
    if not host:
        raise ConfigError(f"tenant {config.id}: the warehouse has no host", "give `warehouse.host` or TRINO_HOST")
    port = part(said.port, str(shared.port))
    scheme = part(said.http_scheme, shared.http_scheme)
    if not port.isdigit() or scheme not in ("http", "https"):
        raise ConfigError(
            f"tenant {config.id}: the address {scheme}://{host}:{port} of Trino is none",
            "`warehouse.port` is a number, `warehouse.http_scheme` is http or https",
        )
    password = part(said.password, "")
    learn(password)
    iceberg = said.resolve_iceberg(environ)
    for name in ("uri", "warehouse"):
        if "://" in iceberg.get(name, ""):
            iceberg[name] = checked_url(iceberg[name], config.id, settings, config.origin.platform)
    return WarehousePlace(
        type="trino",
        trino=TrinoPlace(
            host=host,
            port=int(port),
            scheme="https" if scheme == "https" else "http",
            user=part(said.username, shared.user),
            password=SecretStr(password) if password else None,
            catalog=part(said.catalog, shared.catalog),
            iceberg={name: SecretStr(value) for name, value in iceberg.items()},
        ),
    )
