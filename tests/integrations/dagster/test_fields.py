"""The public fields: which there are, what they are if nothing is said, how far they may go, what metadata is called.

A table on purpose: whoever changes a name, a default or a bound changes what others have written against.
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from pydantic import BaseModel, ValidationError

from etl.integrations.contract import read_verdict
from etl.integrations.dagster import (
    CheckOpConfig,
    CheckStatus,
    DataQualityResource,
    EngineResource,
    EngineResourceConfig,
    LearnConfig,
    ProfileOutput,
    QualityAssetConfig,
    QualityCheckOutput,
)
from etl.quality import check as quality_check
from etl.quality.rules import RuleError

RULES: dict[str, Any] = {"rules": [{"column": "id", "type": "not_null"}]}
REQUIRED = object()

FIELDS: dict[type[BaseModel], dict[str, Any]] = {
    DataQualityResource: {
        "connection_string": None,
        "default_timeout": 300,
        "fail_on_error": True,
        "parallel": True,
        "cache_schemas": True,
        "engine": "truthound",
    },
    EngineResource: {"engine_name": "truthound", "default_timeout": 300},
    EngineResourceConfig: {"engine_name": "truthound", "default_timeout": 300},
    QualityAssetConfig: {
        "rules": REQUIRED,
        "fail_on_error": True,
        "timeout": None,
        "sample_size": None,
        "output_type": "validated",
        "check_name": "quality",
    },
    CheckOpConfig: {"rules": REQUIRED, "fail_on_error": True, "timeout": None, "sample_size": None},
    LearnConfig: {"strictness": "moderate", "cache_key": None},
}

BOUNDS: list[tuple[type[BaseModel], str, list[Any], list[Any]]] = [
    (DataQualityResource, "default_timeout", [1, 3600], [0, -1, 3601, "soon"]),
    (DataQualityResource, "engine", ["polars"], ["polar"]),
    (EngineResource, "default_timeout", [1, 3600], [0, 3601]),
    (EngineResourceConfig, "default_timeout", [1, 3600], [0, -1, 3601]),
    (EngineResourceConfig, "engine_name", ["polars"], ["polar"]),
    (QualityAssetConfig, "rules", [RULES["rules"]], [[], None]),
    (QualityAssetConfig, "timeout", [None, 1, 3600], [0, -1, 3601]),
    (QualityAssetConfig, "sample_size", [None, 1], [0, -1]),
    (QualityAssetConfig, "output_type", ["validated", "result"], ["results", None]),
    (QualityAssetConfig, "check_name", ["my_check"], ["my check", ""]),
    (CheckOpConfig, "rules", [RULES["rules"]], [[], None]),
    (CheckOpConfig, "timeout", [None, 1, 3600], [0, -1, 3601]),
    (CheckOpConfig, "sample_size", [None, 1], [0, -1]),
    (LearnConfig, "strictness", ["strict", "moderate", "lenient"], ["loose"]),
]


def made(model: type[BaseModel], **given: Any) -> BaseModel:
    needed = RULES if "rules" in model.model_fields else {}
    return model(**{**needed, **given})


@pytest.mark.parametrize("model", FIELDS, ids=lambda model: model.__name__)
def test_the_fields_and_their_defaults(model: type[BaseModel]) -> None:
    assert list(model.model_fields) == list(FIELDS[model])
    required = {name for name, default in FIELDS[model].items() if default is REQUIRED}
    assert {name for name, field in model.model_fields.items() if field.is_required()} == required
    for name in FIELDS[model].keys() - required:
        assert getattr(made(model), name) == FIELDS[model][name], name
    with pytest.raises(ValidationError):
        made(model, time_out=60)


@pytest.mark.parametrize(
    ("model", "name", "allowed", "refused"), BOUNDS, ids=[f"{model.__name__}.{name}" for model, name, *_ in BOUNDS]
)
def test_the_bounds(model: type[BaseModel], name: str, allowed: list[Any], refused: list[Any]) -> None:
    for value in allowed:
        assert name == "rules" or getattr(made(model, **{name: value}), name) == value
    for value in refused:
        with pytest.raises((ValidationError, RuleError)):
            made(model, **{name: value})


def test_the_builders_change_a_copy_and_keep_to_the_bounds() -> None:
    for model in (QualityAssetConfig, CheckOpConfig):
        first = model(**RULES)
        changed = first.with_fail_on_error(False).with_timeout(60).with_sample_size(10)
        changed = changed.with_rules([{"column": "x", "type": "unique"}])
        assert (changed.fail_on_error, changed.timeout, changed.sample_size) == (False, 60, 10)
        assert [each.type for each in changed.rules] == ["unique"]
        assert first == model(**RULES)
        with pytest.raises(ValidationError):
            first.with_timeout(3601)
    with pytest.raises(ValidationError):
        EngineResourceConfig().with_timeout(0)


def test_the_keys_of_the_metadata() -> None:
    at: dict[str, Any] = {"execution_time_ms": 1.0, "timestamp": datetime.now(UTC)}
    counts = {"passed_count": 1, "failed_count": 0, "warning_count": 0, "failures": ()}
    check = QualityCheckOutput(status=CheckStatus.PASSED, **counts, **at)
    specified = {"quality_status", "passed_checks", "failed_checks", "pass_rate", "execution_time_ms", "failures"}
    ours = {"warning_checks", "error_checks", "engine"}
    assert set(check.to_metadata()) == specified | ours
    whole = check.model_copy(update={"row_count": 5, "sampled_from": 9})
    assert set(whole.to_metadata()) == specified | ours | {"row_count", "sampled_from_rows"}
    judged = QualityCheckOutput.from_result(
        quality_check(pl.DataFrame({"a": [1]}), [{"column": "a", "type": "not_null"}])
    )
    assert read_verdict(judged.to_metadata()["verdict"].value).is_success
    assert QualityCheckOutput.from_dict(judged.to_dict()) == judged
    profile = ProfileOutput(columns={"id": {"dtype": "Int64", "null_count": 0, "unique_count": 3}}, row_count=3, **at)
    shown = profile.to_metadata()
    assert set(shown) == {"row_count", "column_count", "execution_time_ms", "profile_summary"}
    assert shown["profile_summary"].value == {"id": {"dtype": "Int64", "null_count": 0, "unique_count": 3}}
