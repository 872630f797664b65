"""Finds the partitions whose newest run failed or was blocked, and that were not published since.

Belongs here: asking Dagster's event log about single partitions. Not here: the explanation (`explain`), and the excerpt
of the event log, which remembers only the newest failure of a step (`etl.promises.pipeline_log`).

A later partition that is fine mends none of them. It asks several questions of the event log, so no sensor calls it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dagster import AssetCheckKey, AssetCheckSeverity, AssetKey, AssetRecordsFilter, DagsterInstance

from etl.config.tenant_config import TenantConfig
from etl.partitions.zones import moment
from etl.promises.judge import PipelineHistory
from etl.quality.rules import check_names
from etl.running.naming import PipelineStage, asset_key

EVALUATIONS = 200
"""So many of the newest verdicts of each check are looked at."""


@dataclass(frozen=True)
class Unpublished:
    """A partition whose newest known run published nothing. `rules` are the checks that blocked it; none: it failed."""

    partition: str
    run_id: str
    at: datetime
    rules: tuple[str, ...] = ()


def unpublished(
    instance: DagsterInstance, config: TenantConfig, pipeline: str, history: PipelineHistory | None
) -> tuple[Unpublished, ...]:
    """Return these partitions of a pipeline, in order."""
    found: dict[str, Unpublished] = {}
    for each in [*_failed(history), *_blocked(instance, config, pipeline)]:
        known = found.get(each.partition)
        if known is not None and known.run_id == each.run_id:
            found[each.partition] = Unpublished(known.partition, each.run_id, each.at, (*known.rules, *each.rules))
        elif known is None or known.at < each.at:
            found[each.partition] = each
    last = asset_key(config.id, config.pipelines[pipeline].stages[-1], pipeline)
    return tuple(each for _, each in sorted(found.items()) if not _was_made(instance, last, each))


def _failed(history: PipelineHistory | None) -> Iterator[Unpublished]:
    for run in history.runs if history else ():
        if run.partition is not None and not run.succeeded:
            yield Unpublished(run.partition, run.run_id, run.ended)


def _blocked(instance: DagsterInstance, config: TenantConfig, pipeline: str) -> Iterator[Unpublished]:
    said = config.pipelines[pipeline]
    for stage in said.stages:
        for name in check_names(PipelineStage(config, said, stage).rules):
            key = AssetCheckKey(asset_key(config.id, stage, pipeline), name)
            for record in instance.event_log_storage.get_asset_check_execution_history(key, EVALUATIONS):
                event = record.event.dagster_event if record.event else None
                if event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
                    continue
                one = event.asset_check_evaluation_data
                if one.partition is not None and not one.passed and one.severity is AssetCheckSeverity.ERROR:
                    yield Unpublished(one.partition, record.run_id, moment(record.create_timestamp), (name,))


def _was_made(instance: DagsterInstance, asset: AssetKey, since: Unpublished) -> bool:
    wanted = AssetRecordsFilter(
        asset_key=asset, asset_partitions=[since.partition], after_timestamp=since.at.timestamp()
    )
    return bool(instance.fetch_materializations(wanted, limit=1).records)
