"""`@quality_checked_flow`, `@profiled_flow` and `@validated_flow`: like `@flow`, but the returned data is examined.

Belongs here: the decorators. Not here: flows that need no function (`factories`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

import polars as pl

from etl.errors import QualityError
from etl.integrations.prefect.artifacts import CHECK_KEY, PROFILE_KEY, checked_key
from etl.integrations.prefect.block import DataQualityBlock, Rules, refuse_auto_schema
from etl.integrations.prefect.data_flow import DataFlow, as_frame, failed_already, flow_of, settled
from etl.integrations.prefect.tasks import (
    adata_quality_check_task,
    adata_quality_profile_task,
    data_quality_check_task,
    data_quality_profile_task,
)
from etl.quality.checking import refuse_no_rules
from etl.quality.rules import parse_rules

Decorator = Callable[[Callable[..., Any]], DataFlow[..., Any]]


def quality_checked_flow(
    rules: Rules | None = None,
    *,
    block: DataQualityBlock | None = None,
    auto_schema: str | None = None,
    fail_on_error: bool | None = None,
    create_artifact: bool = True,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    key: str = CHECK_KEY,
    **flow_options: Any,  # noqa: ANN401  whatever @flow takes
) -> Decorator:
    """A flow whose returned data is judged before the flow ends; the flow fails if the data does not pass.

    The decorator takes every option of `@flow`, and a sync or async function. A function that returns something else
    than data is an error by name. `retries` repeat what is down, never a verdict.
    """
    if callable(rules):
        raise QualityError("@quality_checked_flow needs rules", "write @quality_checked_flow(rules=[...])")
    chosen = refuse_wrong_rules(rules, block, auto_schema, key)
    given: dict[str, Any] = {
        "rules": chosen,
        "block": block,
        "auto_schema": auto_schema,
        "fail_on_error": fail_on_error,
        "create_artifact": create_artifact,
        "tables": tables,
        "key": key,
    }

    def finish(name: str, value: Any) -> Any:  # noqa: ANN401
        if failed_already(value):
            return value
        data = settled(value)
        frame, subject = as_frame(name, data)
        data_quality_check_task(frame, subject=subject, **given)
        return data

    async def afinish(name: str, value: Any) -> Any:  # noqa: ANN401
        if failed_already(value):
            return value
        data = await asyncio.to_thread(settled, value)
        frame, subject = await asyncio.to_thread(as_frame, name, data)
        await adata_quality_check_task(frame, subject=subject, **given)
        return data

    return lambda function: flow_of(function, finish, afinish, flow_options)


def validated_flow(rules: Rules, **options: Any) -> Decorator:  # noqa: ANN401  of quality_checked_flow and @flow
    """A flow that fails if its returned data does not pass, whatever a block says."""
    if "fail_on_error" in options:
        raise QualityError("@validated_flow always fails for bad data", "use @quality_checked_flow for fail_on_error")
    return quality_checked_flow(rules, fail_on_error=True, **options)


@overload
def profiled_flow(function: Callable[..., Any]) -> DataFlow[..., Any]: ...
@overload
def profiled_flow(
    *,
    block: DataQualityBlock | None = None,
    columns: Sequence[str] | None = None,
    key: str = PROFILE_KEY,
    **flow_options: Any,  # noqa: ANN401
) -> Decorator: ...
def profiled_flow(
    function: Callable[..., Any] | None = None,
    *,
    block: DataQualityBlock | None = None,
    columns: Sequence[str] | None = None,
    key: str = PROFILE_KEY,
    **flow_options: Any,
) -> DataFlow[..., Any] | Decorator:
    """A flow whose returned data is described, column by column, in an artifact of the run."""
    checked_key(key)
    given: dict[str, Any] = {"block": block, "columns": columns, "key": key}

    def finish(name: str, value: Any) -> Any:  # noqa: ANN401
        if failed_already(value):
            return value
        data = settled(value)
        data_quality_profile_task(as_frame(name, data)[0], **given)
        return data

    async def afinish(name: str, value: Any) -> Any:  # noqa: ANN401
        if failed_already(value):
            return value
        data = await asyncio.to_thread(settled, value)
        frame, _ = await asyncio.to_thread(as_frame, name, data)
        await adata_quality_profile_task(frame, **given)
        return data

    def decorate(function: Callable[..., Any]) -> DataFlow[..., Any]:
        return flow_of(function, finish, afinish, flow_options)

    return decorate if function is None else decorate(function)


def refuse_wrong_rules(
    rules: Rules | None, block: DataQualityBlock | None, auto_schema: str | None, key: str
) -> Rules | None:
    """Refuse mistakes when the flow is defined, not when it runs; return the rules, read if they are given here."""
    refuse_auto_schema(auto_schema)
    checked_key(key)
    if rules is not None:
        parsed = parse_rules(rules)
        refuse_no_rules(parsed)
        return parsed
    named = auto_schema or (block.auto_schema if block is not None else None)
    if named is None:
        refuse_no_rules(block.default_rules if block is not None else ())
    return None
