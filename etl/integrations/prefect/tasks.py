"""Checking, profiling and learning as Prefect tasks.

Belongs here: the tasks, and what is true of each: never answered from a cache, never retried for bad data. Not here:
judging (`block`), what a verdict does (`outcome`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ParamSpec, Self, TypeVar

import polars as pl
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from etl.errors import QualityError
from etl.integrations.prefect.artifacts import (
    CHECK_KEY,
    LEARN_KEY,
    PROFILE_KEY,
    ato_prefect_artifact,
    checked_key,
    to_prefect_artifact,
)
from etl.integrations.prefect.block import DataQualityBlock, Rules
from etl.integrations.prefect.data_flow import of_kind
from etl.integrations.prefect.outcome import aconclude, conclude, may_be_asked_again, subject_of
from etl.quality.data import Readable
from etl.quality.engine import Strictness
from etl.quality.results import CheckResult, LearnResult, ProfileResult

P = ParamSpec("P")
R = TypeVar("R")


class QualityTask(Task[P, R]):
    """A task that always looks at the data. An option that could answer from a cache is refused.

    Prefect's cache knows a lazy frame by its plan and a path by its text, so a verdict from the cache would stay green
    after the file's rows changed.
    """

    def with_options(self, **options: Any) -> Self:  # noqa: ANN401  the options of Task
        """Return a copy of the task with other options, such as `retries=2`."""
        return of_kind(type(self), super().with_options(**guarded(self.name, options)))


def guarded(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a task that judges data, or raise if one of them could answer from a cache."""
    caching = [each for each in ("cache_key_fn", "cache_expiration") if options.get(each) is not None]
    if options.get("cache_policy", NO_CACHE) != NO_CACHE:
        caching.append("cache_policy")
    if caching:
        raise QualityError(
            f"the task {name} cannot have {caching[0]}: a verdict from a cache has not seen the data",
            "leave the option out",
        )
    condition = options.get("retry_condition_fn")
    return {**options, **({"retry_condition_fn": _both(condition)} if condition is not None else {})}


def quality_task(name: str, description: str, kind: str) -> Callable[[Callable[P, R]], QualityTask[P, R]]:
    """Make a task of a function that looks at data."""

    def decorate(function: Callable[P, R]) -> QualityTask[P, R]:
        return QualityTask(
            fn=function,
            name=name,
            description=description,
            tags=["data-quality", kind],
            cache_policy=NO_CACHE,
            persist_result=False,
            retry_condition_fn=may_be_asked_again,
        )

    return decorate


@quality_task("data_quality_check", "Judges rules over data.", "check")
def data_quality_check_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    rules: Rules | None = None,
    auto_schema: str | None = None,
    fail_on_error: bool | None = None,
    create_artifact: bool = True,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
    subject: str | None = None,
    key: str = CHECK_KEY,
) -> CheckResult:
    """Judge rules over data; the task fails if the data does not pass.

    Use it where a flow has data in its hands: a frame, or the path of a file. For data that a flow returns,
    `quality_checked_flow` is shorter.

    Args:
        data: A frame of Polars or pandas, a table of Arrow, a list of dicts, or the path or address of files.
        block: Engine, time limit and default rules. Without a block: Truthound, 300 seconds, no rules.
        rules: The rules; None means the rules of the block.
        auto_schema: Name of a baseline in the block's folder `baselines`, whose rules are judged too.
        fail_on_error: False: bad data does not fail the task, and the caller looks at the result. None: as the block
            says, which is True by default.
        create_artifact: Show the verdict as artifacts of the run, also when the task fails.
        tables: The tables that `foreign_key` rules name.
        now: The moment that counts as now, such as the moment for which the run is scheduled. Default: the clock.
        subject: What the data is called in messages. Default: the name of the file, if `data` is a path.
        key: Key of the artifact, and of the event's resource, `etl.quality.<key>`.

    Returns:
        The result of the check, with exact counts for every rule.
    """
    checked_key(key)
    block = block if block is not None else DataQualityBlock()
    result = block.judged(data, rules, auto_schema=auto_schema, tables=tables, now=now)
    fails = block.fails(fail_on_error)
    conclude(result, subject=subject_of(data, subject), key=key, fails=fails, artifact=create_artifact)
    return result


@quality_task("data_quality_check", "Judges rules over data.", "check")
async def adata_quality_check_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    rules: Rules | None = None,
    auto_schema: str | None = None,
    fail_on_error: bool | None = None,
    create_artifact: bool = True,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    now: datetime | None = None,
    subject: str | None = None,
    key: str = CHECK_KEY,
) -> CheckResult:
    """The same as `data_quality_check_task`, for async flows: the event loop is not blocked."""
    checked_key(key)
    block = block if block is not None else DataQualityBlock()
    result = await asyncio.to_thread(block.judged, data, rules, auto_schema=auto_schema, tables=tables, now=now)
    fails = block.fails(fail_on_error)
    await aconclude(result, subject=subject_of(data, subject), key=key, fails=fails, artifact=create_artifact)
    return result


@quality_task("data_quality_profile", "Describes the columns of data.", "profiling")
def data_quality_profile_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    columns: Sequence[str] | None = None,
    create_artifact: bool = True,
    key: str = PROFILE_KEY,
) -> ProfileResult:
    """Describe columns exactly. The artifact shows types and counts; values are in the returned profile only."""
    checked_key(key)
    found = (block if block is not None else DataQualityBlock()).profile(data, columns=columns)
    if create_artifact:
        to_prefect_artifact(found, key=key)
    return found


@quality_task("data_quality_profile", "Describes the columns of data.", "profiling")
async def adata_quality_profile_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    columns: Sequence[str] | None = None,
    create_artifact: bool = True,
    key: str = PROFILE_KEY,
) -> ProfileResult:
    """The same as `data_quality_profile_task`, for async flows."""
    checked_key(key)
    found = await (block if block is not None else DataQualityBlock()).aprofile(data, columns=columns)
    if create_artifact:
        await ato_prefect_artifact(found, key=key)
    return found


@quality_task("data_quality_learn", "Derives rules from data.", "learning")
def data_quality_learn_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    strictness: Strictness = "moderate",
    create_artifact: bool = True,
    key: str = LEARN_KEY,
) -> LearnResult:
    """Derive rules that the data passes, for the data that comes later."""
    checked_key(key)
    found = (block if block is not None else DataQualityBlock()).learn(data, strictness=strictness)
    if create_artifact:
        to_prefect_artifact(found, key=key)
    return found


@quality_task("data_quality_learn", "Derives rules from data.", "learning")
async def adata_quality_learn_task(
    data: Readable,
    *,
    block: DataQualityBlock | None = None,
    strictness: Strictness = "moderate",
    create_artifact: bool = True,
    key: str = LEARN_KEY,
) -> LearnResult:
    """The same as `data_quality_learn_task`, for async flows."""
    checked_key(key)
    found = await (block if block is not None else DataQualityBlock()).alearn(data, strictness=strictness)
    if create_artifact:
        await ato_prefect_artifact(found, key=key)
    return found


data_quality_check = data_quality_check_task
data_quality_profile = data_quality_profile_task


def _both(condition: Callable[..., bool]) -> Callable[..., bool]:
    """A caller's own condition decides about what is down; bad data is not retried whatever it says."""

    def decide(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
        return may_be_asked_again(task, run, state) and condition(task, run, state)

    return decide
