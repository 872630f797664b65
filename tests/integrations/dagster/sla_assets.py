"""An asset whose run measures something, and a command that runs it in a process of its own."""

import sys

from dagster import AssetExecutionContext, DagsterInstance, ExecuteInProcessResult, asset, materialize

from etl.integrations.dagster import SLAConfig, SLAMetrics, SLAResource

LIMIT = SLAConfig(max_consecutive_failures=3)
OUTCOME = {"failed": 0, "raise": False}
SEEN: list[list[str]] = []


@asset
def users(context: AssetExecutionContext, sla: SLAResource) -> None:
    """Fails as often as it is told."""
    if OUTCOME["raise"]:
        raise ValueError("the source is gone")
    metrics = SLAMetrics(passed_count=1, failed_count=OUTCOME["failed"], asset_key="users", run_id=context.run.run_id)
    violations = sla.check(metrics, name="users_quality", config=LIMIT)
    SEEN.append([each.violation_type.value for each in violations])


def run_once(instance: DagsterInstance, *, failed: int = 0, raises: bool = False) -> ExecuteInProcessResult:
    """One run; what it saw is appended to `SEEN`."""
    OUTCOME.update({"failed": failed, "raise": raises})
    return materialize([users], resources={"sla": SLAResource()}, instance=instance, raise_on_error=False)


if __name__ == "__main__":
    with DagsterInstance.local_temp(sys.argv[1], overrides={"telemetry": {"enabled": False}}) as opened:
        run_once(opened, failed=int(sys.argv[2]))
    sys.stdout.write(",".join(SEEN[-1]))
