"""A long past in an instance's event log, written in bulk: day after day every pipeline was published and checked."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    EventLogRecord,
    MetadataValue,
    TableColumn,
    TableSchema,
)
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._serdes import serialize_value

SCHEMA = TableSchema(columns=[TableColumn(f"column_{n}", "int64") for n in range(12)])
ASKED = {"asked": MetadataValue.text("not_null of `id`")}
CHUNK = 5000


def write_past(instance: DagsterInstance, tenant: str, pipelines: Sequence[str], days: int, until: datetime) -> int:
    """Publish the partition of each of the `days` before `until`, six hours after it was complete."""
    storage: Any = instance.event_log_storage
    count, chunk = 0, []
    for entry in _entries(tenant, pipelines, days, until):
        chunk.append(storage._event_to_row(entry))
        if len(chunk) == CHUNK:
            count += _insert(storage, chunk)
            chunk = []
    count += _insert(storage, chunk) if chunk else 0
    last = _entries(tenant, pipelines, 1, until)
    keys = [_asset_row(entry) for entry in last if entry.get_dagster_event().is_step_materialization]
    with storage.index_connection() as connection:
        connection.execute(AssetKeyTable.insert(), keys)
    return count


def _asset_row(entry: EventLogEntry) -> dict[str, Any]:
    key = entry.get_dagster_event().asset_key
    assert key is not None
    return {
        "asset_key": key.to_string(),
        "last_materialization": serialize_value(EventLogRecord(0, entry)),
        "last_materialization_timestamp": datetime.fromtimestamp(entry.timestamp, UTC).replace(tzinfo=None),
        "last_run_id": entry.run_id,
    }


def _insert(storage: Any, rows: list[dict[str, Any]]) -> int:
    with storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.insert(), rows)
    return len(rows)


def _entries(tenant: str, pipelines: Sequence[str], days: int, until: datetime) -> Iterator[EventLogEntry]:
    for back in range(days, 0, -1):
        day = (until - timedelta(days=back)).date()
        at = datetime(day.year, day.month, day.day, tzinfo=until.tzinfo) + timedelta(days=1, hours=6)
        for pipeline in pipelines:
            key, run_id, step = AssetKey([tenant, "extract", pipeline]), f"run-{day}-{pipeline}", pipeline
            yield _entry(run_id, step, at, DagsterEventType.ASSET_MATERIALIZATION, _made(key, day))
            check = AssetCheckEvaluation(key, "not_null__id", True, metadata=ASKED, partition=day.isoformat())
            yield _entry(run_id, step, at, DagsterEventType.ASSET_CHECK_EVALUATION, check)
        yield _entry(f"run-{day}", None, at, DagsterEventType.RUN_SUCCESS, None)


def _made(key: AssetKey, day: date) -> StepMaterializationData:
    metadata = {
        "dagster/partition_row_count": MetadataValue.int(100),
        "bytes": MetadataValue.int(10_000),
        "dagster/column_schema": MetadataValue.table_schema(SCHEMA),
    }
    return StepMaterializationData(AssetMaterialization(key, partition=day.isoformat(), metadata=metadata))


def _entry(run_id: str, step: str | None, at: datetime, event_type: DagsterEventType, data: Any) -> EventLogEntry:
    event = DagsterEvent(event_type.value, "job", step_key=step, event_specific_data=data)
    return EventLogEntry(None, 20, "", run_id, at.timestamp(), step, "job", event)
