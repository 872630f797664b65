"""The users of a day are checked before anything reads them."""

from datetime import datetime

from airflow.sdk import DAG

from etl.integrations.airflow import DataQualityCheckOperator

with DAG("quality_users", start_date=datetime(2026, 1, 1), schedule="@daily", catchup=False):
    validate_user_data = DataQualityCheckOperator(
        task_id="validate_user_data",
        data_path="{{ var.value.data }}/new_users.parquet",
        rules=[
            {"column": "user_id", "type": "not_null"},
            {"column": "user_id", "type": "unique"},
            {"column": "email", "type": "regex", "pattern": r"^[\w\.-]+@[\w\.-]+\.\w+$"},
        ],
        fail_on_error=True,
    )
