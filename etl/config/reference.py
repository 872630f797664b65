"""Makes the YAML reference from the models: `python -m etl.config.reference > docs/yaml-reference.md`.

Belongs here: describing in words what the models allow. Not here: the models.
"""

import re
import sys
from typing import Any

from pydantic import BaseModel

from etl.config.connections import LakeConfig, SourceDatabase, WarehouseConfig
from etl.config.pipeline_config import DbtTransform, Partitions, PipelineConfig, PipelineQuality, TrinoOutput
from etl.config.schema import tenant_schema
from etl.config.schema_values import NUMBER
from etl.config.tenant_config import DbtConfig, JobConfig, ScheduleConfig, TenantConfig
from etl.notify.targets import EmailTarget, LogTarget, OpsgenieTarget, PagerDutyTarget, SlackTarget, WebhookTarget
from etl.quality.rules import RULE_TYPES
from etl.sla.config import FreshnessPromise, PipelineSLA

_INTRODUCTION = """\
# YAML reference

Generated from the models by `python -m etl.config.reference`; do not edit.

A tenant is `tenants/<id>/config.yaml`. All keys stand below the key `tenant`. They may also stand beside `tenant`, or
at the top of a file without `tenant`. Keys at the top that begin with `x-` are not read: use them for anchors.

Unknown keys are refused. One error lists all problems, each with file, line and column. With the first line
`# yaml-language-server: $schema=../tenant.schema.json`, an editor completes and checks the file.

## Variables

Below `source_database`, `storage`, `warehouse` and `notifications`, a text may name variables and secrets, which are
resolved when a run needs them. The other keys become visible in definitions, so variables and secrets are refused.

`${VAR}` must be set and not empty; `${VAR:-default}` and `${VAR:default}` give a default; `${secret:name#key}` is a
secret of the tenant; `$$` is a dollar, in every key. Inside `{...}` and `[...]` a variable needs quotes. A variable
begins with the tenant's id in capitals and `_`, or is one that the platform shares. A secret in clear is refused:
passwords, tokens and keys are written as `${VAR}` or `${secret:name#key}`, without a default. See
[Secrets and ownership](secrets.md).

In dev, a tenant reads its embedded demo source if `source_database` is missing or if none of its variables is set.
A run says so. In staging and prod, both are errors.

## Environments

`environments: {prod: {...}}`, at the tenant and at each pipeline, has the keys that differ for that value of
DAGSTER_ENVIRONMENT (dev, staging, prod). Mappings are merged key by key, lists are replaced, and `null` means the
default. Problems in the values of one environment are reported in every environment.

## Names

| name | allowed | length |
|---|---|---|
| tenant, pipeline, job | lowercase letters, digits, `_`; starts with a letter; no Python keyword | 63 |
| table and schema of the warehouse | letters, digits, `_`, `$`; starts with a letter or `_` | 63 |
| table, schema, column of a source | letters, digits, `_`, of any script; inside also space and `$ # . / -` | 128 |
| tag | letters, digits, `_` `.` `-`; a key may have a prefix and `/` | 63 |

A letter of a source's name may have combining marks (`नाम`, `ชื่อ`, an accent that is a separate character). The name is
compared with the source's name character by character: `é` as one character and `é` as two are different names.

## YAML

Values follow YAML 1.2: only `true` and `false` are booleans, so `no` and `on` are texts (a key with a boolean value
accepts them too); `010` is ten; `12:30` is a text. Where a text is expected, a number or date is read as text. Anchors,
aliases and merge keys work. Refused are: duplicate keys, tabs, tags that are not YAML's own, several documents, more
than 1 MB, more than 40 levels, encodings other than UTF-8, aliases that expand to too many values.
"""

_SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("tenant", "", TenantConfig),
    ("source_database", "A text alone is the URL.", SourceDatabase),
    ("storage", "", LakeConfig),
    ("warehouse", "A connection only for postgres and trino.", WarehouseConfig),
    ("assets.pipelines.&lt;name&gt;", "", PipelineConfig),
    ("partitions", "", Partitions),
    ("trino_output", "", TrinoOutput),
    ("quality", "", PipelineQuality),
    ("sla", "", PipelineSLA),
    ("sla.freshness", "", FreshnessPromise),
    ("dbt_transform", "", DbtTransform),
    ("dbt", "", DbtConfig),
    ("jobs.&lt;name&gt;", "", JobConfig),
    ("jobs.&lt;name&gt;.schedule", "", ScheduleConfig),
)
_NAMED: dict[type[BaseModel], str] = {TenantConfig: "Tenant", SourceDatabase: "Connection"}
"""Models whose part of the schema has another name."""
_TARGETS = (LogTarget, WebhookTarget, SlackTarget, EmailTarget, PagerDutyTarget, OpsgenieTarget)


def reference_text() -> str:
    """The whole page."""
    parts: dict[str, Any] = tenant_schema()["definitions"]
    sections = [_INTRODUCTION]
    for title, remark, model in _SECTIONS:
        sections.append(_section(f"## {title}", remark or _summary(model), model, parts))
        if model is PipelineQuality:
            sections.append(_rules())
    sections.append(
        "## Notifications\n\nA list; each entry has a `type`. Without filters, an entry gets every message.\n"
    )
    sections += [_section(f"### {_type_of(model)}", _summary(model), model, parts) for model in _TARGETS]
    return "\n".join(sections)


def _section(title: str, remark: str, model: type[BaseModel], parts: dict[str, Any]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    own = _own_schema(model, parts)
    required = own.get("required", ())
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in own["properties"] and not (model in _TARGETS and key == "type"):
            default = "required" if key in required else _default(None if field.is_required() else field.default)
            about = (field.description or "").replace("|", "\\|")
            rows.append(f"| `{key}` | {_words(own['properties'][key])} | {default} | {about} |")
    return "\n".join([title, "", remark, "", *rows, ""])


def _own_schema(model: type[BaseModel], parts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = parts[_NAMED.get(model, model.__name__)]
    return found


def _rules() -> str:
    rows = [
        "### Rules",
        "",
        "A list; `stage: extract`, `transfer` or `load` says whose rows a rule judges. `etl rules` tells",
    ]
    rows += ["more about each.", "", "| type | meaning | example |", "|---|---|---|"]
    for kind, model in RULE_TYPES.items():
        example = model.doc.example.replace("|", "\\|")
        rows.append(f"| `{kind}` | {_summary(model)} | `{example}` |")
    return "\n".join([*rows, ""])


def _summary(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _type_of(model: type[BaseModel]) -> str:
    text = re.sub(r"^'|'$", "", str(model.model_json_schema()["properties"]["type"]["const"]))
    return f"`type: {text}`"


def _default(value: object) -> str:
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(each) for each in value)}]`"
    return f"`{value}`"


def _words(schema: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return {"Variable": "", "AlertLevel": "`info`, `warning`, `error`, `critical`"}.get(
            schema["$ref"].rsplit("/", 1)[-1], "mapping"
        )
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema and {"type": "boolean"} in schema[union]:
            return "boolean"
        if union in schema:
            words = [_words(each) for each in schema[union] if each.get("type") != "null" and "not" not in each]
            return " or ".join(dict.fromkeys(each for each in words if each)) or "any"
    if "allOf" in schema:
        return _words(schema["allOf"][0])
    return _kind(schema)


def _kind(schema: dict[str, Any]) -> str:
    """The type of a value in a word."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = [each for each in kind if not (each == "string" and schema.get("pattern") == NUMBER)]
        kind = "string" if "string" in kind else next(each for each in ("number", *kind) if each in kind)
    if kind == "array":
        inner = _words(schema.get("items", {}))
        return f"list of {inner}s" if inner in ("text", "mapping") else f"list of {inner}"
    if schema.get("format") == "date":
        return "date"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "boolean", "object": "mapping"}
    return names.get(str(kind), "any")


if __name__ == "__main__":
    sys.stdout.write(reference_text())
