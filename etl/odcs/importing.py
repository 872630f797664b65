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
from etl.odcs.columns import column_name, rules_of_column, taken_rule
from etl.odcs.document import Contract
from etl.odcs.exporting import (
    DOMAIN_TAG,
    FIRST_VERSION,
    STATUS_TAG,
    USUAL_STATUS,
    VERSION_TAG,
    contract_id,
    granularity,
)
from etl.odcs.promises import promise_of
from etl.odcs.relationships import rules_of_relationships
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
    "relationships",
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
    tables: Sequence[Mapping[str, Any]] = contract.data.get("schema") or []
    if not tables:
        raise ConfigError(f"{contract.name} has no table in `schema`", "a pipeline needs one")
    if name is not None and len(tables) > 1:
        named = ", ".join(str(each["name"]) for each in tables)
        raise ConfigError(f"{contract.name} has {len(tables)} tables ({named})", "leave --pipeline out")
    names = {str(each["name"]): _pipeline_name(name or str(each["name"])) for each in tables}
    _refuse_taken(names, contract, config)
    left = _left_of_contract(contract.data, tables, config)
    shared = _shared_keys(contract.data, config, left)
    made = [_pipeline(index, each, contract, config, shared, names) for index, each in enumerate(tables)]
    first, *others = made
    return (ImportedPipeline(first.name, first.keys, (*left, *first.left)), *others)


def grouped(left: Iterable[Left]) -> list[Left]:
    """Return the parts that became nothing, those of one place and one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for at, reason in left:
        place, _, key = at.rpartition(".")
        groups.setdefault((place, reason), []).append(key)
    return [(_together(place, keys), reason) for (place, reason), keys in groups.items()]


def _together(place: str, keys: Sequence[str]) -> str:
    listed = ", ".join(keys)
    return f"{place}: {listed}" if place and len(keys) > 1 else f"{place}.{listed}" if place else listed


def _refuse_taken(names: Mapping[str, str], contract: Contract, config: TenantConfig) -> None:
    made = list(names.values())
    if twice := [each for each in made if made.count(each) > 1]:
        raise ConfigError(
            f"{contract.name}: two tables would be the pipeline `{twice[0]}`", "rename one in the contract"
        )
    if taken := sorted({*made} & {*config.assets.pipelines}):
        raise ConfigError(
            f"tenant {config.id} has a pipeline `{taken[0]}` already, and it is not changed",
            f"`etl contract diff {config.id}/{taken[0]} {contract.name}` shows the differences; "
            "--pipeline gives another name",
        )


def _left_of_contract(data: Mapping[str, Any], tables: Sequence[Mapping[str, Any]], config: TenantConfig) -> list[Left]:
    """Return the parts that belong to no table and become nothing."""
    left = [(key, reason) for key, reason in _TOP.items() if data.get(key)]
    left += [(key, "it is unknown") for key in data if key not in _USED_TOP and key not in _TOP]
    described = data.get("description") or {}
    left += [(f"description.{key}", "a pipeline has one description") for key in described if key != "purpose"]
    purpose = described.get("purpose")
    if purpose and all(each.get("description") not in (None, purpose) for each in tables):
        left.append(("description.purpose", "a pipeline has one description, and the table has its own"))
    if data.get("tenant") not in (None, config.id):
        left.append(("tenant", f"the pipeline is of the tenant {config.id}, the contract says {data['tenant']}"))
    made = {contract_id(config.id, str(each["name"])) for each in tables}
    if data.get("id") not in made:
        left.append(("id", "the id of a contract is made from the tenant and the pipeline"))
    if data.get("name") not in (None, *(f"{config.id}/{each['name']}" for each in tables)):
        left.append(("name", "the name of a contract is made from the tenant and the pipeline"))
    for index, each in enumerate(data.get("slaProperties") or []):
        if each.get("element") and not any(_is_about(each, table) for table in tables):
            left.append((f"slaProperties[{index}]", f"the contract has no table of `{each['element']}`"))
    return left


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
        named = f"team:{team.get('name')}"
        if team.get("name") and members and named not in [each.get("username") for each in members]:
            left.append(("team.name", "the owners are the members"))
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


def _pipeline(
    index: int,
    table: Mapping[str, Any],
    contract: Contract,
    config: TenantConfig,
    shared: Mapping[str, Any],
    pipelines: Mapping[str, str],
) -> ImportedPipeline:
    left: list[Left] = []
    at = f"schema[{index}]"
    pipeline = pipelines[str(table["name"])]
    if pipeline != table["name"]:
        left.append((f"{at}.name", f"`{table['name']}` is the pipeline `{pipeline}`"))
    properties = _usable(table.get("properties") or [], f"{at}.properties", left)
    names = [column_name(each) for each in properties]
    left += [(f"{at}.{key}", "no key of a pipeline has this meaning") for key in table if key not in _USED_TABLE]
    keyed = [column_name(each) for each in sorted(properties, key=_key_position) if each.get("primaryKey")]
    if table.get("dataGranularityDescription") not in (None, granularity(keyed)):
        left.append((f"{at}.dataGranularityDescription", "a pipeline has one description"))
    custom = _custom(table, at, left)
    said = enumerate(contract.data.get("slaProperties") or [])
    promises, unit = promise_of({place: each for place, each in said if _is_about(each, table)}, left)
    rules = _rules(table, properties, names, at, left)
    targets = {**{name: name for name in config.assets.pipelines}, **pipelines}
    rules += rules_of_relationships(table, properties, rules, targets, at, left)
    purpose = table.get("description") or (contract.data.get("description") or {}).get("purpose")
    keys: dict[str, Any] = {"description": purpose} if purpose else {}
    keys |= {key: shared[key] for key in ("owners", "tags") if key in shared}
    keys["source_table"] = pipeline
    keys |= _partition_keys(properties, custom, unit, at, left)
    if names:
        keys["columns"] = names
    keys |= _output(config, table, pipeline, properties, custom, at, left)
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


def _pipeline_name(name: str) -> str:
    """Return the name as the name of a pipeline: lowercase letters, digits and underscores."""
    close = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
    try:
        return _PIPELINE_NAME.validate_python(close)
    except ValidationError:
        raise ConfigError(
            f"`{name}` cannot be the name of a pipeline: lowercase letters, digits and _, a letter first",
            "give a name with --pipeline, or rename the table in the contract",
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


def _is_about(promise: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
    """Whether a promise is about a table: its element is the table or one of its columns, or it names none."""
    element = str(promise.get("element") or "")
    names = {str(table["name"]), str(table.get("physicalName", table["name"]))}
    return not element or any(element == name or element.startswith(f"{name}.") for name in names)


def _rules(
    table: Mapping[str, Any], properties: Sequence[Mapping[str, Any]], names: Sequence[str], at: str, left: list[Left]
) -> list[AnyRule]:
    rules: list[AnyRule] = []
    for index, each in enumerate(properties):
        rules += rules_of_column(each, f"{at}.properties[{index}]", left)
    for index, entry in enumerate(table.get("quality") or []):
        for rule in taken_rule(entry, None, f"{at}.quality[{index}]", left):
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
    config: TenantConfig,
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
    where = (output.get("target_schema", config.id), output.get("target_table", pipeline))
    if owner := next((name for name, loaded in _loaded(config).items() if loaded == where), None):
        left.append((f"{at}.physicalName", f"`{'.'.join(where)}` is the table of the pipeline `{owner}`"))
        output.pop("target_table", None)
    if keys:
        output["key_columns"] = [column_name(each) for each in keys]
    output |= {
        own: custom[key] for key, own in (("orderColumn", "order_column"), ("loadMode", "mode")) if key in custom
    }
    return {"save_to_trino": True, "trino_output": output}


def _loaded(config: TenantConfig) -> dict[str, tuple[str, str]]:
    """Return the schema and table of each pipeline that is loaded."""
    outputs = {name: each.trino_output for name, each in config.assets.pipelines.items() if each.save_to_trino}
    return {name: (each.target_schema, each.target_table) for name, each in outputs.items() if each is not None}


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
