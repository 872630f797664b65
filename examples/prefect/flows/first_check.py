"""A flow whose check fails: two of its rows break a rule. Run it with `python flows/first_check.py`."""

import polars as pl
from prefect import flow

from etl.integrations.prefect import data_quality_check_task


@flow
def first_check() -> None:
    """Judge a small frame."""
    orders = pl.DataFrame({"order_id": [1, 2, 2, 4], "amount": [10.0, -3.5, 7.25, -1.0]})
    data_quality_check_task(
        orders,
        rules=[
            {"column": "order_id", "type": "not_null"},
            {"column": "order_id", "type": "unique"},
            {"column": "amount", "type": "in_range", "min": 0},
        ],
        subject="orders",
        key="orders",
    )


if __name__ == "__main__":
    first_check()
