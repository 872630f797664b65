import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from etl.config.connections import LakeConfig, SourceDatabase, WarehouseConfig
from etl.config.pipeline_config import (
    DbtTransform,
    Partitions,
    PipelineConfig,
    PipelineQuality,
    StagedRule,
    TrinoOutput,
)
from etl.config.reference import reference_text
from etl.config.schema import rules_schema_text, schema_text, tenant_schema
from etl.config.tenant_config import AssetsConfig, DbtConfig, JobConfig, ScheduleConfig, TenantConfig
from etl.config.yaml_source import parse
from etl.quality.rules import RULE_TYPES
from tests.config.test_tenant_config import WHOLE

ROOT = Path(__file__).parents[2]
MODELS: tuple[type[BaseModel], ...] = (
    TenantConfig, AssetsConfig, PipelineConfig, Partitions, TrinoOutput, PipelineQuality, StagedRule, DbtTransform,
    DbtConfig, JobConfig, ScheduleConfig, SourceDatabase, WarehouseConfig, LakeConfig,
)  # fmt: skip


def as_json(text: str) -> Any:
    """What an editor sees: dates are texts."""

    def plain(node: Any) -> Any:
        if isinstance(node.value, dict):
            return {key: plain(each) for key, each in node.value.items()}
        if isinstance(node.value, list):
            return [plain(each) for each in node.value]
        return node.value if isinstance(node.value, str | int | float | bool | None) else node.text

    return plain(parse(text.encode()).root)


def errors(text: str) -> list[str]:
    validator = jsonschema.Draft7Validator(tenant_schema())
    return [each.message for each in validator.iter_errors(as_json(text))]


def test_the_schema_in_the_repository_is_the_generated_one() -> None:
    path = ROOT / "tenants" / "tenant.schema.json"
    assert path.read_text() == schema_text(), f"python -m etl.config.schema > {path.relative_to(ROOT)}"


def test_the_reference_in_the_repository_is_the_generated_one() -> None:
    path = ROOT / "docs" / "yaml-reference.md"
    assert path.read_text() == reference_text(), f"python -m etl.config.reference > {path.relative_to(ROOT)}"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(tenant_schema())


def test_a_right_file_satisfies_the_schema() -> None:
    assert errors(WHOLE) == []


@pytest.mark.parametrize("tenant", sorted(path.parent.name for path in ROOT.glob("tenants/*/config.yaml")))
def test_every_tenant_of_the_repository_satisfies_the_schema(tenant: str) -> None:
    assert errors((ROOT / "tenants" / tenant / "config.yaml").read_text().replace("_template", "acme")) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("source_table:", "source_tabel:"),
        ("type: not_null", "type: not_nul"),
        ("mode: replace_partition", "mode: replace_all"),
        ("auto_start: false", "auto_start: maybe"),
        ("type: slack", "type: slak"),
        ("stage: extract", "stage: extrac"),
        ("mode: replace_partition", "mode: ${ACME_MODE:-append}"),
        ("lookback_days: 1", "lookback_days: x"),
        ("{dev: {save_to_trino: true}}", "{dev: {save_to_trin: true}}"),
    ],
)
def test_a_wrong_file_does_not(before: str, after: str) -> None:
    assert before in WHOLE
    assert errors(WHOLE.replace(before, after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{column: lot_id, type: not_null, stage: extract}", "{truthound: outlier, columns: [qty]}"),
        ("tenant:\n", "x-anchors: [1, 2]\ntenant:\n"),
        ("auto_start: false", "auto_start: no"),
        ("port: ${ACME_DB_PORT:-5432}", "port: 5432"),
        ("username: ${ACME_DB_USER}", "user: ${ACME_DB_USER}"),
        ("  jobs:\n", "  sla:\n  jobs:\n"),
        ("save_to_s3: true", "environments: {prod: {quality: {on_failure: warn}}}\n        save_to_s3: true"),
    ],
)
def test_what_the_loader_takes_the_schema_takes(before: str, after: str) -> None:
    assert before in WHOLE
    assert errors(WHOLE.replace(before, after)) == []


def keys_of(schema: dict[str, Any]) -> set[str]:
    """The keys of a schema and of its alternatives."""
    return {*schema, *(key for each in schema.get("anyOf", ()) for key in each)}


def test_no_key_is_without_a_description_and_an_example_or_a_default() -> None:
    lacking = [
        f"{name}.{key}"
        for name, part in tenant_schema()["definitions"].items()
        for key, value in part.get("properties", {}).items()
        if not name.endswith("Rules") and isinstance(value, dict) and key not in ("truthound", "type")
        if "description" not in value or not {"examples", "default", "enum", "const"} & keys_of(value)
    ]
    # what stands below `$defs` elsewhere is explained where it is used
    assert [each for each in lacking if not each.startswith("WarehouseConfig.iceberg")] == []


def test_every_example_and_default_is_right_itself() -> None:
    definitions = tenant_schema()["definitions"]
    wrong = []
    for name, part in definitions.items():
        for key, value in part.get("properties", {}).items():
            given = [*value.get("examples", ()), *([value["default"]] if "default" in value else [])]
            for each in given if isinstance(value, dict) else ():
                one = {"definitions": definitions, "allOf": [value]}
                if not jsonschema.Draft7Validator(one).is_valid(each):
                    wrong.append(f"{name}.{key}: {each}")
    assert wrong == []


def test_unknown_keys_are_refused_everywhere() -> None:
    opened = [
        name
        for name, part in tenant_schema()["definitions"].items()
        if part.get("type") == "object" and part.get("additionalProperties") is not False
    ]
    # a rule and a target are closed by their type, which an unknown type does not pass; Truthound's arguments are open
    assert opened == ["Notification", "StagedRule"]


@pytest.mark.parametrize("kind", sorted(RULE_TYPES))
def test_a_rule_takes_the_arguments_of_its_type_and_no_others(kind: str) -> None:
    schema = tenant_schema()
    validator = jsonschema.Draft7Validator({"$ref": "#/definitions/StagedRule", "definitions": schema["definitions"]})
    model = RULE_TYPES[kind]
    [example] = schema["definitions"][model.__name__]["examples"]
    assert validator.is_valid(example), [each.message for each in validator.iter_errors(example)]
    elsewhere = {name for other in RULE_TYPES.values() for name in other.model_fields} - set(model.model_fields)
    accepted = [
        name for name in sorted(elsewhere) if "truthound" not in example and validator.is_valid({**example, name: 1})
    ]
    assert accepted == []
    if "truthound" not in example:
        [wrong] = validator.iter_errors({**example, "nonsense": 1})
        assert "'nonsense' was unexpected" in wrong.message, "the wrong argument itself is named"


def test_the_schema_of_rules_alone_judges_a_list_of_rules() -> None:
    validator = jsonschema.Draft7Validator(json.loads(rules_schema_text()))
    assert validator.is_valid([{"column": "id", "type": "not_null"}, {"truthound": "outlier", "columns": ["qty"]}])
    assert not validator.is_valid([{"column": "id", "type": "not_nul"}])
    assert not validator.is_valid([{"column": "id", "type": "regex"}])


def fields() -> Iterator[tuple[str, str, str]]:
    for model in MODELS:
        for name, field in model.model_fields.items():
            yield model.__name__, field.alias or name, field.description or ""


def test_every_key_is_explained() -> None:
    assert [f"{model}.{name}" for model, name, description in fields() if not description] == []


def test_the_reference_lists_every_key() -> None:
    text = reference_text()
    written = {"rule", "stage", "pipelines"}  # explained in words
    assert [name for _, name, _ in fields() if f"| `{name}` |" not in text and name not in written] == []
    assert "Undefined" not in text
