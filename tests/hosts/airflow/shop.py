"""The data of a small shop, and the connections to it."""

import contextlib
import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tests.hosts.airflow.servers import free_port, wait_for

USERS = pl.DataFrame({"user_id": [1, 2, 3], "email": ["a@shop.example", "b@shop.example", None]})
TWICE = pl.DataFrame({"user_id": [1, 1, None], "email": ["a@shop.example", "nobody", "c@shop.example"]})
ORDERS = pl.DataFrame({"order_id": [1, 2, 3], "amount": [10.0, 20.5, 0.0], "status": ["new", "paid", "paid"]})
BAD_ORDERS = pl.DataFrame({"order_id": [1, 2, 2], "amount": [10.0, -1.0, None], "status": ["new", "paid", "lost"]})

HOOK = """
'A connection type for SQLite, as providers of Airflow have theirs for other databases.'

import sqlite3

from airflow.providers.common.sql.hooks.sql import DbApiHook


class ShopHook(DbApiHook):
    conn_name_attr = "shop_conn_id"
    default_conn_name = "shop"
    conn_type = "shop"
    hook_name = "Shop"

    def get_conn(self):
        return sqlite3.connect(self.get_connection(self.get_conn_id()).host)
"""
PROVIDER = """
def get_provider_info():
    kind = {"connection-type": "shop", "hook-class-name": "shop_hook.ShopHook", "hook-name": "Shop"}
    return {"package-name": "shop-provider", "name": "Shop", "description": "A shop.", "connection-types": [kind]}
"""


@dataclass(frozen=True)
class Store:
    """An object store, and how it is reached."""

    endpoint: str

    @property
    def options(self) -> dict[str, Any]:
        return storage_options(self.endpoint)

    def make_bucket(self) -> None:
        """Wait until the store answers, and make the bucket."""

        def make() -> bool:
            with contextlib.suppress(OSError):
                request = urllib.request.Request(f"{self.endpoint}/data-lake", method="PUT")
                with urllib.request.urlopen(request, timeout=5):
                    return True
            return False

        wait_for("the object store", make)


def storage_options(endpoint: str) -> dict[str, Any]:
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "only for this test", "aws_region": "us-east-1"}
    return {**keys, "aws_endpoint_url": endpoint, "aws_allow_http": "true", "max_retries": 0}


def write(data: Path) -> None:
    """Write the files and the database."""
    (data / "days").mkdir(parents=True)
    USERS.write_parquet(data / "users.parquet")
    TWICE.write_parquet(data / "twice.parquet")
    TWICE.write_parquet(data / "new_users.parquet")
    USERS.clear().write_parquet(data / "nobody.parquet")
    ORDERS.write_parquet(data / "orders.parquet")
    BAD_ORDERS.write_parquet(data / "bad_orders.parquet")
    ORDERS[:2].write_csv(data / "days" / "1.csv")
    ORDERS[2:].write_csv(data / "days" / "2.csv")
    for name, first in (("january", 1), ("february", 201)):
        numbers = range(first, first + 200)
        pl.DataFrame({"order_id": numbers, "status": ["new", "paid"] * 100}).write_parquet(data / f"{name}.parquet")
    with contextlib.closing(sqlite3.connect(data / "shop.db")) as database:
        database.execute("CREATE TABLE orders (order_id INTEGER, amount REAL)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", ORDERS.select("order_id", "amount").rows())
        database.commit()


def connections(data: Path, store: Store) -> Mapping[str, str]:
    """The connections, as variables that Airflow reads."""
    made = {
        "SHOP": {"conn_type": "shop", "host": str(data / "shop.db")},
        "DATA_LAKE": {"conn_type": "data_quality", "extra": {"storage_options": store.options, "timeout": 60}},
        "STORE_DOWN": {
            "conn_type": "data_quality",
            "extra": {"engine": "polars", "storage_options": storage_options(f"http://127.0.0.1:{free_port()}")},
        },
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps(each) for name, each in made.items()}


def provider(site: Path) -> Path:
    """Install the provider of the database into a folder, and return the folder."""
    metadata = site / "shop_provider-1.0.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "shop_hook.py").write_text(HOOK)
    (site / "shop_provider.py").write_text(PROVIDER)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-provider\nVersion: 1.0.0\n")
    (metadata / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info = shop_provider:get_provider_info\n"
    )
    return site
