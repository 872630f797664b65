"""Data from many files, a database, a function, and another task."""

import polars as pl
from airflow.sdk import DAG, task

from etl.integrations.airflow import DataQualityCheckOperator

RULES = [{"column": "order_id", "type": "unique"}, {"type": "row_count", "min": 1}]


def big_orders(least: float) -> pl.LazyFrame:
    """Return a plan; the worker runs it."""
    return (
        pl.scan_parquet("/no/such/place") if least < 0 else pl.LazyFrame({"order_id": [1, 2], "amount": [least, 9e9]})
    )


with DAG("many_sources", schedule=None):

    @task
    def few_orders() -> list[dict]:
        """Return few rows, which fit into XCom."""
        return [{"order_id": 1}, {"order_id": 2}]

    DataQualityCheckOperator(task_id="files", data_path="{{ var.value.data }}/days/*.csv", rules=RULES)
    DataQualityCheckOperator(
        task_id="database",
        sql="SELECT order_id FROM orders WHERE amount >= {{ params.least }}",
        conn_id="shop",
        params={"least": 0},
        rules=RULES,
    )
    DataQualityCheckOperator(task_id="function", python_callable=big_orders, op_kwargs={"least": 1e6}, rules=RULES)
    DataQualityCheckOperator(task_id="other_task", data=few_orders(), rules=RULES)
