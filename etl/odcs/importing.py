"""Turns a contract into pipelines of a tenant: columns, rules, promises and owners.

Belongs here: which key of a pipeline each part becomes, and the list of parts that become nothing, with the reason. Not
here: one rule (`rules`), one promise (`promises`), writing the tenant's file (`tenant_file`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import ColumnName, Owner, PipelineName, TagKey, TagValue, TargetName
from etl.config.pipeline_config import Partitions
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.odcs.columns import column_name, rules_of_column
from etl.odcs.document import Contract
from etl.odcs.exporting import DOMAIN_TAG, FIRST_VERSION, STATUS_TAG, USUAL_STATUS, VERSION_TAG
from etl.odcs.promises import promise_of
from etl.odcs.rules import NoRuleError, rule_of
from etl.quality.rules import AnyRule

Left = tuple[str, str]
"""A part of a contract that became nothing, and the reason."""
_TOP = {
    "servers": "the tenant's own warehouse is used",
    "price": "a tenant's file has no prices",
    "roles": "access is granted where the data is: in the warehouse or the bucket",
    "support": "see `notifications` for who gets messages",
    "authoritativeDefinitions": "a pipeline has no links",
    "customProperties": "no key of a pipeline has this meaning",
    "contractCreatedTs": "a pipeline has no time of creation",
    "dataProduct": "the standard no longer has it",
    "slaDefaultElement": "the standard no longer has it",
}
_USED_TOP = {
    "apiVersion",
    "kind",
    "id",
    "name",
    "version",
    "status",
    "tenant",
    "domain",
    "tags",
    "description",
    "schema",
    "team",
    "slaProperties",
}
_USED_TABLE = {
    "id",
    "name",
    "logicalType",
    "physicalName",
    "physicalType",
    "description",
    "dataGranularityDescription",
    "properties",
    "quality",
    "customProperties",
}
_PIPELINE_NAME: TypeAdapter[str] = TypeAdapter(PipelineName)
_TARGET: TypeAdapter[str] = TypeAdapter(TargetName)
_COLUMN: TypeAdapter[str] = TypeAdapter(ColumnName)
_OWNER: TypeAdapter[str] = TypeAdapter(Owner)
_TAG: TypeAdapter[dict[str, str]] = TypeAdapter(dict[TagKey, TagValue])
_KEYS_OF_QUALITY = {
    "onFailure": "on_failure",
    "qualityEngine": "engine",
    "maxQuarantineRate": "max_quarantine_rate",
    "safeColumns": "safe_columns",
}
_TIMES = ("date", "timestamp")


@dataclass(frozen=True)
class ImportedPipeline:
    """A pipeline that was made from one table of a contract, as it will stand in the YAML."""

    name: str
    keys: Mapping[str, Any]
    left: tuple[Left, ...]


def import_contract(contract: Contract, config: TenantConfig, name: str | None = None) -> tuple[ImportedPipeline, ...]:
    """Return a pipeline for each table of the contract. `name` is the pipeline's name, if there is one table."""
    tables = contract.data.get("schema") or []
    if not tables:
        raise ConfigError(f"{contract.name} has no table in `schema`", "a pipeline needs one")
    if name is not None and len(tables) > 1:
        named = ", ".join(str(each["name"]) for each in tables)
        raise ConfigError(f"{contract.name} has {len(tables)} tables ({named})", "leave --pipeline out")
    left = [(key, reason) for key, reason in _TOP.items() if contract.data.get(key)]
    left += [(key, "it is unknown") for key in contract.data if key not in _USED_TOP and key not in _TOP]
    left += _left_of_description(contract.data.get("description") or {})
    said_tenant = contract.data.get("tenant")
    if said_tenant not in (None, config.id):
        left.append(("tenant", f"the pipeline is of the tenant {config.id}, the contract says {said_tenant}"))
    shared = _shared_keys(contract.data, config, left)
    made = [_pipeline(index, each, contract, shared, name) for index, each in enumerate(tables)]
    taken = {name for name in config.assets.pipelines if name in {each.name for each in made}}
    if taken:
        raise ConfigError(
            f"tenant {config.id} has a pipeline `{min(taken)}` already, and it is not changed",
            f"`etl contract diff {config.id}/{min(taken)} {contract.name}` shows the differences; "
            "--pipeline gives another name",
        )
    first, *others = made
    return (ImportedPipeline(first.name, first.keys, (*left, *first.left)), *others)


def _shared_keys(data: Mapping[str, Any], config: TenantConfig, left: list[Left]) -> dict[str, Any]:
    """Return the keys that every pipeline of the contract gets: owners and tags."""
    shared: dict[str, Any] = {}
    owners = _owners(data.get("team"), left)
    if owners and owners != list(config.owners):
        shared["owners"] = owners
    tags = _tags(data, left)
    if different := {key: value for key, value in tags.items() if config.tags.get(key) != value}:
        shared["tags"] = different
    return shared


def _tags(data: Mapping[str, Any], left: list[Left]) -> dict[str, str]:
    found: dict[str, str] = {}
    pairs = [(f"tags[{index}]", *str(each).partition(":")[::2]) for index, each in enumerate(data.get("tags") or [])]
    pairs += [("domain", DOMAIN_TAG, str(data["domain"]))] if data.get("domain") else []
    if data.get("version") not in (None, FIRST_VERSION):
        pairs.append(("version", VERSION_TAG, str(data["version"])))
    if data.get("status") not in (None, USUAL_STATUS):
        pairs.append(("status", STATUS_TAG, str(data["status"])))
    for at, key, value in pairs:
        try:
            found |= _TAG.validate_python({key: value})
        except ValidationError:
            left.append((at, f"`{key}: {value}` is no tag: letters, digits, _ . - only, at most 63"))
    return found


def _owners(team: object, left: list[Left]) -> list[str]:
    if isinstance(team, list):
        members, at = team, "team"
    elif isinstance(team, Mapping):
        members, at = team.get("members") or [], "team.members"
        names = [f"team:{team['name']}"] if team.get("name") and not members else []
        members = [*members, *({"username": each} for each in names)]
        left += [(f"team.{key}", "only owners are known") for key in team if key not in ("members", "name", "id")]
    else:
        return []
    owners: list[str] = []
    for index, each in enumerate(members):
        username = str(each.get("username"))
        try:
            owners.append(_OWNER.validate_python(username))
        except ValidationError:
            left.append((f"{at}[{index}]", f"`{username}` is no owner: an e-mail address, or team:name"))
    return list(dict.fromkeys(owners))


def _left_of_description(description: Mapping[str, Any]) -> list[Left]:
    return [(f"description.{key}", "a pipeline has one description") for key in description if key != "purpose"]


def _pipeline(
    index: int, table: Mapping[str, Any], contract: Contract, shared: Mapping[str, Any], name: str | None
) -> ImportedPipeline:
    left: list[Left] = []
    at = f"schema[{index}]"
    pipeline = _valid_name(name or str(table["name"]))
    properties = _usable(table.get("properties") or [], f"{at}.properties", left)
    names = [column_name(each) for each in properties]
    left += [(f"{at}.{key}", "no key of a pipeline has this meaning") for key in table if key not in _USED_TABLE]
    custom = _custom(table, at, left)
    promises, unit = promise_of(_of_table(contract.data.get("slaProperties") or [], table), left)
    rules = _rules(table, properties, names, at, left)
    purpose = table.get("description") or (contract.data.get("description") or {}).get("purpose")
    keys: dict[str, Any] = {"description": purpose} if purpose else {}
    keys |= {key: shared[key] for key in ("owners", "tags") if key in shared}
    keys["source_table"] = pipeline
    keys |= _partition_keys(properties, custom, unit, at, left)
    if names:
        keys["columns"] = names
    keys |= _output(table, pipeline, properties, custom, at, left)
    if personal := [column_name(each) for each in properties if _is_personal(each, at, left)]:
        keys["pii_columns"] = personal
    quality = {own: custom[key] for key, own in _KEYS_OF_QUALITY.items() if key in custom}
    if rules:
        quality["rules"] = [_as_written(each) for each in rules]
    if quality:
        keys["quality"] = quality
    if promises:
        keys["sla"] = promises
    return ImportedPipeline(pipeline, keys, tuple(dict.fromkeys(left)))


def _valid_name(name: str) -> str:
    try:
        return _PIPELINE_NAME.validate_python(name)
    except ValidationError:
        close = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
        raise ConfigError(
            f"`{name}` cannot be the name of a pipeline: lowercase letters, digits and _, a letter first",
            f"give a name: --pipeline {close or 'orders'}",
        ) from None


def _usable(properties: Sequence[Mapping[str, Any]], at: str, left: list[Left]) -> list[Mapping[str, Any]]:
    """Return the properties that can be columns of a source."""
    usable = []
    for index, each in enumerate(properties):
        try:
            _COLUMN.validate_python(column_name(each))
            usable.append(each)
        except ValidationError:
            left.append((f"{at}[{index}]", f"`{column_name(each)}` cannot be the name of a column"))
    return usable


def _custom(table: Mapping[str, Any], at: str, left: list[Left]) -> dict[str, Any]:
    """Return our own custom properties of a table; the others are left."""
    known = {*_KEYS_OF_QUALITY, "loadMode", "orderColumn", "partitions"}
    found: dict[str, Any] = {}
    for index, each in enumerate(table.get("customProperties") or []):
        if each["property"] in known:
            found[each["property"]] = each["value"]
        else:
            place = f"{at}.customProperties[{index}]"
            left.append((place, f"`{each['property']}`: no key of a pipeline has this meaning"))
    return found


def _of_table(properties: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the promises about a table: those whose element is of the table, and those without an element."""
    names = {str(table["name"]), str(table.get("physicalName", table["name"]))}
    return [each for each in properties if not each.get("element") or _is_of(str(each["element"]), names)]


def _is_of(element: str, names: Iterable[str]) -> bool:
    return any(element == name or element.startswith(f"{name}.") for name in names)


def _rules(
    table: Mapping[str, Any], properties: Sequence[Mapping[str, Any]], names: Sequence[str], at: str, left: list[Left]
) -> list[AnyRule]:
    rules: list[AnyRule] = []
    for index, each in enumerate(properties):
        rules += rules_of_column(each, f"{at}.properties[{index}]", left)
    for index, entry in enumerate(table.get("quality") or []):
        try:
            rule = rule_of(entry, None)
        except NoRuleError as error:
            left.append((f"{at}.quality[{index}]", str(error)))
            continue
        unknown = [name for name in rule.columns_needed if names and name not in names]
        if unknown:
            left.append((f"{at}.quality[{index}]", f"the contract has no column `{unknown[0]}`"))
        else:
            rules.append(rule)
    return rules


def _as_written(rule: AnyRule) -> dict[str, Any]:
    """Return the rule as people write it: the columns first, then the type."""
    said = rule.to_dict()
    first = [key for key in ("column", "columns", "type") if key in said]
    return {key: said[key] for key in (*first, *(each for each in said if each not in first))}


def _partition_keys(
    properties: Sequence[Mapping[str, Any]], custom: Mapping[str, Any], unit: str | None, at: str, left: list[Left]
) -> dict[str, Any]:
    """Return the partitions: as they were exported, or by the partitioned column of dates."""
    divided = [each for each in properties if each.get("partitioned")]
    times = [column_name(each) for each in divided if each.get("logicalType") in (None, *_TIMES)]
    said = custom.get("partitions")
    if said is not None:
        try:
            partitions = Partitions.model_validate(said)
        except ValidationError as error:
            left.append((f"{at}.customProperties", f"`partitions`: {error.errors()[0]['msg']}"))
        else:
            own = {"partitions": dict(said)} if said else {}
            return own | ({"date_column": times[0]} if times and not partitions.keys else {})
    left += [
        (f"{at}.properties", f"`{column_name(each)}`: partitions by values need the list of their keys")
        for each in divided
        if column_name(each) not in times[:1]
    ]
    if not times:
        return {}
    return {"date_column": times[0], **({"partitions": {"by": unit}} if unit not in (None, "day") else {})}


def _output(
    table: Mapping[str, Any],
    pipeline: str,
    properties: Sequence[Mapping[str, Any]],
    custom: Mapping[str, Any],
    at: str,
    left: list[Left],
) -> dict[str, Any]:
    """Return the table to load, if the contract is about a table."""
    keys = sorted((each for each in properties if each.get("primaryKey")), key=_key_position)
    if str(table.get("physicalType", "table")).lower() not in ("table", "view"):
        left += [(f"{at}.properties", "a key belongs to a table, and this is none")] if keys else []
        return {}
    output: dict[str, Any] = {}
    schema, _, name = str(table.get("physicalName") or pipeline).rpartition(".")
    for key, value in (("target_schema", schema), ("target_table", name)):
        try:
            output |= {key: _TARGET.validate_python(value)} if value else {}
        except ValidationError:
            left.append((f"{at}.physicalName", f"`{value}` cannot be the name of a table or schema"))
    if keys:
        output["key_columns"] = [column_name(each) for each in keys]
    output |= {
        own: custom[key] for key, own in (("orderColumn", "order_column"), ("loadMode", "mode")) if key in custom
    }
    return {"save_to_trino": True, "trino_output": output}


def _key_position(column: Mapping[str, Any]) -> int:
    position = column.get("primaryKeyPosition", 0)
    return position if isinstance(position, int) else 0


def _is_personal(column: Mapping[str, Any], at: str, left: list[Left]) -> bool:
    said = str(column.get("classification", "")).lower()
    if said in ("restricted", "confidential", "sensitive", "personal", "pii"):
        return True
    if said not in ("", "public"):
        left.append((f"{at}.properties", f"`{column_name(column)}`: the classification `{said}` has no counterpart"))
    return False
