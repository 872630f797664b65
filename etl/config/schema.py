"""Makes the JSON Schema of a tenant's file, for editors: `python -m etl.config.schema > tenants/tenant.schema.json`.

Belongs here: facts about the file that the models' own schema does not have: values that the loader fills in,
`environments`, the key `tenant` around all keys, and the arguments of each type of rule. Not here: validation, which
the loader's models do, rules between keys (`schema_rules`), patterns and examples (`schema_values`).

The schema is of draft 7, the newest version that the language servers for YAML support as a whole. What depends on a
`type` is written with `if` and `then`, so that an editor proposes the arguments of that type only and reports the wrong
argument itself.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from etl.config.schema_rules import (
    connection_rules,
    job_rules,
    pipeline_rules,
    promise_rules,
    rule_arguments,
    tenant_rules,
    unsuggested,
    warehouse_rules,
)
from etl.config.schema_values import (
    CATALOGS,
    EXAMPLES,
    ITEMS,
    NAMES,
    NUMBER,
    OF_RULE,
    OF_RULES,
    ONLY_FALSE,
    ONLY_NULL,
    PATTERNS,
    UNIQUE,
    VALUES,
    WORD_OFF,
    WORD_ON,
)
from etl.config.tenant_config import TenantConfig
from etl.config.yaml_source import parse, to_data
from etl.quality.rules import RULE_TYPES, rule_json_schema

Schema = dict[str, Any]

_STAGE = {"enum": ["extract", "transfer", "load"], "description": "The judged stage. Default: transfer, else extract."}
_URL = {
    "type": "string",
    "pattern": r"^$|^[A-Za-z][\w+.-]*://|\$\{",
    "description": "The whole SQLAlchemy URL, with secrets as ${VAR} or ${secret:name#key}.",
}
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SWITCH = {"anyOf": [{"type": "boolean"}, WORD_ON, WORD_OFF]}
"""What the loader reads as a switch: with the rules of YAML 1.2, `no` is a text."""
_FILLED_IN = ("Tenant", "PipelineConfig", "TrinoOutput")
"""Parts whose required keys the loader fills in."""
_TARGETS = "Target"


def tenant_schema() -> Schema:
    """The schema as data."""
    schema = TenantConfig.model_json_schema(by_alias=True)
    parts: dict[str, Schema] = schema.pop("$defs")
    parts["Tenant"] = schema
    _describe_rules(parts)
    for name in _FILLED_IN:
        parts[name].pop("required", None)
    parts["PipelineConfig"]["properties"].pop("name")
    for name in ("Tenant", "PipelineConfig"):
        values = parts[name]["properties"]["environments"]
        values.pop("propertyNames", None)
        part: Schema = {
            "allOf": [{"$ref": f"#/$defs/{name}"}],
            "properties": {"environments": False, **({"id": False} if name == "Tenant" else {})},
        }
        values["properties"] = dict.fromkeys(("dev", "staging", "prod"), part)
        values["additionalProperties"] = False
    parts["Notification"] = _notification(parts)
    parts["Tenant"]["properties"]["notifications"]["items"] = {"$ref": "#/$defs/Notification"}
    for name, definition in parts.items():
        definition.pop("title", None)
        for key, values in definition.get("properties", {}).items():
            optional = key not in definition.get("required", ())
            definition["properties"][key] = _as_read(_with_values(name, key, values), nullable=optional)
    _describe_connections(parts)
    parts["JobConfig"]["allOf"] = unsuggested(job_rules())
    parts["EmailTarget"]["dependencies"] = {"username": ["password"], "password": ["username"]}
    parts["Tenant"]["properties"]["notifications"]["uniqueItems"] = True
    parts["PipelineRules"] = unsuggested(pipeline_rules())
    parts["PromiseRules"] = unsuggested(promise_rules())
    parts["TenantRules"] = unsuggested(tenant_rules())
    whole: Schema = _in_draft_7({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A tenant",
        "description": "The file config.yaml of a tenant. Every key is explained in docs/yaml-reference.md.",
        "type": "object",
        "properties": {
            "tenant": {"allOf": [{"$ref": "#/$defs/Tenant"}, {"$ref": "#/$defs/TenantRules"}]},
            **parts["Tenant"]["properties"],
        },
        "patternProperties": {"^x-": {"description": "A place for anchors; not read."}},
        "additionalProperties": False,
        "allOf": [{"$ref": "#/$defs/TenantRules"}],
        "definitions": {name: parts[name] for name in sorted(parts)},
    })  # fmt: skip
    return whole


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(tenant_schema(), indent=2, ensure_ascii=False) + "\n"


def rules_schema_text() -> str:
    """Return the schema of a list of rules alone, as the text of a file."""
    whole = tenant_schema()
    names = ["StagedRule", "JsonValue", *(model.__name__ for model in RULE_TYPES.values())]
    schema = {
        "$schema": whole["$schema"],
        "title": "Quality rules",
        "type": "array",
        "items": {"$ref": "#/definitions/StagedRule"},
        "definitions": {name: whole["definitions"][name] for name in names},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _describe_rules(parts: dict[str, Schema]) -> None:
    """Write a rule as its type and, for each type, the arguments of that type."""
    union = rule_json_schema()
    rules: dict[str, Schema] = union.pop("$defs")
    demanded = rule_arguments()
    branches = []
    for kind, model in RULE_TYPES.items():
        rule = rules[model.__name__]
        rule["properties"]["stage"] = _STAGE
        example = _example(model.doc.example)
        rule["examples"] = [example]
        rule["properties"]["type"]["description"] = model.__doc__
        for key, value in {**OF_RULES, **OF_RULE.get(kind, {}), **example}.items():
            if key in rule["properties"] and key != "type":
                rule["properties"][key]["examples"] = [value]
        for key, takes in (("mostly", model.takes_mostly), ("where", model.takes_where)):
            if not takes:
                rule["properties"].pop(key)
        rule["allOf"] = unsuggested(demanded.get(kind, []))
        if not rule["allOf"]:
            rule.pop("allOf")
        said = {"properties": {"type": {"const": kind}}, "required": ["type"]}
        branches.append({"if": said, "then": {"$ref": f"#/$defs/{model.__name__}"}})
    parts.update(rules)
    kinds = {"enum": list(RULE_TYPES), "description": "What the rule demands; `etl rules` explains each."}
    short = {"properties": {"truthound": {"type": "string"}}, "required": ["truthound"]}
    parts["StagedRule"] = {
        "type": "object",
        "description": "One rule: its `type`, the column or columns, and the arguments of that type.",
        "properties": {
            "type": kinds,
            "truthound": {
                "type": "string",
                "description": "Instead of `type`: any validator of Truthound, by name.",
                "doNotSuggest": True,
            },
        },
        "anyOf": [{"required": ["type"]}, short],
        "allOf": branches,
    }


def _example(text: str) -> dict[str, Any]:
    """Return an example of a rule as data."""
    root = parse(text.encode()).root
    read: dict[str, Any] = to_data(root) if root is not None else {}
    return read


def _notification(parts: Mapping[str, Schema]) -> Schema:
    """Write a target as its type and, for each type, the keys of that type."""
    targets = {
        part["properties"]["type"]["const"]: name
        for name, part in parts.items()
        if name.endswith(_TARGETS) and "const" in part.get("properties", {}).get("type", {})
    }
    for name in targets.values():
        parts[name]["properties"]["type"]["description"] = parts[name]["description"]
    branches = [
        {"if": {"properties": {"type": {"const": kind}}, "required": ["type"]}, "then": {"$ref": f"#/$defs/{name}"}}
        for kind, name in sorted(targets.items())
    ]
    return {
        "type": "object",
        "description": "One target of messages.",
        "properties": {"type": {"enum": sorted(targets), "description": "How the message is sent."}},
        "required": ["type"],
        "allOf": branches,
    }


def _describe_connections(parts: dict[str, Schema]) -> None:
    for name, rules in (("SourceDatabase", connection_rules()), ("WarehouseConfig", warehouse_rules())):
        properties = parts[name]["properties"]
        properties["user"] = {**properties["username"], "description": "Another spelling of `username`."}
        port = properties["port"]
        port["anyOf"] = [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": port.pop("pattern")},
        ]
        port["anyOf"].append({"type": "null"})
        port.pop("type")
        parts[name]["allOf"] = unsuggested(rules)
    parts["WarehouseConfig"]["properties"]["iceberg"]["properties"] = {"type": {"pattern": CATALOGS}}
    mail = parts["EmailTarget"]["properties"]["port"]
    mail["anyOf"] = [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": mail.pop("pattern")},
    ]
    mail.pop("type", None)
    parts["Connection"] = parts["SourceDatabase"]
    parts["SourceDatabase"] = {"if": {"type": "string"}, "then": _URL, "else": {"$ref": "#/$defs/Connection"}}


def _with_values(name: str, key: str, schema: Schema) -> Schema:
    """Add the pattern, the examples and the names of a key."""
    place = (name, key)
    changed = dict(schema)
    shared = {"WarehouseConfig": ("SourceDatabase", key)}.get(
        name, ("Route", key) if name.endswith(_TARGETS) else place
    )
    if (examples := EXAMPLES.get(place) or EXAMPLES.get(shared)) is not None:
        changed["examples"] = examples
    if place in PATTERNS:
        changed["pattern"] = PATTERNS[place]
    if place in UNIQUE:
        changed["uniqueItems"] = True
    if place in ITEMS and "items" in changed:
        changed["items"] = {**changed["items"], "pattern": ITEMS[place]}
    if place in NAMES:
        changed["propertyNames"] = NAMES[place]
    if place in VALUES:
        changed["additionalProperties"] = {"type": "string", "pattern": VALUES[place]}
    return changed


def _as_read(schema: Any, *, nullable: bool = False) -> Any:  # noqa: ANN401  any JSON
    """Allow what the loader reads: a number for a text, a word for a switch, and a key without a value."""
    if isinstance(schema, list):
        return [_as_read(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed: Schema = {
        _BOUNDS.get(str(key), str(key)): _as_read(each)
        for key, each in schema.items()
        if key not in ("title", "properties")
    }
    if "properties" in schema:  # the names below are keys of the file, not of the schema
        changed["properties"] = {name: _as_read(each) for name, each in schema["properties"].items()}
    if isinstance(changed.get("default"), dict) and "text" in changed["default"]:
        changed["default"] = changed["default"]["text"]
    if changed.get("default", "") is None or (isinstance(changed.get("default"), dict) and changed["default"]):
        changed.pop("default")  # a part with all its defaults is no text that a person would write
    options = [each for each in changed.get("anyOf", ()) if each != {"type": "null"}]
    nullable = nullable or len(options) < len(changed.get("anyOf", ()))
    if len(options) == 1:  # what is optional in Python is a key that may be left out
        changed.pop("anyOf")
        changed = {**options[0], **changed}
    elif len(options) > 1 and all(each.keys() <= {"type", "format"} for each in options):
        changed.pop("anyOf")
        changed["type"] = sorted({kind for each in options for kind in _kinds(each.get("type", []))})
    changed = _spelled(changed)
    changed.pop("format", None)
    return _or_nothing(changed) if nullable else changed


def _spelled(schema: Schema) -> Schema:
    """Allow the spellings of a value that the loader reads."""
    kinds = _kinds(schema.get("type", []))
    if kinds == ["boolean"]:
        return {**{key: value for key, value in schema.items() if key != "type"}, **_SWITCH}
    if "off" in (schema.get("const"), *schema.get("enum", ())):
        return _off_or_false(schema)
    if {"integer", "number"} & {*kinds} and "string" not in kinds:
        return {**schema, "type": [*kinds, "string"], "pattern": NUMBER}
    may_be_number = re.search(schema.get("pattern", ""), "1") is not None
    if kinds == ["string"] and not schema.keys() & {"enum", "const"} and may_be_number:
        return {**schema, "type": ["string", "number"]}
    return schema


def _off_or_false(schema: Schema) -> Schema:
    """Allow `false` for `off`, which it is with the rules of YAML 1.1. An editor proposes the words only."""
    words = {key: schema[key] for key in ("const", "enum", "type") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in words}
    return {**rest, "anyOf": [words, ONLY_FALSE]}


def _or_nothing(schema: Schema) -> Schema:
    """Allow a key without a value, which counts as not written."""
    if "$ref" in schema:
        return {
            "anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}],
            **{key: schema[key] for key in schema if key != "$ref"},
        }
    if "anyOf" in schema and schema["anyOf"] == _SWITCH["anyOf"]:
        return {
            **schema,
            "anyOf": [*schema["anyOf"], ONLY_NULL],
        }  # an editor would propose `null` beside true and false
    if "enum" in schema:
        choice = {key: schema[key] for key in ("enum", "type") if key in schema}
        rest = {key: value for key, value in schema.items() if key not in choice}
        return {**rest, "anyOf": [choice, ONLY_NULL]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    changed = dict(schema)
    if "type" in changed and "enum" not in changed:
        changed["type"] = [*_kinds(changed["type"]), "null"]
    return changed


def _kinds(kind: str | list[str]) -> list[str]:
    return [kind] if isinstance(kind, str) else list(kind)


def _in_draft_7(schema: Any) -> Any:  # noqa: ANN401  any JSON
    """Name the definitions as draft 7 does."""
    if isinstance(schema, list):
        return [_in_draft_7(each) for each in schema]
    if isinstance(schema, dict):
        return {
            str(key): str(each).replace("#/$defs/", "#/definitions/") if key == "$ref" else _in_draft_7(each)
            for key, each in schema.items()
        }
    return schema


if __name__ == "__main__":
    sys.stdout.write(schema_text())
