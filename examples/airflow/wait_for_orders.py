"""The triggerer waits for a file, a worker judges it, and people are told if the day's run is late or bad."""

from datetime import timedelta

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference

from etl.integrations.airflow import DataQualityNotifier, DataQualitySensor

TARGETS = [{"type": "webhook", "url": "${QUALITY_WEBHOOK}"}]  # a variable of the process that sends

with DAG(
    "wait_for_orders",
    schedule=None,
    params={"file": "arriving.parquet"},
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=5),
        callback=AsyncCallback(DataQualityNotifier, kwargs={"targets": TARGETS, "text": "The orders are late."}),
    ),
):
    DataQualitySensor(
        task_id="orders_are_good",
        data_path="{{ var.value.data }}/{{ params.file }}",
        rules=[{"column": "order_id", "type": "unique"}],
        poke_interval=1,
        timeout=3600,
        on_failure_callback=DataQualityNotifier(TARGETS),
    )
