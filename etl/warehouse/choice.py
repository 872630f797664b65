"""Chooses the implementation for the kind of warehouse that a tenant uses.

Belongs here: the registry of the kinds of warehouse; a new kind is one line in it. Not here: the protocol of a
warehouse (`contract`), its implementations (`duckdb`, `postgres`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from duckdb import DuckDBPyConnection
from pydantic import SecretStr

from etl.errors import WarehouseError
from etl.extras import install
from etl.settings import Settings
from etl.warehouse import duckdb, postgres
from etl.warehouse.contract import ProfileValue, TrinoPlace, Warehouse, WarehousePlace


class _KindOfWarehouse(NamedTuple):
    open: Callable[[WarehousePlace, str], Warehouse]
    """Returns the warehouse of a tenant at a place. Opens no connection."""
    of_profile: Callable[[ProfileValue], WarehousePlace | None]
    """Returns the place that a target of dbt's profiles.yml names; None if no load can have written there."""
    has_address: bool = True
    """Whether the warehouse has a URL."""


def _open_trino(place: WarehousePlace, tenant: str) -> Warehouse:
    if place.trino is None:
        raise WarehouseError(f"the Trino warehouse of `{tenant}` has no address", "give `warehouse.host` or TRINO_HOST")
    try:
        from etl.warehouse.trino import TrinoWarehouse  # noqa: PLC0415  an extra: `trino`
    except ImportError:
        raise WarehouseError("a Trino warehouse needs the libraries trino and pyiceberg", install("trino")) from None
    folder = (place.path or Path(f"{tenant}.duckdb")).parent
    return TrinoWarehouse(place.trino, tenant, folder)


def _trino_of_profile(value: ProfileValue) -> WarehousePlace:
    """Return the place that a target of dbt's profiles.yml names, for reading."""
    password = value("password")
    return WarehousePlace(
        type="trino",
        trino=TrinoPlace(
            host=value("host"),
            port=int(value("port") or 8080),
            scheme="https" if value("http_scheme") == "https" else "http",
            user=value("user"),
            password=SecretStr(password) if password else None,
            catalog=value("database", "catalog"),
        ),
    )


_KINDS = {
    "duckdb": _KindOfWarehouse(duckdb.open_file, duckdb.file_of_profile, has_address=False),
    "postgres": _KindOfWarehouse(postgres.open_database, postgres.address_of_profile),
    "trino": _KindOfWarehouse(_open_trino, _trino_of_profile, has_address=False),
}


def has_address(kind: str) -> bool:
    """Whether a warehouse of this kind has a URL. Other kinds are files, one for each tenant."""
    return kind not in _KINDS or _KINDS[kind].has_address


def open_warehouse(place: WarehousePlace, settings: Settings, tenant: str) -> Warehouse:
    """Return the warehouse of one tenant. Opens no connection."""
    if place.type not in _KINDS:
        raise WarehouseError(
            f"the {place.type.capitalize()} warehouse is not available in this installation", "use duckdb or postgres"
        )
    own = {"path": place.path or settings.warehouse_dir / f"{tenant}.duckdb", "lock_dir": settings.data_dir / "locks"}
    return _KINDS[place.type].open(place.model_copy(update=own), tenant)


def reading_file(path: Path) -> AbstractContextManager[DuckDBPyConnection]:
    """Open a DuckDB file read-only. Waits until a writer has closed the file; the next writer waits in turn."""
    return duckdb.DuckDBWarehouse(path, path.parent).connect(read_only=True)


def warehouse_of_profile(
    kind: str, value: ProfileValue, tenant: str, *, folder: Path, lock_dir: Path
) -> Warehouse | None:
    """Return the warehouse that a target of dbt's profiles.yml names; None if no load can have written there.

    As in dbt, the relative path of a file begins at `folder`.
    """
    place = _KINDS[kind].of_profile(value) if kind in _KINDS else None
    if place is None:
        return None
    path = folder / place.path if place.path else None
    if path and not path.is_file():
        return None
    return _KINDS[kind].open(place.model_copy(update={"path": path, "lock_dir": lock_dir}), tenant)
