"""Rules are learned from a month that is known to be good; the next month is checked by them."""

from airflow.sdk import DAG

from etl.integrations.airflow import (
    DataQualityCheckOperator,
    DataQualityLearnOperator,
    DataQualityProfileOperator,
)

with DAG("learned_rules", schedule=None):
    describe = DataQualityProfileOperator(task_id="describe", data_path="{{ var.value.data }}/january.parquet")
    learn = DataQualityLearnOperator(
        task_id="learn", data_path="{{ var.value.data }}/january.parquet", strictness="lenient"
    )
    check = DataQualityCheckOperator(
        task_id="check",
        data_path="{{ var.value.data }}/february.parquet",
        rules=learn.output["rules"],
        sla={"min_pass_rate": 0.9, "max_consecutive_failures": 2},
    )
    describe >> learn
