"""Marks the changes by which something is lost, or is not watched any more.

Belongs here: the list of such changes, with the reason in words. Not here: finding changes (`compare`), columns of the
data (`columns`), what is only weaker (`weaker`), and refusing to apply (`apply`).
"""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from etl.planning.compare import DefinitionChange, ValueChange
from etl.planning.description import Description, Thing
from etl.planning.weaker import fewer_messages, rarer_schedule, weaker_promise, weaker_settings

_ON_FAILURE: Sequence[JsonValue] = ("warn", "quarantine", "block")


def marked(
    changes: Sequence[DefinitionChange], old: Description | None, new: Description | None
) -> tuple[DefinitionChange, ...]:
    """Return the changes, each with what it loses."""
    return tuple(each.model_copy(update={"loses": tuple(_losses(each, old, new))}) for each in changes)


def _losses(change: DefinitionChange, old: Description | None, new: Description | None) -> Iterator[str]:
    match change.action:
        case "removed":
            yield from _of_removed(change, old, new)
        case "changed":
            yield from _of_changed(change)
        case "added":
            if change.kind == "table":
                yield from _taken_table(change, old, new)


def _of_removed(change: DefinitionChange, old: Description | None, new: Description | None) -> Iterator[str]:
    is_still_there = new is not None and ("pipeline", change.pipeline) in new.by_key
    match change.kind:
        case "tenant":
            yield "the tenant is gone; its objects and tables stay, and nothing keeps them up to date"
        case "pipeline":
            yield _removed_pipeline(change, old)
        case "table" if is_still_there and old is not None:
            target = old.by_key["table", change.name].values["target"]
            yield f"the table {target} stays as it is and is not loaded any more"
        case "check" if not _with_its_asset(change, new):
            yield "the check is deleted: nothing looks for such rows any more"
        case "promise" if is_still_there:
            yield "the promise is deleted: nobody is told when it would be broken"
        case "notification":
            yield "nobody is told there any more"


def _of_changed(change: DefinitionChange) -> Iterator[str]:
    match change.kind:
        case "tenant":
            if (switch := change.value("enabled")) and switch.new is False:
                yield "the tenant is disabled: it has no asset, job or schedule any more"
            yield from _lost_owners(change)
        case "pipeline":
            yield from _of_pipeline(change)
        case "table":
            yield from _of_table(change)
        case "check":
            severity = change.value("severity")
            if severity and severity.old == "error":  # a warning never stopped a run
                yield "the check does not stop a run any more"
        case "promise":
            yield from weaker_promise(change)
        case "schedule":
            yield from rarer_schedule(change)
        case "notification":
            yield from fewer_messages(change)


def _removed_pipeline(change: DefinitionChange, old: Description | None) -> str:
    table = old.by_key.get(("table", change.name)) if old else None
    if table is not None:
        return f"the table {table.values['target']} stays as it is and is not loaded any more"
    return "its objects in the lake stay as they are and are not renewed any more"


def _of_pipeline(change: DefinitionChange) -> Iterator[str]:
    for name in ("partitions.by", "date_column", "partitions.timezone"):
        if (found := change.value(name)) and found.old is not None:
            yield f"the partitions are cut in another way ({name}); what was made before stays in lake and table"
    if (keys := change.value("partitions.keys")) and _gone(keys):
        yield f"the keys {_listed(_gone(keys))} are no partitions any more; their rows stay and are not renewed"
    same_cut = change.value("partitions.by") is None
    start = change.value("partitions.start") if same_cut else None
    end = change.value("partitions.end") if same_cut else None
    if start and isinstance(start.old, str) and isinstance(start.new, str) and start.new > start.old:
        yield f"the partitions before {start.new} are not renewed any more"
    if end and isinstance(end.new, str) and (end.old is None or str(end.old) > end.new):
        yield f"the partitions after {end.new} are not made any more"
    if (columns := change.value("columns")) and columns.new and (gone := _gone(columns)):
        yield f"the column {_listed(gone)} is not read any more"
    failing = change.value("quality.on_failure")
    effect = "are published" if failing and failing.new == "warn" else "are set aside, and do not stop the others"
    yield from _weaker(failing, _ON_FAILURE, f"bad rows that stopped a partition {effect}")
    yield from weaker_settings(change)
    yield from _lost_owners(change)


def _of_table(change: DefinitionChange) -> Iterator[str]:
    if target := change.value("target"):
        yield f"the table {target.old} stays as it is and is not loaded any more"
    if (mode := change.value("mode")) and mode.new == "replace":
        yield "each load replaces all rows of the table"
    if (mode := change.value("mode")) and mode.old == "append":
        yield "the table keeps only the newest rows, no earlier versions"
    if keys := change.value("key_columns"):
        now, before = _listed(_texts(keys.new)), _listed(_texts(keys.old))
        yield f"another row may win: rows are the same by {now}, not by {before}"


def _taken_table(change: DefinitionChange, old: Description | None, new: Description | None) -> Iterator[str]:
    """Tell of a table that another pipeline loaded before: its owner changes."""
    own = new.by_key.get((change.kind, change.name)) if new else None
    for each in old.of_kind("table") if old and own else ():
        if own and each.values.get("target") == own.values.get("target") and each.name != own.name:
            yield f"the table {own.values['target']} gets another owner: `{each.name}` loaded it"


def _lost_owners(change: DefinitionChange) -> Iterator[str]:
    owners = change.value("owners")
    if owners and (gone := _gone(owners)):
        yield f"{_listed(gone)} is no owner any more, and is not told of a breach"


def _weaker(change: ValueChange | None, from_weak_to_strong: Sequence[JsonValue], words: str) -> Iterator[str]:
    known = [str(each) for each in from_weak_to_strong]
    both = (str(change.old), str(change.new)) if change else ()
    if both and set(both) <= set(known) and known.index(both[1]) < known.index(both[0]):
        yield words


def _gone(change: ValueChange) -> list[str]:
    return [each for each in _texts(change.old) if each not in _texts(change.new)]


def _texts(value: JsonValue) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in names) or "nothing"


def _with_its_asset(change: DefinitionChange, new: Description | None) -> bool:
    """Whether a check is gone because its asset is, which has a line of its own."""
    asset = change.name.rpartition(":")[0]
    found: list[Thing] = [*new.of_kind("asset", "model", "exposure")] if new else []
    return asset not in {each.name for each in found}
