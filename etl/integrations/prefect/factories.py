"""Flows made from a name and rules: `create_quality_flow`, `create_validation_flow`, `create_pipeline_flow`.

Belongs here: the factories. Not here: flows around a function of yours that loads data (`decorators`).

The data of these flows is a frame if Python calls them, and a path if a deployment does, because parameters of a
deployment are JSON.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from etl.errors import QualityError
from etl.integrations.prefect.artifacts import CHECK_KEY
from etl.integrations.prefect.block import DataQualityBlock, Rules
from etl.integrations.prefect.data_flow import DataFlow, as_frame, is_async, refuse_strange, settled
from etl.integrations.prefect.decorators import refuse_wrong_rules
from etl.integrations.prefect.tasks import adata_quality_check_task, data_quality_check_task
from etl.quality.results import CheckResult


def create_quality_flow(
    name: str,
    rules: Rules | None = None,
    *,
    block: DataQualityBlock | None = None,
    auto_schema: str | None = None,
    fail_on_error: bool | None = None,
    retries: int = 0,
    key: str = CHECK_KEY,
    asynchronous: bool = False,
    **flow_options: Any,  # noqa: ANN401  whatever @flow takes
) -> DataFlow[..., Any]:
    """A flow that takes `data`, judges it and returns the result.

    `retries` repeat a check whose data could not be reached; a verdict is never judged again. With `asynchronous=True`
    the flow is awaited.
    """
    given: dict[str, Any] = {
        "rules": refuse_wrong_rules(rules, block, auto_schema, key),
        "block": block,
        "auto_schema": auto_schema,
        "fail_on_error": fail_on_error,
        "key": key,
    }
    judge = data_quality_check_task.with_options(retries=retries)
    ajudge = adata_quality_check_task.with_options(retries=retries)

    def quality_flow(data: Any) -> CheckResult:  # noqa: ANN401
        result: CheckResult = judge(data, **given)
        return result

    async def aquality_flow(data: Any) -> CheckResult:  # noqa: ANN401
        result: CheckResult = await ajudge(data, **given)
        return result

    return DataFlow(aquality_flow if asynchronous else quality_flow, name=name, **flow_options)


def create_validation_flow(
    name: str,
    rules: Rules | None = None,
    *,
    block: DataQualityBlock | None = None,
    key: str = CHECK_KEY,
    asynchronous: bool = False,
    **flow_options: Any,  # noqa: ANN401
) -> DataFlow[..., Any]:
    """A flow that takes `data` and returns the same data if it passes; if not, the flow fails."""
    chosen = refuse_wrong_rules(rules, block, None, key)
    given: dict[str, Any] = {"rules": chosen, "block": block, "fail_on_error": True, "key": key}

    def validation_flow(data: Any) -> Any:  # noqa: ANN401
        kept = settled(data)
        data_quality_check_task(kept, **given)
        return kept

    async def avalidation_flow(data: Any) -> Any:  # noqa: ANN401
        kept = await asyncio.to_thread(settled, data)
        await adata_quality_check_task(kept, **given)
        return kept

    return DataFlow(avalidation_flow if asynchronous else validation_flow, name=name, **flow_options)


def create_pipeline_flow(
    name: str,
    *,
    pre_check_rules: Rules | None = None,
    post_check_rules: Rules | None = None,
    block: DataQualityBlock | None = None,
    auto_schema: str | None = None,
    key: str = CHECK_KEY,
    **flow_options: Any,  # noqa: ANN401
) -> Callable[[Callable[..., Any]], DataFlow[..., Any]]:
    """A decorator that makes a flow of a transform: judge `data`, transform it, judge what the transform returned.

    The flow fails at the first check that does not pass; the artifacts are `<key>-before` and `<key>-after`.
    """
    if pre_check_rules is None and post_check_rules is None:
        raise QualityError(f"the flow `{name}` would check nothing", "give pre_check_rules, post_check_rules, or both")
    rules_before, rules_after = (
        None if rules is None else refuse_wrong_rules(rules, None, auto_schema, key)
        for rules in (pre_check_rules, post_check_rules)
    )
    given: dict[str, Any] = {"block": block, "auto_schema": auto_schema, "fail_on_error": True}
    before: dict[str, Any] = {**given, "rules": rules_before, "key": f"{key}-before"}
    after: dict[str, Any] = {**given, "rules": rules_after, "key": f"{key}-after"}

    def decorate(transform: Callable[..., Any]) -> DataFlow[..., Any]:
        refuse_strange(transform)

        def pipeline_flow(data: Any) -> Any:  # noqa: ANN401
            data = settled(data)
            if rules_before is not None:
                data_quality_check_task(data, **before)
            result = settled(transform(data))
            if rules_after is not None:
                frame, subject = as_frame(name, result)
                data_quality_check_task(frame, subject=subject, **after)
            return result

        async def apipeline_flow(data: Any) -> Any:  # noqa: ANN401
            data = await asyncio.to_thread(settled, data)
            if rules_before is not None:
                await adata_quality_check_task(data, **before)
            result = await asyncio.to_thread(settled, await transform(data))
            if rules_after is not None:
                frame, subject = await asyncio.to_thread(as_frame, name, result)
                await adata_quality_check_task(frame, subject=subject, **after)
            return result

        return DataFlow(apipeline_flow if is_async(transform) else pipeline_flow, name=name, **flow_options)

    return decorate
