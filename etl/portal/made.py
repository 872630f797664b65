"""Reads from Dagster's event log what was made last of an asset, partition by partition, and what was loaded since.

Belongs here: materializations, as few as the page needs, because reading one costs half a millisecond. Not here:
whether an object is there now (the lake says that), what promises say of it (`etl.promises`).

Whether a partition was loaded after it was published is seen from the order of the events alone. The events themselves
are read only where a load is older than the publish: then their versions say whether the table has the same rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance, EventLogRecord

from etl.partitions.zones import moment
from etl.running.run_outcomes import ROWS, number

MOST_EVENTS = 120
"""The greatest number of materializations of an asset that are read for what has changed."""
MOST_COMPARED = 200
"""The greatest number of partitions whose versions are compared; older ones count as out of date."""

LOADS_READ = 14
"""Of so many of the newest loads, and of about so many of all, it is read into which table they were."""


@dataclass(frozen=True)
class Made:
    """One materialization."""

    id: int
    partition: str
    """Empty for a whole table."""
    at: datetime
    run_id: str
    rows: int | None
    rejected: int
    version: str
    table: str = ""
    """Of a load, the table into which it was; empty if the event does not say it."""


@dataclass(frozen=True)
class Order:
    """The position in the event log of the newest materialization of each partition of an asset."""

    asset: AssetKey
    ids: Mapping[str, int]


@dataclass(frozen=True)
class Loads:
    """What is known of the loads of published partitions."""

    unknown: frozenset[str] = frozenset()
    """Partitions of which no load is known, or of which it is not known what was published."""
    outdated: frozenset[str] = frozenset()
    """Partitions of which another version is in the table than is published."""


def order_of(instance: DagsterInstance, asset: AssetKey, *, is_whole: bool) -> Order:
    """Return the newest materialization of each partition; of a whole table, with the empty key."""
    if is_whole:
        newest = [each.storage_id for each in instance.fetch_materializations(asset, limit=1).records]
        return Order(asset, {"": newest[0]} if newest else {})
    kind = DagsterEventType.ASSET_MATERIALIZATION
    return Order(asset, instance.event_log_storage.get_latest_storage_id_by_partition(asset, kind))


def made_since(instance: DagsterInstance, asset: AssetKey, since: datetime) -> list[Made]:
    """Return the materializations after a moment, newest first, at most `MOST_EVENTS`."""
    wanted = AssetRecordsFilter(asset_key=asset, after_timestamp=since.timestamp())
    found = instance.fetch_materializations(wanted, limit=MOST_EVENTS).records
    return [each for each in map(_made, found) if each is not None]


def newest_made(
    instance: DagsterInstance, order: Order, partitions: Collection[str], known: Sequence[Made] = ()
) -> dict[str, Made]:
    """Return the newest materialization of each of these partitions. Those in `known` are not read again."""
    wanted = {order.ids[each] for each in partitions if each in order.ids}
    found = [each for each in known if each.id in wanted]
    missing = sorted(wanted - {each.id for each in found})
    if missing:
        asked = AssetRecordsFilter(asset_key=order.asset, storage_ids=missing)
        records = instance.fetch_materializations(asked, limit=len(missing)).records
        found += [each for each in map(_made, records) if each is not None]
    return {each.partition: each for each in found}


def loads_of(instance: DagsterInstance, published: Collection[str], made: Order, loaded: Order, table: str) -> Loads:
    """Return which of the published partitions are not loaded into the table as they are, as far as is known."""
    unknown = {each for each in published if each not in loaded.ids or each not in made.ids}
    unknown |= _loaded_elsewhere(instance, sorted({*published} - unknown), loaded, table)
    older = sorted(each for each in set(published) - unknown if loaded.ids[each] < made.ids[each])
    compared = older[-MOST_COMPARED:]
    versions = (newest_made(instance, order, compared) for order in (made, loaded)) if compared else ({}, {})
    before, after = versions
    same = {key for key in compared if key in before and key in after and _same(before[key], after[key])}
    return Loads(frozenset(unknown), frozenset(set(older) - same))


def _loaded_elsewhere(instance: DagsterInstance, keys: Sequence[str], loaded: Order, table: str) -> set[str]:
    """Return the partitions whose newest load was into another table, or does not say into which.

    Only some events are read: the table of a pipeline seldom changes. If one of them names another table, all are read,
    and those that are too many to be read do not count as loaded.
    """
    in_order = sorted(keys, key=lambda key: loaded.ids[key])
    some = {*keys[-LOADS_READ:], *in_order[:: max(1, len(keys) // LOADS_READ)]}
    if all(each.table == table for each in newest_made(instance, loaded, some).values()):
        return set()
    read = newest_made(instance, loaded, keys[-MOST_COMPARED:])
    return {key for key in keys if key not in read or read[key].table != table}


def _same(made: Made, loaded: Made) -> bool:
    return bool(made.version) and made.version == loaded.version


def _made(record: EventLogRecord) -> Made | None:
    event = record.event_log_entry.asset_materialization
    if event is None:
        return None
    metadata: Mapping[str, object] = event.metadata
    rows = next((found for name in ROWS if (found := number(metadata, name)) is not None), None)
    version, table = (getattr(metadata.get(name), "value", "") for name in ("version", "dagster/table_name"))
    return Made(
        id=record.storage_id,
        partition=event.partition or "",
        at=moment(record.timestamp),
        run_id=record.run_id,
        rows=None if rows is None else int(rows),
        rejected=int(number(metadata, "rows_quarantined") or 0),
        version=version if isinstance(version, str) else "",
        table=table if isinstance(table, str) else "",
    )
