"""Finds the complete partitions of a pipeline that readers of the lake do not see.

Belongs here: one listing of each stage, held against the partitions that are to be there, and the commands that make
them again. Not here: what an object holds (`explain_data`), rows (`etl.pipeline.verify`).

A partition after the newest published one may still be on its way: it is missing when nothing is promised about it and
it was complete long ago. Where something is promised, the promise says when it is late.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl.config.pipeline_config import PipelineConfig
from etl.lake.tenant_folder import published_sizes
from etl.partitions.keys import moved
from etl.partitions.scheme import StaticKeys, TimeScheme
from etl.pipeline.stage import StageRun

LONG = timedelta(hours=48)
_COMMANDS = 3
"""For so many partitions, or stretches of them, a command is written."""


@dataclass(frozen=True)
class MissingPartitions:
    """What a listing of the lake has shown."""

    present: tuple[str, ...] = ()
    """The partitions of the first stage that are there, in order."""
    absent: tuple[str, ...] = ()
    """Partitions that are to be there, and of which a stage has no object."""
    empty: tuple[str, ...] = ()
    """Those of them whose object has 0 bytes."""


def missing_partitions(
    run: StageRun, now: datetime, *, once: Collection[str] = (), is_promised: bool = False
) -> MissingPartitions:
    """List the lake, and return what is missing. `once` are the partitions that are known to have been published."""
    scheme = run.pipeline.scheme
    sizes = [
        published_sizes(run.lake, run.config.id, stage, run.pipeline.name)
        for stage in run.pipeline.stages
        if stage != "load"
    ]
    there = [{key for key, size in each.items() if key and size} for each in sizes]
    if not there:
        return MissingPartitions()
    whole = set.intersection(*there)
    expected = (
        [*scheme.values] if isinstance(scheme, StaticKeys) else [*_expected(scheme, whole, once, now, is_promised)]
    )
    absent = tuple(each for each in expected if each not in whole)
    empty = tuple(each for each in absent if any(found.get(each) == 0 for found in sizes))
    return MissingPartitions(tuple(sorted(there[0])), absent, empty)


def _expected(
    scheme: object, there: Collection[str], once: Collection[str], now: datetime, is_promised: bool
) -> Iterator[str]:
    newest = scheme.newest_complete(now) if isinstance(scheme, TimeScheme) else None
    if not isinstance(scheme, TimeScheme) or newest is None:
        return
    last = max((each for each in there if scheme.has(each)), default="")
    for key in scheme.between(scheme.start, newest):
        is_awaited = key > last and (is_promised or now - scheme.complete_at(key) < LONG)
        if not is_awaited or key in once:
            yield key


def remaking(tenant: str, pipeline: PipelineConfig, absent: Sequence[str]) -> tuple[str, ...]:
    """Return the commands that make these partitions again, one for each stretch, at most some."""
    words = f"etl run {tenant} --pipeline {pipeline.name}"
    if isinstance(pipeline.scheme, StaticKeys):
        return tuple(f"`{words} --partition {each}`" for each in absent[:_COMMANDS])
    stretches: list[tuple[str, str]] = []
    for key in absent:
        if stretches and moved(stretches[-1][1], 1) == key:
            stretches[-1] = stretches[-1][0], key
        else:
            stretches.append((key, key))
    return tuple(
        f"`{words} --from {first}{f' --to {last}' if last != first else ''}`" for first, last in stretches[:_COMMANDS]
    )
