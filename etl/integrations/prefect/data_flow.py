"""Flows around a function that returns or takes data.

Belongs here: `DataFlow`, wrapping a function, and what is data. Not here: what happens to the data (`decorators`,
`factories`).
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

import polars as pl
from prefect import Flow, Task
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture

from etl.errors import QualityError
from etl.integrations.prefect.outcome import subject_of
from etl.quality.data import open_data
from etl.quality.files import UnreadableData
from etl.quality.learn import readable

P = ParamSpec("P")
R = TypeVar("R")
K = TypeVar("K")
_SHOWN = str | bytes | int | float | Path | None


class DataFlow(Flow[P, R]):
    """A flow whose data stays out of Prefect's database.

    Prefect stores the parameters of each flow run, lists of rows and some small frames with their values. This flow
    stores what kind of data it was given instead. Paths and other plain parameters are stored as always.
    """

    def serialize_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters as Prefect stores them, without rows."""
        return super().serialize_parameters({name: _shown(value) for name, value in parameters.items()})

    def with_options(self, **options: Any) -> Self:  # noqa: ANN401  the options of Flow
        """Return a copy of the flow with other options."""
        return of_kind(type(self), super().with_options(**options))


def flow_of(
    function: Callable[..., Any],
    finish: Callable[[str, Any], Any],
    afinish: Callable[[str, Any], Awaitable[Any]],
    options: Mapping[str, Any],
) -> DataFlow[..., Any]:
    """Return a flow that calls the function, then `finish` with the flow's name and what the function returned."""
    refuse_strange(function)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  whatever the function takes and returns
        return finish(made.name, function(*args, **kwargs))

    @wraps(function)
    async def arun(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return await afinish(made.name, await function(*args, **kwargs))

    made: DataFlow[..., Any] = DataFlow(arun if is_async(function) else run, **options)
    return made


def of_kind(kind: type[K], made: Any) -> K:  # noqa: ANN401  a flow or a task
    """Return what Prefect's `with_options` made as a flow or task of this kind; Prefect makes a plain one."""
    made.__class__ = kind
    same: K = made
    return same


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling the function gives something to await; a task counts as its function."""
    return inspect.iscoroutinefunction(function.fn if isinstance(function, Task) else function)


def refuse_strange(function: object) -> None:
    """Refuse what returns no data when it is called; the error says what to write instead."""
    if isinstance(function, Flow):
        raise QualityError(
            f"`{function.name}` is a flow already, and this decorator makes the flow itself",
            "leave @flow out and give its options to the decorator",
        )
    if not callable(function):
        raise QualityError(f"this decorator is for functions, not for a {type(function).__name__}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise QualityError(f"`{getattr(function, '__name__', 'the function')}` yields", "return the data")


def settled(value: Any) -> Any:  # noqa: ANN401
    """Return data that is the same whenever it is read: a plan that computes is computed once, a future is waited for.

    Otherwise the rows that were judged and the rows that are used later could differ.
    """
    if isinstance(value, PrefectFuture):
        value = value.result()
    if isinstance(value, pl.LazyFrame):
        return readable(value).lazy()
    return value


def failed_already(value: object) -> bool:
    """Whether a flow's function returned a state that is not a success, which Prefect shows as it is."""
    return isinstance(value, State) and not value.is_completed()


def as_frame(flow_name: str, value: Any) -> tuple[pl.DataFrame | pl.LazyFrame, str]:  # noqa: ANN401
    """Return the data as a frame, and what to call it. What is no data is an error: it must not pass unjudged."""
    try:
        return open_data(value), subject_of(value, None) or flow_name
    except UnreadableData:
        raise
    except QualityError as refused:
        raise QualityError(
            f"what `{flow_name}` returned cannot be examined: {refused.problem}",
            "return data or the path of a file, or use @flow and call data_quality_check_task in it",
        ) from refused


def _shown(value: object) -> object:
    """Return what Prefect may store of a parameter: of rows and of frames, wherever they are in it, only the kind."""
    if _is_rows(value):
        return f"<{type(value).__name__} of {len(value):,} rows>"  # type: ignore[arg-type]
    if isinstance(value, Mapping):
        columns = [each for each in value.values() if isinstance(each, list | tuple) and len(each) > 0]
        if columns and len(columns) == len(value) and not any(map(_is_rows, columns)):
            return f"<{type(value).__name__} of {len(columns):,} columns>"
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, _SHOWN) or not _is_frame(value):
        return value
    return f"<{type(value).__module__.partition('.')[0]} {type(value).__name__}>"


def _is_rows(value: object) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(each, Mapping | list | tuple) for each in value)


def _is_frame(value: object) -> bool:
    return isinstance(value, pl.LazyFrame | pl.Series) or any(
        hasattr(value, name) for name in ("__dataframe__", "__arrow_c_stream__", "__array__", "fetchall")
    )
