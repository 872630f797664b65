"""One check with the default engine on an object store, and one with an engine object."""

from datetime import datetime

from airflow.sdk import DAG

from etl.integrations.airflow import DataQualityCheckOperator
from etl.quality.engines.polars import PolarsEngine

with DAG("data_quality_pipeline", start_date=datetime(2026, 1, 1), schedule="@daily", catchup=False):
    validate_data = DataQualityCheckOperator(
        task_id="validate_user_data",
        rules=[
            {"column": "user_id", "type": "not_null"},
            {"column": "user_id", "type": "unique"},
            {"column": "email", "type": "regex", "pattern": r"^[\w\.-]+@[\w\.-]+\.\w+$"},
        ],
        data_path="s3://data-lake/users/{{ dag_run.run_after | ds }}/data.parquet",
        data_quality_conn_id="data_lake",
        fail_on_error=True,
    )

    validate_with_custom = DataQualityCheckOperator(
        task_id="validate_with_custom",
        engine=PolarsEngine(),  # any object that is a DataQualityEngine
        rules=[{"type": "row_count", "min": 1}],
        data_path="{{ var.value.data }}/users.parquet",
    )

    validate_data >> validate_with_custom
