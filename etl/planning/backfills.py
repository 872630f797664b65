"""Says which partitions a change makes again, about how many rows that are, and what it will cost.

Belongs here: the partitions, their rows from the lake, their seconds from Dagster's event log. Not here: why a pipeline
is made again (`effects`), starting the runs (`etl.cli.plan`).

What is not known is None, and is shown as unknown: no number is made up. A number that is reckoned from others says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import mean, median

from dagster import AssetKey, DagsterInstance
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig
from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Lake, ObjectRef
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.planning.effects import ORDER, Effect
from etl.running.naming import asset_key
from etl.running.run_outcomes import number

FOOTERS = 200
"""So many objects are looked at for their rows; of more, the newest are, and the others are taken to be alike."""
EARLIER_RUNS = 50
"""The cost of a stage is the median of so many of its newest materializations."""


class BackFill(BaseModel):
    """What one pipeline has to make again, or for the first time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    stages: tuple[str, ...]
    reasons: tuple[str, ...]
    word: str
    """The word for one partition: day, week, region, table."""
    ranges: tuple[tuple[str, str], ...] = ()
    """The first and last key of each series; empty for a whole table."""
    partitions: int
    rewritten: int
    """How many of them are published now and are replaced."""
    rows: int | None = None
    rows_known_from: str = ""
    seconds: float | None = None
    seconds_known_from: str = ""

    def commands(self, tenant: str) -> tuple[str, ...]:
        """The commands that do the same by hand."""
        stages = "".join(f" --stage {each}" for each in self.stages)
        reload = " --reload" if "load" in self.stages else ""
        words = f"etl run {tenant} --pipeline {self.pipeline}{stages}"
        if not self.ranges:
            return (f"{words}{reload}",)
        return tuple(f"{words}{_range(first, last)}{reload}" for first, last in self.ranges)


def _range(first: str, last: str) -> str:
    return f" --from {first} --to {last}" if first != last else f" --from {first}"


@dataclass(frozen=True)
class History:
    """Where earlier runs are read from. Without an instance, no cost is known."""

    instance: DagsterInstance | None

    def seconds(self, tenant: str, pipeline: str, stage: str) -> float | None:
        """The median of what the stage took for one partition; None if it never ran."""
        if self.instance is None:
            return None
        key = AssetKey([tenant, stage, pipeline])
        found = self.instance.fetch_materializations(key, limit=EARLIER_RUNS).records
        made = [each.asset_materialization for each in found]
        known = [said for each in made if each is not None and (said := number(each.metadata, "seconds")) is not None]
        return median(known) if known else None


def backfill_of(
    config: TenantConfig,
    effect: Effect,
    lake: Lake,
    history: History,
    now: datetime,
    earlier: TimeScheme | StaticKeys | None = None,
    models: bool = False,
) -> BackFill | None:
    """Return what the pipeline has to make; None if there is nothing.

    `earlier` are the partitions that it had before. `models` says that dbt models follow the pipeline.
    """
    pipeline = config.pipelines[effect.pipeline]
    due = pipeline.scheme.keys(now)
    published = _published(config, pipeline, lake)
    wanted = _wanted(effect, due, published, earlier, now)
    if not wanted:
        return None
    since = effect.since or "extract"
    if effect.is_new or any(key not in published for key in wanted):
        since = "extract"
    stages: list[str] = [each for each in pipeline.stages if ORDER.index(each) >= ORDER.index(since)]
    stages += ["dbt"] if models and since == "extract" else []
    rows, rows_from = _rows(config, pipeline, lake, [key for key in wanted if key in published], len(wanted))
    seconds, seconds_from = _seconds(config, pipeline, stages, history, len(wanted))
    return BackFill(
        pipeline=pipeline.name,
        stages=tuple(stages),
        reasons=tuple(effect.reasons) or ("there are more partitions than before",),
        word=pipeline.scheme.word,
        ranges=tuple(_series(wanted, due)),
        partitions=len(wanted),
        rewritten=sum(key in published for key in wanted),
        rows=rows,
        rows_known_from=rows_from,
        seconds=seconds,
        seconds_known_from=seconds_from,
    )


def _published(config: TenantConfig, pipeline: PipelineConfig, lake: Lake) -> frozenset[str | None]:
    stage = pipeline.published_stage
    if pipeline.partitions:
        return frozenset(lake.partitions(config.id, stage, pipeline.name))
    found = lake.find_intact(ObjectRef(tenant=config.id, stage=stage, pipeline=pipeline.name))
    return frozenset() if found is None else frozenset({None})


def _wanted(
    effect: Effect,
    due: Sequence[str | None],
    published: frozenset[str | None],
    earlier: TimeScheme | StaticKeys | None,
    now: datetime,
) -> list[str | None]:
    """The partitions to be made: of a new pipeline what is missing, of a changed one what is there, and new keys."""
    if effect.is_new:
        return [key for key in due if key not in published]
    before = set(earlier.keys(now)) if earlier is not None else set(due)
    again = {key for key in due if key in published} if effect.since else set()
    more = {key for key in due if key not in before and key not in published} if effect.has_new_keys else set()
    if effect.since == "extract" and published and not again:  # cut in another way: no key is as before
        return list(due)
    return [key for key in due if key in again or key in more]


def _series(wanted: Sequence[str | None], due: Sequence[str | None]) -> Iterable[tuple[str, str]]:
    """Yield the first and the last key of each series of partitions that follow each other."""
    place = {key: number for number, key in enumerate(due)}
    keys = [key for key in wanted if key is not None]
    for _, group in groupby(enumerate(keys), key=lambda each: place[each[1]] - each[0]):
        series = [key for _, key in group]
        yield series[0], series[-1]


def _rows(
    config: TenantConfig, pipeline: PipelineConfig, lake: Lake, published: Sequence[str | None], wanted: int
) -> tuple[int | None, str]:
    looked = published[-FOOTERS:]
    counts = []
    for key in looked:
        ref = ObjectRef(tenant=config.id, stage=pipeline.published_stage, pipeline=pipeline.name, partition=key)
        found = lake.find_intact(ref)
        if found is not None:
            counts.append(found.rows)
    if not counts:
        return None, "nothing of it is published yet"
    if len(counts) == wanted:
        return sum(counts), ""
    return round(mean(counts) * wanted), f"reckoned from {len(counts)} published of {wanted}"


def _seconds(
    config: TenantConfig, pipeline: PipelineConfig, stages: Sequence[str], history: History, wanted: int
) -> tuple[float | None, str]:
    known: Mapping[str, float | None] = {
        each: history.seconds(config.id, pipeline.name, each) for each in stages if each != "dbt"
    }
    without = [each for each, found in known.items() if found is None]
    if without:
        return None, f"{' and '.join(without)} never ran here"
    total = sum(each for each in known.values() if each is not None) * wanted
    return round(total, 3), "from earlier runs" + (", without its dbt models" if "dbt" in stages else "")


def stage_asset(tenant: str, stage: str, pipeline: str) -> AssetKey:
    """Return the asset of a stage."""
    return asset_key(tenant, next(each for each in ORDER if each == stage), pipeline)
