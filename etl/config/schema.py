"""Makes the JSON Schema of a tenant's file, for editors: `python -m etl.config.schema > tenants/tenant.schema.json`.

Belongs here: facts about the file that the models' own schema does not have: values that the loader fills in,
`environments`, the key `tenant` around all keys. Not here: validation, which the loader's models do.
"""

import json
import sys
from typing import Any

from etl.config.tenant_config import TenantConfig
from etl.quality.rules import rule_json_schema

_STAGE = {"enum": ["extract", "transfer", "load"], "description": "The judged stage. Default: transfer, else extract."}
_URL = {"type": "string", "description": "The whole SQLAlchemy URL, with secrets as ${VAR} or ${secret:name#key}."}


def tenant_schema() -> dict[str, Any]:
    """The schema as data."""
    schema = TenantConfig.model_json_schema(by_alias=True)
    parts: dict[str, Any] = schema.pop("$defs")
    parts["Tenant"] = schema
    _describe_rules(parts)
    for name in ("Tenant", "PipelineConfig", "TrinoOutput"):
        parts[name].pop("required", None)  # the loader fills these in
    parts["PipelineConfig"]["properties"].pop("name")
    for name in ("Tenant", "PipelineConfig"):
        overrides = parts[name]["properties"]["environments"]
        overrides["additionalProperties"] = {"$ref": f"#/$defs/{name}"}
    for name in ("SourceDatabase", "WarehouseConfig"):
        parts[name]["properties"]["user"] = parts[name]["properties"]["username"]
        parts[name] = {"anyOf": [parts[name], _URL]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A tenant",
        "type": "object",
        "properties": {
            "tenant": {"$ref": "#/$defs/Tenant"},
            **_as_read({"properties": schema["properties"]})["properties"],
        },
        "patternProperties": {"^x-": {"description": "A place for anchors; not read."}},
        "additionalProperties": False,
        "$defs": {name: _as_read(part) for name, part in sorted(parts.items())},
    }


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(tenant_schema(), indent=2, ensure_ascii=False) + "\n"


def _describe_rules(parts: dict[str, Any]) -> None:
    """Add the key `stage` to the rules, and the short form of Truthound's validators."""
    union = rule_json_schema()
    rules: dict[str, Any] = union.pop("$defs")
    for rule in rules.values():
        if "type" in rule.get("properties", {}):
            rule["properties"]["stage"] = _STAGE
    short = {"type": "object", "properties": {"truthound": {"type": "string"}}, "required": ["truthound"]}
    parts.update(rules)
    parts["StagedRule"] = {"anyOf": [{"oneOf": union["oneOf"]}, short]}


def _as_read(schema: Any) -> Any:  # noqa: ANN401  any JSON
    """Allow a number where a text is expected, because the loader reads the number as text."""
    if isinstance(schema, list):
        return [_as_read(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {
        key: {name: _as_read(each) for name, each in value.items()}
        if key == "properties"  # the names below are keys of the file, not of the schema
        else _as_read(value)
        for key, value in schema.items()
        if key != "title"
    }
    if changed.get("type") == "string" and "enum" not in changed and changed.get("format") != "date":
        changed["type"] = ["string", "number"]
    return changed


if __name__ == "__main__":
    sys.stdout.write(schema_text())
