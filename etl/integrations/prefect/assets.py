"""`@quality_checked_asset`: like Prefect's `@materialize`, but the data is judged before the asset counts as made.

Belongs here: the decorator, and its task. Not here: tasks that make no asset (`tasks`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

import polars as pl
from prefect.assets import Asset, add_asset_metadata
from prefect.cache_policies import NO_CACHE
from prefect.tasks import MaterializingTask

from etl.integrations.contract import verdict
from etl.integrations.prefect.artifacts import CHECK_KEY
from etl.integrations.prefect.block import DataQualityBlock, Rules
from etl.integrations.prefect.data_flow import as_frame, is_async, of_kind, refuse_strange, settled
from etl.integrations.prefect.decorators import refuse_wrong_rules
from etl.integrations.prefect.outcome import aconclude, conclude, may_be_asked_again
from etl.integrations.prefect.tasks import guarded
from etl.quality.results import CheckResult

P = ParamSpec("P")
R = TypeVar("R")
METADATA = "quality"
"""The verdict's key in the metadata of a materialization."""


class QualityAssetTask(MaterializingTask[P, R]):
    """A task that makes an asset and judges it. An option that could answer from a cache is refused."""

    def with_options(self, assets: Sequence[str | Asset] | None = None, **options: Any) -> Self:  # noqa: ANN401
        """Return a copy of the task with other options, such as `retries=2`."""
        return of_kind(type(self), super().with_options(assets, **guarded(self.name, options)))


def quality_checked_asset(
    *assets: str | Asset,
    rules: Rules | None = None,
    block: DataQualityBlock | None = None,
    fail_on_error: bool | None = None,
    create_artifact: bool = True,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    key: str = CHECK_KEY,
    by: str | None = None,
    **task_options: Any,  # noqa: ANN401  whatever @task takes
) -> Callable[[Callable[..., Any]], QualityAssetTask[..., Any]]:
    """A task that makes assets from the data that its function returns, which is judged first.

    The verdict is metadata of the materialization, under `quality`. If the data does not pass, the task fails, and the
    event of the asset is `prefect.asset.materialization.failed`, with the verdict too.
    """
    chosen = refuse_wrong_rules(rules, block, None, key)
    own = block if block is not None else DataQualityBlock()

    def decorate(function: Callable[..., Any]) -> QualityAssetTask[..., Any]:
        refuse_strange(function)
        name = str(task_options.get("name") or getattr(function, "__name__", "asset"))

        def judged(value: object) -> tuple[object, CheckResult, str]:
            data = settled(value)
            frame, subject = as_frame(name, data)
            return data, own.judged(frame, chosen, tables=tables), subject

        def shown(result: CheckResult, subject: str) -> dict[str, Any]:
            for each in assets:
                add_asset_metadata(each, {METADATA: verdict(result, subject=subject)})
            return {"subject": subject, "key": key, "fails": own.fails(fail_on_error), "artifact": create_artifact}

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            data, result, subject = judged(function(*args, **kwargs))
            conclude(result, **shown(result, subject))
            return data

        @wraps(function)
        async def arun(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            data, result, subject = await asyncio.to_thread(judged, await function(*args, **kwargs))
            await aconclude(result, **shown(result, subject))
            return data

        options = {"cache_policy": NO_CACHE, "retry_condition_fn": may_be_asked_again, **guarded(name, task_options)}
        made = arun if is_async(function) else run
        return QualityAssetTask(made, assets=assets, materialized_by=by, **options)

    return decorate
