"""One task for each kind of verdict."""

import os
from datetime import timedelta

from airflow.sdk import DAG

from etl.integrations.airflow import DataQualityCheckOperator

DATA = os.environ["DATA"]
RULES = [
    {"column": "user_id", "type": "not_null"},
    {"column": "user_id", "type": "unique"},
    {"column": "email", "type": "regex", "pattern": r"^[\w\.-]+@[\w\.-]+\.\w{2,}$"},
]

with DAG("verdicts", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=1)}):
    DataQualityCheckOperator(task_id="passes", data_path=f"{DATA}/users.parquet", rules=RULES)
    DataQualityCheckOperator(task_id="fails", data_path=f"{DATA}/users_twice.parquet", rules=RULES)
