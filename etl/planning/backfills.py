"""Says which partitions a change makes again, about how many rows that are, and what it will cost.

Belongs here: the partitions, their rows from the lake, their seconds from Dagster's event log. Not here: why a pipeline
is made again (`effects`), starting the runs (`etl.cli.plan`).

What is not known is None, and is shown as unknown: no number is made up. A number that is reckoned from others says so.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import mean, median

from dagster import AssetKey, DagsterInstance
from pydantic import BaseModel, ConfigDict

from etl.config.pipeline_config import PipelineConfig, Stage
from etl.config.tenant_config import TenantConfig
from etl.lake.lake import Lake, ObjectRef
from etl.partitions.keys import kind_of
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.planning.effects import ORDER, Effect
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
    reload: bool = False
    """The table has to take rows that it may hold already."""
    rows: int | None = None
    rows_known_from: str = ""
    seconds: float | None = None
    seconds_known_from: str = ""

    def commands(self, tenant: str) -> tuple[str, ...]:
        """The commands that do the same by hand."""
        stages = "".join(f" --stage {each}" for each in self.stages)
        reload = " --reload" if self.reload else ""
        words = f"etl run {tenant} --pipeline {self.pipeline}{stages}"
        if not self.ranges:
            return (f"{words}{reload}",)
        return tuple(f"{words}{_range(first, last)}{reload}" for first, last in self.ranges)


def _range(first: str, last: str) -> str:
    """Return the options of `etl run` for these partitions."""
    if kind_of(first) == "static" and first == last:
        return f" --partition {shlex.quote(first)}"
    return (
        f" --from {shlex.quote(first)} --to {shlex.quote(last)}" if first != last else f" --from {shlex.quote(first)}"
    )


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


@dataclass(frozen=True)
class PipelineSight:
    """One pipeline, and where it is looked up what there is of it."""

    config: TenantConfig
    pipeline: PipelineConfig
    lake: Lake
    history: History
    now: datetime
    has_models: bool = False
    """Whether dbt models follow the pipeline."""


def backfills_of(
    at: PipelineSight, effect: Effect, earlier: TimeScheme | StaticKeys | None = None
) -> Iterator[BackFill]:
    """Yield what the pipeline has to make again, and what it has to make for the first time.

    `earlier` are the partitions that it had before.
    """
    due = at.pipeline.scheme.keys(at.now)
    published = published_keys(at.config, at.pipeline, at.lake)
    again = [key for key in due if key in published] if effect.since else []
    before = set(earlier.keys(at.now)) if earlier is not None else set(due)
    if effect.is_new or (effect.since == "extract" and published and not again):  # all keys are others than before
        more = [key for key in due if key not in published]
    elif effect.has_new_keys:
        more = [key for key in due if key not in before and key not in published]
    else:
        more = []
    if again and effect.since:
        yield _backfill(at, again, due, effect.since, effect.reasons, published, reload=effect.loads_again)
    if more:
        reasons = effect.reasons if effect.is_new or effect.since == "extract" else []
        reasons = reasons or ["there are partitions that were none before"]
        yield _backfill(at, more, due, "extract", reasons, published)


def _backfill(
    at: PipelineSight,
    wanted: Sequence[str | None],
    due: Sequence[str | None],
    since: Stage,
    reasons: Sequence[str],
    published: frozenset[str | None],
    *,
    reload: bool = False,
) -> BackFill:
    stages: list[str] = [each for each in at.pipeline.stages if ORDER.index(each) >= ORDER.index(since)]
    stages += ["dbt"] if at.has_models and since == "extract" else []
    known = [key for key in due if key in published]
    rows, rows_from = known_rows(at, known, wanted)
    seconds, seconds_from = _seconds(at, stages, len(wanted))
    return BackFill(
        pipeline=at.pipeline.name,
        stages=tuple(stages),
        reasons=tuple(reasons),
        word=at.pipeline.scheme.word,
        ranges=tuple(_series(wanted, due)),
        partitions=len(wanted),
        rewritten=sum(key in published for key in wanted),
        reload=reload,
        rows=rows,
        rows_known_from=rows_from,
        seconds=seconds,
        seconds_known_from=seconds_from,
    )


def run_published(config: TenantConfig, pipeline: PipelineConfig, lake: Lake) -> str:
    """Return the command that runs all published partitions of a pipeline again, and what lies between them."""
    keys = [each for each in published_keys(config, pipeline, lake) if each and pipeline.scheme.has(each)]
    timed = isinstance(pipeline.scheme, TimeScheme) and keys
    return f"etl run {config.id} --pipeline {pipeline.name}{_range(min(keys), max(keys)) if timed else ''}"


def published_keys(config: TenantConfig, pipeline: PipelineConfig, lake: Lake) -> frozenset[str | None]:
    """Return the keys of the partitions that readers see; None stands for a whole table."""
    stage = pipeline.published_stage
    if pipeline.partitions:
        return frozenset(lake.partitions(config.id, stage, pipeline.name))
    found = lake.find_intact(ObjectRef(tenant=config.id, stage=stage, pipeline=pipeline.name))
    return frozenset() if found is None else frozenset({None})


def _series(wanted: Sequence[str | None], due: Sequence[str | None]) -> Iterable[tuple[str, str]]:
    """Yield the first and the last key of each series of partitions that follow each other."""
    place = {key: number for number, key in enumerate(due)}
    keys = [key for key in wanted if key is not None]
    for _, group in groupby(enumerate(keys), key=lambda each: place[each[1]] - each[0]):
        series = [key for _, key in group]
        yield series[0], series[-1]


def known_rows(
    at: PipelineSight, published: Sequence[str | None], wanted: Sequence[str | None]
) -> tuple[int | None, str]:
    """Return the rows of the wanted partitions; what is not published is taken to be like what is."""
    own = [key for key in published if key in set(wanted)]
    looked = (own or published)[-FOOTERS:]
    counts = []
    for key in looked:
        stage, name = at.pipeline.published_stage, at.pipeline.name
        found = at.lake.find_intact(ObjectRef(tenant=at.config.id, stage=stage, pipeline=name, partition=key))
        if found is not None:
            counts.append(found.rows)
    if not counts:
        return None, "nothing of it is published yet"
    if own and len(counts) == len(wanted):
        return sum(counts), ""
    return round(mean(counts) * len(wanted)), f"as in {len(counts)} published partitions"


def _seconds(at: PipelineSight, stages: Sequence[str], wanted: int) -> tuple[float | None, str]:
    known: Mapping[str, float | None] = {
        each: at.history.seconds(at.config.id, at.pipeline.name, each) for each in stages if each != "dbt"
    }
    without = [each for each, found in known.items() if found is None]
    if without:
        return None, f"{' and '.join(without)} never ran here"
    total = sum(each for each in known.values() if each is not None) * wanted
    return round(total, 3), "from earlier runs" + (", without its dbt models" if "dbt" in stages else "")
