"""Reads from Dagster's event log what was made last of an asset, partition by partition.

Belongs here: the newest materialization of each partition, and those of the last days. Not here: whether an object is
there now (the lake says that), what promises say of it (`etl.promises`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance, EventLogRecord

from etl.partitions.zones import moment
from etl.running.run_outcomes import ROWS, number

MOST_EVENTS = 400
"""The greatest number of materializations of an asset that are read for what has changed."""


@dataclass(frozen=True)
class Made:
    """One materialization."""

    partition: str
    """Empty for a whole table."""
    at: datetime
    run_id: str
    rows: int | None
    rejected: int
    version: str


def newest_made(instance: DagsterInstance, asset: AssetKey, partitions: Collection[str] | None) -> dict[str, Made]:
    """Return the newest materialization of each of these partitions; of a whole table (None), with the empty key."""
    if partitions is None:
        found = instance.fetch_materializations(AssetRecordsFilter(asset_key=asset), limit=1).records
    else:
        if not partitions:
            return {}
        newest = instance.event_log_storage.get_latest_storage_id_by_partition(
            asset, DagsterEventType.ASSET_MATERIALIZATION, set(partitions)
        )
        if not newest:
            return {}
        wanted = AssetRecordsFilter(asset_key=asset, storage_ids=sorted(newest.values()))
        found = instance.fetch_materializations(wanted, limit=len(newest)).records
    return {each.partition: each for each in map(_made, found) if each is not None}


def made_since(instance: DagsterInstance, asset: AssetKey, since: datetime) -> list[Made]:
    """Return the materializations after a moment, newest first."""
    wanted = AssetRecordsFilter(asset_key=asset, after_timestamp=since.timestamp())
    found = instance.fetch_materializations(wanted, limit=MOST_EVENTS).records
    return [each for each in map(_made, found) if each is not None]


def _made(record: EventLogRecord) -> Made | None:
    event = record.event_log_entry.asset_materialization
    if event is None:
        return None
    metadata: Mapping[str, object] = event.metadata
    rows = next((found for name in ROWS if (found := number(metadata, name)) is not None), None)
    version = getattr(metadata.get("version"), "value", "")
    return Made(
        partition=event.partition or "",
        at=moment(record.timestamp),
        run_id=record.run_id,
        rows=None if rows is None else int(rows),
        rejected=int(number(metadata, "rows_quarantined") or 0),
        version=version if isinstance(version, str) else "",
    )
