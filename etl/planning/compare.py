"""Compares two descriptions of a tenant: what is added, changed and removed.

Belongs here: the differences, and the hint that a pipeline was probably renamed. Not here: which differences lose
something (`destructive`), what a difference will do (`effects`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from etl.planning.description import Description, Kind, Thing
from etl.running.naming import RECONCILED_CHECK, SLA_CHECK

Action = Literal["added", "changed", "removed"]


class ValueChange(BaseModel):
    """One value of a thing that is another than before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    old: JsonValue
    new: JsonValue
    line: int | None = None


class DefinitionChange(BaseModel):
    """One thing that is added, changed or removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    kind: Kind
    name: str
    pipeline: str | None = None
    line: int | None = None
    values: tuple[ValueChange, ...] = ()
    """What has changed; empty for a thing that is added or removed."""
    loses: tuple[str, ...] = ()
    """Why the change is destructive: what is lost or not watched any more. Empty if it is not."""
    follows: bool = False
    """The change only follows from another one of the same plan, such as the code version of an asset."""

    def value(self, name: str) -> ValueChange | None:
        """The change of one value; None if it is as before."""
        return next((each for each in self.values if each.name == name), None)


def compare(old: Description | None, new: Description | None) -> tuple[DefinitionChange, ...]:
    """Return the differences in the order of the description. Without a description, everything is new, or removed."""
    before = old.by_key if old else {}
    after = new.by_key if new else {}
    both = dict.fromkeys([*before, *after])
    found = [change for key in both if (change := _change(before.get(key), after.get(key))) is not None]
    order = [*(new.things if new else ()), *(old.things if old else ())]
    places = {each.key: number for number, each in reversed([*enumerate(order)])}
    found.sort(key=lambda each: places[each.kind, each.name])
    return tuple(_marked(found))


def _change(old: Thing | None, new: Thing | None) -> DefinitionChange | None:
    if new is None and old is not None:
        return DefinitionChange(action="removed", kind=old.kind, name=old.name, pipeline=old.pipeline)
    if new is None:
        return None
    line = new.line_of("")
    if old is None:
        return DefinitionChange(action="added", kind=new.kind, name=new.name, pipeline=new.pipeline, line=line)
    values = tuple(
        ValueChange(name=name, old=old.values.get(name), new=new.values.get(name), line=new.line_of(name))
        for name in sorted({*old.values, *new.values})
        if not _same(old.values.get(name), new.values.get(name))
    )
    if not values:
        return None
    return DefinitionChange(
        action="changed", kind=new.kind, name=new.name, pipeline=new.pipeline, line=line, values=values
    )


def _same(old: JsonValue, new: JsonValue) -> bool:
    """Whether two values say the same. A value that is not there says the same as an empty one."""
    nothing: tuple[JsonValue, ...] = (None, "", [], {}, False)
    return old == new or (old in nothing and new in nothing)


_OF_ASSETS = ("asset", "model", "exposure")
_FOLLOWING = frozenset({"code_version", "description", "group", "lake", "owners", "partitions", "tags", "reads"})
"""Values of an asset that follow from its pipeline or its tenant."""
_WHERE_THE_LAST_STAGE_IS = (f":{SLA_CHECK}", f":{RECONCILED_CHECK}")
"""Checks that every pipeline has, on the asset of its last stage."""


def _marked(changes: Sequence[DefinitionChange]) -> Iterator[DefinitionChange]:
    """Yield the changes; those that only follow from another one are marked, so that people read them once."""
    causes = {each.pipeline for each in changes if each.kind not in _OF_ASSETS and each.pipeline is not None}
    of_all = any(each.kind in ("tenant", "connection") for each in changes)
    came_or_gone = {
        each.name: each.action
        for each in changes
        if each.kind in ("pipeline", *_OF_ASSETS) and each.action != "changed"
    }
    is_off = any(each.kind == "tenant" and (switch := each.value("enabled")) and not switch.new for each in changes)
    for each in changes:
        yield each.model_copy(
            update={"follows": _follows(each, of_all or each.pipeline in causes, came_or_gone, is_off=is_off)}
        )


def _follows(change: DefinitionChange, is_caused: bool, came_or_gone: Mapping[str, Action], *, is_off: bool) -> bool:
    names = {each.name for each in change.values}
    its_pipeline = came_or_gone.get(change.pipeline or "")
    match change.kind:
        case "asset":
            return is_caused and (change.action != "changed" or names <= _FOLLOWING)
        case "check" if change.name.endswith(_WHERE_THE_LAST_STAGE_IS):
            return True
        case "check" if change.action == "changed":
            return names == {"stops_publishing"}
        case "table" | "check" | "promise":
            return its_pipeline == change.action == "removed"
        case "job" if change.action == "changed":
            return all(_lists_only(each, came_or_gone) for each in change.values)
        case "job" | "schedule" | "sensor":
            return is_off
        case _:
            return False


def _lists_only(change: ValueChange, assets: Iterable[str]) -> bool:
    """Whether a job's list differs only by things that were added or removed themselves."""
    if not isinstance(change.old, list) or not isinstance(change.new, list):
        return False
    differing = {str(each) for each in change.old} ^ {str(each) for each in change.new}
    return differing <= set(assets)


_OF_A_NAME = frozenset({"transfer_inputs", "transform", "description"})
"""Values that usually contain a pipeline's name."""


def renamed(old: Description | None, new: Description | None) -> Mapping[str, str]:
    """Return pipelines that were removed, each with the added pipeline that is the same but for its name."""
    if old is None or new is None:
        return {}
    gone = [each for each in old.of_kind("pipeline") if each.key not in new.by_key]
    come = [each for each in new.of_kind("pipeline") if each.key not in old.by_key]
    found: dict[str, str] = {}
    for one in gone:
        for other in come:
            if other.name not in found.values() and _without_names(one) == _without_names(other):
                found[one.name] = other.name
                break
    return found


def _without_names(pipeline: Thing) -> dict[str, JsonValue]:
    return {key: value for key, value in pipeline.values.items() if key not in _OF_A_NAME}
