"""Which partitions a run is about.

Belongs here: from a run to partition keys. Not here: the definition of the partitions (`etl.factories.partitions`),
windows in time (`etl.pipeline.stage`).
"""

from collections.abc import Sequence

from dagster import AssetExecutionContext, DailyPartitionsDefinition

from etl.errors import EtlError
from etl.running.run_days import bounds


def partition_keys(
    context: AssetExecutionContext, definition: DailyPartitionsDefinition | None
) -> Sequence[str | None]:
    """The days this step is about: one or a range. Whoever launches the run names them."""
    if definition is None:
        return [None]
    if context.has_partition_key or context.has_partition_key_range:
        asked = context.partition_key_range
        found = bounds(definition)
        if not found or asked.start < found[0].isoformat() or asked.end > found[1].isoformat():
            days = asked.start if asked.start == asked.end else f"{asked.start} to {asked.end}"
            own = f"its days go from {found[0]} to {found[1]}" if found else "no day of it is complete yet"
            raise EtlError(
                f"the run asks for {days}, which {context.asset_key.to_user_string()} does not have whole: {own}",
                "`etl run` and schedules give each pipeline the days that it has",
            )
        return list(context.partition_keys)
    raise EtlError(
        "the run names no day",
        'launch it with one (`etl run --from`, or `--tags \'{"dagster/partition": "2026-01-31"}\'`); '
        "with this project's run launcher in dagster.yaml the newest complete day is taken",
    )
