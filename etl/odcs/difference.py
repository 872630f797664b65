"""Compares two contracts and says for each change whether it breaks a consumer.

Belongs here: tables, columns, places, people. Not here: rules (`rule_difference`), promises (`promise_difference`),
showing the result (`etl.cli.contract`).

A consumer is somebody who reads the data as the old contract promises it. What the new contract promises in addition
breaks nobody; what it no longer promises breaks those who relied on it. A column that was taken away and another one
that was added with the same type and key are named as a column that was probably renamed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.odcs.changes import ContractChange, breaking, harmless, unknown
from etl.odcs.columns import column_name
from etl.odcs.document import Contract
from etl.odcs.promise_difference import promise_changes
from etl.odcs.property_difference import property_changes
from etl.odcs.reading import EARLIER, READS_FROM
from etl.odcs.rule_difference import rule_changes
from etl.odcs.types import column_type, is_wider

_FOR_PEOPLE = frozenset(
    {
        "authoritativeDefinitions",
        "businessName",
        "classification",
        "criticalDataElement",
        "dataGranularityDescription",
        "description",
        "examples",
        "id",
        "physicalType",
        "tags",
        "transformDescription",
        "transformLogic",
        "transformSourceObjects",
    }
)
_COMPARED_OF_TABLE = frozenset(
    {"name", "physicalName", "logicalType", "properties", "quality", "customProperties", "relationships"}
)
_TYPE = ("logicalType", "physicalType", "logicalTypeOptions", "items", "properties")
_COMPARED_OF_COLUMN = frozenset(
    {
        *_TYPE,
        "name",
        "physicalName",
        "required",
        "unique",
        "partitioned",
        "partitionKeyPosition",
        "primaryKey",
        "primaryKeyPosition",
        "quality",
        "relationships",
    }
)


def contract_changes(old: Contract, new: Contract) -> tuple[ContractChange, ...]:
    """Return all changes from the old to the new contract, the harmless ones last."""
    changes = [*_fundamentals(old.data, new.data), *_servers(old.data, new.data)]
    before, after = _tables(old.data), _tables(new.data)
    renamed: tuple[str, str] | None = None
    if len(before) == 1 and len(after) == 1 and before.keys() != after.keys():
        changes.append(breaking("schema", f"the table `{_one(before)}` is called `{_one(after)}` now"))
        renamed = (_one(after), _one(before))
        after = {_one(before): after[_one(after)]}
    for name, table in before.items():
        if name not in after:
            changes.append(breaking(f"schema.{name}", "the table is gone"))
        else:
            changes += _table_changes(name, table, after[name])
            changes += _reading_changes(f"schema.{name}", table, after[name], sure=new.columns_are_sure)
    changes += [harmless(f"schema.{name}", "the table is new") for name in after if name not in before]
    if not before or not after:
        changes.append(unknown("schema", "one of the contracts names no table, so no column was compared"))
    promises = (old.data.get("slaProperties") or [], new.data.get("slaProperties") or [])
    changes += promise_changes(*promises, renamed)
    order = ("unknown", "breaking", "harmless")
    return tuple(sorted(changes, key=lambda each: order.index(each.effect)))


def version_advice(old: Contract, new: Contract, changes: Sequence[ContractChange]) -> str:
    """Return the sentence about the version that the new contract should have; empty if its version fits."""
    before, after = _version(old.data), _version(new.data)
    if before is None or after is None or not changes:
        return ""
    said = ".".join(map(str, before))
    if any(each.effect == "breaking" for each in changes):
        wanted = (before[0] + 1, 0, 0)
        return "" if after[0] > before[0] else f"a consumer breaks: {said} becomes {'.'.join(map(str, wanted))}"
    wanted = (before[0], before[1] + 1, 0)
    return "" if after > before else f"no consumer breaks: {said} becomes {'.'.join(map(str, wanted))}"


def _one(tables: Mapping[str, Any]) -> str:
    return next(iter(tables))


def _version(data: Mapping[str, Any]) -> tuple[int, int, int] | None:
    parts = str(data.get("version", "")).removeprefix("v").split(".")
    if len(parts) != 3 or not all(each.isdigit() for each in parts):  # noqa: PLR2004  major, minor, patch
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def _tables(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(each["name"]): each for each in data.get("schema") or []}


def _fundamentals(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    before, after = old.get("status"), new.get("status")
    if before != after:
        said = f"`{before}` becomes `{after}`"
        yield breaking("status", said) if after == "retired" else harmless("status", said)
    for key in ("domain", "tenant", "name", "description", "team", "tags", "roles", "support", "price"):
        if old.get(key) != new.get(key):
            yield harmless(key, "it has changed" if old.get(key) and new.get(key) else "it is new or gone")
    for key in ("customProperties", "slaDefaultElement"):
        if old.get(key) != new.get(key):
            yield unknown(key, "it has changed, and nobody here knows what it promises")


def _servers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    before = {str(each["server"]): each for each in old.get("servers") or []}
    after = {str(each["server"]): each for each in new.get("servers") or []}
    for name, server in before.items():
        if name not in after:
            yield breaking(f"servers.{name}", "the place is gone")
            continue
        keys = {*server, *after[name]} - {"environment", "description", "customProperties", "id", "roles"}
        for key in sorted(each for each in keys if server.get(each) != after[name].get(each)):
            yield breaking(f"servers.{name}.{key}", f"`{server.get(key)}` becomes `{after[name].get(key)}`")
    for name in after:
        if name not in before:
            yield harmless(f"servers.{name}", "the place is new")


def _table_changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    at = f"schema.{name}"
    if old.get("physicalName") != new.get("physicalName"):
        yield breaking(f"{at}.physicalName", f"`{old.get('physicalName')}` becomes `{new.get('physicalName')}`")
    before = {column_name(each): each for each in old.get("properties") or []}
    after = {column_name(each): each for each in new.get("properties") or []}
    if before and not after:
        yield unknown(f"{at}.properties", "the new contract names no column, so none was compared")
        return
    gone = [each for each in before if each not in after]
    added = [each for each in after if each not in before]
    for column in gone:
        renamed = [each for each in added if _could_be(before[column], after[each])]
        if len(renamed) == 1:
            added.remove(renamed[0])
            yield breaking(f"{at}.{column}", f"the column is gone; it is probably `{renamed[0]}` now")
        else:
            yield breaking(f"{at}.{column}", "the column is gone")
    for column in added:
        yield harmless(f"{at}.{column}", "the column is new")
    for column in (each for each in before if each in after):
        yield from _column_changes(f"{at}.{column}", before[column], after[column])
    yield from _key_changes(at, before, after)
    yield from rule_changes(at, old, new)
    yield from property_changes(at, old.get("customProperties") or [], new.get("customProperties") or [])
    yield from _relationship_changes(at, old, new)
    yield from _other_keys(at, old, new, _COMPARED_OF_TABLE)


def _reading_changes(
    at: str, old: Mapping[str, Any], new: Mapping[str, Any], *, sure: bool
) -> Iterator[ContractChange]:
    """Yield that the columns are unknown, if rows are read in another way and nothing was published since."""
    before, after = (_reading(each) for each in (old, new))
    if not after or (before and before.get("fingerprint") == after.get("fingerprint")):
        return
    published = after.get("published")
    if not before and published != EARLIER:
        return
    if published is None and sure:
        yield harmless(f"{at}.{READS_FROM}", "another table, query or transform gives the rows, and they are published")
    else:
        yield unknown(
            f"{at}.{READS_FROM}",
            "the table, the query or the transform has changed, so nobody knows the columns: publish once, export the "
            "contract, and compare the two files",
        )


def _reading(table: Mapping[str, Any]) -> Mapping[str, Any]:
    said = [each.get("value") for each in table.get("customProperties") or [] if each["property"] == READS_FROM]
    return said[0] if said and isinstance(said[0], Mapping) else {}


def _could_be(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    keys = ("logicalType", "physicalType", "primaryKey", "primaryKeyPosition", "required")
    return old.get("logicalType") is not None and all(old.get(each) == new.get(each) for each in keys)


def _column_changes(at: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    yield from _type_changes(at, old, new)
    for key, lost, won in (
        ("required", "it may be null now", "it is never null now"),
        ("unique", "values may occur twice now", "no value occurs twice now"),
    ):
        before, after = bool(old.get(key)), bool(new.get(key))
        if before and not after:
            yield breaking(f"{at}.{key}", lost)
        elif after and not before:
            yield harmless(f"{at}.{key}", won)
    places = {each["partitionKeyPosition"] for each in (old, new) if each.get("partitionKeyPosition")}
    if bool(old.get("partitioned")) != bool(new.get("partitioned")) or len(places) > 1:
        yield breaking(f"{at}.partitioned", "rows are divided in another way")
    yield from _relationship_changes(at, old, new)
    yield from _other_keys(at, old, new, _COMPARED_OF_COLUMN)


def _relationship_changes(at: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    before, after = old.get("relationships") or [], new.get("relationships") or []
    if any(each not in after for each in before):
        yield breaking(f"{at}.relationships", "a relationship is gone or is another one")
    elif before != after:
        yield harmless(f"{at}.relationships", "a relationship is new")


def _other_keys(
    at: str, old: Mapping[str, Any], new: Mapping[str, Any], compared: frozenset[str]
) -> Iterator[ContractChange]:
    """Yield the changes of the keys that nothing else has compared: those for people, and those that nobody knows."""
    for key in sorted({*old, *new} - compared):
        one, other = old.get(key), new.get(key)
        if one == other or (not one and not other):
            continue
        said = f"{'none' if one is None else f'`{one}`'} becomes {'none' if other is None else f'`{other}`'}"
        if key in _FOR_PEOPLE:
            yield harmless(f"{at}.{key}", said)
        else:
            yield unknown(f"{at}.{key}", f"{said}, and nobody here knows what it promises")


def _type_changes(at: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ContractChange]:
    keys = _TYPE
    if all(old.get(each) == new.get(each) for each in keys):
        return
    before = " ".join(str(old[each]) for each in keys if old.get(each))
    after = " ".join(str(new[each]) for each in keys if new.get(each))
    if not before:
        yield harmless(f"{at}.type", f"the type is {after}, and was not known before")
        return
    if not after:
        yield unknown(f"{at}.type", f"the type was {before}, and the new contract names none")
        return
    one, other = column_type(old), column_type(new)
    if one is not None and other is not None and is_wider(one, other):
        yield harmless(f"{at}.type", f"{before} becomes {after}, which holds all of the old values and more")
    else:
        yield breaking(f"{at}.type", f"{before} becomes {after}")


def _key_changes(
    at: str, before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[ContractChange]:
    old, new = _key(before), _key(after)
    if old == new:
        return
    if not old:
        yield harmless(f"{at}.key", f"rows have the key {', '.join(new)} now")
    else:
        yield breaking(f"{at}.key", f"the key {', '.join(old)} becomes {', '.join(new) or 'none'}")


def _key(columns: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    keys = [(each.get("primaryKeyPosition", 0), name) for name, each in columns.items() if each.get("primaryKey")]
    return tuple(name for _, name in sorted(keys))
