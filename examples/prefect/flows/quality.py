"""The flows of `prefect.yaml`: a daily check by a saved block, and one on demand."""

from prefect import flow

from etl.integrations.prefect import DataQualityBlock, create_quality_flow, data_quality_check_task

ORDER_RULES = [
    {"column": "order_id", "type": "not_null"},
    {"column": "order_id", "type": "unique"},
    {"column": "amount", "type": "in_range", "min": 0},
]


@flow(log_prints=True)
def daily_quality_flow(path: str, block_name: str = "production-quality", *, fail_on_error: bool = True) -> str:
    """Judge the rules of a saved block over a file."""
    block = DataQualityBlock.load(block_name)
    result = data_quality_check_task(path, block=block, fail_on_error=fail_on_error, key="orders-daily")
    return result.status.value


validation_flow = create_quality_flow("ad-hoc-validation", ORDER_RULES, key="orders-ad-hoc")
