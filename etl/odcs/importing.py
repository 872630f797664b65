"""Turns a contract into pipelines of a tenant: columns, rules, promises and owners.

Belongs here: which key of a pipeline each part becomes, and the list of parts that become nothing, with the reason. Not
here: one rule (`rules`), one promise (`promises`), writing the tenant's file (`tenant_file`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import ColumnName, PipelineName
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.odcs.columns import column_name, rules_of_column, taken_rule
from etl.odcs.document import Contract
from etl.odcs.exporting import GUARDS, granularity
from etl.odcs.fundamentals import Left, is_about, left_of_contract, shared_keys
from etl.odcs.placing import key_position, output_keys, partition_keys
from etl.odcs.promises import promise_of
from etl.odcs.reading import READS_FROM
from etl.odcs.relationships import rules_of_relationships
from etl.quality.rules import AnyRule

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
_COLUMN: TypeAdapter[str] = TypeAdapter(ColumnName)
_KEYS_OF_QUALITY = {
    "onFailure": "on_failure",
    "qualityEngine": "engine",
    "maxQuarantineRate": "max_quarantine_rate",
    "safeColumns": "safe_columns",
    "timeoutSeconds": "timeout_seconds",
}
_ONLY_COMPARED = {
    READS_FROM: "where rows come from is not in a contract; its fingerprint is for `etl contract diff`",
    "environments": "values of environments are not in a contract; their fingerprints are for `etl contract diff`",
}


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
    left = left_of_contract(contract.data, tables, config)
    shared = shared_keys(contract.data, config, left)
    made = [_pipeline(index, each, contract, config, shared, names) for index, each in enumerate(tables)]
    first, *others = made
    return (ImportedPipeline(first.name, first.keys, (*left, *first.left)), *others)


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
    usable = _usable(table.get("properties") or [], f"{at}.properties", left)
    properties = list(usable.values())
    names = [column_name(each) for each in properties]
    left += [(f"{at}.{key}", "no key of a pipeline has this meaning") for key in table if key not in _USED_TABLE]
    keyed = [column_name(each) for each in sorted(properties, key=key_position) if each.get("primaryKey")]
    if table.get("dataGranularityDescription") not in (None, granularity(keyed)):
        left.append((f"{at}.dataGranularityDescription", "a pipeline has one description"))
    custom = _custom(table, at, left)
    said = enumerate(contract.data.get("slaProperties") or [])
    promises, unit = promise_of({place: each for place, each in said if is_about(each, table)}, table, left)
    rules = _rules(table, usable, names, at, left)
    targets = {**{name: name for name in config.assets.pipelines}, **pipelines}
    rules += rules_of_relationships(table, usable, rules, targets, at, left)
    purpose = table.get("description") or (contract.data.get("description") or {}).get("purpose")
    keys: dict[str, Any] = {"description": purpose} if purpose else {}
    keys |= {key: shared[key] for key in ("owners", "tags") if key in shared}
    keys["source_table"] = pipeline
    keys |= partition_keys(properties, custom, unit, at, left)
    if names:
        keys["columns"] = names
    keys |= output_keys(config, table, pipeline, properties, custom, at, left)
    if personal := [column_name(each) for each in properties if _is_personal(each, at, left)]:
        keys["pii_columns"] = personal
    keys |= {own: custom[key] for key, own in GUARDS.items() if key in custom}
    quality = {own: custom[key] for key, own in _KEYS_OF_QUALITY.items() if key in custom}
    if names and (strange := [each for each in quality.get("safe_columns", ()) if each not in names]):
        left.append((f"{at}.customProperties", f"`safeColumns`: the contract has no column `{strange[0]}`"))
        quality["safe_columns"] = [each for each in quality["safe_columns"] if each in names]
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


def _usable(properties: Sequence[Mapping[str, Any]], at: str, left: list[Left]) -> dict[int, Mapping[str, Any]]:
    """Return the properties that can be columns of a source, by their places in the contract."""
    usable = {}
    for index, each in enumerate(properties):
        try:
            _COLUMN.validate_python(column_name(each))
            usable[index] = each
        except ValidationError:
            left.append((f"{at}[{index}]", f"`{column_name(each)}` cannot be the name of a column"))
    return usable


def _custom(table: Mapping[str, Any], at: str, left: list[Left]) -> dict[str, Any]:
    """Return our own custom properties of a table; the others are left."""
    known = {*_KEYS_OF_QUALITY, *GUARDS, "loadMode", "orderColumn", "partitions"}
    found: dict[str, Any] = {}
    for index, each in enumerate(table.get("customProperties") or []):
        if each["property"] in known:
            found[each["property"]] = each["value"]
        else:
            place = f"{at}.customProperties[{index}]"
            reason = _ONLY_COMPARED.get(each["property"], "no key of a pipeline has this meaning")
            left.append((place, f"`{each['property']}`: {reason}"))
    return found


def _rules(
    table: Mapping[str, Any],
    properties: Mapping[int, Mapping[str, Any]],
    names: Sequence[str],
    at: str,
    left: list[Left],
) -> list[AnyRule]:
    rules: list[AnyRule] = []
    for index, each in properties.items():
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


def _is_personal(column: Mapping[str, Any], at: str, left: list[Left]) -> bool:
    said = str(column.get("classification", "")).lower()
    if said in ("restricted", "confidential", "sensitive", "personal", "pii"):
        return True
    if said not in ("", "public"):
        left.append((f"{at}.properties", f"`{column_name(column)}`: the classification `{said}` has no counterpart"))
    return False
