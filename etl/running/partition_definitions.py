"""A pipeline's partitions as Dagster knows them.

Belongs here: from a scheme to Dagster's definition and back, which scheme an asset has, and which partition depends on
which. Not here: keys and windows (`etl.partitions`), which partitions a run is about (`partition_keys`, `run_spans`).

Dagster's own hours have keys of the local clock, of which the one that occurs twice gets an offset only the second time
(`2025-10-26-02:00`, then `2025-10-26-02:00+0100`), and whose texts are not in order then. Ours are hours of UTC. A week
of Dagster begins on Sunday, ours on Monday. Dagster parses a key by its format, which is that of `etl.partitions.keys`.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from dagster import (
    AllPartitionMapping,
    AssetDep,
    AssetKey,
    DailyPartitionsDefinition,
    HourlyPartitionsDefinition,
    IdentityPartitionMapping,
    MonthlyPartitionsDefinition,
    PartitionsDefinition,
    StaticPartitionsDefinition,
    TimeWindowPartitionMapping,
    TimeWindowPartitionsDefinition,
    WeeklyPartitionsDefinition,
)

from etl.config.tenant_config import TenantConfig
from etl.partitions.keys import FORMATS, UNITS, begin_of, key_of, moved
from etl.partitions.scheme import StaticKeys, TimeScheme, WholeTable
from etl.running.compat import BaseAssetGraph

Scheme = TimeScheme | StaticKeys | WholeTable


@cache
def definition_of(scheme: Scheme) -> PartitionsDefinition[str] | None:
    """The partitions; None for a whole table. Equal ones are one object: Dagster compares them often."""
    if isinstance(scheme, WholeTable):
        return None
    if isinstance(scheme, StaticKeys):
        return StaticPartitionsDefinition(scheme.values)
    # Dagster's end is the first key that is no partition; the YAML's is the last one that is.
    start, end = scheme.start, moved(scheme.end, 1) if scheme.end else None
    match scheme.unit:
        case "hour":
            minute = int(f"{begin_of(start):%M}")
            return HourlyPartitionsDefinition(start, end, minute_offset=minute, timezone="UTC", fmt=FORMATS["hour"])
        case "day":
            return DailyPartitionsDefinition(start_date=start, end_date=end, timezone=scheme.timezone)
        case "week":
            return WeeklyPartitionsDefinition(start, end, day_offset=1, timezone=scheme.timezone, fmt=FORMATS["week"])
        case "month":
            return MonthlyPartitionsDefinition(start, end, timezone=scheme.timezone, fmt=FORMATS["month"])


@cache
def scheme_of(definition: PartitionsDefinition[str] | None) -> Scheme | None:
    """The scheme of a definition; None for one that this product does not make.

    It has no name for keys of a list, and of hours no zone: Dagster's definition does not say them. A person's text
    is read by the schemes of the assets (`schemes_of`).
    """
    if definition is None:
        return WholeTable()
    if isinstance(definition, StaticPartitionsDefinition):
        return StaticKeys("key", tuple(definition.get_partition_keys()))
    if not isinstance(definition, TimeWindowPartitionsDefinition):
        return None
    unit = next((each for each in UNITS if FORMATS[each] == definition.fmt), None)
    if unit is None:
        return None
    end = moved(key_of(unit, definition.end), -1) if definition.end else None
    return TimeScheme(unit, key_of(unit, definition.start), end, definition.timezone)


def schemes_of(
    config: TenantConfig, graph: BaseAssetGraph[Any], keys: Iterable[AssetKey]
) -> dict[AssetKey, tuple[TimeScheme | StaticKeys, ...]]:
    """How each asset that has partitions is cut, with the zone and the name of its own pipeline.

    A dbt model is cut as the nearest pipeline that it is made of; several schemes are returned where these have the
    same keys and different zones. An asset of the tenant's own code has the scheme of its definition.
    """
    found: dict[AssetKey, tuple[TimeScheme | StaticKeys, ...]] = {}
    for key in keys:
        definition, level, seen = graph.get(key).partitions_def, {key}, set[AssetKey]()
        schemes: set[TimeScheme | StaticKeys] = set()
        while definition is not None and level and not schemes:
            names = {graph.get(each).tags.get("pipeline", "") for each in level}
            pipelines = [config.pipelines[each].scheme for each in names & config.pipelines.keys()]
            schemes = {
                each for each in pipelines if not isinstance(each, WholeTable) and definition_of(each) == definition
            }
            seen |= level
            level = {parent for each in level for parent in graph.get(each).parent_keys} - seen
        own = scheme_of(definition)
        if isinstance(own, TimeScheme | StaticKeys):
            found[key] = tuple(sorted(schemes, key=str)) or (own,)
    return found


def dependency(upstream: AssetKey, scheme: Scheme, of_upstream: Scheme) -> AssetDep:
    """A partition depends on the one of the same key; on none where the other pipeline does not have it.

    Between partitions of different kinds, which only foreign keys and dbt models have, on all of them.
    """
    own, theirs = definition_of(scheme), definition_of(of_upstream)
    if own is None or theirs is None or own == theirs:
        return AssetDep(upstream)
    if scheme.kind != of_upstream.kind:
        return AssetDep(upstream, partition_mapping=AllPartitionMapping())
    windows = [each for each in (own, theirs) if isinstance(each, TimeWindowPartitionsDefinition)]
    if len(windows) > 1 and len({(each.timezone, each.cron_schedule) for each in windows}) == 1:
        return AssetDep(
            upstream, partition_mapping=TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
        )
    return AssetDep(upstream, partition_mapping=IdentityPartitionMapping())
