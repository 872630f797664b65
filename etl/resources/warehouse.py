"""The tenant's warehouse as a Dagster resource.

Belongs here: `WarehouseResource`, and `TrinoResource` for a warehouse on Trino. Not here: how rows are loaded
(`etl.warehouse.contract` and the warehouses).
"""

from importlib.util import find_spec

from dagster import ConfigurableResource
from pydantic import SecretStr

from etl.config.config_loader import load_tenant
from etl.config.ownership import checked_url
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.extras import install
from etl.resources.rdb import tenant_url
from etl.secrets.scrub import learn
from etl.secrets.template import EnvTemplate
from etl.settings import Settings, load_settings
from etl.warehouse.choice import has_address, open_warehouse
from etl.warehouse.contract import TrinoPlace, Warehouse, WarehousePlace

_STORES = ("s3", "s3a", "s3n", "gs", "abfs", "abfss", "wasb", "wasbs", "hdfs", "oss", "http", "https", "thrift")
"""What a catalog or its folder begins with if it is no file of this machine."""


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
            url = SecretStr(tenant_url(config, warehouse))
        return open_warehouse(WarehousePlace(type=warehouse.type, url=url), settings, config.id)


class TrinoResource(WarehouseResource):
    """The warehouse of a tenant with `warehouse: {type: trino}`: tables of Iceberg, which a Trino reads and changes."""


def warehouse_of_tenant(config: TenantConfig) -> WarehouseResource:
    """The resource of a tenant."""
    kind = TrinoResource if config.warehouse.type == "trino" else WarehouseResource
    return kind(tenant=config.id, type=config.warehouse.type)


def refused_warehouse(config: TenantConfig, settings: Settings) -> ConfigError | None:
    """Return why the warehouse of a tenant cannot work, as far as its YAML and this installation tell."""
    said = config.warehouse
    if said.type != "trino" or not (
        config.dbt.enabled or any(each.save_to_trino for each in config.pipelines.values())
    ):
        return None
    line = f"tenant {config.id}: the warehouse at {config.place_of('warehouse')}"
    if said.host is None and settings.trino.host is None:
        return ConfigError(f"{line} has no host", "give `warehouse.host`, or set TRINO_HOST")
    if missing := [each for each in ("trino", "pyiceberg") if find_spec(each) is None]:
        return ConfigError(f"{line} needs the library {missing[0]}", install("trino"))
    catalog = settings.trino.catalog if said.catalog is None else said.catalog.text
    if not said.iceberg:
        from pyiceberg.utils.config import Config  # noqa: PLC0415  an extra: `trino`

        known = "${" in catalog or Config().get_catalog_config(catalog)
        remedy = "give `warehouse.iceberg` (`type`, `uri`, `warehouse`, ...); see docs/warehouse.md"
        return None if known else ConfigError(f"{line} does not say where PyIceberg finds the tables", remedy)
    kind = said.iceberg["type"].text if "type" in said.iceberg else ""
    if "uri" not in said.iceberg and kind != "glue" and "${" not in kind:
        return ConfigError(f"{line} has `iceberg` without `uri`", "give the address of the catalog, or `type: glue`")
    return None


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
        if "://" in iceberg.get(name, "") and iceberg[name].partition("://")[0] not in _STORES:
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
