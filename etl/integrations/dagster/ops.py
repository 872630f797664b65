"""Data quality in jobs of ops.

Belongs here: the ops, and the factory of ops with their own rules. Not here: judging, profiling, learning
(`resource`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from dagster import In, MetadataValue, OpDefinition, OpExecutionContext, Out, Output, op

from etl.integrations.dagster.asset_config import RuleList, rules_of
from etl.integrations.dagster.op_config import CheckOpConfig, LearnConfig
from etl.integrations.dagster.outputs import QualityCheckOutput
from etl.integrations.dagster.quality_step import blocked
from etl.integrations.dagster.resource import DataQualityResource


@op(
    ins={"data": In(dagster_type=pl.DataFrame), "rules": In(dagster_type=list)},
    out=Out(dagster_type=dict),
    required_resource_keys={"data_quality"},
    tags={"kind": "quality_check"},
)
def data_quality_check_op(context: OpExecutionContext, data: pl.DataFrame, rules: list[dict[str, Any]]) -> Output[Any]:
    """Judge rules; the output is the verdict as plain data, also if rules failed."""
    result = _resource(context).check(data, rules, fail_on_error=False)
    return Output(result.to_dict(), metadata=result.to_metadata())


@op(
    ins={"data": In(dagster_type=pl.DataFrame), "rules": In(dagster_type=list)},
    out={
        "validated_data": Out(dagster_type=pl.DataFrame, is_required=True),
        "check_result": Out(dagster_type=dict, is_required=False),
    },
    required_resource_keys={"data_quality"},
    tags={"kind": "quality_check"},
)
def data_quality_validate_op(
    context: OpExecutionContext, data: pl.DataFrame, rules: list[dict[str, Any]]
) -> Iterator[Output[Any]]:
    """Output data that passed, and its verdict; fail the step if the data did not pass."""
    result = _passed(context, _resource(context).check(data, rules, fail_on_error=False), fail_on_error=True)
    yield Output(data, output_name="validated_data", metadata=result.to_metadata())
    yield Output(result.to_dict(), output_name="check_result")


@op(
    ins={"data": In(dagster_type=pl.DataFrame)},
    out=Out(dagster_type=dict),
    required_resource_keys={"data_quality"},
    tags={"kind": "profiling"},
)
def data_quality_profile_op(context: OpExecutionContext, data: pl.DataFrame) -> Output[Any]:
    """Describe the columns; the output is the profile as plain data."""
    result = _resource(context).profile(data)
    return Output(result.to_dict(), metadata=result.to_metadata())


@op(
    ins={"data": In(dagster_type=pl.DataFrame)},
    out=Out(dagster_type=dict),
    required_resource_keys={"data_quality"},
    tags={"kind": "schema_learning"},
)
def data_quality_learn_op(context: OpExecutionContext, config: LearnConfig, data: pl.DataFrame) -> Output[Any]:
    """Derive a schema and rules that the data passes."""
    schema = _resource(context).learn(data, strictness=config.strictness, cache_key=config.cache_key)
    metadata = {
        "rules_count": MetadataValue.int(len(schema["rules"])),
        "columns_count": MetadataValue.int(len(schema["columns"])),
    }
    return Output(schema, metadata=metadata)


def create_check_op(
    name: str,
    rules: RuleList | CheckOpConfig,
    *,
    fail_on_error: bool | None = None,
    timeout: int | None = None,
    sample_size: int | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> OpDefinition:
    """An op with its own rules: its input is `data`, its output the verdict; it fails if the data did not pass."""
    changes = {"fail_on_error": fail_on_error, "timeout": timeout, "sample_size": sample_size}
    given = {key: value for key, value in changes.items() if value is not None}
    base = rules if isinstance(rules, CheckOpConfig) else CheckOpConfig(rules=rules_of(f"op {name}", rules))
    own = {field: getattr(base, field) for field in CheckOpConfig.model_fields}
    config = CheckOpConfig(**{**own, **given})

    @op(
        name=name,
        description=description or f"Judges {len(config.rules)} rules.",
        ins={"data": In(dagster_type=pl.DataFrame)},
        out=Out(dagster_type=dict),
        required_resource_keys={"data_quality"},
        tags={"kind": "quality_check", **(tags or {})},
    )
    def check_op(context: OpExecutionContext, data: pl.DataFrame) -> Output[Any]:
        result = _resource(context).check(
            data, config.rules, fail_on_error=False, timeout=config.timeout, sample_size=config.sample_size
        )
        _passed(context, result, fail_on_error=config.fail_on_error)
        return Output(result.to_dict(), metadata=result.to_metadata())

    return check_op


def _passed(context: OpExecutionContext, result: QualityCheckOutput, *, fail_on_error: bool) -> QualityCheckOutput:
    if fail_on_error and result.is_blocking:
        raise blocked(f"{context.op_handle}: no data was passed on", result)
    return result


def _resource(context: OpExecutionContext) -> DataQualityResource:
    found: DataQualityResource = context.resources.data_quality
    return found
