"""Orders are an asset that carries its verdict; a report is made only of orders that are good."""

from airflow.sdk import DAG, Asset, task

from etl.integrations.airflow import DataQualityCheckOperator, require_quality

orders = Asset("orders")

with DAG("orders", schedule=None, params={"file": "orders.parquet"}):
    DataQualityCheckOperator(
        task_id="check_orders",
        data_path="{{ var.value.data }}/{{ params.file }}",
        rules=[
            {"column": "order_id", "type": "unique"},
            {"column": "amount", "type": "in_range", "min": 0},
            {"type": "row_count", "min": 1},
        ],
        fail_on_error=False,  # the orders are registered in any case; who reads them decides
        outlets=[orders],
    )

with DAG("report", schedule=[orders]):

    @task(inlets=[orders])
    def make_report() -> str:
        """Make the report, or stop."""
        verdict = require_quality(orders, min_pass_rate=0.95)
        return f"a report of {verdict.row_count} orders"

    make_report()
