"""Daily partitions of a pipeline, and which of them a run is about.

Belongs here: from `partitions:` in the YAML to Dagster's definition, from a run to partition keys. Does not: windows in
time (`etl.pipeline.stage`).
"""

from datetime import timedelta
from functools import cache

from dagster import (
    AssetDep,
    AssetKey,
    DailyPartitionsDefinition,
    IdentityPartitionMapping,
    TimeWindowPartitionMapping,
)

from etl.config.pipeline_config import PipelineConfig


def daily_partitions(pipeline: PipelineConfig) -> DailyPartitionsDefinition | None:
    """The partitions of a pipeline with a date column; None for a whole table."""
    partitions = pipeline.partitions
    if pipeline.date_column is None or partitions is None:
        return None
    # Dagster's end is the first day that is no partition; the YAML's is the last day that is one.
    end = (partitions.end + timedelta(days=1)).isoformat() if partitions.end else None
    return _shared(partitions.start.isoformat(), end, partitions.timezone)


@cache
def _shared(start: str, end: str | None, timezone: str) -> DailyPartitionsDefinition:
    """Equal partitions are one object: Dagster compares them often."""
    return DailyPartitionsDefinition(start_date=start, end_date=end, timezone=timezone)


def dependency(
    upstream: AssetKey, days: DailyPartitionsDefinition | None, of_upstream: DailyPartitionsDefinition | None
) -> AssetDep:
    """A day depends on the day of the same name; on none where the other pipeline does not have that day."""
    if days is None or of_upstream is None or days == of_upstream:
        return AssetDep(upstream)
    if days.timezone == of_upstream.timezone:
        return AssetDep(
            upstream, partition_mapping=TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        )
    return AssetDep(upstream, partition_mapping=IdentityPartitionMapping())
