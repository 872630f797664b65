"""What the fault tests do and repeat, importable by a process that is to be killed without anything of pytest."""

from pathlib import Path

import polars as pl
from pydantic import SecretStr

from etl.settings import S3Settings
from etl.warehouse.choice import open_warehouse
from etl.warehouse.contract import TrinoPlace, Warehouse, WarehousePlace
from tests.lake.objects import DAY, load, local_lake, publish, s3_lake, settings_in

OLD = pl.DataFrame({"id": range(1000), "qty": [1] * 1000})
NEW = pl.DataFrame({"id": range(400, 1500), "qty": [2] * 1100})
OTHER = pl.DataFrame({"id": range(2000, 2100), "qty": [3] * 100})


def open_for(folder: Path, url: str) -> Warehouse:
    if url.startswith("{"):
        config = WarehousePlace(type="trino", trino=TrinoPlace.model_validate_json(url))
    else:
        config = WarehousePlace(type="postgres", url=SecretStr(url)) if url else WarehousePlace()
    return open_warehouse(config, settings_in(folder), "acme")


def big() -> pl.DataFrame:
    """Several megabytes that do not compress."""
    return pl.DataFrame({"id": pl.int_range(600_000, eager=True).hash(7)})


def step(folder: Path, what: str, mode: str, *, bucket: str, s3: S3Settings | None, url: str) -> None:
    """Publish the new rows of the day, and unless only that is asked for load them."""
    lake = s3_lake(folder, s3, bucket) if bucket and s3 else local_lake(folder)
    try:
        publish(lake, big() if what == "publish big" else NEW, DAY, "run-2")
        if what == "both":
            load(lake, open_for(folder, url), DAY, mode=mode, keys=["id"], order="qty", run_id="run-2")
    finally:
        lake.close()
