"""Several data sets, checked side by side; one that fails does not stop the others."""

from typing import Any

from prefect import flow

from etl.integrations.prefect import DataQualityBlock, data_quality_check_task


@flow(name="parallel_quality_checks")
def parallel_validation_flow(datasets: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Check each data set: `[{"name": "users", "path": "users.parquet", "rules": [...]}]`."""
    block = DataQualityBlock(engine_name="truthound")
    futures = {
        each["name"]: data_quality_check_task.submit(
            each["path"], block=block, rules=each["rules"], fail_on_error=False, subject=each["name"], key=each["name"]
        )
        for each in datasets
    }
    return [{"name": name, "status": future.result().status.value} for name, future in futures.items()]
