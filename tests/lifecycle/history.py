"""What Dagster keeps of a tenant besides its runs: schedules and sensors with ticks, back-fills, checks without a run."""

import time

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, AssetMaterialization, DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from tests.lifecycle.world import canary


def leave_history(instance: DagsterInstance, tenant: str, *, ticks: int = 2) -> None:
    """What sensors, people and daemons leave of one tenant."""
    add_ticks(instance, tenant, f"{tenant}_daily_etl_schedule", ticks)
    add_ticks(instance, tenant, f"{tenant}_watch", ticks)
    # `acme` with the job `eu_all` and `acme_eu` with the job `all`: the name alone does not tell whose it is
    add_ticks(instance, tenant, "acme_eu_all_schedule", ticks)
    key = AssetKey([tenant, "extract", "orders"])
    instance.report_runless_asset_event(AssetMaterialization(key, metadata={"said": canary(tenant)}))
    instance.report_runless_asset_event(
        AssetCheckEvaluation(
            asset_key=key, check_name="late", passed=False, severity=AssetCheckSeverity.WARN, description=canary(tenant)
        )
    )
    instance.add_backfill(
        PartitionBackfill(
            backfill_id=f"backfill of {canary(tenant)}",
            status=BulkActionStatus.COMPLETED_SUCCESS,
            from_failure=False,
            tags={"tenant": tenant, "why": canary(tenant)},
            backfill_timestamp=time.time(),
            asset_selection=[key],
            title=canary(tenant),
        )
    )


def add_ticks(instance: DagsterInstance, tenant: str, name: str, number: int) -> None:
    server = GrpcServerCodeLocationOrigin(host="localhost", port=4000, location_name=tenant)
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(server, "__repository__"), name)
    data = SensorInstigatorData(cursor=canary(tenant))
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)
    for each in range(number):
        instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.SKIPPED,
                timestamp=time.time() + each,
                selector_id=state.selector_id,
                skip_reason=f"nothing new of {canary(tenant)}",
            )
        )
