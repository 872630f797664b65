"""An asset whose verdict is metadata of its materialization, in place of a look at the log."""

import polars as pl
from prefect import flow

from etl.integrations.prefect import quality_checked_asset


@quality_checked_asset(
    "file:///data/orders",
    rules=[
        {"column": "order_id", "type": "not_null"},
        {"column": "amount", "type": "in_range", "min": 0},
    ],
    key="orders-asset",
)
def orders(path: str) -> pl.DataFrame:
    """The orders, as they come."""
    return pl.read_parquet(path)


@flow
def make_orders(path: str) -> int:
    """Make the asset."""
    return orders(path).height
