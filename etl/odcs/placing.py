"""Where the rows of an imported pipeline go: its partitions, and the table that it loads.

Belongs here: `partitioned` columns, keys, the physical name. Not here: rules and promises (`importing`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from etl.config.identifiers import TargetName
from etl.config.pipeline_config import Partitions
from etl.config.tenant_config import TenantConfig
from etl.odcs.columns import column_name
from etl.odcs.fundamentals import Left

_TARGET: TypeAdapter[str] = TypeAdapter(TargetName)
_TIMES = ("date", "timestamp")


def partition_keys(
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


def output_keys(
    config: TenantConfig,
    table: Mapping[str, Any],
    pipeline: str,
    properties: Sequence[Mapping[str, Any]],
    custom: Mapping[str, Any],
    at: str,
    left: list[Left],
) -> dict[str, Any]:
    """Return the table to load, if the contract is about a table."""
    keys = sorted((each for each in properties if each.get("primaryKey")), key=key_position)
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


def key_position(column: Mapping[str, Any]) -> int:
    """Return the place of a column in the key, to put the columns in order."""
    position = column.get("primaryKeyPosition", 0)
    return position if isinstance(position, int) else 0
