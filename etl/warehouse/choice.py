"""Which warehouse a tenant uses.

Belongs here: choosing one by its type. Not here: what a warehouse does (`warehouse`), how (`duckdb`, `postgres`).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from etl.errors import WarehouseError
from etl.settings import Settings
from etl.warehouse.contract import Warehouse
from etl.warehouse.duckdb import DuckDBWarehouse
from etl.warehouse.postgres import PostgresWarehouse


class WarehousePlace(BaseModel):
    """Which warehouse a tenant uses. Values are final: nothing is interpolated here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["duckdb", "postgres", "trino"] = "duckdb"
    url: SecretStr | None = None
    lock_seconds: float = 600.0


def open_warehouse(config: WarehousePlace, settings: Settings, tenant: str) -> Warehouse:
    """The warehouse of one tenant. Opens no connection."""
    match config.type:
        case "duckdb":
            path = settings.warehouse_dir / f"{tenant}.duckdb"
            return DuckDBWarehouse(path, settings.data_dir / "locks", lock_seconds=config.lock_seconds)
        case "postgres":
            if config.url is None:
                raise WarehouseError(f"the PostgreSQL warehouse of `{tenant}` has no address", "give `warehouse.url`")
            return PostgresWarehouse(config.url.get_secret_value(), tenant, lock_seconds=config.lock_seconds)
        case "trino":
            raise WarehouseError("the Trino warehouse is not available in this installation", "use duckdb or postgres")
