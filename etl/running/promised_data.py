"""Looks whether the data is still there about which kept promises speak.

Belongs here: kept promises about data that readers of the lake do not see. Not here: judging from the event log
(`etl.promises.judge`), the same question for a tenant's page, which looks at every partition (`etl.portal.published`).

A tick of a sensor asks no bucket: a store that does not answer would keep it from the promises of all tenants.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import replace

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.lake.footer import DamagedError
from etl.partitions.scheme import PartitionScheme, StaticKeys, TimeScheme
from etl.pipeline.stage import StageRun
from etl.promises.freshness import State
from etl.promises.judge import Promise, PromiseVerdict
from etl.running.sla_result import GREEN
from etl.settings import Settings

ABOUT_DATA: frozenset[Promise] = frozenset({"deadline", "max_age", "min_row_count", "max_row_count"})
"""The promises about data. The others are about runs and checks, which stay known when data is gone."""
GONE = "what was published is gone from the lake"
DAMAGED = "what was published is damaged in the lake"
UNREADABLE = "it is not known whether the data is there: the lake could not be read"


def with_data_there(
    verdicts: Mapping[str, tuple[PromiseVerdict, ...]],
    config: TenantConfig,
    settings: Settings,
    published: Mapping[str, Collection[str]],
    *,
    buckets: bool = True,
) -> dict[str, tuple[PromiseVerdict, ...]]:
    """Return the verdicts of pipelines. A promise about data that is gone is not known to be kept.

    `published` has for each pipeline the partitions that the event log knows; the empty text stands for a whole table.
    """
    return {
        name: _of_pipeline(found, config.pipelines[name], config, settings, published.get(name, ()))
        if buckets or not (config.storage.bucket and config.pipelines[name].save_to_s3)
        else found
        for name, found in verdicts.items()
    }


def _of_pipeline(
    verdicts: tuple[PromiseVerdict, ...],
    pipeline: PipelineConfig,
    config: TenantConfig,
    settings: Settings,
    published: Collection[str],
) -> tuple[PromiseVerdict, ...]:
    keys = needed(pipeline.scheme, published)
    if not keys or not any(_is_about_data(each) for each in verdicts):
        return verdicts
    run = StageRun(config=config, pipeline=pipeline, partition=None, run_id="", settings=settings)
    with closing(run):
        why = _wrong(run, keys)
    if why is None:
        return verdicts
    return tuple(
        replace(each, state=State.UNMEASURED, message=why, since=None) if _is_about_data(each) else each
        for each in verdicts
    )


def needed(scheme: PartitionScheme, published: Collection[str]) -> tuple[str, ...]:
    """Return the partitions that must be there: the newest one, or of a list each one that was published."""
    if isinstance(scheme, TimeScheme):
        return (max(known),) if (known := [each for each in published if each and scheme.has(each)]) else ()
    return tuple(sorted({*published}.intersection(scheme.values if isinstance(scheme, StaticKeys) else ("",))))


def _wrong(run: StageRun, keys: Iterable[str]) -> str | None:
    """Return why it is not known whether all these partitions are there; None if they are. Only footers are read."""
    try:
        return next((GONE for key in keys if not _is_there(run, key or None)), None)
    except DamagedError:
        return DAMAGED
    except (EtlError, OSError):
        return UNREADABLE


def _is_there(run: StageRun, partition: str | None) -> bool:
    found = run.lake.find(run.ref(run.pipeline.published_stage, run.pipeline.name, partition))
    return found is not None and found.provenance.partition == partition


def _is_about_data(verdict: PromiseVerdict) -> bool:
    return verdict.promise in ABOUT_DATA and verdict.state in GREEN
