"""A function whose data is judged before the next task gets it."""

import polars as pl
from airflow.sdk import DAG, task

with DAG("extract_orders", schedule=None, params={"smallest": 0}):

    @task.quality_check(
        rules=[
            {"column": "order_id", "type": "unique"},
            {"column": "amount", "type": "in_range", "min": 0},
        ]
    )
    def extract(place: str, params: dict) -> str:
        """Write the wanted orders into a file; its path is what the next task gets."""
        wanted = pl.scan_parquet(f"{place}/orders.parquet").filter(pl.col("amount") >= params["smallest"])
        wanted.sink_parquet(f"{place}/wanted.parquet")
        return f"{place}/wanted.parquet"

    @task
    def load(path: str) -> int:
        """Load what passed."""
        return pl.scan_parquet(path).select(pl.len()).collect().item()

    load(extract("{{ var.value.data }}"))
