"""Finds the keys that a model allows at a place, for suggestions.

Belongs here: following a location of pydantic through the types of the models. Not here: judging values.
"""

import types
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


@lru_cache(maxsize=256)
def allowed_keys(root: type[BaseModel], location: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the keys that the model at `location` allows; no keys if any key is allowed or there is no model."""
    candidates: list[Any] = [root]
    for part in location:
        following = [target for candidate in candidates for target in _step(candidate, part)]
        candidates = following or candidates  # a part without a key is the name of a union's branch, added by pydantic
    keys = [key for model in _models(candidates) for key in _keys(model)]
    return tuple(dict.fromkeys(keys))


def below(root: type[BaseModel], location: tuple[str | int, ...], key: str) -> tuple[str, ...] | None:
    """Return the nearest keys below `location` under which the models have `key`; `<name>` stands for any name."""
    candidates: list[Any] = [root]
    for part in location:
        candidates = [target for candidate in candidates for target in _step(candidate, part)] or candidates
    level: list[tuple[tuple[str, ...], list[Any]]] = [((), candidates)]
    for _ in range(_DEEPEST):
        following: list[tuple[tuple[str, ...], list[Any]]] = []
        for trail, annotations in level:
            for model in _models(annotations):
                for name, field in model.model_fields.items():
                    inner = _named(field.annotation)
                    if key in _model_keys(inner):
                        return (*trail, field.alias or name, *_any_name(field.annotation))
                    following.append(((*trail, field.alias or name, *_any_name(field.annotation)), inner))
        level = following
    return None


_DEEPEST = 3


def _named(annotation: Any) -> list[Any]:  # noqa: ANN401  an annotation can be anything
    """Return the models of a field, or of the values of a mapping by names. Items of lists are left out."""
    found: list[Any] = []
    for option in _options(annotation):
        origin, arguments = get_origin(option), get_args(option)
        if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) > 1:
            found += _options(arguments[1])
        elif _is_model(option):
            found.append(option)
    return found


def _any_name(annotation: Any) -> tuple[str, ...]:  # noqa: ANN401  an annotation can be anything
    mappings = [get_origin(each) for each in _options(annotation)]
    return ("<name>",) if any(isinstance(each, type) and issubclass(each, Mapping) for each in mappings) else ()


def _model_keys(annotations: Iterable[Any]) -> list[str]:
    return [key for model in _models(annotations) for key in _keys(model)]


def _step(candidate: Any, part: str | int) -> list[Any]:  # noqa: ANN401  an annotation can be anything
    """Return the annotations that `part` leads to from one annotation."""
    options = list(_options(candidate))
    if len(options) > 1 and isinstance(part, str) and (tagged := [each for each in options if _is_tagged(each, part)]):
        return tagged
    found: list[Any] = []
    for option in options:
        origin, arguments = get_origin(option), get_args(option)
        if _is_model(option) and isinstance(part, str):
            found += [field.annotation for name, field in option.model_fields.items() if part in (name, field.alias)]
        elif isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) > 1:
            found.append(arguments[1])
        elif isinstance(origin, type) and issubclass(origin, tuple | list) and isinstance(part, int) and arguments:
            found.append(arguments[0])
    return found


def _options(annotation: Any) -> Iterable[Any]:  # noqa: ANN401  an annotation can be anything
    """Return the branches of a union, without the metadata of `Annotated`."""
    if hasattr(annotation, "__value__"):
        yield from _options(annotation.__value__)
    elif hasattr(annotation, "__metadata__"):
        yield from _options(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from _options(each)
    elif annotation is not type(None):
        yield annotation


def _is_model(annotation: Any) -> bool:  # noqa: ANN401  an annotation can be anything
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_tagged(annotation: Any, tag: str) -> bool:  # noqa: ANN401  an annotation can be anything
    if not _is_model(annotation):
        return False
    literals = [field.annotation for field in annotation.model_fields.values()]
    return any(get_origin(each) is Literal and tag in get_args(each) for each in literals)


def _models(candidates: Iterable[Any]) -> list[type[BaseModel]]:
    return [option for candidate in candidates for option in _options(candidate) if _is_model(option)]


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]
