"""Compares the arguments of a rule `{truthound: ...}` with the validator's signature, before any data is read.

Belongs here: arguments that are unknown, missing, ill-typed or without effect; missing columns. Not here: running them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args

import polars as pl
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from etl.quality.engines.truthound.catalogue import CHOICES, Known, Parameter, find, idle_bounds
from etl.quality.engines.truthound.refused import REFUSED_ARGUMENTS
from etl.quality.rules import Truthound
from etl.suggest import did_you_mean

_TREES = (pl.Expr,)
# Validators of these categories accept columns of every type, also Boolean, lists and structs, and find nothing there.
_NUMERIC = frozenset({"anomaly", "drift", "geospatial"})
_TEMPORAL = frozenset({"date_column", "first_column", "second_column", "timestamp_column"})
_ANY_TYPE = frozenset({"completeness_ratio", "not_null", "null"})


def refusal(rule: Truthound, schema: pl.Schema | None) -> str | None:
    """Return why a validator cannot be run by name with these arguments, or None."""
    known = find(rule.validator)
    if isinstance(known, str):
        return known
    problem = _misnamed(known, rule.args) or _idle(known, rule.args)
    if problem is not None:
        return f"Truthound's `{rule.validator}`: {problem}"
    _, problem = read(known, rule.args)
    if problem is None and schema is not None:
        problem = _misplaced(known, rule.args, schema)
    return f"Truthound's `{rule.validator}`: {problem}" if problem is not None else None


def read(known: Known, args: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Turn JSON values into the types of the signature, or say which value does not fit. Tables stay names."""
    values: dict[str, Any] = {}
    for name, raw in args.items():
        parameter = known.parameters[name]
        if parameter.is_table:
            if not isinstance(raw, str):
                return {}, f"`{name}` is the name of a table, not {raw!r}"
            values[name] = raw
            continue
        choices = CHOICES.get((known.name, name))
        if choices is not None and raw not in choices:
            return {}, f"`{name}`: there is no `{raw}`{did_you_mean(str(raw), choices)}"
        try:
            values[name] = _convert(parameter, raw)
        except ValueError as wrong:
            return {}, f"`{name}`: {wrong}"
    return values, None


def _misnamed(known: Known, args: Mapping[str, Any]) -> str | None:
    for name in args:
        if (known.name, name) in REFUSED_ARGUMENTS:
            return f"`{name}`: {REFUSED_ARGUMENTS[known.name, name]}"
        if name in known.internal:
            return f"`{name}` is not for rules: it changes which rows are judged, or how"
        if name not in known.parameters:
            return f"it has no argument `{name}`{_meant(name, [*known.parameters])}"
    missing = [name for name, each in known.parameters.items() if each.required and name not in args]
    return f"it needs the argument `{missing[0]}`" if missing else None


def _meant(name: str, known: list[str]) -> str:
    """Suggest the argument that begins or ends with this name (`max_length` for `max`), or the most similar one."""
    words = set(name.split("_"))
    longer = [each for each in known if words & set(each.split("_"))]
    return f"; did you mean `{longer[0]}`?" if len(longer) == 1 else did_you_mean(name, known)


def _idle(known: Known, args: Mapping[str, Any]) -> str | None:
    for name, value in args.items():
        if known.parameters[name].names_columns and value is not None and len(value) == 0:
            return f"`{name}` is empty; the library would then judge every column, or no column"
    twice = [name for name in ("column", "subset") if name in args and "columns" in args]
    if known.picks_columns and twice:
        return f"name the columns in `{twice[0]}` or in `columns`: the validator would ignore one of the two"
    if known.picks_columns and not known.columns(args):
        return "name the columns in `columns`; without them it silently skips every column of a type it cannot judge"
    return idle_bounds(known, args)


def _misplaced(known: Known, args: Mapping[str, Any], schema: pl.Schema) -> str | None:
    for column in known.columns(args):
        if column not in schema:
            return f"the column `{column}` does not exist{did_you_mean(column, schema)}"
        if schema[column].is_nested() and known.name not in _ANY_TYPE:
            return f"the column `{column}` is {schema[column]}, which it does not judge"
    categorical = args.get("is_categorical") is True
    for name, value in args.items():
        for column in known.columns({name: value}):
            dtype = schema[column]
            if name in _TEMPORAL and not isinstance(dtype, pl.Date | pl.Datetime):
                return f"the column `{column}` is {dtype}, and `{name}` is a date or a moment"
            wrong = known.category in _NUMERIC and name not in _TEMPORAL and not dtype.is_numeric()
            if wrong and not categorical:
                return f"the column `{column}` is {dtype}, and it judges numbers"
    return None


def _convert(parameter: Parameter, raw: Any) -> Any:  # noqa: ANN401
    annotation = parameter.annotation
    if raw is None or annotation is Any or isinstance(annotation, str) or annotation is parameter.default:
        return raw
    kinds = [each for each in (annotation, *get_args(annotation)) if isinstance(each, type)]
    if any(issubclass(each, _TREES) for each in kinds):
        raise ValueError("takes a Polars expression, which a rule cannot write; use the rule `expression`")
    # `Enum | str` lets any text through, and the library ignores text that it does not know.
    enums = [each for each in kinds if issubclass(each, Enum)]
    if enums:
        known = {member.value: member for member in enums[0]}
        if raw not in known:
            raise ValueError(f"there is no `{raw}`{did_you_mean(str(raw), [str(each) for each in known])}")
        return known[raw]
    if isinstance(raw, bool) and bool not in kinds:
        raise ValueError("true and false are no value for it")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticSchemaGenerationError:
        raise ValueError("takes an object that a rule cannot write") from None
    try:
        return adapter.validate_python(raw)
    except ValidationError as wrong:
        raise ValueError(str(wrong.errors()[0]["msg"])) from None
