"""Makes an asset from a user's function and an action on the data that the function returns.

Belongs here: how Dagster learns what the function needs. Not here: what happens to the data (`quality_step`).

Dagster reads a function's parameters to know its inputs, resources and configuration. The function made here has the
same parameters, and also `context` and `data_quality` if the user's function does not have them.
"""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, get_args, get_origin

import polars as pl
from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, Output, ResourceParam

from etl.errors import QualityError
from etl.integrations.dagster.resource import DataQualityResource

CONTEXT_NAMES = frozenset({"context", "_context", "context_", "_"})
"""The names by which Dagster recognises a context as the first parameter."""
RESOURCE_KEY = "data_quality"

Finish = Callable[[AssetExecutionContext, DataQualityResource, Any], Iterator[Any]]
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_PLAIN = inspect.Parameter.POSITIONAL_OR_KEYWORD
_EMPTY = inspect.Parameter.empty
_ANY_RESOURCE: Any = ResourceParam[Any]  # type: ignore[misc]  # a name for Annotated, which is generic


def compute_function(
    function: Callable[..., Any], finish: Finish, resource_keys: frozenset[str] = frozenset()
) -> Callable[..., Any]:
    """Return the function that Dagster runs: it calls `function`, then yields what `finish` makes from the data."""
    parameters = _parameters(function)
    takes_context = bool(parameters) and parameters[0].name in CONTEXT_NAMES
    own = {each.name for each in parameters}

    def call(context: AssetExecutionContext, given: Mapping[str, Any]) -> Any:  # noqa: ANN401  whatever it returns
        arguments = {name: value for name, value in given.items() if name in own}
        return function(context, **arguments) if takes_context else function(**arguments)

    def run(context: AssetExecutionContext, /, **given: Any) -> Iterator[Any]:  # noqa: ANN401  inputs of any type
        yield from finish(context, given[RESOURCE_KEY], call(context, given))

    async def run_async(context: AssetExecutionContext, /, **given: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        for event in finish(context, given[RESOURCE_KEY], await call(context, given)):
            yield event

    runs: Callable[..., Any] = run_async if inspect.iscoroutinefunction(_plain(function)) else run
    if not takes_context:
        parameters.insert(0, inspect.Parameter("context", _PLAIN, annotation=AssetExecutionContext))
    extra = (
        [inspect.Parameter(RESOURCE_KEY, _KEYWORD, annotation=DataQualityResource)] if RESOURCE_KEY not in own else []
    )
    extra += [
        inspect.Parameter(key, _KEYWORD, annotation=_ANY_RESOURCE)
        for key in sorted(resource_keys - own - {RESOURCE_KEY})
    ]
    runs.__signature__ = inspect.Signature(parameters + extra)  # type: ignore[attr-defined]
    runs.__annotations__ = {each.name: each.annotation for each in parameters + extra if each.annotation is not _EMPTY}
    runs.__name__ = function_name(function)
    runs.__doc__ = function.__doc__
    return runs


def function_name(function: Callable[..., Any]) -> str:
    """The default name of an asset: the name of its function."""
    name: str = getattr(_plain(function), "__name__", "quality_asset")
    return name if name.isidentifier() else "quality_asset"


def refuse_strange(decorator: str, function: object) -> None:
    """Refuse an object that returns no data; the error says what to write instead."""
    if isinstance(function, AssetsDefinition):
        raise QualityError(
            f"@{decorator} was put on an asset, {function.key.to_user_string()}",
            f"@{decorator}(...) makes the asset itself: leave @asset out and give its arguments to @{decorator}",
        )
    if not callable(function):
        raise QualityError(f"@{decorator} is for functions, not for a {type(function).__name__}", "")
    plain = _plain(function)
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise QualityError(
            f"@{decorator}: `{function_name(function)}` yields",
            "return the data, or MaterializeResult(value=data, ...)",
        )


def frame_type(function: Callable[..., Any]) -> type | None:
    """The kind of frame in the function's return annotation, for I/O managers that use the annotation."""
    try:
        found = _resolved(function, "return", inspect.signature(function).return_annotation)
    except QualityError:  # imported for type checkers only; what is returned is looked at anyway
        return None
    if get_origin(found) in (Output, MaterializeResult):
        found = get_args(found)[0]
    return found if found in (pl.DataFrame, pl.LazyFrame) else None


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    found = []
    given = function.keywords if isinstance(function, functools.partial) else {}
    for each in inspect.signature(function).parameters.values():
        if each.name in given:
            continue
        if each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY):
            raise QualityError(
                f"`{function_name(function)}`: Dagster gives arguments by name, and `{each}` has none",
                "name each input",
            )
        if each.kind is each.VAR_KEYWORD:
            raise QualityError(
                f"`{function_name(function)}`: `{each}` does not say what the inputs are", "name each input"
            )
        annotation = _resolved(function, each.name, each.annotation)
        if each.name == RESOURCE_KEY and annotation is _EMPTY:
            annotation = DataQualityResource
        found.append(each.replace(annotation=annotation))
    return found


def _resolved(function: Callable[..., Any], name: str, annotation: Any) -> Any:  # noqa: ANN401  any annotation
    """Resolve an annotation that is a text, as all are after `from __future__ import annotations`."""
    if not isinstance(annotation, str):
        return annotation
    plain = _plain(function)
    names = {**getattr(plain, "__globals__", {})}
    if inspect.isfunction(plain):
        names |= inspect.getclosurevars(plain).nonlocals
    try:
        return eval(annotation, names)  # noqa: S307  the user's own annotation, read as Python reads it
    except (NameError, AttributeError) as unknown:
        raise QualityError(
            f"`{function_name(function)}`: the annotation `{annotation}` of `{name}` cannot be read: {unknown}",
            "import the name at the top of the module, and not for type checkers only",
        ) from unknown


def _plain(function: Any) -> Any:  # noqa: ANN401  a function, a partial, an object with __call__
    """Return the function inside `functools.partial`, inside decorators that wrap, or behind an object's `__call__`."""
    while True:
        if hasattr(function, "func") and not inspect.isfunction(function):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    return function if inspect.isroutine(function) else type(function).__call__
