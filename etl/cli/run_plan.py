"""Plans the runs of `etl run`: which assets of a code location, for which partitions, in how many runs.

Belongs here: from the options of the command to runs that can be started. Not here: which assets the options name
(`chosen`), dividing partitions into runs (`etl.running.run_spans`), starting the runs (`runs`).
"""

from collections.abc import Mapping, Sequence

from dagster import AssetKey

from etl.cli.chosen import Chosen, choose
from etl.cli.messages import Plan, PlannedRun, Wanted
from etl.config.tenant_config import TenantConfig
from etl.errors import EtlError
from etl.partitions.scheme import TimeScheme
from etl.running.compat import RemoteRepository
from etl.running.naming import AssetAddress
from etl.running.partition_definitions import scheme_of, schemes_of
from etl.running.run_spans import (
    Definition,
    PartitionsOf,
    Range,
    RangesOf,
    Span,
    alike,
    asked,
    bounds,
    newest,
    partition_sets,
    spans,
    spans_of_assets,
    within,
)
from etl.settings import Settings


def plan(
    repository: RemoteRepository,
    config: TenantConfig,
    settings: Settings,
    wanted: Wanted,
    tags: Mapping[str, str],
) -> Plan:
    """Return the runs for what a person wants, in order, each with these tags. Raises an error if there is none."""
    chosen = choose(repository, config, settings, wanted.job, wanted.pipelines, wanted.stages)
    found = spans_of(repository, config, chosen, wanted.first, wanted.last)
    return Plan(
        runs=tuple(_run(chosen, each, tags) for each in found), note=chosen.note + _left_out(repository, chosen, found)
    )


def _left_out(repository: RemoteRepository, chosen: Chosen, found: Sequence[Span]) -> str:
    """Return a line for each pipeline that no run reads, because it does not have these partitions."""
    taken = {key for each in found for key in each.keys}
    graph = repository.asset_graph
    spans: dict[str, str] = {}
    for key in sorted(chosen.keys - taken):
        definition = graph.get(key).partitions_def
        known = bounds(definition) if definition is not None else None
        name = AssetAddress.of(key).name
        spans.setdefault(
            name, f"its {_word(definition)}s go from {known[0]} to {known[1]}" if known and definition else ""
        )
    lines = [
        f"not in this run: {name}, {why or 'none of its partitions is complete yet'}" for name, why in spans.items()
    ]
    return "".join(f"{each}\n" for each in lines)


def _run(chosen: Chosen, span: Span, tags: Mapping[str, str]) -> PlannedRun:
    return PlannedRun(
        job=chosen.job,
        tags={**span.tags, **tags},
        assets=tuple(tuple(key.path) for key in chosen.selection(span)),
        words=str(span),
        size=span.size,
        unit=span.word,
    )


def spans_of(
    repository: RemoteRepository, config: TenantConfig, chosen: Chosen, first: str | None, last: str | None
) -> list[Span]:
    """Return the runs for these partitions of the chosen assets, in order; by default for the newest complete one.

    Of a list of keys, all keys are run by default.
    """
    graph = repository.asset_graph
    partitions = {key: graph.get(key).partitions_def for key in chosen.keys}
    definitions = partition_sets(partitions)
    if not definitions:
        if first is not None:
            problem = f"{chosen.words} has only whole tables, so no partition or range applies to it"
            raise EtlError(problem, "run it without --from, --to and --partition")
        return [Span(None, None, frozenset(partitions), is_all=True)]
    if first is None or last is None:
        found = spans(partitions, newest(definitions))
        if not found:
            word = " or ".join(sorted({_word(each) for each in definitions}))
            raise EtlError(f"{chosen.words} has no {word} yet", f"its first {word} is not complete")
        return found
    wanted = asked(partitions, schemes_of(config, graph, partitions), first, last)
    groups = alike({each for key in wanted if (each := partitions[key]) is not None})
    if len(groups) == 1 and isinstance(scheme_of(groups[0][0]), TimeScheme):
        _refuse_outside(chosen.words, partitions, wanted)
    ranges: dict[AssetKey, Range] = {}
    for key, own in wanted.items():
        definition = partitions[key]
        if definition is None or not isinstance(scheme_of(definition), TimeScheme):
            ranges |= {key: own} if definition is not None else {}  # of a list, exactly the keys that were named
        elif had := within((definition,), own).get(definition):
            ranges[key] = had
    found = spans_of_assets(partitions, ranges)
    if not found:
        raise EtlError(
            f"no pipeline of {chosen.words} has a {_word(groups[0][0])} from {first} to {last}", "name others"
        )
    return found


def _refuse_outside(words: str, partitions: PartitionsOf, wanted: RangesOf) -> None:
    """Refuse a key that none of the job's assets has, instead of running a smaller range."""
    definitions = {each for key in wanted if (each := partitions[key]) is not None}
    known = [found for found in map(bounds, definitions) if found]
    word = " or ".join(sorted({_word(each) for each in definitions}))
    begin, end = min((each[0] for each in known), default=None), max((each[1] for each in known), default=None)
    for keys in ({first for first, _ in wanted.values()}, {last for _, last in wanted.values()}):
        if begin is None or end is None or not any(begin <= key <= end for key in keys):
            span = f"its {word}s go from {begin} to {end}" if begin else f"no {word} of it is complete yet"
            raise EtlError(f"{words} has no {word} {' or '.join(sorted(keys))}", span)


def _word(definition: Definition) -> str:
    scheme = scheme_of(definition)
    return scheme.word if scheme else "partition"
