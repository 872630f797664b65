"""A mistake in the second rule: the DAG must not load."""

from airflow.sdk import DAG

from etl.integrations.airflow import DataQualityCheckOperator

with DAG("mistaken", schedule=None):
    DataQualityCheckOperator(
        task_id="check_users",
        data_path="users.parquet",
        rules=[{"column": "user_id", "type": "not_null"}, {"column": "user_id", "type": "uniqe"}],
    )
