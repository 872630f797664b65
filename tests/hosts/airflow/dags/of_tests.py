"""The DAGs that only the tests need. They stand in one file, because Airflow reads each file in a process of its own."""

import os
from datetime import timedelta

from airflow.sdk import DAG, Asset
from rules_of_tests import BRACES, COUNT, MISSING, RULES, WARNS

from etl.integrations.airflow import DataQualityCheckOperator, DataQualitySensor

DATA = os.environ["AIRFLOW_VAR_DATA"]
USERS, TWICE, NOBODY = (f"{DATA}/{name}.parquet" for name in ("users", "twice", "nobody"))

UNIQUE = [{"column": "user_id", "type": "unique"}]

# One task for each kind of verdict. Every task may be tried again; what a verdict ended must not be.
with DAG("verdicts", schedule=None, default_args={"retries": 2, "retry_delay": timedelta(seconds=1)}):
    for name, path, rules, arguments in (
        ("passes", USERS, RULES, {}),
        ("fails", TWICE, RULES, {}),
        ("fails_tolerated", TWICE, RULES, {"fail_on_error": False}),
        ("warns", TWICE, WARNS, {}),
        ("errs", USERS, MISSING, {}),
        ("errs_tolerated", USERS, MISSING, {"fail_on_error": False}),
        ("empty", NOBODY, RULES, {}),
        ("empty_refused", NOBODY, COUNT, {}),
        ("braces", USERS, BRACES, {}),
        ("no_pandera", USERS, RULES, {"engine": "pandera"}),
        ("no_expectations", USERS, RULES, {"engine": "great_expectations", "fail_on_error": False}),
    ):
        DataQualityCheckOperator(task_id=name, data_path=path, rules=rules, **arguments)

# What is not there yet, and what is down: tried again, as the task says.
with DAG("late_file", schedule=None):
    DataQualityCheckOperator(
        task_id="check",
        data_path=f"{DATA}/late.parquet",
        rules=UNIQUE,
        retries=100,
        retry_delay=timedelta(seconds=1),
    )

with DAG("store_down", schedule=None):
    DataQualityCheckOperator(
        task_id="check",
        data_path="s3://data-lake/users.parquet",
        data_quality_conn_id="store_down",
        rules=UNIQUE,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

with DAG("until_good", schedule=None):
    DataQualitySensor(
        task_id="sensor",
        data_path=f"{DATA}/corrected.parquet",
        rules=UNIQUE,
        wait_until_good=True,
        poke_interval=0.5,
        timeout=600,
        # A scheduler that is slow takes the end of the first judgement for the end of the second, and fails the task.
        retries=3,
        retry_delay=timedelta(seconds=1),
    )

with DAG("in_a_worker", schedule=None):
    DataQualitySensor(
        task_id="sensor",
        data_path=f"{DATA}/twice.parquet",
        rules=UNIQUE,
        deferrable=False,
        poke_interval=0.5,
        retries=2,
    )

# One task for each file; that the rules of the second task group are wrong is known only when its tasks are made.
with DAG("mapped", schedule=None):
    several = {"retries": 2, "retry_delay": timedelta(seconds=1)}
    DataQualityCheckOperator.partial(task_id="check", rules=UNIQUE, **several).expand(data_path=[USERS, TWICE])
    DataQualityCheckOperator.partial(task_id="wrong", rules=[{"type": "uniqe"}], **several).expand(data_path=[USERS])

with DAG("promised", schedule=None):
    DataQualityCheckOperator(task_id="check", data_path=TWICE, rules=UNIQUE, sla={"max_consecutive_failures": 2})

# The same asset as that of the example, whose check fails its task.
with DAG("strict_orders", schedule=None):
    DataQualityCheckOperator(
        task_id="check_orders",
        data_path=f"{DATA}/strict.parquet",
        rules=[{"column": "order_id", "type": "unique"}],
        outlets=[Asset("orders")],
    )

# The first check of the run finds bad orders, the second finds nothing to say against the same orders.
with DAG("two_checks", schedule=None):
    bad_orders = {"data_path": f"{DATA}/bad_orders.parquet", "fail_on_error": False, "outlets": [Asset("orders")]}
    first = DataQualityCheckOperator(task_id="first", rules=[{"column": "order_id", "type": "unique"}], **bad_orders)
    first >> DataQualityCheckOperator(task_id="second", rules=[{"type": "row_count", "min": 1}], **bad_orders)

with DAG("mapped_asset", schedule=None):
    DataQualityCheckOperator.partial(
        task_id="check", rules=UNIQUE, outlets=[Asset("orders")], retries=2, retry_delay=timedelta(seconds=1)
    ).expand(data_path=[USERS, TWICE])
