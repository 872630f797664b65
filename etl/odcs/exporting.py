"""Makes the contract of a pipeline from its configuration and from what it has published last.

Belongs here: which key of the standard says what. Not here: types (`types`), rules (`rules`), promises (`promises`),
places of the data (`servers`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import polars as pl

from etl.config.pipeline_config import PipelineConfig, StagedRule
from etl.config.tenant_config import TenantConfig
from etl.errors import ConfigError
from etl.odcs.document import API_VERSION, Contract, checked
from etl.odcs.promises import sla_properties
from etl.odcs.reading import READS_FROM, KnownColumns, known_columns, reads_from
from etl.odcs.relationships import column_relationships, table_relationships
from etl.odcs.rules import quality_entry
from etl.odcs.servers import dialect_of, servers_of
from etl.odcs.types import contract_type
from etl.quality.rules import AnyRule, Dtype, NotNull, Unique, check_names
from etl.quality.rules.dtypes import exact_dtype, is_family
from etl.settings import Settings
from etl.suggest import nearest

VERSION_TAG, STATUS_TAG, DOMAIN_TAG = "contract_version", "contract_status", "domain"
FIRST_VERSION, USUAL_STATUS = "1.0.0", "active"
RESTRICTED = "restricted"
GUARDS = {
    "undated": "undated",
    "maxShrink": "max_shrink",
    "allowEmpty": "allow_empty",
    "volume": "volume",
    "schemaChanges": "schema_changes",
}
"""Keys of a pipeline that decide whether rows are published; they are written if they differ from their defaults."""


def export_contract(config: TenantConfig, settings: Settings, pipeline: str) -> Contract:
    """Return the contract of one pipeline. It names no secret and no value of a row."""
    if pipeline not in config.assets.pipelines:
        close = nearest(pipeline, config.assets.pipelines)
        hint = f"did you mean `{close}`?" if close else f"one of {', '.join(config.assets.pipelines)}"
        raise ConfigError(f"tenant {config.id} has no pipeline `{pipeline}`", hint)
    own = config.assets.pipelines[pipeline]
    if pipeline not in config.pipelines:
        what = "the pipeline" if config.enabled else "the tenant"
        raise ConfigError(
            f"{what} `{pipeline if config.enabled else config.id}` is switched off, so it promises nothing",
            f"take `enabled: false` out of {config.place_of('assets', 'pipelines', pipeline, 'enabled')}"
            if config.enabled
            else f"take `enabled: false` out of {config.place_of('enabled')}",
        )
    known = known_columns(config, settings, own)
    types = known.types if known.types is not None else promised_types(own)
    tags = {**config.tags, **own.tags}
    data: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract_id(config.id, pipeline),
        "name": f"{config.id}/{pipeline}",
        "version": tags.get(VERSION_TAG, FIRST_VERSION),
        "status": tags.get(STATUS_TAG, USUAL_STATUS),
        "tenant": config.id,
    }
    if DOMAIN_TAG in tags:
        data["domain"] = tags[DOMAIN_TAG]
    if plain := [f"{key}:{value}" for key, value in tags.items() if key not in (VERSION_TAG, STATUS_TAG, DOMAIN_TAG)]:
        data["tags"] = plain
    if own.description:
        data["description"] = {"purpose": own.description}
    data["servers"] = servers_of(config, settings, own)
    data["schema"] = [_table(config, own, types, known)]
    if owners := own.owners or config.owners:
        data["team"] = _team(owners)
    unit = own.partitions.by if own.partitions else None
    if promises := sla_properties(config.sla_of(pipeline), pipeline, unit):
        data["slaProperties"] = promises
    made = checked(data, f"{config.id}/{pipeline}")
    # An object's footer does not say by which code of a transform it was made.
    return replace(made, columns_are_sure=known.by_this_yaml and not own.has_transfer)


def contract_id(tenant: str, pipeline: str) -> str:
    """Return the id of a pipeline's contract, which is the same at each export."""
    return str(uuid5(NAMESPACE_URL, f"tenant-etl:{tenant}/{pipeline}"))


def granularity(keys: Sequence[str]) -> str:
    """Return the sentence about what one row is."""
    return f"One row for each {' and '.join(keys)}"


def promised_types(pipeline: PipelineConfig) -> dict[str, pl.DataType | None]:
    """Return the columns that the configuration itself names, each with its type if a rule `dtype` says it."""
    types: dict[str, pl.DataType | None] = dict.fromkeys(() if pipeline.has_transfer else pipeline.columns)
    keys = pipeline.trino_output.key_columns if pipeline.trino_output else ()
    named = [name for each in delivered_rules(pipeline) for name in each.rule.judged_columns]
    dated = [pipeline.date_column] if pipeline.date_column else []
    for name in (*keys, *dated, *named, *pipeline.pii_columns, *pipeline.quality.safe_columns):
        if not pipeline.columns or pipeline.has_transfer or name in pipeline.columns:
            types.setdefault(name, None)
    for each in delivered_rules(pipeline):
        if (dtype := folded_type(each)) is not None:
            types[each.rule.judged_columns[0]] = dtype
    return types


def delivered_rules(pipeline: PipelineConfig) -> tuple[StagedRule, ...]:
    """Return the rules about the rows that consumers get. Rules of an extract before a transfer are not among them."""
    stage = pipeline.published_stage
    return tuple(
        each.model_copy(update={"stage": None}) for each in pipeline.quality.rules if (each.stage or stage) == stage
    )


def folded_type(staged: StagedRule) -> pl.DataType | None:
    """Return the type that a rule `dtype` demands, if the type of a property says all that the rule says."""
    rule = staged.rule
    plain = isinstance(rule, Dtype) and (rule.severity, rule.name, rule.description) == ("error", None, None)
    if not plain or not isinstance(rule, Dtype):
        return None
    return None if is_family(rule.dtype) else exact_dtype(rule.dtype)


def _table(
    config: TenantConfig, pipeline: PipelineConfig, types: Mapping[str, pl.DataType | None], known: KnownColumns
) -> dict[str, Any]:
    output = pipeline.trino_output if pipeline.save_to_trino else None
    keys = output.key_columns if output else ()
    table: dict[str, Any] = {"id": pipeline.name, "name": pipeline.name, "logicalType": "object"}
    if output is not None:
        table |= {"physicalName": f"{output.target_schema}.{output.target_table}", "physicalType": "table"}
    else:
        table["physicalType"] = "file"
    if pipeline.description:
        table["description"] = pipeline.description
    if keys:
        table["dataGranularityDescription"] = granularity(keys)
    entries = _entries(pipeline, types)
    table["properties"] = [_property(config, pipeline, name, dtype, entries) for name, dtype in types.items()]
    if not table["properties"]:
        del table["properties"]
    table |= table_relationships(pipeline.name, delivered_rules(pipeline), types)
    if entries.get(None):
        table["quality"] = entries[None]
    custom = custom_keys(pipeline)
    if elsewhere := other_environments(config, pipeline):
        custom["environments"] = elsewhere
    custom[READS_FROM] = reads_from(config, pipeline, known)
    table["customProperties"] = [{"property": key, "value": value} for key, value in custom.items()]
    return table


def custom_keys(pipeline: PipelineConfig) -> dict[str, Any]:
    """Return what the standard has no key for, and what decides how the data behaves."""
    quality = pipeline.quality
    said: dict[str, Any] = {"onFailure": quality.on_failure, "qualityEngine": quality.engine}
    if quality.max_quarantine_rate is not None:
        said["maxQuarantineRate"] = quality.max_quarantine_rate
    if pipeline.save_to_trino and pipeline.trino_output is not None:
        said["loadMode"] = pipeline.trino_output.mode
        if pipeline.trino_output.order_column is not None:
            said["orderColumn"] = pipeline.trino_output.order_column
    if pipeline.partitions is not None:
        said["partitions"] = pipeline.partitions.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    if pipeline.quality.safe_columns:
        said["safeColumns"] = list(pipeline.quality.safe_columns)
    if quality.timeout_seconds is not None:
        said["timeoutSeconds"] = quality.timeout_seconds
    written = pipeline.model_dump(mode="json")
    return said | {key: written[own] for key, own in GUARDS.items() if _is_unusual(pipeline, own)}


def _is_unusual(pipeline: PipelineConfig, key: str) -> bool:
    return bool(getattr(pipeline, key) != PipelineConfig.model_fields[key].default)


def other_environments(config: TenantConfig, pipeline: PipelineConfig) -> dict[str, str]:
    """Return a fingerprint of the values that each environment has for the pipeline, which shows none of them."""
    shared: Mapping[str, Mapping[str, Any]] = {str(key): value for key, value in config.environments.items()}
    own: Mapping[str, Any] = {str(key): value for key, value in pipeline.environments.items()}
    found: dict[str, str] = {}
    for name in sorted({*shared, *own}):
        of_all = shared.get(name) or {}
        pipelines = (of_all.get("assets") or {}).get("pipelines") or {}
        said = [own.get(name), pipelines.get(pipeline.name), of_all.get("sla")]
        if any(said):
            text = json.dumps(said, sort_keys=True, default=str, ensure_ascii=False)
            found[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _entries(
    pipeline: PipelineConfig, types: Mapping[str, pl.DataType | None]
) -> dict[str | None, list[dict[str, Any]]]:
    """Return the quality of each property, and below None that of the table.

    The ids are made in the order of the contract, so that an imported pipeline has the same ones.
    """
    placed: list[tuple[str | None, AnyRule]] = []
    for staged in delivered_rules(pipeline):
        dtype = folded_type(staged)
        column: str | None = getattr(staged.rule, "column", None)
        if dtype is None or column is None or types.get(column) != dtype:  # else the property's type says it
            placed.append((column if column in types else None, staged.rule))
    order: dict[str | None, int] = {name: place for place, name in enumerate([*types, None])}
    placed.sort(key=lambda each: order[each[0]])
    names = check_names([rule for _, rule in placed])
    entries: dict[str | None, list[dict[str, Any]]] = {}
    for (at, rule), name in zip(placed, names, strict=True):
        entries.setdefault(at, []).append(quality_entry(rule, name, at))
    return entries


def _property(
    config: TenantConfig,
    pipeline: PipelineConfig,
    name: str,
    dtype: pl.DataType | None,
    entries: Mapping[str | None, list[dict[str, Any]]],
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if dtype is not None:
        made |= contract_type(dtype, dialect_of(config, pipeline)).keys()
    keys = pipeline.trino_output.key_columns if pipeline.save_to_trino and pipeline.trino_output else ()
    if name in keys:
        made |= {"primaryKey": True, "primaryKeyPosition": keys.index(name) + 1}
    rules = [each.rule for each in delivered_rules(pipeline)]
    if any(_is_plain(rule, NotNull, name) for rule in rules) and pipeline.quality.on_failure != "warn":
        made["required"] = True
    if any(_is_plain(rule, Unique, name) for rule in rules) and pipeline.quality.on_failure != "warn":
        made["unique"] = True
    if name in partition_columns(pipeline):
        made |= {"partitioned": True, "partitionKeyPosition": 1}
    if name in pipeline.pii_columns:
        made["classification"] = RESTRICTED
    made |= column_relationships(name, delivered_rules(pipeline))
    if entries.get(name):
        made["quality"] = entries[name]
    return made


def partition_columns(pipeline: PipelineConfig) -> tuple[str, ...]:
    """Return the column by which the rows are divided, if there is one."""
    if pipeline.date_column is not None:
        return (pipeline.date_column,)
    return (pipeline.partitions.by,) if pipeline.partitions is not None else ()


def _is_plain(rule: AnyRule, kind: type[NotNull] | type[Unique], column: str) -> bool:
    """Whether the rule judges every row of one column, and a failure stops publishing or rejects the row."""
    all_rows = rule.mostly is None and rule.where is None
    return isinstance(rule, kind) and rule.judged_columns == (column,) and all_rows and rule.severity == "error"


def _team(owners: Sequence[str]) -> dict[str, Any]:
    teams = [each.removeprefix("team:") for each in owners if each.startswith("team:")]
    name = {"name": teams[0]} if teams else {}
    return name | {"members": [{"username": each, "role": "owner"} for each in owners]}


def undelivered_rules(pipeline: PipelineConfig) -> tuple[str, ...]:
    """Return the names of the rules that a contract leaves out: those about an extract that a transfer changes."""
    stage = pipeline.published_stage
    other = [each for each in pipeline.quality.rules if (each.stage or stage) != stage]
    return check_names([each.rule for each in other])
