"""Rules between the keys of a tenant's file that a JSON Schema can express, so that an editor shows them at once.

Belongs here: which keys exclude each other and which need each other. Not here: the keys themselves (`schema`), and
rules that compare values (`cross_checks`), which no schema can express.

These rules hold for a whole tenant and a whole pipeline. The values of an environment are a part of one, and are judged
without them.
"""

from typing import Any

from etl.config.connections import LakeConfig
from etl.config.pipeline_config import BY_TIME
from etl.config.schema_values import WORD_OFF, WORD_ON
from etl.quality.rules import RULE_TYPES
from etl.sla.config import PipelineSLA

Schema = dict[str, Any]

_ADDRESS = ("url", "host", "port", "database", "username", "user", "password", "options")
_OF_BUCKET = tuple(name for name in LakeConfig.model_fields if name != "bucket")
_MAPPINGS = ("iceberg", "options")
"""Keys whose empty mapping counts as not written."""
_PARTS = ("driver", "host", "port", "database", "username", "user", "password")
_OF_TIME = ("timezone", "start", "end", "lookback_days", "lookback", "naive_timezone")
_PROMISES = tuple(
    name for name in PipelineSLA.model_fields if name not in ("alert_on_warning", "alert_level", "enabled")
)
_NO_TIME: Schema = {
    "type": "object",
    "properties": {"by": {"not": {"enum": [*BY_TIME, None]}}},
    "required": ["by"],
}


def filled(key: str) -> Schema:
    """Satisfied where the key has a list with an item."""
    return {"type": "object", "properties": {key: {"type": "array", "minItems": 1}}, "required": [key]}


_KEYS = filled("keys")


def given(*keys: str) -> Schema:
    """Satisfied where each of the keys stands with a value."""
    something = {"type": "object", "minProperties": 1}
    present = {key: something if key in _MAPPINGS else {"not": {"type": "null"}} for key in keys}
    return {"type": "object", "properties": present, "required": list(keys)}


def any_given(*keys: str) -> Schema:
    """Satisfied where one of the keys stands with a value."""
    return {"anyOf": [given(key) for key in keys]}


def says(key: str, *values: str) -> Schema:
    """Satisfied where the key has one of the values."""
    return {"type": "object", "properties": {key: {"enum": list(values)}}, "required": [key]}


def on(key: str) -> Schema:
    """Satisfied where the switch is on."""
    return {"type": "object", "properties": {key: {"anyOf": [{"const": True}, WORD_ON]}}, "required": [key]}


def off(key: str) -> Schema:
    """Satisfied where the switch is off."""
    return {"type": "object", "properties": {key: {"anyOf": [{"const": False}, WORD_OFF]}}, "required": [key]}


def when(condition: Schema, then: Schema) -> Schema:
    """Demand `then` where `condition` holds."""
    return {"if": condition, "then": then}


def never(condition: Schema) -> Schema:
    """Refuse what `condition` describes."""
    return {"not": condition}


def connection_rules() -> list[Schema]:
    """The parts of a connection: a URL, or what a URL is made of."""
    return [when(given("url"), never(any_given(*_PARTS))), never({"required": ["user", "username"]})]


def warehouse_rules() -> list[Schema]:
    """What belongs to each type of a warehouse, in every block of it."""
    return [
        *connection_rules(),
        when(says("type", "duckdb"), never(any_given(*_ADDRESS, "iceberg", "http_scheme", "catalog"))),
        when(says("type", "postgres"), never(any_given("iceberg", "http_scheme", "catalog"))),
        when(says("type", "trino"), never(given("url"))),
    ]


def tenant_rules() -> Schema:
    """The rules of a whole tenant."""
    warehouse = {
        "allOf": [
            when(never(given("type")), never(any_given(*_ADDRESS, "iceberg", "http_scheme", "catalog"))),
            when(says("type", "postgres"), any_given(*_ADDRESS)),
        ]
    }
    named = any_given("url", "host", "database")
    alone = {
        "properties": {
            "source_database": {"if": {"type": "object"}, "then": named},
            "storage": when(any_given(*_OF_BUCKET), given("bucket")),
        }
    }
    return {
        "allOf": [when(never(given("environments")), alone)],
        "properties": {
            "warehouse": {"if": {"type": "object"}, "then": warehouse},
            "sla": {"$ref": "#/definitions/PromiseRules"},
            "assets": {
                "properties": {
                    "pipelines": {"additionalProperties": {"$ref": "#/definitions/PipelineRules"}},
                }
            },
        },
    }


def promise_rules() -> Schema:
    """A block of promises promises something."""
    freshness = {
        "if": {"type": "object"},
        "then": {"allOf": [any_given("deadline", "max_age_hours"), when(on("business_days"), given("deadline"))]},
    }
    promises = any_given(*_PROMISES)
    something = {"anyOf": [*promises["anyOf"], on("alert_on_warning"), off("enabled")]}
    return {"if": {"type": "object"}, "then": {"allOf": [something, {"properties": {"freshness": freshness}}]}}


def pipeline_rules() -> Schema:
    """The rules of a whole pipeline. What an environment may add is not demanded where there are environments."""
    is_static: Schema = {"properties": {"partitions": _KEYS}, "required": ["partitions"]}
    is_cut: Schema = {"anyOf": [given("date_column"), is_static]}
    return {
        "if": {"type": "object"},
        "then": {
            "allOf": [
                never(given("source_table", "query")),
                never(given("source_schema", "query")),
                when(filled("transfer_inputs"), {"anyOf": [on("has_transfer"), given("environments")]}),
                {"properties": {"partitions": _partition_rules(), "sla": {"$ref": "#/definitions/PromiseRules"}}},
                when(is_static, never(given("date_column"))),
                when(given("partitions"), is_cut),
                when(never(given("environments")), {"allOf": _rules_alone(is_cut)}),
            ]
        },
    }


def _rules_alone(is_cut: Schema) -> list[Schema]:
    """What a pipeline without environments has to say by itself."""
    mode = {"trino_output": says("mode", "replace_partition")}
    whole = {"trino_output": says("mode", "replace")}
    merged = {
        "if": says("mode", "upsert"),
        "then": filled("key_columns"),
    }
    ordered = {"if": given("order_column"), "then": says("mode", "upsert")}
    threshold = {"if": given("max_quarantine_rate"), "then": says("on_failure", "quarantine")}
    return [
        any_given("source_table", "query"),
        when(given("trino_output"), {"required": ["save_to_trino"]}),
        when(given("dbt_transform"), {"required": ["has_dbt_transform"]}),
        when({"properties": mode, "required": ["trino_output"]}, is_cut),
        when({"properties": whole, "required": ["trino_output"]}, never(is_cut)),
        {"properties": {"trino_output": {"if": {"type": "object"}, "then": {"allOf": [merged, ordered]}}}},
        {"properties": {"quality": {"if": {"type": "object"}, "then": threshold}}},
    ]


def _partition_rules() -> Schema:
    by_column = {"allOf": [_KEYS, never(any_given(*_OF_TIME))]}
    days = {"anyOf": [never(given("by")), says("by", "day")]}
    rules = [
        when(_KEYS, _NO_TIME),
        when(_NO_TIME, by_column),
        when(given("lookback_days"), {"allOf": [days, never(given("lookback"))]}),
        when(says("by", "month"), _starts(r"^\d{4}-(0[1-9]|1[0-2])(-01)?$")),
        when(says("by", "week"), _starts(r"^\d{4}-(W[0-5]\d|\d\d-\d\d)$")),
        when(says("by", "day"), _starts(r"^\d{4}-\d\d-\d\d$")),
        when(never(given("by")), _starts(r"^\d{4}-\d\d-\d\d(T00:00(:00)?)?$")),
    ]
    return {"if": {"type": "object"}, "then": {"allOf": rules}}


def _starts(pattern: str) -> Schema:
    return {"properties": {key: {"pattern": pattern} for key in ("start", "end")}}


def rule_arguments() -> dict[str, list[Schema]]:
    """For each type of rule that has any, what its arguments demand of each other."""
    bounds = any_given("min", "max")
    limits = {"oneOf": [given("exact"), bounds]}
    keyed = {"oneOf": [given("column"), filled("columns")]}
    demanded: dict[str, list[Schema]] = {}
    for kind, model in RULE_TYPES.items():
        if kind in ("in_range", "mean_between", "sum_between"):
            demanded[kind] = [bounds]
        elif kind in ("length", "row_count"):
            demanded[kind] = [limits]
        elif {"column", "columns"} <= model.model_fields.keys():
            demanded[kind] = [keyed]
    return demanded


def job_rules() -> list[Schema]:
    """A job that cares for tables has no selection."""
    selects = {
        "anyOf": [
            on("verify"),
            {"properties": {"selection": {"not": {"const": "*"}}}, "required": ["selection"]},
        ]
    }
    return [when(on("maintain"), never(selects))]


def unsuggested(schema: Any) -> Any:  # noqa: ANN401  any JSON
    """Mark the keys of rules, so that a language server does not propose a key a second time because of a rule."""
    if isinstance(schema, list):
        return [unsuggested(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: unsuggested(each) for key, each in schema.items() if key != "properties"}
    if "properties" in schema:
        changed["properties"] = {
            name: {"allOf": [unsuggested(each)], "doNotSuggest": True}  # beside `$ref`, draft 7 ignores every key
            for name, each in schema["properties"].items()
        }
    return changed
