"""A flow that measures every hour and tells when a promise is broken; bad data does not fail it."""

from prefect import flow

from etl.integrations.prefect import DataQualityBlock, SLABlock, data_quality_check_task


@flow
def hourly_monitoring_flow(
    path: str, block_name: str = "production-quality", sla_name: str = "orders", *, alert_on_failure: bool = True
) -> list[str]:
    """Judge the rules of a saved block, then the promise of a saved SLA; return the promises that are broken."""
    block, sla = DataQualityBlock.load(block_name), SLABlock.load(sla_name)
    result = data_quality_check_task(path, block=block, fail_on_error=False, key="orders-hourly")
    violations = sla.check(result, name=sla_name)
    if violations and alert_on_failure:
        raise RuntimeError("; ".join(each.message for each in violations))
    return [each.violation_type.value for each in violations]
