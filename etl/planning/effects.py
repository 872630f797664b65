"""Finds what a change does to the data: from which stage on a pipeline is made again, and why.

Belongs here: the first stage that a change reaches, and the pipelines that read from it. Not here: which partitions
that are, how many rows and seconds (`backfills`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from etl.config.pipeline_config import Stage
from etl.config.tenant_config import TenantConfig
from etl.planning.compare import DefinitionChange
from etl.planning.description import Description, Thing

ORDER: tuple[Stage, ...] = ("extract", "transfer", "load")

_OF_EXTRACT: Mapping[str, str] = {
    "source_table": "another table is read",
    "source_schema": "another schema is read",
    "query": "another query is read",
    "date_column": "the rows are cut by another column",
    "columns": "other columns are read",
    "sort_by": "the rows of an object are in another order",
    "save_to_s3": "the objects lie elsewhere",
    "partitions.by": "the partitions are others",
    "partitions.timezone": "days begin and end at another moment",
    "partitions.naive_timezone": "times without a zone mean another moment",
}
_OF_TRANSFER: Mapping[str, str] = {
    "transform": "the transform is another",
    "transfer_inputs": "the transform reads other pipelines",
    "has_transfer": "the rows are refined, or not any more",
}
_OF_TABLE: Mapping[str, str] = {
    "target": "another table is loaded",
    "mode": "the table is loaded in another way",
    "key_columns": "rows are the same by other columns",
    "order_column": "another row of a key is the last one",
}
NEW_TABLE, OTHER_WAREHOUSE = "the table is new", "the warehouse is another one"
UNFINISHED = "an apply that was begun did not end"
_OF_KEYS = ("partitions.start", "partitions.end", "partitions.keys")


@dataclass
class Effect:
    """What happens to one pipeline. `since` is the first stage that is made again; None: only new partitions are."""

    pipeline: str
    since: Stage | None = None
    is_new: bool = False
    """The pipeline was not there before: what the lake lacks is made."""
    has_new_keys: bool = False
    """There are partitions that were none before."""
    reasons: list[str] = field(default_factory=list)

    @property
    def loads_again(self) -> bool:
        """Whether the table has to take rows that it may hold already."""
        return any(each in self.reasons for each in (*_OF_TABLE.values(), NEW_TABLE, OTHER_WAREHOUSE))

    def begins_at(self, stage: Stage, reason: str) -> None:
        """Note that the pipeline is made again from `stage` on."""
        if self.since is None or ORDER.index(stage) < ORDER.index(self.since):
            self.since = stage
        if reason not in self.reasons:
            self.reasons.append(reason)


def effects(config: TenantConfig, changes: Sequence[DefinitionChange]) -> dict[str, Effect]:
    """Return the effect on each pipeline that has one, in the order in which the pipelines read from each other."""
    found: dict[str, Effect] = {}
    for name in config.pipelines:
        effect = Effect(name)
        for change in changes:
            if change.pipeline == name and change.kind in ("pipeline", "table"):
                _note(effect, change, config)
        if config.pipelines[name].save_to_trino and _moves(changes):
            effect.begins_at("load", OTHER_WAREHOUSE)
        if effect.since or effect.is_new or effect.has_new_keys:
            found[name] = effect
    _spread(config, found)
    return {name: found[name] for name in in_order(config) if name in found}


def add_unfinished(config: TenantConfig, found: dict[str, Effect], changes: Sequence[DefinitionChange]) -> None:
    """Add the effects of going back from what was begun to be applied: its runs may have published some of it."""
    for name, effect in effects(config, changes).items():
        if effect.since is None:
            continue
        mine = found.setdefault(name, Effect(name))
        for reason in (*effect.reasons, UNFINISHED):
            mine.begins_at(effect.since, reason)


_SAME_PLACE = frozenset({"username", "password", "options"})


def _moves(changes: Sequence[DefinitionChange]) -> bool:
    """Whether the warehouse is at another place, and not only opened by another user."""
    return any(
        {one.name for one in each.values} - _SAME_PLACE
        for each in changes
        if each.kind == "connection" and each.name == "warehouse" and each.action == "changed"
    )


def _note(effect: Effect, change: DefinitionChange, config: TenantConfig) -> None:
    stages = config.pipelines[effect.pipeline].stages
    if change.action == "added":
        if change.kind == "pipeline":
            effect.is_new = True
            effect.reasons.append("the pipeline is new")
        elif not effect.is_new:
            effect.begins_at("load", NEW_TABLE)
        return
    for value in change.values:
        if change.kind == "table" and value.name in _OF_TABLE:
            effect.begins_at("load", _OF_TABLE[value.name])
        elif change.kind == "pipeline" and value.name in _OF_EXTRACT:
            effect.begins_at("extract", _OF_EXTRACT[value.name])
        elif change.kind == "pipeline" and value.name in _OF_TRANSFER:
            effect.begins_at(_after_extract(stages), _OF_TRANSFER[value.name])
        elif value.name in _OF_KEYS:
            effect.has_new_keys = True


def _after_extract(stages: Sequence[Stage]) -> Stage:
    """Return the stage that takes the extracted rows."""
    return stages[1] if len(stages) > 1 else stages[0]


def _spread(config: TenantConfig, found: dict[str, Effect]) -> None:
    """Add the pipelines whose transforms read the extracts of affected pipelines."""
    for name in in_order(config):
        pipeline = config.pipelines[name]
        for source in pipeline.transfer_inputs if pipeline.has_transfer else ():
            above = found.get(source)
            if source != name and above is not None and above.since == "extract":
                found.setdefault(name, Effect(name)).begins_at("transfer", f"it reads `{source}`, which is made again")


def in_order(config: TenantConfig) -> tuple[str, ...]:
    """Return the pipelines so that each stands after the pipelines that it reads."""
    done: dict[str, None] = {}

    def visit(name: str, above: frozenset[str]) -> None:
        if name in done or name in above:
            return
        for source in config.pipelines[name].transfer_inputs:
            if source in config.pipelines:
                visit(source, above | {name})
        done[name] = None

    for name in config.pipelines:
        visit(name, frozenset())
    return tuple(done)


def readers(description: Description, assets: Iterable[str], pipeline: str) -> Iterator[str]:
    """Yield what reads these assets, directly or through others, without the assets of the pipeline itself."""
    things = description.of_kind("asset", "model", "exposure")
    reached = set(assets)
    grown = True
    while grown:
        more = {each.name for each in things if reached & {*_reads(each)}} - reached
        reached |= more
        grown = bool(more)
    for each in things:
        if each.name in reached and each.pipeline != pipeline:
            yield f"{each.name} (exposure)" if each.kind == "exposure" else each.name


def assets_of(description: Description, pipeline: str, since: Stage = "extract") -> list[str]:
    """Return the assets of a pipeline from a stage on."""
    after = ORDER[ORDER.index(since) :]
    own = [each.name for each in description.of_kind("asset") if each.pipeline == pipeline]
    return [each for each in own if len(parts := each.split("/")) > 1 and parts[1] in after]


def _reads(thing: Thing) -> list[str]:
    said = thing.values.get("reads")
    return [str(each) for each in said] if isinstance(said, list) else []
